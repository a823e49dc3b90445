"""The messages and requests of Airflow's "Test connection" button."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.protocol import credentials
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE

from ..conftest import NOT_OBJECTS
from ..fifth_vendor import acme_server
from ..fifth_vendor.acme_importstatus import AcmeHook
from .cases import READY, VENDORS, WITH_LOGIN, Connect, Serve
from .servers import Seen, answer

Outcome = tuple[bool, str]
NOWHERE = "http://127.0.0.1:9"

#: An invalid setting, and the text that says how to fix it.
WRONG: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("clear", {"login": ""}, ("login is empty", "login is called Integration ID")),
    ("clear", {"password": "wrong"}, ("was rejected", "Check Integration ID and API client secret")),
    ("clear", {"password": ""}, ("lacks password", "password is called API client secret")),
    ("clear", {"extra": {"access_token": "stale"}}, ("403", "x-clear-auth-token", "Check Integration ID")),
    ("clear", {"extra": {"access_token": "two\nlines"}}, ("access_token contains characters",)),
    ("tao_advance", {"host": ""}, ("host is empty",)),
    ("tao_advance", {"host": "ftp://x.example"}, ("host has the scheme 'ftp'", "use https or http")),
    ("tao_advance", {"login": ""}, ("lacks login", "login is called Client ID")),
    ("tao_advance", {"login": "wrong"}, ("401 invalid_client", "Check Client ID and Client secret")),
    ("tao_advance", {"password": "wrong"}, ("401 invalid_client", "Check Client ID and Client secret")),
    (
        "tao_advance",
        {"login": TAO_ADVANCE.unscoped_client_id, "password": TAO_ADVANCE.unscoped_client_secret},
        ("403", "Insufficient scope", "the scope rostering"),
    ),
    ("tao_advance", {"extra": {"api_prefix": "/x"}}, ("/x/v1/oauth2/tokens: HTTP 404", "API prefix")),
    ("tao_advance", {"extra": {"token_url": f"{NOWHERE}/t"}}, (f"{NOWHERE}/t", "refused", "Token URL")),
    ("tao_advance", {"extra": {"token_url": "tokens"}}, ("POST tokens cannot be sent", "Token URL")),
    ("tao_advance", {"extra": {"token_request_encoding": "gzip"}}, ("neither multipart nor urlencoded",)),
    ("tao_advance", {"extra": {"timeout": "soon"}}, ("timeout is not a number", "give a number")),
    ("tao_advance", {"extra": {"max_concurrency": 1001}}, ("max_concurrency is out of range", "up to 1000")),
    ("tao_advance", {"extra": {"verify": "/no/such"}}, ("verify is not a file of CA certificates",)),
    ("zilliant", {"host": ""}, ("host is empty",)),
    ("zilliant", {"login": "wrong"}, ("400 invalid_grant", "check Username and Password")),
    ("zilliant", {"password": "wrong"}, ("400 invalid_grant", "check Username and Password")),
    ("zilliant", {"extra": {"client_id": ""}}, ("lacks client_id",)),
    ("zilliant", {"extra": {"client_id": "wrong"}}, ("400 invalid_client", "Client ID and Client secret")),
    ("zilliant", {"extra": {"x_forwarded_host": "x.example"}}, ("401", "Check X-Forwarded-Host")),
    ("zilliant", {"extra": {"x_forwarded_host": ""}}, ("401", "Check X-Forwarded-Host")),
    ("zilliant", {"extra": {"token_response": "{"}}, ("token_response is not a JSON", "complete response")),
    ("zilliant", {"extra": READY["zilliant"]}, ("401", "Token response", "may have expired")),
    ("thalamus", {"login": "wrong"}, ("401", "check Principal and Password")),
    ("thalamus", {"password": "wrong"}, ("401", "check Principal and Password")),
    ("thalamus", {"extra": {"touchpoint": ""}}, ("lacks touchpoint",)),
    ("thalamus", {"extra": {"touchpoint": "x"}}, ("InvalidTouchpointCode", "check Touchpoint and Token")),
    ("thalamus", {"extra": {"token": "wrong"}}, ("InvalidTouchpointCode", "check Touchpoint and Token")),
]


def outcome(conn_id: str) -> Outcome:
    return hook_for(conn_id).test_connection()


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_a_valid_connection_is_accepted_after_a_login_and_one_request(sandbox: Sandbox, vendor: str) -> None:
    before = Counter(sandbox.requests(vendor))
    is_right, words = outcome(f"{vendor}_default")
    assert (is_right, sandbox.url in words) == (True, True)
    after = Counter(sandbox.requests(vendor))
    logins = int(vendor in ("tao_advance", "zilliant"))
    assert (after["token"] - before["token"], after["status"] - before["status"]) == (logins, 1)


@pytest.mark.parametrize(
    ("vendor", "fields", "said"), WRONG, ids=[f"{vendor}-{fields}" for vendor, fields, _ in WRONG]
)
def test_an_invalid_setting_is_reported(
    sandbox: Sandbox, connect: Connect, vendor: str, fields: dict[str, Any], said: tuple[str, ...]
) -> None:
    is_right, words = outcome(connect(vendor, "made_up_id", **fields))
    assert not is_right
    assert [part for part in said if part not in words] == [], words
    # Airflow generates an id for the connection under test.
    assert "made_up_id" not in words
    assert sandbox.requests(vendor).get("token", 0) <= 1
    assert sandbox.requests(vendor)["status"] <= 1


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("extra", "kind"), NOT_OBJECTS)
def test_extras_that_are_no_object_are_reported(
    sandbox: Sandbox, connect_with_text: Callable[[str, str], None], vendor: str, extra: str, kind: str
) -> None:
    connect_with_text(vendor, extra)
    is_right, words = outcome(f"{vendor}_default")
    assert not is_right
    assert words.startswith(f"This connection: extra is of type {kind}. To fix it, give a JSON object"), words
    assert not any(sandbox.requests(vendor).values())


def test_a_wrong_integration_id_is_named_beside_a_right_token(
    connect: Connect, request_token: Callable[[], str]
) -> None:
    is_right, words = outcome(connect("clear", login="not-ours", extra={"access_token": request_token()}))
    assert not is_right
    assert "unknown x-integration-id" in words


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("host", "said"), [(NOWHERE, "Connection refused"), ("http://x.invalid", "no response")]
)
def test_an_unreachable_host_is_reported(connect: Connect, vendor: str, host: str, said: str) -> None:
    is_right, words = outcome(connect(vendor, host=host))
    assert not is_right
    assert (host in words, said in words, "Check Host" in words) == (True, True, True), words


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_silent_host_is_abandoned_after_the_timeout(connect: Connect, serve: Serve, vendor: str) -> None:
    server = serve(lambda _: [30.0])
    is_right, words = outcome(
        connect(vendor, host=server.url, extra={"timeout": "0.2", **READY.get(vendor, {})})
    )
    assert not is_right
    assert ("got no response" in words, "timed out" in words.lower() or "Timeout" in words) == (True, True)


def test_login_and_request_share_one_timeout(connect: Connect, serve: Serve) -> None:
    def slow(seen: Seen) -> Iterable[bytes | float]:
        token = json.dumps({"access_token": "a-token"})
        return [0.6, *answer(token)] if seen.method == "POST" else [0.6, *answer("{}", 404)]

    conn_id = connect("tao_advance", host=serve(slow).url, extra={"timeout": "1"})
    assert "got no response" in outcome(conn_id)[1]
    connect("tao_advance", host=serve(slow).url, extra={"timeout": "10"})
    assert outcome(conn_id)[0] is True


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
@pytest.mark.parametrize(
    "page",
    [answer("<h1>Not found</h1>", 404, content_type="text/html"), answer("", 404)],
    ids=["html", "empty"],
)
def test_a_404_that_is_not_from_the_vendor_is_a_wrong_host(
    sandbox: Sandbox, connect: Connect, serve: Serve, vendor: str, page: list[bytes | float]
) -> None:
    logins = {
        "tao_advance": f"{sandbox.url}/api/v1/upload/v1/oauth2/tokens",
        "zilliant": f"{sandbox.url}/services/oauth2/token",
    }
    host = serve(lambda _: page).url
    is_right, words = outcome(connect(vendor, host=host, extra={"token_url": logins[vendor]}))
    assert not is_right
    assert (host in words, "Check Host" in words) == (True, True), words


@pytest.mark.parametrize(
    ("vendor", "kind", "said"),
    [
        (vendor, kind, said)
        for vendor in VENDORS
        for kind, said in (("503", "busy or down"), ("redirect", "not followed"))
    ]
    # A 404 to the poll is valid for TAO and Zilliant: here it is the response to the login.
    + [(vendor, "404", "404") for vendor in ("clear", "thalamus", *WITH_LOGIN)],
)
@pytest.mark.usefixtures("connections")
def test_a_vendor_outage_is_reported(sandbox: Sandbox, vendor: str, kind: str, said: str) -> None:
    sandbox.fault(vendor, "*", kind, times=None)
    is_right, words = outcome(f"{vendor}_default")
    assert (is_right, said in words) == (False, True), words


def test_thalamus_is_asked_for_the_user_if_an_unknown_id_is_not_reported_as_invalid(
    sandbox: Sandbox, connect: Connect
) -> None:
    """InvalidID is documented only for cancelling an import."""
    conn_id = connect("thalamus")
    sandbox.fault("thalamus", "status", "400", times=None)
    assert outcome(conn_id)[0] is True
    assert (sandbox.requests("thalamus")["status"], sandbox.requests("thalamus")["me"]) == (1, 1)


def conn_fields(vendor: str) -> dict[str, Any]:
    """Return the fields of a vendor's extras in its form."""
    entries = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}  # type: ignore[attr-defined]
    fields: dict[str, Any] = entries[vendor]["conn-fields"]
    return fields


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 500])
def test_echoed_secrets_are_not_reported(
    sandbox: Sandbox, connect: Connect, serve: Serve, vendor: str, status: int
) -> None:
    secret_fields = [
        name for name, field in conn_fields(vendor).items() if field["schema"].get("format") == "password"
    ]
    usual = sandbox.connections[f"{vendor}_default"]["extra"]
    extra = {name: f"{name}-secret-0" for name in secret_fields if name in usual}
    secrets = ["password-secret-0", *extra.values(), "ready-clear-token", "ready-access-token"]

    def echo(seen: Seen) -> list[bytes | float]:
        return answer(f"{seen.headers} {seen.body.decode()} {' '.join(secrets)}", status)

    for ready in ({}, READY.get(vendor, {})):
        server = serve(echo)
        fields = {"host": server.url, "password": secrets[0]}
        more = {"token_url": f"{server.url}/token"} if vendor == "zilliant" else {}
        is_right, words = outcome(connect(vendor, **fields, extra={**extra, **more, **ready}))
        sent = [value for seen in server.seen for value in (*seen.headers.values(), seen.body.decode())]
        presented = [value for value in sent if value.startswith(("OAuth ", "Basic "))]
        assert server.seen
        assert not is_right
        assert [secret for secret in [*secrets, *presented] if secret in words] == []


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("sandbox")
def test_empty_form_fields_count_as_missing(
    connect: Connect, request_token: Callable[[], str], vendor: str
) -> None:
    """Airflow 3 saves null for empty fields."""
    empty = dict.fromkeys(conn_fields(vendor))
    needed = {
        "clear": ["access_token"],
        "zilliant": ["client_id", "client_secret", "token_url", "x_forwarded_host"],
        "thalamus": ["touchpoint", "token"],
    }.get(vendor, [])
    extra: dict[str, Any] = {name: None for name in empty if name not in needed}
    if vendor == "clear":
        extra["access_token"] = request_token()
    assert outcome(connect(vendor, extra=extra)) == (True, outcome(f"{vendor}_default")[1])


def test_a_custom_vendor_can_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    with acme_server.acme() as url:
        for pin, said in ((acme_server.PIN, "responds and accepts"), ("0000", "Check Login and Password.")):
            connection = {"conn_type": "acme", "host": url, "login": acme_server.LOGIN, "password": pin}
            monkeypatch.setenv("AIRFLOW_CONN_ACME_DEFAULT", json.dumps(connection))
            is_right, words = AcmeHook().test_connection()
            assert (is_right, said in words) == (pin == acme_server.PIN, True), words


# Clear's token is shared by all processes, and requesting another revokes it.


@pytest.fixture
def keep_shared(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Store a token in the Variable that all processes read."""

    def keep(token: str, expires_at: float | None = None) -> None:
        name = credentials.token_variable_name("clear", sandbox.url, CLEAR.client_secret)
        kept = {"value": token, "obtained_at": 0.0, "expires_at": expires_at}
        monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", json.dumps(kept))

    return keep


def test_the_shared_token_is_tested(
    sandbox: Sandbox, connect: Connect, request_token: Callable[[], str], keep_shared: Callable[..., None]
) -> None:
    keep_shared(request_token())
    assert outcome(connect("clear"))[0] is True
    assert sandbox.requests("clear")["token"] == 1  # the test's own


@pytest.mark.parametrize(
    ("shared", "said"),
    [
        pytest.param({"token": "expired", "expires_at": time.time() - 1}, "was not tested", id="expired"),
        pytest.param({"token": "revoked"}, "the next wait requests another", id="revoked"),
    ],
)
def test_a_shared_token_is_never_replaced_by_a_test(
    sandbox: Sandbox, connect: Connect, keep_shared: Callable[..., None], shared: Any, said: str
) -> None:
    keep_shared(**shared)
    is_right, words = outcome(connect("clear"))
    assert (is_right, said in words, "Access token" in words) == (False, True, True), words
    assert sandbox.requests("clear")["token"] == 0


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
def test_a_login_that_revokes_nothing_is_tested_although_processes_share_a_token(
    sandbox: Sandbox, connect: Connect, vendor: str
) -> None:
    """Otherwise a wrong password would pass the test until the shared token expires."""
    assert outcome(connect(vendor, extra={"share_token": "true"}))[0] is True
    assert sandbox.requests(vendor)["token"] == 1
    assert outcome(connect(vendor, "wrong", password="wrong", extra={"share_token": "true"}))[0] is False


def test_without_a_shared_token_the_client_secret_is_tested(sandbox: Sandbox, connect: Connect) -> None:
    assert outcome(connect("clear"))[0] is True
    assert (sandbox.requests("clear")["token"], sandbox.requests("clear")["status"]) == (1, 1)


def test_another_server_is_not_mistaken_for_clear_without_a_token(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(lambda _: answer("<h1>Forbidden</h1>", 403, content_type="text/html"))
    name = credentials.token_variable_name("clear", server.url, CLEAR.client_secret)
    expired = {"value": "expired", "obtained_at": 0.0, "expires_at": 1.0}
    monkeypatch.setenv(f"AIRFLOW_VAR_{name.upper()}", json.dumps(expired))
    is_right, words = outcome(connect("clear", host=server.url))
    assert (is_right, "Check Host" in words, "was not tested" in words) == (False, True, False), words
