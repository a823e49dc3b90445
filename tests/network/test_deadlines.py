"""`timeout` limits the total time of a request in both transports, wherever the server is slow."""

from __future__ import annotations

import contextvars
import gzip
import itertools
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.transports.deadline import Deadline

from .cases import GOING_ON, Connect, Poll, Serve, going_on
from .servers import Seen, answer
from .test_tls import trusted  # noqa: F401 - a fixture

TIMEOUT = 0.4
#: Seconds between two bytes, shorter than the timeout.
PAUSE = 0.1
#: Seconds that the slow responses below last at least, and tolerance beyond the timeout on slow machines.
LONG, PATIENCE = 15, 8.0


def slowly(byte: bytes) -> Iterator[bytes | float]:
    """Yield one byte at a time, for longer than any test waits."""
    for _ in range(int(LONG / PAUSE)):
        yield byte
        yield PAUSE


def head(**headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: application/json", *lines, "", ""]).encode()


CHUNKED = head(Transfer_Encoding="chunked")
WHOLE_CHUNK = f"{len(GOING_ON):x}\r\n{GOING_ON}\r\n".encode()
#: A gzip header that announces a file name that never ends.
GZIP_NAME = b"\x1f\x8b\x08\x08" + b"\0" * 6

#: Bytes sent at once, and the bytes that are then repeated.
DRIBBLED: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header": (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (head(Content_Length="10000"), b" "),
    "body without a length": (head(Connection="close") + GOING_ON.encode(), b" "),
    "chunk header": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"5;", b"x"),
    "chunk": (CHUNKED + b"1000\r\n", b" "),
    "trailer": (CHUNKED + WHOLE_CHUNK + b"0\r\n", b"x"),
    "trailers": (CHUNKED + WHOLE_CHUNK + b"0\r\n", b"X-T: 1\r\n"),
    "gzip header": (head(Content_Encoding="gzip", Connection="close") + GZIP_NAME, b"n"),
    "gzip": (head(Content_Encoding="gzip", Connection="close") + gzip.compress(b"{")[:10], b"\0"),
}


def given_up(poll: Poll, conn_id: str) -> float:
    """Run a poll that must end in an outage; return its duration."""
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError, match=r"timed out after 0\.4 seconds"):
        poll(conn_id, "7")
    return time.monotonic() - began


@pytest.mark.parametrize("part", DRIBBLED)
def test_a_trickling_response_is_abandoned(connect: Connect, serve: Serve, poll: Poll, part: str) -> None:
    at_once, again = DRIBBLED[part]
    server = serve(lambda _: itertools.chain([at_once], slowly(again)))
    conn_id = connect("thalamus", host=server.url, extra={"timeout": TIMEOUT})
    assert given_up(poll, conn_id) < PATIENCE


@pytest.mark.usefixtures("forgiven")
def test_a_trickling_proxy_response_to_connect_is_abandoned(
    connect: Connect, serve: Serve, poll: Poll
) -> None:
    def script(_: Seen) -> Iterator[bytes | float]:
        yield b"HTTP/1.1 200 OK\r\nX-Slow: "
        yield from slowly(b"x")

    proxy = serve(script)
    extra = {"timeout": TIMEOUT, "proxy": proxy.url}
    conn_id = connect("thalamus", host="https://vendor.invalid", extra=extra)
    assert given_up(poll, conn_id) < PATIENCE
    assert [seen.method for seen in proxy.seen] == ["CONNECT"]


class _Handshake(socketserver.BaseRequestHandler):
    """Starts a TLS record that never ends."""

    def handle(self) -> None:
        self.request.sendall(b"\x16\x03\x03\x40\x00")
        for _ in range(int(LONG / PAUSE)):
            self.request.sendall(b"\0")
            if self.server.closing.wait(PAUSE):  # type: ignore[attr-defined]
                return


@pytest.fixture
def handshaking() -> Iterator[str]:
    """Return the URL of a server that sends its TLS handshake one byte at a time."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Handshake) as server:
        server.daemon_threads = True
        server.closing = threading.Event()  # type: ignore[attr-defined]
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.closing.set()  # type: ignore[attr-defined]
        server.shutdown()


@pytest.mark.usefixtures("forgiven")
def test_a_trickling_tls_handshake_is_abandoned(connect: Connect, handshaking: str, poll: Poll) -> None:
    conn_id = connect("thalamus", host=handshaking, extra={"timeout": TIMEOUT})
    assert given_up(poll, conn_id) < PATIENCE


@pytest.mark.usefixtures("forgiven")
def test_a_trickling_chunk_header_over_tls_is_abandoned(
    connect: Connect,
    serve: Serve,
    poll: Poll,
    trusted: Path,  # noqa: F811
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted)

    def script(_: Seen) -> Iterator[bytes | float]:
        yield CHUNKED
        yield from slowly(b"0")

    url = serve(script, tls=context).url
    conn_id = connect("thalamus", host=url, extra={"timeout": TIMEOUT, "verify": str(trusted)})
    assert given_up(poll, conn_id) < PATIENCE


@pytest.fixture
def black_hole() -> Iterator[int]:
    """Return the port of a server with a full backlog, to which connecting takes minutes."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            waiting.append(one)
        yield port
        for one in waiting:
            one.close()


def test_a_host_with_many_dead_addresses_is_abandoned(
    connect: Connect, black_hole: int, monkeypatch: pytest.MonkeyPatch, poll: Poll
) -> None:
    """Previously each address had the whole timeout."""
    resolve = socket.getaddrinfo

    def many(host: Any, port: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "vendor.example":
            return resolve(host, port, *args, **kwargs)
        addresses = [f"127.0.0.{number}" for number in range(1, 31)]
        return [found for one in addresses for found in resolve(one, port, type=socket.SOCK_STREAM)]

    monkeypatch.setattr(socket, "getaddrinfo", many)
    monkeypatch.setattr(socket.socket, "connect", _only_to(black_hole, socket.socket.connect))
    conn_id = connect("thalamus", host=f"http://vendor.example:{black_hole}", extra={"timeout": TIMEOUT})
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError):
        poll(conn_id, "7")
    assert time.monotonic() - began < PATIENCE


def _only_to(port: int, connect: Any) -> Any:
    # Other loopback addresses refuse connections, but a dead one does not respond.
    def to_the_black_hole(self: socket.socket, address: Any) -> None:
        connect(self, ("127.0.0.1", port) if address[1] == port else address)

    return to_the_black_hole


def test_a_working_address_after_a_dead_one_is_used(
    connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch, poll: Poll
) -> None:
    server = serve(going_on)
    port = int(server.address.partition(":")[2])
    resolve = socket.getaddrinfo

    def two(host: Any, *args: Any, **kwargs: Any) -> list[Any]:
        if host != "vendor.example":
            return resolve(host, *args, **kwargs)
        return [
            *resolve("127.0.0.2", port, type=socket.SOCK_STREAM),
            *resolve("127.0.0.1", port, type=socket.SOCK_STREAM),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert poll(connect("thalamus", host=f"http://vendor.example:{port}"), "7").state == "running"


def test_a_limit_for_a_poll_is_shared_by_its_requests(connect: Connect, serve: Serve) -> None:
    def script(seen: Seen) -> Iterable[bytes | float]:
        is_login = "/token" in seen.target
        return [0.3, *answer('{"access_token": "t", "expires_in": 60}')] if is_login else slowly(b" ")

    server = serve(script)
    conn_id = connect("tao_advance", host=server.url, extra={"timeout": 3600})
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError, match=r"timed out after 0\.[0-9] seconds"):
        hook_for(conn_id).get_status_within(1.2, "7")
    assert 1.2 <= time.monotonic() - began < PATIENCE
    assert len(server.seen) == 2


def test_nothing_is_sent_when_the_limit_of_a_poll_has_passed(connect: Connect, serve: Serve) -> None:
    """A login would revoke the token that other processes use, and its answer would be lost."""
    server = serve(going_on)
    with pytest.raises(ImportUnavailableError, match="the wait's deadline has passed"):
        hook_for(connect("thalamus", host=server.url)).get_status_within(0.0, "7")
    assert server.seen == []


@pytest.mark.parametrize("is_slow", [False, True])
def test_no_thread_outlives_a_request(connect: Connect, serve: Serve, is_slow: bool) -> None:
    server = serve(lambda _: itertools.chain([CHUNKED], slowly(b"0")) if is_slow else answer(GOING_ON))
    hook = hook_for(connect("thalamus", host=server.url, extra={"timeout": TIMEOUT if is_slow else 30}))
    before = _watchdogs()
    with pytest.raises(ImportUnavailableError) if is_slow else nullcontext():
        hook.get_import_status("7")
    # A cancelled watchdog ends by itself, but not immediately.
    for thread in _watchdogs() - before:
        thread.join(PATIENCE)
    assert _watchdogs() - before == set()


def _watchdogs() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)}


def test_a_deadline_that_a_signal_left_behind_binds_no_other_request(connect: Connect, serve: Serve) -> None:
    """The signal of `execution_timeout` may arrive before the deadline's block begins, or as it ends."""
    server = serve(going_on)

    def interrupted() -> int:
        deadline = Deadline(0.01, owner="a session that is gone").__enter__()
        while not deadline.has_passed:
            time.sleep(0.01)
        with hook_for(connect("thalamus", host=server.url)).get_conn() as session:
            return session.get("/").status_code

    assert contextvars.copy_context().run(interrupted) == 200


def test_a_request_that_was_answered_in_time_is_not_shut_down_later(connect: Connect, serve: Serve) -> None:
    """A session keeps connections: the next request may use one when the previous deadline passes."""
    server = serve(_kept_open)
    hook = hook_for(connect("thalamus", host=server.url, extra={"timeout": 1}))
    with hook.get_conn() as session:
        assert session.get("/first").status_code == 200
        assert session.get("/slow", timeout=30).text == "in the end"


def _kept_open(seen: Seen) -> Iterable[bytes | float]:
    return answer("") if seen.target == "/first" else [1.5, *answer("in the end")]
