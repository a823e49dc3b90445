"""Unusual and invalid HTTP, which both transports must handle in the same way."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
)

from .cases import GOING_ON, Connect, Poll, Serve
from .servers import answer

BODY = GOING_ON.encode()
LENGTH = f"Content-Length: {len(BODY)}\r\n".encode()
OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
FLOOD = 1024 * 1024


def flood(of: bytes) -> Iterator[bytes | float]:
    """Yield 100 MB of the same bytes."""
    block = of * (FLOOD // len(of))
    for _ in range(100):
        yield block


def chunked(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content)


ANSWERED: dict[str, bytes] = {
    "after 100": b"HTTP/1.1 100 Continue\r\n\r\n" + OK + LENGTH + b"\r\n" + BODY,
    "after two of 100": b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * 2 + OK + LENGTH + b"\r\n" + BODY,
    "no reason phrase": OK.replace(b" OK", b"") + LENGTH + b"\r\n" + BODY,
    "reason phrase in Latin-1": OK.replace(b"OK", b"caf\xe9") + LENGTH + b"\r\n" + BODY,
    "long header": OK + b"X-Policy: " + b"x" * 20_000 + b"\r\n" + LENGTH + b"\r\n" + BODY,
    "trailers": OK + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(BODY)[:-2] + b"X: y\r\n\r\n",
    "deflate with a header": OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(BODY),
    "deflate without": OK + b"Content-Encoding: deflate\r\n\r\n" + zlib.compress(BODY, wbits=-15),
    "gzip in upper case": OK + b"Content-Encoding: GZIP\r\n\r\n" + gzip.compress(BODY),
    "gzip in two parts": OK
    + b"Content-Encoding: gzip\r\n\r\n"
    + gzip.compress(BODY[:9])
    + gzip.compress(BODY[9:]),
    "identity": OK + b"Content-Encoding: identity\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("kind", ANSWERED)
def test_an_unusual_but_valid_response_is_read(connect: Connect, serve: Serve, poll: Poll, kind: str) -> None:
    server = serve(lambda _: [ANSWERED[kind]])
    assert poll(connect("thalamus", host=server.url), "7").state == "running"


GZIPPED = gzip.compress(BODY)
BROKEN: dict[str, tuple[bytes, type[ImportStatusError]]] = {
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", ImportProtocolError),
    "204 with gzip": (b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n", ImportProtocolError),
    "205 without a body": (
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
        ImportProtocolError,
    ),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", ImportProtocolError),
    "no body": (OK + b"Content-Length: 0\r\n\r\n", ImportProtocolError),
    "length too long": (OK + b"Content-Length: 10000\r\n\r\n" + BODY, ImportUnavailableError),
    "length too short": (OK + b"Content-Length: 5\r\n\r\n" + BODY, ImportStatusError),
    "lengths that differ": (
        OK + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
        ImportUnavailableError,
    ),
    "no headers": (BODY, ImportUnavailableError),
    "garbage": (b"\x00\xff\xfe" * 100, ImportUnavailableError),
    "a line": (b"SSH-2.0-OpenSSH_9.2\r\n", ImportUnavailableError),
    "nothing": (b"", ImportUnavailableError),
    "status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", ImportUnavailableError),
    "status of no digits": (b"HTTP/1.1 abc OK\r\n\r\n", ImportUnavailableError),
    "another version": (b"HTTP/9.9 200 OK\r\n\r\n", ImportStatusError),
    "invalid chunk length": (
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY,
        ImportUnavailableError,
    ),
    "chunks without an end": (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}", ImportUnavailableError),
    "transfer-encoding gzip": (OK + b"Transfer-Encoding: gzip\r\n\r\n" + GZIPPED, ImportStatusError),
    "gzip that breaks off": (OK + b"Content-Encoding: gzip\r\n\r\n" + GZIPPED[:-9], ImportUnavailableError),
    "invalid gzip": (OK + b"Content-Encoding: gzip\r\n\r\n" + BODY, ImportUnavailableError),
    "gzip twice": (OK + b"Content-Encoding: gzip, gzip\r\n\r\n" + GZIPPED, ImportProtocolError),
    "brotli, which was not asked for": (OK + b"Content-Encoding: br\r\n\r\nxxx", ImportProtocolError),
    "zstd, which was not asked for": (OK + b"Content-Encoding: zstd\r\n\r\nxxx", ImportProtocolError),
    "switching protocols": (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ImportStatusError),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.usefixtures("forgiven")
def test_a_broken_response_is_one_of_our_errors(
    connect: Connect, serve: Serve, poll: Poll, kind: str
) -> None:
    content, error = BROKEN[kind]
    server = serve(lambda _: [content])
    with pytest.raises(error):
        poll(connect("thalamus", host=server.url, extra={"timeout": 5}), "7")


FLOODS: dict[str, tuple[bytes, bytes]] = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "many headers": (OK, b"X-Header: value\r\n"),
    "one header": (OK + b"X-Header: ", b"x"),
    "one header in lines": (OK + b"X-Header: x\r\n", b" folded\r\n"),
    "chunk header": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "body": (OK + b"\r\n", b" "),
    "gzip that unpacks to nothing": (
        OK + b"Content-Encoding: gzip\r\n\r\n" + b"\x1f\x8b\x08\x08" + b"\0" * 6,
        b"n",
    ),
}


@pytest.mark.parametrize("kind", FLOODS)
def test_an_oversized_response_is_one_of_our_errors(
    connect: Connect, serve: Serve, poll: Poll, kind: str
) -> None:
    start, again = FLOODS[kind]

    def script(_: Any) -> Iterator[bytes | float]:
        yield start
        yield from flood(again)

    with pytest.raises(ImportStatusError):
        poll(connect("thalamus", host=serve(script).url, extra={"timeout": 10}), "7")


@pytest.mark.parametrize("status", [200, 404])
def test_header_values_are_plain_text(connect: Connect, serve: Serve, poll: Poll, status: int) -> None:
    """Errors quote the content type, and are stored and printed."""
    head = b"HTTP/1.1 %d OK\r\nConnection: close\r\nContent-Type: text/caf\xe9\x85\xff\r\n\r\n" % status
    server = serve(lambda _: [head, b"<p>no JSON</p>"])
    with pytest.raises(ImportStatusError) as caught:
        poll(connect("thalamus", host=server.url), "7")
    assert str(caught.value).encode()
    assert all(one.isprintable() for one in str(caught.value))
    if status == 200:
        assert "text/café ÿ" in str(caught.value)


def test_a_repeated_header_is_read_the_same_by_both_transports(
    connect: Connect, serve: Serve, poll: Poll
) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n"
    server = serve(lambda _: [head, b"<p>no JSON</p>"])
    with pytest.raises(ImportProtocolError, match="a/b, c/d"):
        poll(connect("thalamus", host=server.url), "7")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_compression_bomb_is_decompressed_only_up_to_the_limit(
    connect: Connect, serve: Serve, poll: Poll, coding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """512 MiB compressed to half a megabyte; the output of zlib is counted."""
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    # After a full flush the same block can follow any number of times. Nobody reads as far as the checksum.
    first, block = (packer.compress(b" " * 1024 * 1024) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    bomb = first + block * 511 + packer.flush()
    head = OK + f"Content-Encoding: {coding}\r\n\r\n".encode()
    largest = _counted(monkeypatch)
    conn_id = connect("thalamus", host=serve(lambda _: [head, bomb]).url)
    with pytest.raises(ImportProtocolError, match="larger than"):
        poll(conn_id, "7")
    assert 0 < sum(largest) < 6 * 1024 * 1024


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    original = zlib.decompressobj

    class Counted:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._stream = original(*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

        def decompress(self, *args: Any, **kwargs: Any) -> bytes:
            unpacked = self._stream.decompress(*args, **kwargs)
            sizes.append(len(unpacked))
            return unpacked

    monkeypatch.setattr(zlib, "decompressobj", Counted)
    return sizes


def test_only_supported_encodings_are_accepted(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(lambda _: answer(json.dumps({"state": "PROCESSING"})))
    poll(connect("thalamus", host=server.url), "7")
    assert [seen.headers["accept-encoding"] for seen in server.seen] == ["gzip, deflate"]
