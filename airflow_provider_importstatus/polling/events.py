"""The format of a trigger's one event, written by the trigger and read by the sensor."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_importstatus.exceptions import ImportStatusError, error_from_event
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp
from airflow_provider_importstatus.status import MAX_RESULT_BYTES, ImportStatus

__all__ = ["read_event", "write_event"]

VERSION = 1
#: Characters of an error in an event, which must stay below 8 KiB however they are encoded.
MAX_ERROR = 1000


def write_event(end: Finished | GaveUp) -> dict[str, Any]:
    """Return the payload that tells how a wait ended: at most 8 KiB of JSON."""
    if isinstance(end, Finished):
        return {"v": VERSION, "status": end.status.within().to_dict()}
    message = str(end.error)[:MAX_ERROR]
    while len(json.dumps(message)) > MAX_RESULT_BYTES:  # JSON may write a character in 12 bytes
        message = message[: len(message) * 9 // 10]
    return {"v": VERSION, "error": {"type": type(end.error).__name__, "message": message}}


def read_event(event: Any) -> Finished | GaveUp:
    """Return how a wait ended.

    :raises ImportStatusError: for a payload that `write_event` does not write
    """
    match event:
        case {"v": 1, "status": dict(status)}:
            return Finished(ImportStatus.from_dict(status))
        case {"v": 1, "error": {"type": str(kind), "message": str(message)}}:
            return GaveUp(error_from_event(kind, message))
    raise ImportStatusError(f"The trigger's event has the type {type(event).__name__} and tells no end.")
