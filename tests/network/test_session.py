"""The session of a hook for other requests to the vendor."""

from __future__ import annotations

import gc
import io
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_importstatus.exceptions import ImportAuthError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.protocol.messages import Credential
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.transports.authenticated_session import AuthenticatedSession
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

from .cases import PRESENTED, READY, Connect, Serve, going_on
from .servers import Seen, Server, answer
from .test_tls import trusted  # noqa: F401 - a fixture

CSV = b"id,name\n1,one\n"
TAO_UPLOAD = "/api/v1/upload/api/v1/upload"
ZILLIANT_MAPPING = {"entitySystemName": "prices", "definition": {"columns": []}}
#: Headers that must not be sent to another origin.
CREDENTIALS = {
    "authorization",
    "cookie",
    "thalamus-touchpoint",
    "thalamus-token",
    "x-clear-auth-token",
    "x-integration-id",
    "x-forwarded-host",
}


@pytest.fixture
def tao(connect: Connect) -> Iterator[requests.Session]:
    with hook_for(connect("tao_advance")).get_conn() as session:
        yield session


@pytest.fixture
def storage(serve: Serve) -> Server:
    """Return a storage server with another origin."""
    return serve(lambda _: answer("stored"))


def session_of(vendor: str, server: Server, connect: Connect, **extra: object) -> requests.Session:
    conn_id = connect(vendor, host=server.url, extra={**READY[vendor], **extra})
    return hook_for(conn_id).get_conn()


def leaked(seen: Seen) -> set[str]:
    return CREDENTIALS & set(seen.headers)


@pytest.mark.parametrize("vendor", READY)
def test_a_relative_url_is_resolved_against_the_base_url_and_authenticated(
    connect: Connect, serve: Serve, vendor: str
) -> None:
    server = serve(going_on)
    with session_of(vendor, server, connect) as session:
        session.get("/other/call", params={"a": "b"})
    name, value = PRESENTED[vendor]
    assert [(seen.target, seen.headers.get(name)) for seen in server.seen] == [("/other/call?a=b", value)]


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/api/v4/me", "/thalamus/api/v4/me"),
        (b"/api/v4/me", "/thalamus/api/v4/me"),
        ("api/v4/me?q=a:b", "/thalamus/api/v4/me?q=a:b"),
        ("?q=1", "/thalamus?q=1"),
        ("", "/thalamus/"),
        ("//evil.example/x", "/thalamus//evil.example/x"),
    ],
)
@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_relative_url_is_resolved_against_the_path_of_the_host(
    connect: Connect, serve: Serve, url: str | bytes, target: str, is_prepared: bool
) -> None:
    server = serve(going_on)
    conn_id = connect("thalamus", host=f"{server.url}/thalamus")
    with hook_for(conn_id).get_conn() as session:
        if is_prepared:
            session.send(session.prepare_request(requests.Request("GET", url)))
        else:
            session.get(url)
    assert [(seen.target, "authorization" in seen.headers) for seen in server.seen] == [(target, True)]


def test_an_absolute_url_of_the_same_origin_is_authenticated(connect: Connect, serve: Serve) -> None:
    server = serve(going_on)
    with session_of("thalamus", server, connect) as session:
        session.get(f"{server.url}/anywhere")
    assert "authorization" in server.seen[0].headers


@pytest.mark.parametrize("vendor", READY)
def test_an_absolute_url_of_another_origin_carries_no_credential(
    connect: Connect, serve: Serve, storage: Server, vendor: str
) -> None:
    with session_of(vendor, serve(going_on), connect) as session:
        session.get("/first")
        session.put(f"{storage.url}/file", data=CSV)
    assert [leaked(seen) for seen in storage.seen] == [set()]
    assert storage.seen[0].body == CSV


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("vendor", READY)
def test_a_redirect_to_another_origin_carries_no_credential(
    connect: Connect, serve: Serve, storage: Server, vendor: str, status: int
) -> None:
    server = serve(lambda _: answer("", status, location=f"{storage.url}/elsewhere"))
    with session_of(vendor, server, connect) as session:
        session.post("/submit", data=CSV)
    assert [leaked(seen) for seen in storage.seen] == [set()]


def test_a_redirect_back_to_the_same_origin_is_authenticated_again(connect: Connect, serve: Serve) -> None:
    def script(seen: Seen) -> list[bytes | float]:
        if seen.target == "/there":
            return answer("", 302, location=f"{detour.url}/detour")
        return going_on(seen)

    server = serve(script)
    detour = serve(lambda _: answer("", 302, location=f"{server.url}/back"))
    with session_of("thalamus", server, connect) as session:
        session.get("/there")
    assert [leaked(seen) for seen in detour.seen] == [set()]
    assert ["authorization" in seen.headers for seen in server.seen] == [True, True]


def test_the_session_names_provider_and_airflow(connect: Connect, serve: Serve) -> None:
    server = serve(going_on)
    with session_of("thalamus", server, connect) as session:
        session.get("/")
    assert server.seen[0].headers["user-agent"] == USER_AGENT


def test_a_file_is_submitted(sandbox: Sandbox, tao: requests.Session) -> None:
    reply = tao.post(TAO_UPLOAD, files={"file": ("roster.csv", CSV)})
    assert (reply.status_code, sandbox.requests("tao_advance")["token"]) == (200, 1)


@pytest.mark.parametrize("as_stream", [False, True])
def test_a_rejected_credential_is_refreshed_once_and_the_file_sent_again(
    sandbox: Sandbox, tao: requests.Session, as_stream: bool
) -> None:
    tao.get("/api/v1/upload/api/v1/status/unknown")
    sandbox.revoke("tao_advance")
    reply = tao.post(TAO_UPLOAD, files={"file": ("roster.csv", io.BytesIO(CSV) if as_stream else CSV)})
    assert reply.json()["result"]["referenceId"]
    assert sandbox.requests("tao_advance")["token"] == 2


def test_a_rejected_credential_is_refreshed_once_and_the_json_sent_again(
    sandbox: Sandbox, connect: Connect
) -> None:
    with hook_for(connect("zilliant")).get_conn() as session:
        session.get("/v1/EntityImport/unknown/status")
        sandbox.revoke("zilliant")
        reply = session.post("/v1/EntityImport/", json=ZILLIANT_MAPPING)
    assert reply.status_code == 201


@pytest.fixture
def refusing_once(serve: Serve, connect: Connect) -> Iterator[tuple[requests.Session, Server]]:
    """Return a session, and a vendor that rejects its first credential."""

    def vendor(seen: Seen) -> list[bytes | float]:
        if seen.target.startswith("/oauth"):
            return answer('{"access_token": "t0ken"}')
        return answer("", 401 if len([one for one in server.seen if one.target == "/put"]) == 1 else 200)

    server = serve(vendor)
    conn_id = connect("tao_advance", host=server.url, extra={"token_url": f"{server.url}/oauth"})
    with hook_for(conn_id).get_conn() as session:
        yield session, server


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "text", "file", "rest-of-a-file"])
def test_the_whole_body_is_sent_again(
    refusing_once: tuple[requests.Session, Server], tmp_path: Path, kind: str
) -> None:
    session, server = refusing_once
    (tmp_path / "file.csv").write_bytes(b"skipped" + CSV if kind == "rest-of-a-file" else CSV)
    with (tmp_path / "file.csv").open("rb") as file:
        file.seek(len("skipped") if kind == "rest-of-a-file" else 0)
        bodies: dict[str, Any] = {"bytes": CSV, "bytearray": bytearray(CSV), "text": CSV.decode()}
        assert session.put("/put", data=bodies.get(kind, file)).status_code == 200
    assert [seen.body for seen in server.seen if seen.target == "/put"] == [CSV, CSV]


def test_a_consumed_body_is_not_sent_again(refusing_once: tuple[requests.Session, Server]) -> None:
    session, server = refusing_once
    assert session.put("/put", data=iter([CSV])).status_code == 401
    assert len([seen for seen in server.seen if seen.target == "/put"]) == 1


def test_a_second_rejection_is_returned_to_the_caller(sandbox: Sandbox, tao: requests.Session) -> None:
    sandbox.fault("tao_advance", "submit", "401", times=None)
    assert tao.post(TAO_UPLOAD, files={"file": ("roster.csv", CSV)}).status_code == 401
    assert sandbox.requests("tao_advance")["submit"] == 2


@pytest.mark.parametrize("vendor", ["clear", "thalamus", "zilliant"])
def test_the_rejection_of_a_ready_made_credential_is_returned_to_the_caller(
    connect: Connect, serve: Serve, caplog: pytest.LogCaptureFixture, vendor: str
) -> None:
    server = serve(lambda _: answer('{"message": "not yours"}', 403))
    with session_of(vendor, server, connect) as session:
        reply = session.get("/anything")
    assert (reply.status_code, reply.json()) == (403, {"message": "not yours"})
    assert "could not be renewed" in caplog.text


def test_a_rejected_login_is_an_auth_error(connect: Connect) -> None:
    with (
        hook_for(connect("tao_advance", password="wrong")).get_conn() as session,
        pytest.raises(ImportAuthError),
    ):
        session.get("/anything")


def test_hook_and_session_share_the_credential(sandbox: Sandbox, connect: Connect) -> None:
    hook = hook_for(connect("tao_advance"))
    with hook.get_conn() as session:
        import_id = session.post(TAO_UPLOAD, files={"file": ("a.csv", CSV)}).json()["result"]["referenceId"]
    hook.get_import_status(import_id)
    assert sandbox.requests("tao_advance")["token"] == 1


def test_the_session_uses_the_timeout_of_the_connection(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: [3.0, *answer("")])
    with (
        session_of("thalamus", server, connect, timeout=0.2) as session,
        pytest.raises(requests.exceptions.Timeout),
    ):
        session.get("/")


def test_the_timeout_of_the_caller_wins(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: [0.4, *answer("")])
    with session_of("thalamus", server, connect, timeout=0.1) as session:
        assert session.get("/", timeout=5).status_code == 200


@pytest.mark.parametrize("way", ["own", "other", "redirect"])
def test_the_session_never_uses_netrc(
    connect: Connect,
    serve: Serve,
    storage: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login intruder password from-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(lambda seen: answer("", 302 if seen.target == "/redirect" else 200, location=storage.url))
    with session_of("clear", server, connect) as session:
        session.get({"own": "/", "other": f"{storage.url}/", "redirect": "/redirect"}[way])
    seen = [*server.seen, *storage.seen]
    assert [one.headers.get("authorization") for one in seen] == [None] * len(seen)


def test_the_session_uses_the_proxy_of_the_connection(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, other = serve(going_on), serve(going_on)
    monkeypatch.setenv("HTTP_PROXY", other.url)
    conn_id = connect("thalamus", host="http://vendor.invalid", extra={"proxy": proxy.url})
    with hook_for(conn_id).get_conn() as session:
        session.get("/x")
    assert ([seen.target for seen in proxy.seen], other.seen) == (["http://vendor.invalid/x"], [])


@pytest.mark.usefixtures("connections")
def test_clear_can_be_submitted_to() -> None:
    """The storage rejects requests with the vendor's credential."""
    with hook_for("clear_default").get_conn() as session:
        presign = session.get("/one-integration/action/pre-sign", params={"filename": "a.csv"}).json()
        url = presign["result"]["preSignedUrl"]
        stored = session.put(url, data=CSV, headers={"Content-Type": "text/csv"})
        info = {"uploadUrl": url.partition("?")[0], "fileType": "CSV"}
        ingest = {"fileInfo": [info], "templateType": "PURCHASE"}
        task = session.post("/one-integration/api/v1/ingest", json=ingest).json()
    assert (stored.status_code, bool(task["result"]["taskId"])) == (200, True)


def other_host(server: Server) -> str:
    """The same server under another host name."""
    return server.url.replace("127.0.0.1", "localhost")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("way", ["other port", "other host"])
def test_the_callers_authorization_is_stripped_where_requests_strips_it(
    connect: Connect, serve: Serve, storage: Server, status: int, way: str
) -> None:
    target = {"other port": storage.url, "other host": other_host(storage)}[way]
    detour = serve(lambda _: answer("", status, location=f"{target}/there"))
    with session_of("clear", serve(going_on), connect) as session:
        session.get(f"{detour.url}/here", headers={"Authorization": "Bearer mine", "X-Mine": "yes"})
    assert detour.seen[0].headers["authorization"] == "Bearer mine"
    headers = storage.seen[0].headers
    assert ("authorization" in headers, headers["x-mine"]) == (False, "yes")


def test_the_callers_authorization_is_kept_on_the_same_origin(connect: Connect, serve: Serve) -> None:
    server = serve(lambda seen: answer("", 302 if seen.target == "/here" else 200, location="/there"))
    with session_of("clear", serve(going_on), connect) as session:
        session.get(f"{server.url}/here", headers={"Authorization": "Bearer mine"})
    assert [seen.headers.get("authorization") for seen in server.seen] == ["Bearer mine"] * 2


@pytest.mark.parametrize("vendor", READY)
def test_an_explicit_authorization_for_other_storage_arrives_after_a_vendors_call(
    connect: Connect, serve: Serve, storage: Server, vendor: str
) -> None:
    """Like any header with the name of one of the vendor's headers."""
    mine = dict.fromkeys(CREDENTIALS - {"cookie"}, "mine")
    with session_of(vendor, serve(going_on), connect) as session:
        session.get("/first")
        session.put(f"{storage.url}/file", data=CSV, headers=mine)
    assert {name: storage.seen[0].headers.get(name) for name in mine} == mine


def test_a_caller_header_replaced_by_authentication_is_stripped_like_any_other(
    connect: Connect, serve: Serve, storage: Server
) -> None:
    server = serve(lambda _: answer("", 307, location=f"{storage.url}/there"))
    with session_of("thalamus", server, connect) as session:
        session.get("/here", headers={"Authorization": "Bearer mine", "Thalamus-Token": "mine"})
    name, value = PRESENTED["thalamus"]
    assert server.seen[0].headers[name] == value
    headers = storage.seen[0].headers
    assert ("authorization" in headers, headers["thalamus-token"]) == (False, "mine")


def test_https_of_the_same_host_gets_no_credential_and_keeps_the_callers_headers(
    connect: Connect,
    serve: Serve,
    trusted: Path,  # noqa: F811
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted)
    secure = serve(lambda _: answer("there"), tls=context)
    server = serve(lambda _: answer("", 308, location=f"{secure.url}/there"))
    with session_of("thalamus", server, connect, verify=str(trusted)) as session:
        session.post("/here", data=CSV, headers={"X-Mine": "yes"})
    assert leaked(secure.seen[0]) == set()
    assert (secure.seen[0].headers["x-mine"], secure.seen[0].body) == ("yes", CSV)


def test_a_rejection_by_another_origin_refreshes_no_credential(connect: Connect, serve: Serve) -> None:
    storage = serve(lambda _: answer("", 403))
    server = serve(lambda seen: answer(TOKEN) if seen.target == "/oauth" else _to(storage))
    conn_id = connect("tao_advance", host=server.url, extra={"token_url": f"{server.url}/oauth"})
    with hook_for(conn_id).get_conn() as session:
        assert session.get("/here").status_code == 403
    assert [seen.target for seen in server.seen] == ["/oauth", "/here"]


TOKEN = '{"access_token": "t0ken"}'


def _to(server: Server) -> list[bytes | float]:
    return answer("", 302, location=f"{server.url}/there")


class Readings:
    """A connection that is edited during a request: the vendor before and after the edit."""

    def __init__(self, before: ImportStatusHook, after: ImportStatusHook) -> None:
        self.now, self._after = before, after

    def session(self) -> AuthenticatedSession[Any]:
        return AuthenticatedSession(lambda: self.now, self._credential, USER_AGENT)

    def _credential(self, refused: Credential | None) -> tuple[Any, Credential]:
        if refused:
            self.now = self._after
        given = self.now.static_credential(self.now.settings)
        assert given
        return self.now, given


@pytest.fixture
def edited(connect: Connect) -> Callable[..., Readings]:
    """Create a connection that is edited after its credential was rejected."""

    def edited(before: str, after: str, **extra: Any) -> Readings:
        old = hook_for(connect("clear", "old", host=before, extra={"access_token": "old-token"}))
        new = hook_for(connect("clear", "new", host=after, extra={"access_token": "new-token", **extra}))
        return Readings(old, new)

    return edited


def test_a_new_credential_never_goes_to_the_old_host(serve: Serve, edited: Callable[..., Readings]) -> None:
    old, new = serve(lambda _: answer("", 401)), serve(going_on)
    with edited(old.url, new.url).session() as session:
        assert session.get("/x").status_code == 401
    assert [seen.headers["x-clear-auth-token"] for seen in old.seen] == ["old-token"]
    assert new.seen == []


def test_after_an_edit_relative_urls_use_the_new_host(serve: Serve, edited: Callable[..., Readings]) -> None:
    old, new = serve(lambda _: answer("", 401)), serve(going_on)
    with edited(old.url, new.url).session() as session:
        session.get("/x")
        assert session.get("/y").status_code == 200
    assert [(seen.target, seen.headers["x-clear-auth-token"]) for seen in new.seen] == [("/y", "new-token")]


def test_a_new_credential_goes_through_the_new_proxy(serve: Serve, edited: Callable[..., Readings]) -> None:
    server, proxy = serve(lambda _: answer("", 401)), serve(going_on)
    with edited(server.url, server.url, proxy=proxy.url).session() as session:
        assert session.get("/x").status_code == 200
    assert [seen.headers["x-clear-auth-token"] for seen in server.seen] == ["old-token"]
    assert [seen.headers["x-clear-auth-token"] for seen in proxy.seen] == ["new-token"]


def slowly(content: bytes, seconds: float) -> Iterator[bytes | float]:
    """Yield a response of unknown length that takes this long, without a long pause."""
    yield b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    for _ in range(int(seconds / 0.1)):
        yield content
        yield 0.1


def test_an_ordinary_call_has_a_total_timeout(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: slowly(b"x", 20))
    began = time.monotonic()
    with (
        session_of("thalamus", server, connect, timeout=0.5) as session,
        pytest.raises(requests.exceptions.Timeout),
    ):
        session.get("/")
    assert time.monotonic() - began < 10


def test_a_download_may_take_longer_than_timeout(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: slowly(b"x", 1.5))
    with (
        session_of("thalamus", server, connect, timeout=0.6) as session,
        session.get("/", stream=True) as reply,
    ):
        assert reply.content == b"x" * 15


def test_an_upload_may_take_longer_than_timeout(connect: Connect, serve: Serve) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(15):
            yield b"x"
            time.sleep(0.1)

    server = serve(lambda _: answer("stored"))
    with session_of("thalamus", server, connect, timeout=0.6) as session:
        assert session.put("/", data=parts()).text == "stored"


def test_a_download_is_limited_by_transfer_timeout(connect: Connect, serve: Serve) -> None:
    """The response does not announce its length: an incomplete one must be an error."""
    server = serve(lambda _: slowly(b"x", 20))
    began = time.monotonic()
    with (
        session_of("thalamus", server, connect, transfer_timeout=1) as session,
        session.get("/", stream=True) as reply,
        pytest.raises(requests.exceptions.RequestException),
    ):
        _ = reply.content
    assert time.monotonic() - began < 12


def test_an_abandoned_response_leaves_no_watchdog(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: answer("body"))
    with session_of("thalamus", server, connect) as session:
        reply = session.get("/", stream=True)
        (watchdog,) = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
        reply.close()
        del reply
        gc.collect()
        watchdog.join(10)
    assert not watchdog.is_alive()
