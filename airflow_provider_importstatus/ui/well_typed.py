"""Validation of `import_status` XComs, which may have been written by other operators."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_provider_importstatus.status import COUNTS

__all__ = ["is_storable", "well_typed"]

#: The largest integer that JavaScript represents exactly.
MAX_COUNT = 2**53 - 1


def well_typed(value: Any) -> dict[str, Any] | None:
    """Return the valid fields, with invalid ones left blank; None if the value is not an import's."""
    if not isinstance(value, Mapping):
        return None
    vendor, import_id = _text(value.get("vendor")), _text(value.get("import_id"))
    if not vendor or not import_id:
        return None
    rows = value.get("rows")
    rows = rows if isinstance(rows, Mapping) else {}
    return {
        "vendor": vendor,
        "import_id": import_id,
        "state": _text(value.get("state")) or "unknown",
        "vendor_state": _text(value.get("vendor_state")) or "",
        "rows": {name: _count(rows.get(name)) for name in COUNTS},
        "progress": _fraction(value.get("progress")),
        "messages": [text for one in _list(value.get("messages")) if (text := _text(one))],
        "more_messages": _count(value.get("more_messages")) or 0,
        "stages": [stage for one in _list(value.get("stages")) if (stage := _stage(one))],
        "more_stages": _count(value.get("more_stages")) or 0,
        "error_reports": [text for one in _list(value.get("error_reports")) if (text := _text(one))],
        **{
            name: _instant(value.get(name))
            for name in ("started_at", "finished_at", "polled_at", "next_poll_at")
        },
    }


def is_storable(text: str) -> bool:
    """Return whether every database accepts the text: no NUL, no lone surrogates."""
    return "\x00" not in text and text == _encodable(text)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _stage(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping) or not (name := _text(value.get("stage"))):
        return None
    return {
        "stage": name,
        "state": _text(value.get("state")) or "unknown",
        "template": _text(value.get("template")),
        "message": _text(value.get("message")),
    }


def _text(value: Any) -> str | None:
    return _encodable(value.replace("\x00", "")) if isinstance(value, str) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= MAX_COUNT else None


def _fraction(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= 1 else None


def _instant(value: Any) -> str | None:
    try:
        instant = datetime.fromisoformat(value)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        return None
