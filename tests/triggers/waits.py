"""Triggers with waits that are short enough for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from ..conftest import ENDLESS as ENDLESS
from ..conftest import Connect as Connect

Fire = Callable[[ImportStatusTrigger], dict[str, Any]]

#: The scenario of an import that ends soon.
SOON: dict[str, Any] = {"seconds": 0.2, "queued": 0}


def initial_state(*, lasts: float = 10.0, **more: Any) -> dict[str, Any]:
    """Return the `wait` of a trigger: started now, with a poll every 50 ms, for at most this many seconds."""
    now = time.time()
    usual = {
        "first_poll_at": now,
        "deadline": now + lasts,
        "poke_interval": 0.05,
        "exponential_backoff": False,
    }
    return {**usual, **more}


def waiting(vendor: str, import_id: str, **more: Any) -> ImportStatusTrigger:
    """Return a trigger for an import; `more` takes the arguments of `initial_state` and of the trigger."""
    own = {name: more.pop(name) for name in ("hook_params", "deferred_at") if name in more}
    return ImportStatusTrigger(
        conn_id=f"{vendor}_default", import_id=import_id, wait=initial_state(**more), **own
    )


async def events_of(trigger: ImportStatusTrigger) -> list[dict[str, Any]]:
    """Return the payloads of all events of a trigger."""
    return [event.payload async for event in trigger.run()]
