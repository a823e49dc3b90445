"""Serialization of a trigger as plain JSON in Airflow's database."""

from __future__ import annotations

import importlib
import json
import time
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from ..conftest import VENDORS
from .waits import SOON, Fire, waiting

#: What version 0.1.0 stored for a deferred task. Such rows survive upgrades: never change this.
STORED_BY_0_1_0 = {
    "conn_id": "thalamus_default",
    "import_id": "274",
    "hook_params": None,
    "wait": {
        "first_poll_at": 1767225600.0,
        "deadline": 4102444800.0,
        "execution_deadline": None,
        "poke_interval": 0.05,
        "max_wait": 0.05,
        "exponential_backoff": True,
        "not_found_grace": 60.0,
        "outage_tolerance": 900.0,
        "failing_since": None,
        "credential_accepted": True,
        "last": {
            "vendor": "thalamus",
            "import_id": "274",
            "state": "queued",
            "vendor_state": "WAITING",
            "rows": {"total": 120, "succeeded": None, "failed": None, "skipped": 0},
            "progress": None,
            "messages": ["a message"],
            "more_messages": 0,
            "stages": [{"stage": "s", "template": None, "state": "running", "message": None}],
            "more_stages": 0,
            "started_at": "2026-01-01T00:00:00+00:00",
            "finished_at": None,
        },
    },
    "deferred_at": 1767225600.0,
}


def again(classpath: str, kwargs: dict[str, Any]) -> ImportStatusTrigger:
    """Create a trigger like a triggerer."""
    module, _, name = classpath.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**kwargs)
    assert isinstance(trigger, ImportStatusTrigger)
    return trigger


def test_a_trigger_round_trips_through_serialization() -> None:
    classpath, kwargs = waiting("thalamus", "7", hook_params={"a": [1]}, deferred_at=time.time()).serialize()
    stored = json.loads(json.dumps(kwargs))
    assert stored == kwargs
    assert again(classpath, stored).serialize() == (classpath, kwargs)


def test_the_classpath_is_part_of_the_contract() -> None:
    classpath, _ = waiting("thalamus", "7").serialize()
    assert classpath == "airflow_provider_importstatus.triggers.import_status.ImportStatusTrigger"


@pytest.mark.usefixtures("connections")
def test_a_trigger_of_an_earlier_release_still_works(sandbox: Sandbox, fire: Fire) -> None:
    sandbox.submit("thalamus", import_id="274", **SOON)
    trigger = ImportStatusTrigger(**STORED_BY_0_1_0)  # type: ignore[arg-type]
    assert fire(trigger)["status"]["state"] == "succeeded"


@pytest.mark.usefixtures("connections")
def test_a_trigger_with_fewer_arguments_still_works(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    trigger = ImportStatusTrigger(conn_id="thalamus_default", import_id=import_id)
    assert fire(trigger)["status"]["state"] == "succeeded"


@pytest.mark.usefixtures("connections")
def test_a_wait_of_a_later_release_still_works(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    assert fire(waiting("thalamus", import_id, of_a_later_release=1))["status"]["state"] == "succeeded"


@pytest.mark.usefixtures("connections")
def test_a_serialized_trigger_contains_nothing_of_the_connection(sandbox: Sandbox) -> None:
    texts = json.dumps([waiting(vendor, "7").serialize() for vendor in VENDORS])
    for connection in sandbox.connections.values():
        assert connection["password"] not in texts


def test_creating_a_trigger_reads_nothing(sandbox: Sandbox) -> None:
    """A triggerer creates triggers on its event loop."""
    began = time.monotonic()
    for _ in range(100):
        waiting("thalamus", "7").serialize()
    assert time.monotonic() - began < 1
    assert not any(sandbox.requests("thalamus").values())
