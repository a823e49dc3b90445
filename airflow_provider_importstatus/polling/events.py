"""The format of a trigger's event, written by the trigger and read by the sensor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    error_from_event,
)
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp
from airflow_provider_importstatus.status import MAX_RESULT_BYTES, ImportStatus

__all__ = ["read_event", "write_event"]

VERSION = 1
#: What `ImportStatus.from_dict` needs.
REQUIRED = ("vendor", "import_id", "state")
#: Maximum length of an error in an event, in characters.
MAX_ERROR = 1000


def write_event(end: Finished | GaveUp) -> dict[str, Any]:
    """Return the payload for the end of a wait: at most 8 KiB of JSON."""
    if isinstance(end, Finished):
        return {"v": VERSION, "status": end.status.within().to_dict()}
    message = str(end.error)[:MAX_ERROR]
    while len(json.dumps(message)) > MAX_RESULT_BYTES:  # JSON may write a character in 12 bytes
        message = message[: len(message) * 9 // 10]
    return {"v": VERSION, "error": {"type": type(end.error).__name__, "message": message}}


def read_event(event: Any) -> Finished | GaveUp:
    """Return the end of a wait from a payload.

    :raises ImportStatusError: for a payload that is not from `write_event`
    """
    match event:
        case {"v": 1, "status": dict(status)}:
            return Finished(_read_status(status))
        case {"v": 1, "error": {"type": str(error_class), "message": str(message)}}:
            return GaveUp(error_from_event(error_class, message))
    raise ImportStatusError(
        f"The trigger's event of type {type(event).__name__} is not valid. Was the provider downgraded?"
    )


def _read_status(data: Mapping[str, Any]) -> ImportStatus:
    if missing := [name for name in REQUIRED if data.get(name) is None]:
        raise _invalid_status(f"lacks {', '.join(missing)}")
    try:
        status = ImportStatus.from_dict(data)
    except Exception as error:
        raise _invalid_status(f"cannot be read ({type(error).__name__})") from None
    if not status.state.is_terminal:
        raise _invalid_status(f"is of an import that has not ended ({status.state})")
    return status


def _invalid_status(fact: str) -> ImportProtocolError:
    return ImportProtocolError(
        f"The status in the trigger's event {fact}. Retry the task, which polls again. If that does not help,"
        " check that workers and triggerers have the same release of this provider."
    )
