"""The table of a status."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_importstatus.commands.table import format_status
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def test_names_stages_and_further_lines_are_aligned() -> None:
    status = ImportStatus(
        vendor="clear",
        import_id="42",
        state=ImportState.PARTIAL,
        vendor_state="SUCCESS",
        rows=RowCounts(total=120, succeeded=117, failed=3),
        progress=0.5,
        messages=("first", "second"),
        more_messages=7,
        stages=(
            StageStatus("TRANSFORMATION", ImportState.SUCCEEDED),
            StageStatus("INGESTION", ImportState.PARTIAL, "PURCHASE", "3 rows rejected"),
        ),
        started_at=MOMENT,
        finished_at=MOMENT,
    )
    assert format_status(status).splitlines() == [
        "import    42",
        "vendor    clear",
        "state     partial (SUCCESS)",
        "rows      120 total, 117 succeeded, 3 failed",
        "progress  50 %",
        "started   2026-01-02 03:04:05+00:00",
        "finished  2026-01-02 03:04:05+00:00",
        "messages  first",
        "          second",
        "          and 7 more",
        "stages    TRANSFORMATION  succeeded",
        "          INGESTION       partial    PURCHASE  3 rows rejected",
    ]


def test_what_is_not_reported_is_left_out() -> None:
    status = ImportStatus("tao_advance", "7", ImportState.RUNNING, "pending")
    assert format_status(status).splitlines() == [
        "import  7",
        "vendor  tao_advance",
        "state   running (pending)",
    ]


def test_a_count_of_zero_is_a_count() -> None:
    status = ImportStatus("zilliant", "7", ImportState.FAILED, "FAILED", rows=RowCounts(total=0, failed=0))
    assert "rows    0 total, 0 failed" in format_status(status)
