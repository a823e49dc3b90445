"""Fixtures that run a trigger in an event loop, like a triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from .waits import Fire, events_of


@pytest.fixture(autouse=True)
def _no_refresh_delays(no_refresh_delays: None) -> None:
    """Refresh credentials without delays in all tests of this folder."""


@pytest.fixture
def fire() -> Fire:
    """Run a trigger to its end; return the payload of its one event."""

    def fire(trigger: ImportStatusTrigger) -> dict[str, Any]:
        (event,) = asyncio.run(asyncio.wait_for(events_of(trigger), 20))
        return event

    return fire


@pytest.fixture
def stopwatch() -> Callable[[], float]:
    """Return a function that returns the seconds since the test began."""
    began = time.monotonic()
    return lambda: time.monotonic() - began
