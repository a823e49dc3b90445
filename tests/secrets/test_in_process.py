"""What hooks, waits and commands say in this process, with vendors that quote every credential.

`test_campaign.py` does the same in a real Airflow.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from ..sensors.tasks import TaskInstance, fired, resume, run, sensor
from .plan import CONNECTIONS, REFUSED, SUBMITTING
from .search import Search
from .vendors import EchoingVendors, connections

pytestmark = pytest.mark.usefixtures("no_refresh_delays")

#: What the result or the error of a wait says, by the import's id.
ENDS = {
    "succeeds-0": "'state': 'succeeded'",
    "partial-1": "is partial",
    "fails-1": "is failed",
    "renews-1": "'state': 'succeeded'",
    "rejects401-0": "HTTP 401",
    "rejects403-0": "HTTP 403",
    "breaks503-0": "HTTP 503",
    "drops-0": "Polls have failed",
}
#: Returns everything that an action reveals: its result or its error, and what it logs.
Reveal = Callable[[Callable[[], object]], str]


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[EchoingVendors]:
    """Return the vendors, with a connection to each under the id of the plan."""
    with EchoingVendors(Search()) as vendors:
        for conn_id, fields in connections(vendors.url, vendors.search).items():
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
        yield vendors


@pytest.fixture
def reveal(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Reveal:
    """Run an action at log level DEBUG; return everything that it reveals."""

    def reveal(action: Callable[[], object]) -> str:
        with caplog.at_level(logging.DEBUG):
            try:
                said = repr(action())
            except Exception as error:
                said = "".join(traceback.format_exception(error))
        return "\n".join([said, caplog.text, *capsys.readouterr()])

    return reveal


def hits(vendors: EchoingVendors, text: str) -> list[str]:
    """Return the hits in a text."""
    return [str(hit) for hit in vendors.search.find("this process", text)]


def received(vendors: EchoingVendors) -> bool:
    """Return whether the vendors have received a secret, so that there is something to find."""
    return bool(vendors.search.find("requests", json.dumps([str(seen) for seen in vendors.seen])))


def wait(conn_id: str, end: str, ti: TaskInstance, *, is_deferred: bool) -> list[Any]:
    """Wait on a worker or in a triggerer; return what others can read."""
    limits: dict[str, Any] = {"outage_tolerance": 0.05}
    task = sensor(conn_id, f"{end}-x", timeout=1, **limits)
    if not is_deferred:
        return [task, run(task, ti)]
    now = time.time()
    schedule = {"first_poll_at": now, "deadline": now + 1, "poke_interval": 0.03, **limits}
    trigger = ImportStatusTrigger(conn_id, f"{end}-x", wait=schedule)
    event = fired(trigger)
    return [task, trigger, trigger.serialize(), event, resume(task, event, ti)]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("mode", ["worker", "triggerer"])
@pytest.mark.parametrize("conn_id", CONNECTIONS)
def test_a_wait_reveals_no_secret(
    vendors: EchoingVendors, reveal: Reveal, conn_id: str, mode: str, end: str
) -> None:
    ti = TaskInstance()
    revealed = reveal(lambda: wait(conn_id, end, ti, is_deferred=mode == "triggerer"))
    assert ENDS[end] in revealed, "check `body` in the vendor's module in tests/vendors"
    assert received(vendors)
    assert hits(vendors, f"{revealed} {ti.xcoms}") == []


@pytest.mark.parametrize("conn_id", REFUSED)
def test_a_rejected_login_reveals_no_secret(vendors: EchoingVendors, reveal: Reveal, conn_id: str) -> None:
    revealed = reveal(lambda: wait(conn_id, "succeeds-0", TaskInstance(), is_deferred=False))
    assert "ImportAuthError" in revealed
    assert received(vendors)
    assert hits(vendors, revealed) == []


@pytest.mark.parametrize("conn_id", CONNECTIONS)
def test_a_hook_its_reports_and_its_test_reveal_no_secret(
    vendors: EchoingVendors, reveal: Reveal, tmp_path: Path, conn_id: str
) -> None:
    hook = hook_for(conn_id)
    revealed = reveal(lambda: [hook.test_connection(), hook.save_error_reports("partial-0-x", tmp_path)])
    files = [(path.name, path.read_text()) for path in tmp_path.rglob("*.csv")]
    assert bool(files) == (type(hook).error_reports is not ImportStatusHook.error_reports)
    assert hits(vendors, f"{revealed} {files} {hook} {vars(hook)} {hook.settings}") == []


@pytest.mark.parametrize(("end", "outcome"), [("partial-1", "'partial-1-x'"), ("rejects403-0", "HTTP 403")])
@pytest.mark.parametrize("conn_id", SUBMITTING)
def test_a_submission_reveals_no_secret(
    vendors: EchoingVendors, reveal: Reveal, tmp_path: Path, conn_id: str, end: str, outcome: str
) -> None:
    file = tmp_path / f"{end}-x.csv"
    file.write_text("code\n1\n")
    submit = hook_for(conn_id).submit_import
    revealed = reveal(lambda: submit(file, **SUBMITTING[conn_id]))
    assert outcome in revealed, "check `id_name` in the vendor's module in tests/vendors"
    assert hits(vendors, revealed) == []


@pytest.mark.parametrize("bug", ["password", "body", "library"])
@pytest.mark.parametrize("mode", ["worker", "triggerer"])
def test_a_bug_in_a_hook_reveals_no_secret(
    vendors: EchoingVendors, reveal: Reveal, monkeypatch: pytest.MonkeyPatch, mode: str, bug: str
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "vendor"))
    hook = import_module("crashing_vendor").CrashingHook("crashing")
    import_id = f"succeeds-0-{bug}"
    poll: dict[str, Callable[[], object]] = {
        "worker": lambda: hook.get_import_status(import_id),
        "triggerer": lambda: asyncio.run(hook.aget_import_status(import_id)),
    }
    revealed = reveal(poll[mode])
    assert "report this as a bug" in revealed or bug == "library"
    assert hits(vendors, revealed) == []


def test_a_bug_in_a_connection_test_reveals_no_secret(
    vendors: EchoingVendors, reveal: Reveal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "vendor"))
    revealed = reveal(import_module("crashing_vendor").CrashingHook("crashing").test_connection)
    assert revealed.startswith("(False, ")
    assert received(vendors)
    assert hits(vendors, revealed) == []
