"""The session that a hook gives for the vendor's other calls."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airflow_provider_importstatus.exceptions import ImportAuthError
from airflow_provider_importstatus.hooks.base import USER_AGENT, hook_for
from airflow_provider_importstatus.sandbox import Sandbox

from .cases import PRESENTED, READY, Connect, Serve, going_on
from .servers import Seen, Server, answer

CSV = b"id,name\n1,one\n"
TAO_UPLOAD = "/api/v1/upload/api/v1/upload"
ZILLIANT_MAPPING = {"entitySystemName": "prices", "definition": {"columns": []}}
#: Headers of which none may come to another origin.
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
    """Somebody else's storage: another origin."""
    return serve(lambda _: answer("stored"))


def session_of(vendor: str, server: Server, connect: Connect, **extra: object) -> requests.Session:
    conn_id = connect(vendor, host=server.url, extra={**READY[vendor], **extra})
    return hook_for(conn_id).get_conn()


def leaked(seen: Seen) -> set[str]:
    return CREDENTIALS & set(seen.headers)


@pytest.mark.parametrize("vendor", READY)
def test_a_relative_url_is_below_the_base_and_signed(connect: Connect, serve: Serve, vendor: str) -> None:
    server = serve(going_on)
    with session_of(vendor, server, connect) as session:
        session.get("/other/call", params={"a": "b"})
    name, value = PRESENTED[vendor]
    assert [(seen.target, seen.headers.get(name)) for seen in server.seen] == [("/other/call?a=b", value)]


def test_a_relative_url_is_below_the_path_of_the_host(connect: Connect, serve: Serve) -> None:
    server = serve(going_on)
    conn_id = connect("thalamus", host=f"{server.url}/thalamus")
    with hook_for(conn_id).get_conn() as session:
        session.get("/api/v4/me")
    assert server.seen[0].target == "/thalamus/api/v4/me"


def test_an_absolute_url_of_the_own_origin_is_signed(connect: Connect, serve: Serve) -> None:
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


def test_a_redirect_back_to_the_own_origin_is_signed_again(connect: Connect, serve: Serve) -> None:
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
def test_a_refused_credential_is_renewed_once_and_the_file_sent_again(
    sandbox: Sandbox, tao: requests.Session, as_stream: bool
) -> None:
    tao.get("/api/v1/upload/api/v1/status/unknown")
    sandbox.revoke("tao_advance")
    reply = tao.post(TAO_UPLOAD, files={"file": ("roster.csv", io.BytesIO(CSV) if as_stream else CSV)})
    assert reply.json()["result"]["referenceId"]
    assert sandbox.requests("tao_advance")["token"] == 2


def test_a_refused_credential_is_renewed_once_and_the_json_sent_again(
    sandbox: Sandbox, connect: Connect
) -> None:
    with hook_for(connect("zilliant")).get_conn() as session:
        session.get("/v1/EntityImport/unknown/status")
        sandbox.revoke("zilliant")
        reply = session.post("/v1/EntityImport/", json=ZILLIANT_MAPPING)
    assert reply.status_code == 201


@pytest.fixture
def refusing_once(serve: Serve, connect: Connect) -> Iterator[tuple[requests.Session, Server]]:
    """A session, and the vendor that refuses its first credential."""

    def vendor(seen: Seen) -> list[bytes | float]:
        if seen.target.startswith("/oauth"):
            return answer('{"access_token": "t0ken"}')
        return answer("", 401 if len([one for one in server.seen if one.target == "/put"]) == 1 else 200)

    server = serve(vendor)
    conn_id = connect("tao_advance", host=server.url, extra={"token_url": f"{server.url}/oauth"})
    with hook_for(conn_id).get_conn() as session:
        yield session, server


@pytest.mark.parametrize("kind", ["bytes", "bytearray", "text", "file", "rest-of-a-file"])
def test_a_body_is_sent_again_whole(
    refusing_once: tuple[requests.Session, Server], tmp_path: Path, kind: str
) -> None:
    session, server = refusing_once
    (tmp_path / "file.csv").write_bytes(b"skipped" + CSV if kind == "rest-of-a-file" else CSV)
    with (tmp_path / "file.csv").open("rb") as file:
        file.seek(len("skipped") if kind == "rest-of-a-file" else 0)
        bodies = {"bytes": CSV, "bytearray": bytearray(CSV), "text": CSV.decode()}
        assert session.put("/put", data=bodies.get(kind, file)).status_code == 200
    assert [seen.body for seen in server.seen if seen.target == "/put"] == [CSV, CSV]


def test_a_body_that_is_used_up_is_not_sent_again(refusing_once: tuple[requests.Session, Server]) -> None:
    session, server = refusing_once
    assert session.put("/put", data=iter([CSV])).status_code == 401
    assert len([seen for seen in server.seen if seen.target == "/put"]) == 1


def test_a_second_refusal_is_the_callers(sandbox: Sandbox, tao: requests.Session) -> None:
    sandbox.fault("tao_advance", "submit", "401", times=None)
    assert tao.post(TAO_UPLOAD, files={"file": ("roster.csv", CSV)}).status_code == 401
    assert sandbox.requests("tao_advance")["submit"] == 2


def test_a_login_that_is_refused_is_an_auth_error(connect: Connect) -> None:
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


def test_the_connections_time_limit_is_the_sessions(connect: Connect, serve: Serve) -> None:
    server = serve(lambda _: [3.0, *answer("")])
    with (
        session_of("thalamus", server, connect, timeout=0.2) as session,
        pytest.raises(requests.exceptions.Timeout),
    ):
        session.get("/")


def test_the_callers_time_limit_wins(connect: Connect, serve: Serve) -> None:
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


def test_the_sessions_proxy_is_the_connections(
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
    """The storage refuses whoever sends it the vendor's credential."""
    with hook_for("clear_default").get_conn() as session:
        presign = session.get("/one-integration/action/pre-sign", params={"filename": "a.csv"}).json()
        url = presign["result"]["preSignedUrl"]
        stored = session.put(url, data=CSV)
        ingest = {"fileInfo": [{"uploadUrl": url.partition("?")[0]}], "templateType": "PURCHASE"}
        task = session.post("/one-integration/api/v1/ingest", json=ingest).json()
    assert (stored.status_code, bool(task["result"]["taskId"])) == (200, True)
