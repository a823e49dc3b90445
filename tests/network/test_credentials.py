"""How a credential is obtained, presented, rejected and refreshed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_importstatus.clients import token_store
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.protocol import credentials
from airflow_provider_importstatus.protocol.messages import Credential
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE
from airflow_provider_importstatus.status import ImportState

from .cases import PRESENTED, READY, WITH_LOGIN, Connect, KeepPolling, Poll, Serve, running

WRONG: dict[str, dict[str, Any]] = {
    "clear": {"password": "wrong"},
    "tao_advance": {"password": "wrong"},
    "zilliant": {"password": "wrong"},
    "zilliant-app": {"extra": {"client_secret": "wrong"}},
    "thalamus": {"password": "wrong"},
    "thalamus-touchpoint": {"extra": {"touchpoint": "nowhere"}},
}


@pytest.mark.parametrize("vendor", READY)
def test_the_credential_is_presented_as_the_vendor_wants_it(
    connect: Connect, serve: Serve, poll: Poll, vendor: str
) -> None:
    server = serve(running(vendor))
    poll(connect(vendor, host=server.url, extra=READY[vendor]), "7")
    name, value = PRESENTED[vendor]
    assert [seen.headers.get(name) for seen in server.seen] == [value]


@pytest.mark.parametrize("encoding", ["multipart", "urlencoded"])
def test_tao_accepts_both_encodings_of_a_token_request(
    sandbox: Sandbox, connect: Connect, poll: Poll, encoding: str
) -> None:
    conn_id = connect("tao_advance", extra={"token_request_encoding": encoding})
    assert poll(conn_id, sandbox.submit("tao_advance", seconds=0)).state is ImportState.SUCCEEDED


@pytest.mark.parametrize("vendor", WITH_LOGIN)
@pytest.mark.usefixtures("connections")
def test_two_polls_need_one_login(sandbox: Sandbox, keep_polling: KeepPolling, vendor: str) -> None:
    import_id = sandbox.submit(vendor)
    for _ in range(2):
        keep_polling(f"{vendor}_default", import_id)
    assert sandbox.requests(vendor)["token"] == 1


@pytest.mark.parametrize("vendor", WITH_LOGIN)
@pytest.mark.usefixtures("connections")
def test_a_rejected_credential_is_refreshed_once(
    sandbox: Sandbox, keep_polling: KeepPolling, vendor: str
) -> None:
    import_id = sandbox.submit(vendor, seconds=1000, queued=0)
    keep_polling(f"{vendor}_default", import_id)
    sandbox.revoke(vendor)
    assert keep_polling(f"{vendor}_default", import_id).state is ImportState.RUNNING
    requests = sandbox.requests(vendor)
    assert (requests["token"], requests["status"]) == (2, 3)


@pytest.mark.usefixtures("connections")
def test_a_credential_rejected_for_the_report_is_refreshed_once(sandbox: Sandbox, poll: Poll) -> None:
    import_id = sandbox.submit("zilliant", ends="partial", seconds=0)
    sandbox.fault("zilliant", "report", "401")
    assert poll("zilliant_default", import_id).state is ImportState.PARTIAL
    assert sandbox.requests("zilliant")["token"] == 2


@pytest.mark.parametrize("status", ["401", "403"])
@pytest.mark.parametrize("vendor", WITH_LOGIN)
@pytest.mark.usefixtures("connections")
def test_a_rejected_new_credential_is_an_auth_error(
    sandbox: Sandbox, poll: Poll, vendor: str, status: str
) -> None:
    """It lacks a permission, and a new one would too: two requests, not four."""
    import_id = sandbox.submit(vendor)
    sandbox.fault(vendor, "status", status, times=None)
    with pytest.raises(ImportAuthError, match=status):
        poll(f"{vendor}_default", import_id)
    requests = sandbox.requests(vendor)
    assert (requests["token"], requests["status"]) == (1, 1)


@pytest.mark.parametrize("vendor", WITH_LOGIN)
@pytest.mark.usefixtures("connections")
def test_a_credential_that_worked_and_is_then_always_rejected_is_refreshed_once(
    sandbox: Sandbox, keep_polling: KeepPolling, vendor: str
) -> None:
    conn_id, import_id = f"{vendor}_default", sandbox.submit(vendor)
    keep_polling(conn_id, import_id)
    sandbox.fault(vendor, "status", "403", times=None)
    with pytest.raises(ImportAuthError, match="403"):
        keep_polling(conn_id, import_id)
    requests = sandbox.requests(vendor)
    assert (requests["token"], requests["status"]) == (2, 3)


def test_a_client_without_permission_is_an_auth_error(sandbox: Sandbox, connect: Connect, poll: Poll) -> None:
    login, password = TAO_ADVANCE.unscoped_client_id, TAO_ADVANCE.unscoped_client_secret
    with pytest.raises(ImportAuthError, match="Insufficient scope"):
        poll(connect("tao_advance", login=login, password=password), sandbox.submit("tao_advance"))


@pytest.mark.parametrize("vendor", ["clear", "thalamus"])
@pytest.mark.usefixtures("connections")
def test_a_rejected_static_credential_is_an_auth_error_at_once(
    sandbox: Sandbox, poll: Poll, vendor: str
) -> None:
    import_id = sandbox.submit(vendor)
    before = sandbox.requests(vendor)
    sandbox.fault(vendor, "status", "401", times=None)
    with pytest.raises(ImportAuthError, match=f"{vendor}_default"):
        poll(f"{vendor}_default", import_id)
    after = sandbox.requests(vendor)
    assert {route: after[route] - before[route] for route in after if after[route] != before[route]} == {
        "status": 1
    }


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_credential_is_an_auth_error(
    sandbox: Sandbox, connect: Connect, poll: Poll, case: str
) -> None:
    vendor = case.partition("-")[0]
    import_id = sandbox.submit(vendor)
    with pytest.raises(ImportAuthError):
        poll(connect(vendor, **WRONG[case]), import_id)


@pytest.mark.parametrize("vendor", [*WITH_LOGIN, "clear"])
def test_a_rejected_login_is_not_repeated(
    sandbox: Sandbox, connect: Connect, keep_polling: KeepPolling, vendor: str
) -> None:
    conn_id, import_id = connect(vendor, password="wrong"), sandbox.submit(vendor)
    for _ in range(3):
        with pytest.raises(ImportAuthError):
            keep_polling(conn_id, import_id)
    assert sandbox.requests(vendor)["token"] == 1


def test_a_corrected_password_is_used_at_once_without_a_login(
    sandbox: Sandbox, connect: Connect, keep_polling: KeepPolling
) -> None:
    conn_id, import_id = connect("thalamus", password="wrong"), sandbox.submit("thalamus", seconds=0)
    with pytest.raises(ImportAuthError):
        keep_polling(conn_id, import_id)
    connect("thalamus")
    assert keep_polling(conn_id, import_id).state is ImportState.SUCCEEDED


@pytest.mark.parametrize("vendor", WITH_LOGIN)
def test_a_corrected_password_is_used_after_a_minute(
    sandbox: Sandbox,
    connect: Connect,
    keep_polling: KeepPolling,
    vendor: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other processes know that the login was rejected, but not the password used."""
    conn_id, import_id = connect(vendor, password="wrong"), sandbox.submit(vendor, seconds=0)
    with pytest.raises(ImportAuthError):
        keep_polling(conn_id, import_id)
    connect(vendor)
    with pytest.raises(ImportAuthError, match="not repeated within a minute"):
        keep_polling(conn_id, import_id)
    monkeypatch.setattr(credentials, "REJECTED_LOGIN_PAUSE", 0.0)
    assert keep_polling(conn_id, import_id).state is ImportState.SUCCEEDED


@pytest.mark.usefixtures("connections")
def test_the_hook_methods_keep_the_credential(sandbox: Sandbox) -> None:
    """Three polls, blocking and async, need one login."""
    import_id = sandbox.submit("tao_advance")
    hook = hook_for("tao_advance_default")
    for _ in range(3):
        asyncio.run(hook.aget_import_status(import_id))
    hook.get_import_status(import_id)
    assert sandbox.requests("tao_advance")["token"] == 1


@pytest.mark.parametrize("import_id", ["", " ", None, "None", "{{ x }}", 1.5, True, {"id": 1}, b"x"])
@pytest.mark.usefixtures("connections")
def test_the_hook_methods_reject_an_invalid_id(sandbox: Sandbox, import_id: Any) -> None:
    hook = hook_for("tao_advance_default")
    with pytest.raises(ImportSettingsError, match="import_id"):
        hook.get_import_status(import_id)
    with pytest.raises(ImportSettingsError, match="import_id"):
        asyncio.run(hook.aget_import_status(import_id))
    assert not any(sandbox.requests("tao_advance").values())


@pytest.mark.usefixtures("connections")
def test_the_hook_methods_accept_a_number(sandbox: Sandbox, poll: Poll) -> None:
    import_id = sandbox.submit("thalamus")
    assert poll("thalamus_default", int(import_id)).import_id == import_id


def test_a_token_replaced_in_the_connection_is_used_at_once(
    sandbox: Sandbox, connections: Connect, request_token: Callable[[], str], keep_polling: KeepPolling
) -> None:
    import_id = sandbox.submit("clear", seconds=0)
    keep_polling("clear_default", import_id)
    connections("clear", extra={"access_token": request_token()})
    assert keep_polling("clear_default", import_id).state is ImportState.SUCCEEDED


@pytest.mark.parametrize(
    ("vendor", "fields"),
    [
        ("clear", {"login": ""}),
        ("clear", {"password": ""}),
        ("tao_advance", {"host": ""}),
        ("tao_advance", {"login": ""}),
        ("tao_advance", {"password": ""}),
        ("zilliant", {"extra": {"client_id": ""}}),
        ("thalamus", {"extra": {"touchpoint": ""}}),
        ("thalamus", {"extra": {"token": "with\nnewline"}}),
    ],
)
def test_an_incomplete_connection_is_rejected_before_any_request(
    sandbox: Sandbox, connect: Connect, poll: Poll, vendor: str, fields: dict[str, Any]
) -> None:
    missing = next(iter(fields.get("extra", fields)))
    with pytest.raises(ImportSettingsError, match=missing):
        poll(connect(vendor, **fields), "7")
    assert not any(sandbox.requests(vendor).values())


# Clear's token is shared by all processes, and requesting another revokes it.


@pytest.fixture
def keep_shared(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Store a token of this age, in seconds, in the Variable that all processes read."""

    def keep(token: str, age: float) -> None:
        name = credentials.token_variable_name("clear", sandbox.url, CLEAR.client_secret)
        kept = {"value": token, "obtained_at": time.time() - age, "expires_at": None}
        monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", json.dumps(kept))

    return keep


def test_one_clear_token_serves_all_polls(
    sandbox: Sandbox, connect: Connect, keep_polling: KeepPolling
) -> None:
    conn_id, import_id = connect("clear"), sandbox.submit("clear", seconds=0)
    for _ in range(2):
        assert keep_polling(conn_id, import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests("clear")["token"] == 1


def test_a_static_clear_token_is_used_unchanged(
    sandbox: Sandbox, connect: Connect, request_token: Callable[[], str], poll: Poll
) -> None:
    conn_id, import_id = (
        connect("clear", extra={"access_token": request_token()}),
        sandbox.submit("clear", seconds=0),
    )
    poll(conn_id, import_id)
    assert sandbox.requests("clear")["token"] == 1  # the test's own


def test_the_shared_clear_token_is_used_before_requesting_another(
    sandbox: Sandbox, connect: Connect, request_token: Callable[[], str], keep_shared: Any, poll: Poll
) -> None:
    conn_id, import_id = connect("clear"), sandbox.submit("clear", seconds=0)
    keep_shared(request_token(), age=10)
    assert poll(conn_id, import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests("clear")["token"] == 1  # the test's own


def test_a_token_shared_by_another_process_meanwhile_is_used(
    sandbox: Sandbox,
    connect: Connect,
    request_token: Callable[[], str],
    keep_shared: Any,
    keep_polling: KeepPolling,
) -> None:
    conn_id, import_id = connect("clear"), sandbox.submit("clear", seconds=0)
    keep_polling(conn_id, import_id)
    keep_shared(request_token(), age=0)
    assert keep_polling(conn_id, import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests("clear")["token"] == 2  # ours, and the other process's


def test_an_old_token_that_clear_rejects_is_replaced(
    sandbox: Sandbox, connect: Connect, keep_shared: Any, poll: Poll
) -> None:
    conn_id, import_id = connect("clear"), sandbox.submit("clear", seconds=0)
    keep_shared("revoked-long-ago", age=600)
    assert poll(conn_id, import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests("clear")["token"] == 1


def test_a_young_token_that_clear_rejects_is_not_replaced(
    sandbox: Sandbox, connect: Connect, keep_shared: Any, poll: Poll
) -> None:
    conn_id, import_id = connect("clear"), sandbox.submit("clear", seconds=0)
    keep_shared("revoked-a-moment-ago", age=10)
    with pytest.raises(ImportUnavailableError, match="younger than five minutes"):
        poll(conn_id, import_id)
    assert sandbox.requests("clear")["token"] == 0


# Other vendors' tokens are shared where the connection says so.


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
def test_a_token_of_another_process_saves_the_login(
    sandbox: Sandbox, connect: Connect, poll: Poll, monkeypatch: pytest.MonkeyPatch, vendor: str
) -> None:
    conn_id = connect(vendor, extra={"share_token": "true"})
    written: dict[str, str] = {}
    monkeypatch.setattr(token_store._variables(), "set", lambda name, text, **_: written.update({name: text}))
    import_id = sandbox.submit(vendor, seconds=0)
    assert poll(conn_id, import_id).state is ImportState.SUCCEEDED
    ((name, text),) = written.items()
    monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", text)
    assert poll(conn_id, import_id).state is ImportState.SUCCEEDED
    assert sandbox.requests(vendor)["token"] == 1


def test_the_secrets_in_a_shared_credential_are_secrets_in_other_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of Zilliant's token response, vendors may echo the access token alone."""
    written: dict[str, str] = {}
    monkeypatch.setattr(token_store._variables(), "set", lambda name, text, **_: written.update({name: text}))
    mine = Credential("encoded", obtained_at=5.0, expires_at=6.0, secrets=("the-access-token",))
    token_store.store_token("importstatus_token_x", mine)
    monkeypatch.setenv("AIRFLOW_VAR_IMPORTSTATUS_TOKEN_X", written["importstatus_token_x"])
    loaded = token_store.load_token("importstatus_token_x")
    assert loaded
    assert (loaded.all_secrets, loaded.obtained_at, loaded.expires_at) == (mine.all_secrets, 5.0, 6.0)


def test_a_shared_token_of_an_earlier_release_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.dumps({"value": "token", "obtained_at": 5.0, "expires_at": None})
    monkeypatch.setenv("AIRFLOW_VAR_IMPORTSTATUS_TOKEN_X", stored)
    assert token_store.load_token("importstatus_token_x") == Credential("token")


@pytest.mark.parametrize(
    "data", [{}, {"value": ""}, {"value": 5}, {"value": "t", "secrets": [5]}, {"value": "t", "secrets": 5}]
)
def test_an_invalid_shared_token_is_an_error(monkeypatch: pytest.MonkeyPatch, data: dict[str, Any]) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_IMPORTSTATUS_TOKEN_X", json.dumps({"obtained_at": 5.0, **data}))
    with pytest.raises(ImportUnavailableError, match="does not contain a valid token"):
        token_store.load_token("importstatus_token_x")
