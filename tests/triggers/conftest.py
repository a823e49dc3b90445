"""How a trigger is run in these tests: in an event loop of its own, as a triggerer runs it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_importstatus.protocol import credentials
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from .waits import Fire, events_of


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that are refused together by Clear not wait for each other."""
    monkeypatch.setattr(credentials, "MAX_REFRESH_DELAY", 0.0)
    monkeypatch.setattr(credentials, "READ_BACK_DELAY", 0.0)


@pytest.fixture
def fire() -> Fire:
    """Run a trigger to its end; return the payload of its one event."""

    def fire(trigger: ImportStatusTrigger) -> dict[str, Any]:
        (event,) = asyncio.run(asyncio.wait_for(events_of(trigger), 20))
        return event

    return fire


@pytest.fixture
def stopwatch() -> Callable[[], float]:
    """The seconds since the test began."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
