"""Aligned tables of names and values, and the status of an import as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from airflow_provider_importstatus.status import COUNTS, ImportStatus, RowCounts, StageStatus

__all__ = ["format_status", "format_table"]


def format_status(status: ImportStatus) -> str:
    """Return the status as text, one line for each value; what the vendor does not report is left out."""
    return format_table({name: lines for name, lines in _values(status) if lines})


def format_table(values: Mapping[str, list[str]]) -> str:
    """Return names and their lines as text, with the names in a column of their own."""
    width = max(map(len, values))
    return "\n".join(f"{name:{width}}  " + f"\n{'':{width}}  ".join(lines) for name, lines in values.items())


def _values(status: ImportStatus) -> Iterator[tuple[str, list[str]]]:
    yield "import", [status.import_id]
    yield "vendor", [status.vendor]
    yield "state", [f"{status.state} ({status.vendor_state})"]
    yield "rows", _rows(status.rows)
    yield "progress", [] if status.progress is None else [f"{100 * status.progress:.0f} %"]
    yield "started", _time(status.started_at)
    yield "finished", _time(status.finished_at)
    yield "messages", [*status.messages, *_more(status.more_messages)]
    yield "stages", [*_stages(status.stages), *_more(status.more_stages)]


def _rows(rows: RowCounts) -> list[str]:
    known = ((name, getattr(rows, name)) for name in COUNTS)
    counts = [f"{count} {name}" for name, count in known if count is not None]
    return [", ".join(counts)] if counts else []


def _time(time: datetime | None) -> list[str]:
    return [time.isoformat(sep=" ", timespec="seconds")] if time else []


def _stages(stages: tuple[StageStatus, ...]) -> list[str]:
    cells = [(stage.stage, stage.state.value, stage.template or "", stage.message or "") for stage in stages]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _more(count: int) -> list[str]:
    return [f"and {count} more"] if count else []
