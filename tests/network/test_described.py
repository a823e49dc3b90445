"""Described vendors over real sockets: where the credential goes, and where it is not readable."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState

from ..hooks.test_described import ACME
from ..vendors.described import TAO
from .cases import KeepPolling, Poll, Serve
from .servers import Seen, Server, answer

KEY = "Zq-key/+&= 1?#"
#: The key as it is, and as it is in a URL.
SPELLINGS = (KEY, quote(KEY, safe=""), quote(KEY), KEY.replace(" ", "+"))
IN_QUERY = {"type": "api_key", "in": "query", "name": "key"}
DONE = json.dumps({"state": "DONE"})

#: Create a connection to a described vendor and return its id.
Describe = Callable[..., str]


@pytest.fixture
def describe(monkeypatch: pytest.MonkeyPatch) -> Describe:
    def describe(host: str, auth: dict[str, Any], *, extra: Any = None, **keys: Any) -> str:
        extra = {"verify": False, "description": {**ACME, "auth": auth, **keys}, **(extra or {})}
        connection = {"conn_type": "import_api", "host": host, "login": "me", "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(connection))
        return "acme"

    return describe


def target_of(seen: Seen) -> tuple[str, dict[str, list[str]]]:
    parts = urlsplit(seen.target)
    return parts.path, parse_qs(parts.query)


def leaks(text: str) -> list[str]:
    return [spelling for spelling in SPELLINGS if spelling in text]


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ({"type": "none"}, "authorization", None),
        ({"type": "bearer"}, "authorization", f"Bearer {KEY}"),
        ({"type": "api_key", "in": "header", "name": "X-Key"}, "x-key", KEY),
        (IN_QUERY, "authorization", None),
    ],
)
def test_a_poll_is_authenticated_as_described(
    serve: Serve, describe: Describe, poll: Poll, auth: dict[str, Any], header: str, value: str | None
) -> None:
    server = serve(lambda _: answer(DONE))
    assert poll(describe(server.url, auth), "a/7").state is ImportState.SUCCEEDED
    (seen,) = server.seen
    expected = {"key": [KEY]} if auth is IN_QUERY else {}
    assert (target_of(seen), seen.headers.get(header)) == (("/jobs/a%2F7", expected), value)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_token_is_requested_once_and_again_when_an_answer_says_that_it_expired(
    serve: Serve, describe: Describe, keep_polling: KeepPolling, method: str
) -> None:
    tokens = iter(["token-1", "token-2"])

    def vendor(seen: Seen) -> Any:
        if seen.target.startswith("/token"):
            return answer(json.dumps({"access_token": next(tokens), "expires_in": 3600}))
        is_old = len(server.seen) > 3 and seen.headers["authorization"] == "Bearer token-1"
        return answer(json.dumps({"code": "601"}) if is_old else json.dumps({"state": "LOADING"}))

    server = serve(vendor)
    auth = {"type": "oauth2_client_credentials", "method": method}
    conn_id = describe(
        server.url, auth, extra={"token_url": f"{server.url}/token"}, unauthorized={"when": "code == '601'"}
    )
    for _ in range(3):
        assert keep_polling(conn_id, "7").state is ImportState.RUNNING
    assert [seen.target.partition("?")[0] for seen in server.seen] == [
        *("/token", "/jobs/7", "/jobs/7", "/jobs/7"),
        *("/token", "/jobs/7"),
    ]


def outcome_of(act: Callable[[], Any]) -> str:
    """Return all that anybody sees of an error, with what led to it."""
    try:
        return repr(act())
    except (ImportStatusError, requests.RequestException) as error:
        return "".join(traceback.format_exception(error))


ANSWERS: dict[str, Any] = {
    "busy": lambda seen: answer(f'{{"url": "{seen.target}"}}', 503),
    "rejected": lambda seen: answer(f'{{"url": "{seen.target}"}}', 401),
    "wrong": lambda seen: answer(f'{{"url": "{seen.target}", "key": {json.dumps(KEY)}}}', 400),
    "redirect": lambda seen: answer("", 302, location=f"https://evil.example{seen.target}"),
    "page": lambda seen: answer(f"<html>{seen.target}</html>"),
    "cut": lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"],
    "no response": lambda _: [],
    "no HTTP": lambda _: [b"SSH-2.0-OpenSSH\r\n\r\n"],
    "bad headers": lambda _: [b"HTTP/1.1 200 OK\r\nno header\r\nContent-Length: 2\r\n\r\n{}"],
    "fine": lambda _: answer(DONE),
}


@pytest.mark.usefixtures("forgiven")
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_key_in_the_query_is_in_no_error_and_no_log(
    serve: Serve, describe: Describe, poll: Poll, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    server = serve(ANSWERS[kind])
    told = outcome_of(lambda: poll(describe(server.url, IN_QUERY), "7"))
    assert parse_qs(urlsplit(server.seen[0].target).query) == {"key": [KEY]}
    assert leaks(told) == []
    assert leaks(caplog.text) == []


def closed_port(serve: Serve) -> str:
    server = serve(lambda _: [])
    server.shutdown()
    server.server_close()
    return server.url


def test_a_key_in_the_query_is_in_no_error_if_nobody_listens(
    serve: Serve, describe: Describe, poll: Poll
) -> None:
    conn_id = describe(closed_port(serve), IN_QUERY)
    told = outcome_of(lambda: poll(conn_id, "7"))
    assert "ImportUnavailableError: GET http://127.0.0.1" in told
    assert leaks(told) == []


def test_a_client_secret_in_the_query_of_a_token_request_is_in_no_error_and_no_log(
    serve: Serve, describe: Describe, poll: Poll, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = {"type": "oauth2_client_credentials", "method": "GET"}
    server = serve(lambda seen: answer(f'{{"error": "{seen.target}"}}', 401))
    conn_id = describe(server.url, auth, extra={"token_url": f"{server.url}/token"})
    told = outcome_of(lambda: poll(conn_id, "7"))
    assert parse_qs(urlsplit(server.seen[0].target).query)["client_secret"] == [KEY]
    assert "Acme's token request was rejected" in told
    assert leaks(told + caplog.text) == []


def test_other_users_of_urllib3_keep_their_logs(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    requests.get(f"{serve(lambda _: answer(DONE)).url}/x?page=2", timeout=5)
    assert "/x?page=2" in caplog.text


@pytest.mark.parametrize("ends", ["succeeded", "partial", "failed"])
def test_a_described_vendor_is_waited_for_like_one_with_a_hook(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, poll: Poll, ends: str
) -> None:
    usual = sandbox.connections["tao_advance_default"]
    extra = {"verify": False, "description": TAO, "token_url": "/api/v1/upload/v1/oauth2/tokens"}
    connection = {**usual, "conn_type": "import_api", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(connection))
    status = poll("acme", sandbox.submit("tao_advance", ends=ends, seconds=0))
    assert (status.vendor, status.state) == ("described_tao", ends)
    assert hook_for("acme").test_connection()[0] is True


class TestTheSession:
    """`get_conn()`, for what is not described, such as submitting a file."""

    @pytest.fixture
    def server(self, serve: Serve) -> Server:
        return serve(lambda seen: answer(DONE, 404 if "missing" in seen.target else 200))

    def test_a_key_in_the_query_is_added_for_the_own_origin_only(
        self, serve: Serve, server: Server, describe: Describe
    ) -> None:
        other = serve(lambda _: answer(DONE))
        with hook_for(describe(server.url, IN_QUERY)).get_conn() as session:
            session.get("/upload", params={"a": "b"})
            session.get(f"{other.url}/storage?a=b")
        assert target_of(server.seen[0]) == ("/upload", {"a": ["b"], "key": [KEY]})
        assert target_of(other.seen[0]) == ("/storage", {"a": ["b"]})

    def test_a_redirect_to_another_origin_takes_no_key_along(self, serve: Serve, describe: Describe) -> None:
        other = serve(lambda _: answer(DONE))
        server = serve(lambda _: answer("", 302, location=f"{other.url}/storage"))
        with hook_for(describe(server.url, IN_QUERY)).get_conn() as session:
            reply = session.get("/upload")
        assert (target_of(other.seen[0]), leaks(str(other.seen[0].headers))) == (("/storage", {}), [])
        assert leaks(str([each.url for each in (reply, *reply.history)])) == []

    def test_the_key_is_in_neither_the_responses_url_nor_its_error(
        self, server: Server, describe: Describe, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with hook_for(describe(server.url, IN_QUERY)).get_conn() as session:
            reply = session.get("/missing", params={"a": "b"})
        assert reply.url == f"{server.url}/missing?a=b"
        told = outcome_of(reply.raise_for_status)
        assert "404 Client Error" in told
        assert leaks(told + caplog.text) == []

    def test_the_key_is_in_no_error_if_nobody_listens(self, serve: Serve, describe: Describe) -> None:
        with hook_for(describe(closed_port(serve), IN_QUERY)).get_conn() as session:
            told = outcome_of(lambda: session.get("/upload"))
            with pytest.raises(requests.ConnectionError):
                session.get("/upload")
        assert leaks(told) == []


class TestTestConnection:
    @pytest.mark.parametrize("body", ['{"message": "no such job"}', '[{"errorCode": "NOT_FOUND"}]'])
    def test_a_described_not_found_is_a_success(self, serve: Serve, describe: Describe, body: str) -> None:
        server = serve(lambda _: answer(body, 404))
        is_right, words = hook_for(describe(server.url, {"type": "bearer"})).test_connection()
        assert (is_right, words) == (
            True,
            f"Acme at {server.url} responds and accepts the credential.",
        )

    def test_a_gateways_page_is_not(self, serve: Serve, describe: Describe) -> None:
        server = serve(lambda _: answer("<html>", 404))
        is_right, words = hook_for(describe(server.url, {"type": "bearer"})).test_connection()
        assert (is_right, "would respond with JSON" in words) == (False, True)

    def test_an_invalid_description_is_told_without_a_request(self, serve: Serve, describe: Describe) -> None:
        server = serve(lambda _: answer(DONE))
        conn_id = describe(server.url, {"type": "bearer"}, progress={"of": 100})
        is_right, words = hook_for(conn_id).test_connection()
        assert (is_right, "progress.path is missing" in words, server.seen) == (False, True, [])

    def test_a_key_in_the_query_is_not_told(self, serve: Serve, describe: Describe) -> None:
        server = serve(lambda seen: answer(f'{{"url": "{seen.target}"}}', 401))
        is_right, words = hook_for(describe(server.url, IN_QUERY)).test_connection()
        assert (is_right, "HTTP 401" in words, leaks(words)) == (False, True, [])


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer('[{"errorCode": "NOT_FOUND"}]', 404), ImportNotFoundError),
        (answer("<html>", 404), ImportProtocolError),
        (answer("{}", 401), ImportAuthError),
        (answer("{}", 429), ImportUnavailableError),
        (answer("", 302, location="/elsewhere"), ImportProtocolError),
    ],
)
def test_an_answer_means_what_the_description_says(
    serve: Serve, describe: Describe, poll: Poll, response: Any, kind: type[ImportStatusError]
) -> None:
    server = serve(lambda _: response)
    with pytest.raises(kind):
        poll(describe(server.url, {"type": "bearer"}), "7")
    assert len(server.seen) == 1
