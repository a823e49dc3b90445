from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_importstatus.polling.policy import Action, Policy, describe, judge
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus


def status(state: str, failed: int | None = None, **changes: Any) -> ImportStatus:
    rows = RowCounts(total=120, failed=failed)
    facts = {"vendor": "clear", "import_id": "8f1c", "vendor_state": "DONE", "rows": rows}
    return ImportStatus(state=ImportState(state), **{**facts, **changes})


STRICT = Policy()


@pytest.mark.parametrize(
    ("state", "action"),
    [
        pytest.param("succeeded", Action.SUCCEED, id="succeeded"),
        pytest.param("partial", Action.FAIL, id="partial"),
        pytest.param("failed", Action.FAIL, id="failed"),
        pytest.param("cancelled", Action.FAIL, id="cancelled"),
    ],
)
def test_only_complete_success_succeeds_by_default(state: str, action: Action) -> None:
    assert judge(status(state), STRICT).action is action


@pytest.mark.parametrize("state", ["queued", "running", "blocked", "unknown"])
def test_judging_an_unfinished_import_is_an_error(state: str) -> None:
    with pytest.raises(ValueError, match=f"is {state} has not ended"):
        judge(status(state), Policy(on_partial=Action.SUCCEED))


@pytest.mark.parametrize("action", list(Action))
def test_on_partial_decides_on_a_partial_import(action: Action) -> None:
    assert judge(status("partial", failed=3), Policy(on_partial=action)).action is action


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_no_policy_accepts_a_failed_import(state: str) -> None:
    tolerant = Policy(on_partial=Action.SUCCEED, max_failed_rows=1000)
    assert judge(status(state, failed=1), tolerant).action is Action.FAIL


@pytest.mark.parametrize("on_partial", [Action.FAIL, Action.SKIP])
@pytest.mark.parametrize(
    ("failed", "is_accepted"),
    [
        pytest.param(4, True, id="fewer"),
        pytest.param(5, True, id="as many"),
        pytest.param(6, False, id="more"),
        pytest.param(None, False, id="not counted"),
    ],
)
def test_few_rejected_rows_are_accepted(failed: int | None, is_accepted: bool, on_partial: Action) -> None:
    verdict = judge(status("partial", failed), Policy(on_partial, max_failed_rows=5))
    assert verdict.action is (Action.SUCCEED if is_accepted else on_partial)


def test_a_partial_import_with_zero_rejected_rows_is_not_a_success() -> None:
    """A count of 0 rejected rows is unreliable for a partial import."""
    assert judge(status("partial", failed=0), STRICT).action is Action.FAIL


@pytest.mark.parametrize(
    ("state", "policy", "advice"),
    [
        pytest.param("partial", Policy(), "set on_partial='succeed' or max_failed_rows", id="partial"),
        pytest.param("partial", Policy(Action.SKIP), "on_partial is 'skip'", id="partial, skipped"),
        pytest.param("partial", Policy(Action.SUCCEED), "on_partial is 'succeed'", id="partial, accepted"),
        pytest.param("partial", Policy(max_failed_rows=9), "max_failed_rows is 9", id="few rows"),
        pytest.param(
            "partial, uncounted", Policy(max_failed_rows=9), "does not report rejected rows", id="uncounted"
        ),
    ],
)
def test_the_reason_names_the_parameter_that_decides(state: str, policy: Policy, advice: str) -> None:
    state, _, uncounted = state.partition(", ")
    assert advice in judge(status(state, failed=None if uncounted else 3), policy).reason


@pytest.mark.parametrize(
    "fact",
    [
        pytest.param("clear", id="vendor"),
        pytest.param("8f1c", id="id"),
        pytest.param("is failed", id="state"),
        pytest.param("'DONE'", id="vendor's word"),
        pytest.param("3 of 120 rows rejected", id="counts"),
        pytest.param('"GSTIN missing"', id="first message"),
    ],
)
def test_a_failure_reason_contains(fact: str) -> None:
    assert fact in judge(status("failed", failed=3, messages=("GSTIN missing",)), STRICT).reason


def test_at_most_three_messages_are_quoted() -> None:
    many = status("failed", messages=("a", "b", "c", "d", "e"), more_messages=4)
    assert describe(many).endswith('Messages: "a", "b", "c", and 6 more.')


def test_stages_with_a_different_state_are_described() -> None:
    stages = (StageStatus("TRANSFORMATION", ImportState.SUCCEEDED), StageStatus("SYSTEM", ImportState.FAILED))
    assert "SYSTEM failed" in describe(status("succeeded", stages=stages))


def test_stages_with_the_same_state_are_not_described() -> None:
    stages = (StageStatus("TRANSFORMATION", ImportState.SUCCEEDED),)
    assert "TRANSFORMATION" not in describe(status("succeeded", stages=stages))


def test_a_description_never_contains_a_signed_url() -> None:
    urls = ("https://storage.example/r?signature=1",)
    said = ("see https://storage.example/r?signature=1",)
    assert "signature" not in describe(status("failed", messages=said, error_report_urls=urls))
