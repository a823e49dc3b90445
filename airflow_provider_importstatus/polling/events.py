"""The format of a trigger's event, written by the trigger and read by the sensor."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_importstatus.exceptions import ImportStatusError, error_from_event
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp
from airflow_provider_importstatus.status import MAX_RESULT_BYTES, ImportStatus

__all__ = ["read_event", "write_event"]

VERSION = 1
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
            return Finished(ImportStatus.from_dict(status))
        case {"v": 1, "error": {"type": str(error_class), "message": str(message)}}:
            return GaveUp(error_from_event(error_class, message))
    raise ImportStatusError(
        f"The trigger's event of type {type(event).__name__} is not valid. Was the provider downgraded?"
    )
