from __future__ import annotations

import pytest

from airflow_provider_importstatus.sandbox.course import (
    Course,
    Phase,
    parse_header,
    phase,
    read_course,
    rejections,
    rows_done,
)
from airflow_provider_importstatus.sandbox.fields import UsageError

TEN = Course(seconds=10, queued=2)


@pytest.mark.parametrize(
    ("course", "elapsed", "expected"),
    [
        pytest.param(TEN, 0, Phase.QUEUED, id="queued at first"),
        pytest.param(TEN, 1.9, Phase.QUEUED, id="queued until its time"),
        pytest.param(TEN, 2, Phase.RUNNING, id="then running"),
        pytest.param(TEN, 9.9, Phase.RUNNING, id="running until the end"),
        pytest.param(TEN, 10, Phase.SUCCEEDED, id="over at its second"),
        pytest.param(TEN, 1e9, Phase.SUCCEEDED, id="over for ever"),
        pytest.param(Course(seconds=0), 0, Phase.SUCCEEDED, id="over at once"),
        pytest.param(Course(seconds=2, queued=9), 2, Phase.SUCCEEDED, id="a queue does not outlast the end"),
        pytest.param(Course(appears=5), 4, Phase.ABSENT, id="not yet there, though it would be over"),
        pytest.param(Course(appears=5), 5, Phase.SUCCEEDED, id="appears at its second"),
        pytest.param(Course(unknown=5), 4, Phase.UNKNOWN, id="an unknown word outlasts the end"),
        pytest.param(Course(unknown=5, appears=3), 2, Phase.ABSENT, id="absent comes before unknown"),
        pytest.param(Course(blocked=5), 4, Phase.BLOCKED, id="blocked outlasts the end"),
        pytest.param(Course(blocked=5, unknown=3), 4, Phase.BLOCKED, id="unknown comes before blocked"),
        pytest.param(Course(vanishes=9), 8, Phase.SUCCEEDED, id="there until it vanishes"),
        pytest.param(Course(vanishes=9), 9, Phase.ABSENT, id="vanished"),
    ],
)
def test_a_phase_is_a_function_of_the_time(course: Course, elapsed: float, expected: Phase) -> None:
    assert phase(course, elapsed) is expected


@pytest.mark.parametrize("end", [Phase.SUCCEEDED, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED])
def test_every_end_can_be_reached(end: Phase) -> None:
    assert phase(Course(ends=end), 2) is end


def test_only_ends_are_over() -> None:
    assert [one for one in Phase if one.is_over] == [
        Phase.SUCCEEDED,
        Phase.PARTIAL,
        Phase.FAILED,
        Phase.CANCELLED,
    ]


def test_rows_are_worked_through_evenly() -> None:
    assert [rows_done(TEN, elapsed) for elapsed in (0, 1, 5, 10, 99)] == [0, 0, 60, 120, 120]


def test_each_rejected_row_has_a_reason_with_its_line() -> None:
    assert [reason.partition(":")[0] for reason in rejections(Course(rejected=2))] == ["Line 2", "Line 3"]


def test_the_end_waits_for_all_that_comes_before_it() -> None:
    assert Course(seconds=2, blocked=7, appears=3).ended_after == 7


def test_a_header_is_read_into_fields() -> None:
    assert parse_header(" ends=partial; seconds=20 ;rows=5;") == {
        "ends": "partial",
        "seconds": "20",
        "rows": "5",
    }


def test_without_a_header_an_import_succeeds_after_two_seconds() -> None:
    assert read_course("clear", parse_header("")) == Course(
        ends=Phase.SUCCEEDED, seconds=2, queued=0.4, rows=120
    )


def test_a_fifth_of_the_time_is_spent_in_the_queue() -> None:
    assert read_course("clear", {"seconds": "20"}).queued == 4


@pytest.mark.parametrize(("rows", "expected"), [(120, 3), (2, 2)])
def test_a_partial_import_rejects_three_rows_at_most_unless_told_otherwise(rows: int, expected: int) -> None:
    assert read_course("clear", {"ends": "partial", "rows": rows}).rejected == expected


def test_texts_and_numbers_are_the_same_course() -> None:
    texts = read_course("thalamus", {"seconds": "3", "rows": "9", "blocked": "1.5"})
    assert texts == read_course("thalamus", {"seconds": 3, "rows": 9, "blocked": 1.5})


@pytest.mark.parametrize(
    ("vendor", "fields", "sentence"),
    [
        ("clear", {"end": "partial"}, "end: there is no such field. Use ends,"),
        (
            "clear",
            {"seconds": "soon"},
            "seconds takes a number of seconds, 0 or more, not 'soon'. Write seconds=20.",
        ),
        ("clear", {"seconds": -1}, "seconds takes a number of seconds"),
        ("clear", {"seconds": "nan"}, "seconds takes a number of seconds"),
        ("clear", {"rows": 2.5}, "rows takes a whole number, 0 or more, not 2.5. Write rows=3."),
        ("clear", {"rows": True}, "rows takes a whole number"),
        ("clear", {"ends": "well"}, "ends takes one of succeeded, partial, failed, cancelled, not 'well'."),
        ("clear", {"ends": "cancelled"}, "ends=cancelled exists at thalamus only, not at clear."),
        ("clear", {"blocked": 5}, "blocked exists at thalamus only, not at clear."),
        ("clear", {"report": "absent"}, "report exists at zilliant only, not at clear."),
        ("clear", {"ends": "partial", "rejected": 0}, "rejected takes 1 or more where ends=partial"),
        ("clear", {"rejected": 3}, "rejected takes 0 where ends=succeeded, not 3."),
        (
            "clear",
            {"ends": "failed", "rejected": 9, "rows": 5},
            "rejected and skipped take no more than",
        ),
    ],
)
def test_a_mistake_is_refused_by_the_name_of_its_field(
    vendor: str, fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_course(vendor, fields)
    assert str(refused.value).startswith(sentence)


def test_a_header_without_an_equals_sign_is_refused() -> None:
    with pytest.raises(UsageError, match="divided by semicolons, not 'partial'"):
        parse_header("partial")
