"""The demo's check, which must report a wait that ended differently than planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo.__main__ import FAN_OUT, PLAN, Expected, Outcome, differences, grouped, table
from demo.rest import Run

STATUS = {
    "vendor": "clear",
    "import_id": "8f1c",
    "vendor_state": "SUCCESS",
    "state": "partial",
    "rows": {"total": 120, "succeeded": 117, "failed": 3, "skipped": None},
}
TASK = {"state": "failed", "duration": 12.34}


def outcome(status: dict[str, Any], task: dict[str, Any], reports: int = 0) -> Outcome:
    """Return the outcome of a wait whose import should be partial and whose task should fail."""
    expected = Expected("import_clear", "ends=partial", "partial", "failed", reports)
    return Outcome(expected, Run("import_clear", "r1"), status, task)


def test_a_wait_that_ended_as_planned_is_not_reported() -> None:
    assert differences([outcome(STATUS, TASK)]) == []


@pytest.mark.parametrize(
    ("status", "task"),
    [
        pytest.param(STATUS | {"state": "succeeded"}, TASK, id="another state"),
        pytest.param(STATUS, TASK | {"state": "success"}, id="another task state"),
        pytest.param({}, TASK, id="no status"),
        pytest.param(STATUS, {}, id="no task instance"),
        pytest.param(STATUS, TASK | {"state": "deferred", "duration": None}, id="still waiting"),
    ],
)
def test_a_wait_that_ended_differently_is_reported(status: dict[str, Any], task: dict[str, Any]) -> None:
    (difference,) = differences([outcome(status, task)])

    assert difference.startswith("import_clear (ends=partial), r1: expected partial, a task failed")


def test_an_error_report_that_was_not_stored_is_reported(tmp_path: Path) -> None:
    stored = tmp_path / "ingestion-1.csv"
    stored.write_text("error\n")

    assert differences([outcome(STATUS | {"error_reports": [str(stored)]}, TASK, reports=1)]) == []
    stored.unlink()
    assert differences([outcome(STATUS | {"error_reports": [str(stored)]}, TASK, reports=1)])
    assert differences([outcome(STATUS, TASK, reports=1)])


def test_the_table_shows_what_airflow_says() -> None:
    *_, line = table([outcome(STATUS, TASK)]).splitlines()

    assert line.split() == ["clear", "8f1c", "SUCCESS", "partial", "117/3/120", "12", "s", "failed"]


def test_the_table_has_a_dash_for_missing_values() -> None:
    *_, line = table([outcome({}, {})]).splitlines()

    assert line.split() == ["-", "-", "-", "-", "-/-/-", "-", "-"]


def test_a_fan_out_is_one_run() -> None:
    runs = [[one.dag_id for one in run] for run in grouped(PLAN)]

    assert [run for run in runs if len(run) > 1] == [[FAN_OUT] * 3]
    assert sum(map(len, runs)) == len(PLAN)
