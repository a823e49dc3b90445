"""Influence of the environment: proxies and `.netrc`."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from airflow_provider_importstatus.exceptions import ImportUnavailableError

from .cases import PRESENTED, READY, Connect, Poll, Serve, going_on, running
from .servers import Seen, Server, answer

#: A host that only a proxy can reach.
FAR = "http://vendor.invalid"


@pytest.fixture
def proxy(serve: Serve) -> Server:
    """Return a proxy without TLS that responds like a vendor whose import is running."""

    def script(seen: Seen) -> list[bytes | float]:
        return answer("", 502) if seen.method == "CONNECT" else going_on(seen)

    return serve(script)


def test_the_connections_proxy_is_used(connect: Connect, proxy: Server, poll: Poll) -> None:
    assert poll(connect("thalamus", host=FAR, extra={"proxy": proxy.url}), "7").state == "running"
    assert [seen.target for seen in proxy.seen] == [f"{FAR}/api/v4/import/status/7"]


def test_the_connections_proxy_gets_the_user_agent(connect: Connect, proxy: Server, poll: Poll) -> None:
    address = proxy.url.replace("http://", "http://somebody:a-password@")
    poll(connect("thalamus", host=FAR, extra={"proxy": address}), "7")
    expected = f"Basic {base64.b64encode(b'somebody:a-password').decode()}"
    assert proxy.seen[0].headers["proxy-authorization"] == expected


def test_tls_goes_through_the_connections_proxy(connect: Connect, proxy: Server, poll: Poll) -> None:
    conn_id = connect("thalamus", host="https://vendor.invalid", extra={"proxy": proxy.url})
    with pytest.raises(ImportUnavailableError):
        poll(conn_id, "7")
    assert [(seen.method, seen.target) for seen in proxy.seen] == [("CONNECT", "vendor.invalid:443")]


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_the_environments_proxy_is_used(
    connect: Connect, proxy: Server, monkeypatch: pytest.MonkeyPatch, poll: Poll, name: str
) -> None:
    monkeypatch.setenv(name, proxy.url)
    assert poll(connect("thalamus", host=FAR), "7").state == "running"
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("exempt", ["127.0.0.1", "example.com, 127.0.0.1", "127.0.0.0/8", "*"])
def test_no_proxy_is_respected(
    connect: Connect,
    proxy: Server,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    poll: Poll,
    exempt: str,
) -> None:
    vendor = serve(going_on)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", exempt)
    poll(connect("thalamus", host=vendor.url), "7")
    assert (len(vendor.seen), proxy.seen) == (1, [])


def test_the_connections_proxy_wins_over_the_environments(
    connect: Connect, proxy: Server, serve: Serve, monkeypatch: pytest.MonkeyPatch, poll: Poll
) -> None:
    other = serve(going_on)
    monkeypatch.setenv("HTTP_PROXY", other.url)
    poll(connect("thalamus", host=FAR, extra={"proxy": proxy.url}), "7")
    assert (len(proxy.seen), other.seen) == (1, [])


def test_a_proxy_that_is_down_is_unavailable_without_its_password(
    connect: Connect, serve: Serve, poll: Poll
) -> None:
    with serve(going_on) as server:
        address = server.url.replace("http://", "http://somebody:a-proxys-password@")
    with pytest.raises(ImportUnavailableError) as error:
        poll(connect("thalamus", host=FAR, extra={"proxy": address}), "7")
    assert "a-proxys-password" not in str(error.value)


@pytest.mark.parametrize("vendor", READY)
def test_netrc_is_never_used(
    connect: Connect,
    serve: Serve,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    poll: Poll,
    vendor: str,
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login intruder password from-netrc\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server = serve(running(vendor))
    poll(connect(vendor, host=server.url, extra=READY[vendor]), "7")
    name, value = PRESENTED[vendor]
    headers = server.seen[0].headers
    assert headers.get("authorization") == (value if name == "authorization" else None)
