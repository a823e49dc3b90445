from __future__ import annotations

import pytest

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.scenario import (
    Phase,
    Scenario,
    parse_first_line,
    parse_header,
    phase,
    read_scenario,
    rejection_messages,
    rows_done,
)
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS

SUPPORT = {vendor.name: vendor.scenario_support for vendor in VENDORS}
TEN = Scenario(seconds=10, queued=2)


@pytest.mark.parametrize(
    ("scenario", "elapsed", "expected"),
    [
        pytest.param(TEN, 0, Phase.QUEUED, id="queued at first"),
        pytest.param(TEN, 1.9, Phase.QUEUED, id="queued until its time"),
        pytest.param(TEN, 2, Phase.RUNNING, id="then running"),
        pytest.param(TEN, 9.9, Phase.RUNNING, id="running until the end"),
        pytest.param(TEN, 10, Phase.SUCCEEDED, id="ended at its time"),
        pytest.param(TEN, 1e9, Phase.SUCCEEDED, id="ended for good"),
        pytest.param(Scenario(seconds=0), 0, Phase.SUCCEEDED, id="ended at once"),
        pytest.param(
            Scenario(seconds=2, queued=9), 2, Phase.SUCCEEDED, id="a queue does not outlast the end"
        ),
        pytest.param(Scenario(appears=5), 4, Phase.ABSENT, id="absent, even after its end"),
        pytest.param(Scenario(appears=5), 5, Phase.SUCCEEDED, id="appears at its time"),
        pytest.param(Scenario(unknown=5), 4, Phase.UNKNOWN, id="unknown, even after its end"),
        pytest.param(Scenario(unknown=5, appears=3), 2, Phase.ABSENT, id="absent comes before unknown"),
        pytest.param(Scenario(blocked=5), 4, Phase.BLOCKED, id="blocked, even after its end"),
        pytest.param(Scenario(blocked=5, unknown=3), 4, Phase.BLOCKED, id="unknown comes before blocked"),
        pytest.param(Scenario(vanishes=9), 8, Phase.SUCCEEDED, id="present until it vanishes"),
        pytest.param(Scenario(vanishes=9), 9, Phase.ABSENT, id="vanished"),
    ],
)
def test_a_phase_is_a_function_of_the_time(scenario: Scenario, elapsed: float, expected: Phase) -> None:
    assert phase(scenario, elapsed) is expected


@pytest.mark.parametrize("end", [Phase.SUCCEEDED, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED])
def test_every_end_can_be_reached(end: Phase) -> None:
    assert phase(Scenario(ends=end), 2) is end


def test_only_ends_are_final_phases() -> None:
    assert [one for one in Phase if one.is_final] == [
        Phase.SUCCEEDED,
        Phase.PARTIAL,
        Phase.FAILED,
        Phase.CANCELLED,
    ]


def test_rows_are_processed_at_an_even_rate() -> None:
    assert [rows_done(TEN, elapsed) for elapsed in (0, 1, 5, 10, 99)] == [0, 0, 60, 120, 120]


def test_each_rejected_row_has_a_message_with_its_line() -> None:
    assert [message.partition(":")[0] for message in rejection_messages(Scenario(rejected=2))] == [
        "Line 2",
        "Line 3",
    ]


def test_the_end_comes_after_all_earlier_phases() -> None:
    assert Scenario(seconds=2, blocked=7, appears=3).ended_after == 7


def test_a_header_is_parsed_into_fields() -> None:
    assert parse_header(" ends=partial; seconds=20 ;rows=5;") == {
        "ends": "partial",
        "seconds": "20",
        "rows": "5",
    }


def test_without_a_header_an_import_succeeds_after_two_seconds() -> None:
    assert read_scenario("thalamus", parse_header(""), SUPPORT) == Scenario(
        ends=Phase.SUCCEEDED, seconds=2, queued=0.4, rows=120
    )


def test_a_fifth_of_the_time_is_spent_in_the_queue() -> None:
    assert read_scenario("clear", {"seconds": "20"}, SUPPORT).queued == 4


@pytest.mark.parametrize(("rows", "expected"), [(120, 3), (2, 2)])
def test_a_partial_import_rejects_up_to_three_rows_by_default(rows: int, expected: int) -> None:
    assert read_scenario("clear", {"ends": "partial", "rows": rows}, SUPPORT).rejected == expected


def test_texts_and_numbers_give_the_same_scenario() -> None:
    texts = read_scenario("thalamus", {"seconds": "3", "rows": "9", "blocked": "1.5"}, SUPPORT)
    assert texts == read_scenario("thalamus", {"seconds": 3, "rows": 9, "blocked": 1.5}, SUPPORT)


@pytest.mark.parametrize(
    ("vendor", "fields", "sentence"),
    [
        ("clear", {"end": "partial"}, "end is not a field. Use one of ends,"),
        (
            "clear",
            {"seconds": "soon"},
            "seconds must be a number of seconds, 0 or more, not 'soon'. Example: seconds=20.",
        ),
        ("clear", {"seconds": -1}, "seconds must be a number of seconds"),
        ("clear", {"seconds": "nan"}, "seconds must be a number of seconds"),
        ("clear", {"rows": 2.5}, "rows must be a whole number, 0 or more, not 2.5. Example: rows=3."),
        ("clear", {"rows": True}, "rows must be a whole number"),
        ("clear", {"ends": "well"}, "ends must be one of succeeded, partial, failed, cancelled, not 'well'."),
        ("clear", {"ends": "cancelled"}, "ends=cancelled is supported by thalamus only, not by clear."),
        ("clear", {"blocked": 5}, "blocked is supported by thalamus only, not by clear."),
        ("clear", {"report": "absent"}, "report is supported by zilliant only, not by clear."),
        ("clear", {"ends": "partial", "rejected": 0}, "rejected must be 1 or more with ends=partial"),
        ("clear", {"rejected": 3}, "rejected must be 0 with ends=succeeded, not 3."),
        (
            "clear",
            {"ends": "failed", "rejected": 9, "rows": 5},
            "rejected + skipped must be at most rows=5",
        ),
    ],
)
def test_an_invalid_scenario_is_rejected_with_the_name_of_the_field(
    vendor: str, fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError) as rejected:
        read_scenario(vendor, fields, SUPPORT)
    assert str(rejected.value).startswith(sentence)


@pytest.mark.parametrize("line", ["", "code,quantity", "#sandbox: rows=5", "code # sandbox: rows=5"])
def test_a_first_line_without_the_comment_has_no_fields(line: str) -> None:
    assert parse_first_line(line) == {}


def test_a_first_line_with_the_comment_is_parsed_into_fields() -> None:
    assert parse_first_line("# sandbox: ends=partial; seconds=20") == {"ends": "partial", "seconds": "20"}


def test_a_header_without_an_equals_sign_is_rejected() -> None:
    with pytest.raises(UsageError, match="separated by semicolons, not 'partial'"):
        parse_header("partial")
