"""What release 0.1.0 stores in Airflow's database. Every later release must go on with it."""

from __future__ import annotations

import time
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pytest

from airflow_provider_importstatus.clients.token_store import load_token
from airflow_provider_importstatus.operators.durable import STORE_KEY as SUBMISSION_KEY
from airflow_provider_importstatus.polling.memory import STORE_KEY as MEMORY_KEY
from airflow_provider_importstatus.polling.memory import PollMemory
from airflow_provider_importstatus.polling.schedule import Wait
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportStatus

from .conftest import ENDLESS
from .operators.tasks import Job, write_file
from .sensors.tasks import Store, fired, resume, sensor

STATUS: dict[str, Any] = {
    "vendor": "thalamus",
    "import_id": "7",
    "state": "running",
    "vendor_state": "PROCESSING",
    "rows": {"total": 10, "succeeded": 4, "failed": 1, "skipped": None},
    "progress": 0.5,
    "messages": ["line 3: no such store"],
    "more_messages": 2,
    "stages": [{"stage": "LOAD", "state": "running", "template": None, "message": "busy"}],
    "more_stages": 0,
    "started_at": "2026-11-01T10:00:00+00:00",
    "finished_at": None,
    "error_reports": [],
}
LATEST = {**STATUS, "polled_at": "2026-11-01T10:05:00+00:00", "next_poll_at": "2026-11-01T10:05:30+00:00"}
WAIT: dict[str, Any] = {
    "execution_deadline": None,
    "poke_interval": 0.05,
    "max_wait": 300.0,
    "exponential_backoff": True,
    "not_found_grace": 60.0,
    "outage_tolerance": 900.0,
    "failing_since": None,
    "credential_accepted": True,
    "last": STATUS,
    "last_error": None,
    "seen": True,
    "away_until": None,
}
TRIGGER_CLASS = "airflow_provider_importstatus.triggers.import_status.ImportStatusTrigger"
TRIGGER: dict[str, Any] = {
    "conn_id": "thalamus_default",
    "hook_params": None,
    "deferred_at": None,
    "timeout": 604800.0,
    "execution_timeout": None,
    "conn_type": "thalamus",
    "end_from_trigger": False,
    "on_partial": "fail",
    "max_failed_rows": 0,
    "do_xcom_push": True,
    "cancel_on_kill": False,
    "has_error_report_path": False,
}
SUBMISSION = {"import_id", "submitted_at", "max_tries", "place", "content"}
MEMORY = {"seen": True, "credential_accepted": True, "failing_since": 1000.0, "away_until": None}
TOKEN = '{"value": "abc", "obtained_at": 1000.0, "expires_at": null, "secrets": ["abc"]}'


@pytest.fixture
def job(sandbox: Sandbox, tmp_path: Path) -> Job:
    """Return a job whose import does not end by itself."""
    return Job(sandbox, Store(), {"file": str(write_file(tmp_path, **ENDLESS))})


@pytest.mark.usefixtures("connections")
def test_a_deferred_wait_goes_on(sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=0.3, queued=0)
    now = time.time()
    wait = {"first_poll_at": now - 60, "deadline": now + 60, **WAIT}
    trigger: Any = resolve_name(TRIGGER_CLASS)
    event = fired(trigger(import_id=import_id, wait=wait, **TRIGGER))
    assert event["v"] == 1
    assert resume(sensor(import_id=import_id), event)["state"] == "succeeded"


def test_an_event_ends_its_task() -> None:
    ended = {**STATUS, "state": "succeeded"}
    assert resume(sensor(), {"v": 1, "status": ended}) == ended


@pytest.mark.usefixtures("connections")
def test_a_submission_is_taken_up(job: Job) -> None:
    job.defer()
    stored = job.store.values[SUBMISSION_KEY]
    assert set(stored) >= SUBMISSION
    job.store.values[SUBMISSION_KEY] = {name: stored[name] for name in SUBMISSION}
    assert job.defer().trigger.import_id == job.submitted[0]
    assert len(job.submitted) == 1


@pytest.mark.usefixtures("connections")
def test_a_submission_of_a_later_release_is_taken_up_after_a_downgrade(job: Job) -> None:
    job.defer()
    job.store.values[SUBMISSION_KEY]["of_a_later_release"] = 1
    assert job.defer().trigger.import_id == job.submitted[0]
    assert len(job.submitted) == 1


def test_a_rescheduled_task_remembers_its_polls() -> None:
    store = Store({MEMORY_KEY: {"import_id": "7", "try_number": 1, **MEMORY}})
    wait = Wait(first_poll_at=900.0, deadline=5000.0)
    PollMemory(store, "7", 1, pytest.fail).recall(wait)
    assert wait.memory() == MEMORY


def test_a_latest_status_is_read() -> None:
    assert ImportStatus.from_dict(LATEST).to_dict() == STATUS


def test_a_shared_token_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_IMPORTSTATUS_TOKEN_CLEAR_1", TOKEN)
    token = load_token("importstatus_token_clear_1")
    assert token is not None
    assert (token.value, token.obtained_at, token.secrets) == ("abc", 1000.0, ("abc",))
