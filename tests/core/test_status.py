from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pendulum
import pytest

from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus


def status(**changes: Any) -> ImportStatus:
    facts = {"vendor": "clear", "import_id": "42", "state": ImportState.RUNNING, "vendor_state": "PROCESSING"}
    return ImportStatus(**{**facts, **changes})


FULL = status(
    state=ImportState.PARTIAL,
    vendor_state="SUCCESS",
    rows=RowCounts(total=120, succeeded=116, failed=3, skipped=1),
    progress=0.5,
    messages=("GSTIN missing", "PAN missing"),
    more_messages=7,
    stages=(StageStatus("INGESTION", ImportState.PARTIAL, "PURCHASE", "3 rows"),),
    more_stages=2,
    started_at=pendulum.datetime(2026, 5, 1, 12, 30),
    finished_at=pendulum.datetime(2026, 5, 1, 12, 45, 59, 250_000),
    error_reports=("/reports/clear/clear_default/8f1c/ingestion-1.csv",),
    error_report_urls=("https://storage.example/report.csv?signature=abc",),
)

FULL_AS_DICT = {
    "vendor": "clear",
    "import_id": "42",
    "state": "partial",
    "vendor_state": "SUCCESS",
    "rows": {"total": 120, "succeeded": 116, "failed": 3, "skipped": 1},
    "progress": 0.5,
    "messages": ["GSTIN missing", "PAN missing"],
    "more_messages": 7,
    "stages": [{"stage": "INGESTION", "template": "PURCHASE", "state": "partial", "message": "3 rows"}],
    "more_stages": 2,
    "started_at": "2026-05-01T12:30:00+00:00",
    "finished_at": "2026-05-01T12:45:59.250000+00:00",
    "error_reports": ["/reports/clear/clear_default/8f1c/ingestion-1.csv"],
}


@pytest.mark.parametrize(
    ("state", "is_terminal"),
    [
        pytest.param("queued", False, id="queued"),
        pytest.param("running", False, id="running"),
        pytest.param("blocked", False, id="blocked"),
        pytest.param("succeeded", True, id="succeeded"),
        pytest.param("partial", True, id="partial"),
        pytest.param("failed", True, id="failed"),
        pytest.param("cancelled", True, id="cancelled"),
        pytest.param("unknown", False, id="unknown"),
    ],
)
def test_a_state_knows_whether_it_is_terminal(state: str, is_terminal: bool) -> None:
    assert ImportState(state).is_terminal is is_terminal


def test_there_are_eight_states() -> None:
    assert len(ImportState) == 8


def test_a_state_is_a_text() -> None:
    assert json.dumps(ImportState.PARTIAL) == '"partial"'


def test_the_dictionary_contains_everything_but_the_signed_urls() -> None:
    assert FULL.to_dict() == FULL_AS_DICT


def test_the_dictionary_of_a_minimal_status_has_every_key() -> None:
    assert json.loads(json.dumps(status().to_dict())) == {
        "vendor": "clear",
        "import_id": "42",
        "state": "running",
        "vendor_state": "PROCESSING",
        "rows": {"total": None, "succeeded": None, "failed": None, "skipped": None},
        "progress": None,
        "messages": [],
        "more_messages": 0,
        "stages": [],
        "more_stages": 0,
        "started_at": None,
        "finished_at": None,
        "error_reports": [],
    }


@pytest.mark.parametrize("original", [status(), FULL], ids=["bare", "full"])
def test_a_status_is_read_back_from_its_dictionary(original: ImportStatus) -> None:
    assert ImportStatus.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def test_a_timestamp_is_read_back_as_utc() -> None:
    read = ImportStatus.from_dict(FULL_AS_DICT)
    assert read.started_at is not None
    assert (read.started_at, read.started_at.utcoffset()) == (
        datetime(2026, 5, 1, 12, 30, tzinfo=UTC),
        datetime.now(UTC).utcoffset(),
    )


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-05-01T12:30:00+02:00", "2026-05-01T10:30:00+00:00"),
        ("2026-05-01T23:30:00-01:30", "2026-05-02T01:00:00+00:00"),
        ("0001-01-01T00:00:00+02:00", None),
    ],
)
def test_a_timestamp_with_another_offset_is_converted_to_utc(written: str, utc: str | None) -> None:
    read = ImportStatus.from_dict({**FULL_AS_DICT, "started_at": written, "finished_at": written}).to_dict()
    assert (read["started_at"], read["finished_at"]) == (utc, utc)


def test_a_hooks_timestamp_is_converted_to_utc() -> None:
    local = datetime(2026, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    read = status(started_at=local, finished_at=datetime(2026, 5, 1, 12, 30))  # noqa: DTZ001 - a naive one
    assert isinstance(read.started_at, pendulum.DateTime)
    assert read.to_dict()["started_at"] == "2026-05-01T10:30:00+00:00"
    assert read.to_dict()["finished_at"] == "2026-05-01T12:30:00+00:00"


OPTIONAL_KEYS = FULL_AS_DICT.keys() - {"vendor", "import_id", "state"}


@pytest.mark.parametrize("key", sorted(OPTIONAL_KEYS))
def test_null_in_a_dictionary_is_read_like_a_missing_key(key: str) -> None:
    lacking = {name: value for name, value in FULL_AS_DICT.items() if name != key}
    assert ImportStatus.from_dict({**lacking, key: None}) == ImportStatus.from_dict(lacking)


def test_a_dictionary_from_an_earlier_release_may_lack_keys() -> None:
    early = {"vendor": "clear", "import_id": "42", "state": "running", "vendor_state": "PROCESSING"}
    assert ImportStatus.from_dict(early) == status()


def test_a_dictionary_from_a_later_release_may_have_more_keys() -> None:
    assert ImportStatus.from_dict({**FULL_AS_DICT, "weather": "fine"}) == FULL


def test_an_unknown_state_value_is_read_as_unknown() -> None:
    assert ImportStatus.from_dict({**FULL_AS_DICT, "state": "paused"}).state is ImportState.UNKNOWN


def test_a_status_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        status().state = ImportState.SUCCEEDED  # type: ignore[misc]


@pytest.mark.parametrize("part", [FULL, FULL.rows, FULL.stages[0]], ids=lambda part: type(part).__name__)
def test_a_status_is_slotted(part: object) -> None:
    assert not hasattr(part, "__dict__")


def test_signed_urls_are_not_in_the_repr() -> None:
    assert "storage.example" not in repr(FULL)


def test_signed_urls_are_not_compared() -> None:
    assert dataclasses.replace(FULL, error_report_urls=()) == FULL


def test_there_are_20_messages_at_most() -> None:
    bounded = status(messages=tuple(map(str, range(23))))
    assert (bounded.messages, bounded.more_messages) == (tuple(map(str, range(20))), 3)


def test_there_are_50_stages_at_most() -> None:
    stages = tuple(StageStatus(str(number), ImportState.RUNNING) for number in range(54))
    bounded = status(stages=stages)
    assert (bounded.stages, bounded.more_stages) == (stages[:50], 4)


def test_messages_omitted_earlier_are_added_to_the_count() -> None:
    assert status(messages=("again",) * 21, more_messages=5).more_messages == 6


@pytest.mark.parametrize(
    "bounded",
    [
        pytest.param(lambda text: status(messages=(text,)).messages[0], id="message"),
        pytest.param(lambda text: StageStatus(text, ImportState.FAILED).stage, id="stage"),
        pytest.param(lambda text: StageStatus("", ImportState.FAILED, template=text).template, id="template"),
        pytest.param(lambda text: StageStatus("", ImportState.FAILED, message=text).message, id="stage's"),
    ],
)
@pytest.mark.parametrize(
    ("length", "expected"),
    [pytest.param(500, "x" * 500, id="fits"), pytest.param(501, "x" * 499 + "…", id="is cut")],
)
def test_a_text_has_500_characters_at_most(bounded: Any, length: int, expected: str) -> None:
    assert bounded("x" * length) == expected


def test_a_vendor_state_has_100_characters_at_most() -> None:
    assert status(vendor_state="x" * 101).vendor_state == "x" * 99 + "…"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param("no link at all", "no link at all", id="none"),
        pytest.param("see https://a.example/b.csv", "see https://a.example/b.csv", id="plain"),
        pytest.param("https://a.example:8443/b?sig=1 gone", "https://a.example:8443/*** gone", id="query"),
        pytest.param("https://a.example/b#token=1", "https://a.example/***", id="fragment"),
        pytest.param("https://me:pw@a.example/b", "https://a.example/***", id="user"),
        pytest.param("https://me:p@ss@a.example/b", "https://a.example/***", id="at sign in a password"),
        pytest.param("HTTPS://A.example/b?Sig=1", "HTTPS://A.example/***", id="upper case"),
        pytest.param("s3://bucket/key?versionId=1", "s3://bucket/***", id="s3"),
        pytest.param("sftp://me:pw@a.example/in", "sftp://a.example/***", id="sftp"),
        pytest.param('{"url": "https://a.example/b?s=1"}', '{"url": "https://a.example/***"}', id="in JSON"),
        pytest.param("<a href='https://a.example/b?s=1'>", "<a href='https://a.example/***'>", id="in HTML"),
        pytest.param("a https://b.x/1?c d https://e.x/2?f", "a https://b.x/*** d https://e.x/***", id="two"),
        pytest.param(r"https:\/\/a.example\/b?sig=1", "https://a.example/***", id="escaped slashes"),
    ],
)
def test_a_url_with_credentials_is_reduced_to_its_host(said: str, kept: str) -> None:
    assert status(messages=(said,)).messages == (kept,)


def test_a_url_is_redacted_before_the_text_is_truncated() -> None:
    text = "x" * 470 + " https://a.example/report?signature=" + "s" * 200
    assert status(messages=(text,)).messages[0].endswith("https://a.example/***")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        pytest.param("a\x00b", "ab", id="a zero byte"),
        pytest.param("a\ud800b", "a?b", id="half a surrogate pair"),
    ],
)
def test_characters_that_no_database_stores_are_removed(said: str, kept: str) -> None:
    """PostgreSQL rejects both in a JSONB column, in which Airflow 3 stores XComs."""
    assert status(messages=(said,)).messages == (kept,)


def test_a_small_status_is_not_truncated() -> None:
    assert FULL.within() is FULL


def test_a_big_status_keeps_as_many_messages_as_fit() -> None:
    big = status(messages=("ü" * 500,) * 20)
    small = big.within()
    assert (len(small.messages) + small.more_messages, 0 < len(small.messages) < 20) == (20, True)


def test_a_big_status_keeps_as_many_stages_as_fit() -> None:
    big = status(stages=(StageStatus("INGESTION", ImportState.FAILED, "T" * 500),) * 50)
    small = big.within()
    assert (len(small.stages) + small.more_stages, 0 < len(small.stages) < 50) == (50, True)


def test_a_bounded_status_fits_into_an_event() -> None:
    stages = (StageStatus("😀" * 500, ImportState.FAILED, "😀" * 500, "😀" * 500),) * 50
    big = status(import_id="😀" * 500, vendor_state="😀" * 500, messages=("😀" * 500,) * 20, stages=stages)
    assert len(json.dumps({"v": 1, "status": big.within().to_dict()})) <= 8 * 1024


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        pytest.param(RowCounts(), "", id="nothing"),
        pytest.param(RowCounts(total=120, failed=3), "3 of 120 rows rejected", id="rejected"),
        pytest.param(RowCounts(failed=3), "3 rows rejected", id="rejected of an unknown total"),
        pytest.param(RowCounts(total=120, failed=0), "120 rows", id="none rejected"),
        pytest.param(RowCounts(2, 1, 0, 1), "2 rows, 1 succeeded, 1 skipped", id="all counts"),
    ],
)
def test_row_counts_are_described_in_words(rows: RowCounts, words: str) -> None:
    assert str(rows) == words
