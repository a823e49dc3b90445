"""Waits that are short enough for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

Connect = Callable[..., str]
Fire = Callable[[ImportStatusTrigger], dict[str, Any]]

#: A course without end, and one whose end is near.
ENDLESS: dict[str, Any] = {"seconds": 1000, "queued": 0}
SOON: dict[str, Any] = {"seconds": 0.2, "queued": 0}


def course(*, lasts: float = 10.0, **more: Any) -> dict[str, Any]:
    """A trigger's `wait`: begun now, with a look every 50 ms, for so many seconds at most."""
    now = time.time()
    usual = {
        "first_poll_at": now,
        "deadline": now + lasts,
        "poke_interval": 0.05,
        "exponential_backoff": False,
    }
    return {**usual, **more}


def waiting(vendor: str, import_id: str, **more: Any) -> ImportStatusTrigger:
    """A trigger for an import; `more` takes what `course` does, and the trigger's own arguments."""
    own = {name: more.pop(name) for name in ("hook_params", "deferred_at") if name in more}
    return ImportStatusTrigger(conn_id=f"{vendor}_default", import_id=import_id, wait=course(**more), **own)


async def events_of(trigger: ImportStatusTrigger) -> list[dict[str, Any]]:
    """The payloads of all events of a trigger."""
    return [event.payload async for event in trigger.run()]
