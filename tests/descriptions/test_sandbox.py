"""The bundled descriptions against the sandbox that plays them, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.description_files import bundled_names, find_document
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox, UsageError
from airflow_provider_importstatus.status import ImportState

from ..conftest import Poll

NAMES = bundled_names()
DOCUMENTS: dict[str, Any] = {name: find_document(name)[0] for name in NAMES}
#: Those whose answers say that an import failed.
FAILING = [name for name in NAMES if DOCUMENTS[name]["state"]["map"].get("failed")]
CANCELLING = [name for name in NAMES if "cancel" in DOCUMENTS[name]]
REPORTING = [name for name in NAMES if "report" in DOCUMENTS[name]]


@pytest.fixture(scope="module")
def played() -> Iterator[Sandbox]:
    with Sandbox(descriptions=NAMES) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(played: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Return the sandbox, without imports, and with a connection to each of its vendors."""
    played.reset()
    for conn_id, connection in played.connections.items():
        connect(monkeypatch, conn_id, connection)
    return played


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, connection: dict[str, Any]) -> None:
    connection = {**connection, "extra": {**connection["extra"], "verify": False}}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))


def hook_of(name: str) -> ImportStatusHook:
    return hook_for(f"{name}_default")


@pytest.mark.parametrize("name", NAMES)
def test_a_success_is_one(sandbox: Sandbox, poll: Poll, name: str) -> None:
    status = poll(f"{name}_default", sandbox.submit(name, seconds=0))
    assert (status.vendor, status.state) == (name, ImportState.SUCCEEDED)
    assert status.rows.failed in (0, None)
    assert status.rows.total in (120, None)


@pytest.mark.parametrize("name", NAMES)
def test_a_partial_import_is_partial(sandbox: Sandbox, poll: Poll, name: str) -> None:
    status = poll(f"{name}_default", sandbox.submit(name, ends="partial", rejected=7, seconds=0))
    assert status.state is ImportState.PARTIAL
    described = DOCUMENTS[name].get("rows", {})
    assert status.rows.failed == (7 if "failed" in described else None)
    assert status.rows.succeeded == (113 if "succeeded" in described else None)
    assert status.messages


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_one(sandbox: Sandbox, poll: Poll, name: str) -> None:
    status = poll(f"{name}_default", sandbox.submit(name, ends="failed", seconds=0))
    assert status.state is ImportState.FAILED
    assert status.messages == ("The file could not be imported.",)


@pytest.mark.parametrize("name", sorted({*NAMES} - {*FAILING}))
def test_a_vendor_without_a_word_for_failure_cannot_play_it(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(UsageError, match=r"has no word for failed\. Possible ends are succeeded, partial"):
        sandbox.submit(name, ends="failed")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scenario", [{"queued": 60}, {"queued": 0}, {"unknown": 60}], ids=str)
def test_an_import_in_progress_is_not_over(
    sandbox: Sandbox, poll: Poll, name: str, scenario: dict[str, Any]
) -> None:
    status = poll(f"{name}_default", sandbox.submit(name, seconds=60, **scenario))
    expected = {"unknown"} if "unknown" in scenario else {"queued", "running"}
    assert status.state in expected
    assert status.finished_at is None


@pytest.mark.parametrize("name", NAMES)
def test_an_import_that_does_not_exist_is_not_found(sandbox: Sandbox, poll: Poll, name: str) -> None:
    with pytest.raises(ImportNotFoundError):
        poll(f"{name}_default", "999")
    assert sandbox.requests(name)["status"] == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_credential_is_rejected(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, poll: Poll, name: str
) -> None:
    import_id = sandbox.submit(name, seconds=0)
    connection = {**sandbox.connections[f"{name}_default"], "password": "wrong"}
    connect(monkeypatch, f"{name}_default", connection)
    with pytest.raises(ImportAuthError):
        poll(f"{name}_default", import_id)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["503", "429", "drop"])
def test_an_outage_is_one(sandbox: Sandbox, poll: Poll, name: str, kind: str) -> None:
    import_id = sandbox.submit(name, seconds=0)
    # A client may repeat a request whose connection was closed.
    sandbox.fault(name, "status", kind, import_id=import_id, times=None)
    with pytest.raises(ImportUnavailableError):
        poll(f"{name}_default", import_id)
    sandbox.clear_faults()
    assert poll(f"{name}_default", import_id).state is ImportState.SUCCEEDED


@pytest.mark.parametrize("name", ["salesforce_bulk", "marketo"])
def test_a_revoked_token_is_replaced(sandbox: Sandbox, name: str) -> None:
    import_id, hook = sandbox.submit(name, seconds=0), hook_of(name)
    assert hook.get_import_status(import_id).state is ImportState.SUCCEEDED
    sandbox.revoke(name)
    assert hook.get_import_status(import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests(name)["token"] == 2


@pytest.mark.parametrize("name", CANCELLING)
def test_an_import_can_be_cancelled(sandbox: Sandbox, poll: Poll, name: str) -> None:
    import_id = sandbox.submit(name, seconds=60)
    hook_of(name).cancel_import(import_id)
    assert poll(f"{name}_default", import_id).state is ImportState.CANCELLED


@pytest.mark.parametrize("name", REPORTING)
def test_the_report_has_the_rejected_rows(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    import_id = sandbox.submit(name, ends="partial", rejected=2, seconds=0)
    (stored,) = hook_of(name).download_error_reports(import_id, str(tmp_path))
    assert Path(stored).read_text().count("the value in column 'code' is empty") == 2


@pytest.mark.parametrize("name", NAMES)
def test_test_connection_succeeds(sandbox: Sandbox, name: str) -> None:
    assert hook_of(name).test_connection()[0] is True
    assert sandbox.requests(name)["status"] == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("sandbox")
def test_a_submitted_file_chooses_the_scenario(poll: Poll, name: str) -> None:
    with hook_of(name).get_conn() as session:
        answer = session.post(
            "/_sandbox/imports", data=b"# sandbox: ends=partial; seconds=0; rejected=2\na,b"
        )
    assert answer.status_code == 201
    assert poll(f"{name}_default", answer.json()["import_id"]).state is ImportState.PARTIAL
