"""The kinds of faults: what goes over the wire, and what a wait must make of it."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache
from typing import Any

from tests.vendors import SAMPLES

from .answers import BUILT_IN, answer, not_found, refusal

__all__ = ["CLOSE", "KINDS", "RESET", "STALL", "STATIC", "Asked", "Kind", "Part", "whole"]

#: What a server does besides sending bytes and pausing (seconds).
STALL, CLOSE, RESET = "stall", "close", "reset"
Part = bytes | float | str
MEBIBYTE = 1024 * 1024
#: The value of a field that an answer does not have.
MISSING = object()

HOSTILE = (
    "half \ud83d of a pair",
    "\udce9 at the beginning",
    "NUL \x00 here",
    "\x1b[31mred\x1b[0m\r\nand a line",
    "\x9b2J \x85 \x7f \u2028\u202e\ufeff",
    "😀" * 600,
    "\x1b]8;;https://u:hunter2@files.example/a?sig=hunter2\x07\x00",
)


@dataclass(frozen=True)
class Asked:
    """A request that is answered with a fault.

    :param state: the state that a readable answer has
    :param lie: a final state that the import does not have. What must not be believed says so
    :param variant: chooses among the forms of a kind
    :param credential: the credential in the request
    :param elsewhere: the URL of a server that nobody may ask
    """

    vendor: str
    state: str
    lie: str
    variant: int
    is_report: bool = False
    credential: str = ""
    elsewhere: str = ""
    now: float = 0.0

    def told(self, **more: Any) -> dict[str, Any]:
        """Return the answer with the true state."""
        return answer(self.vendor, self.state, is_report=self.is_report, **more)

    def lied(self, **more: Any) -> dict[str, Any]:
        """Return the answer with the wrong state."""
        return answer(self.vendor, self.lie, is_report=self.is_report, **more)

    def one_of(self, *forms: Any) -> Any:
        """Return one of these, by the variant."""
        return forms[self.variant % len(forms)]


@dataclass(frozen=True)
class Kind:
    """A kind of answers.

    :param means: what it must be taken for: `good`, `unavailable`, `broken`, `unauthorized`, `not_found`,
        `refused` or `redirect`
    :param answer: what is sent
    :param vendors: the vendors that have it; empty for all
    :param is_slow: whether it takes as long as the client's timeout
    :param is_announced: whether it makes the client pause for a second
    :param is_long: whether it makes the client pause until the wait is over
    """

    means: str
    answer: Callable[[Asked], Iterator[Part] | list[Part]]
    vendors: tuple[str, ...] = ()
    is_slow: bool = False
    is_long: bool = False
    is_announced: bool = False


def whole(body: bytes | dict[str, Any], status: int = 200, **headers: str) -> bytes:
    """Return an HTTP response; `content_type="text/html"` sets that header."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(content))}
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def page(asked: Asked, status: int) -> list[Part]:
    """Return a gateway's page, which lies."""
    text = f"<!doctype html><h1>Sign in</h1><pre>{json.dumps(asked.lied())}</pre>"
    return [whole(text.encode(), status, content_type="text/html; charset=utf-8")]


def with_more(data: dict[str, Any], more: bytes) -> bytes:
    """Return JSON with a field that nobody reads, which is given as it is written."""
    return json.dumps(data).encode()[:-1] + b', "ignored": ' + more + b"}"


def limited(status: int, after: str) -> list[Part]:
    """Return a response with `Retry-After`."""
    return [whole({"message": "Slow down."}, status, retry_after=after)]


@cache
def bomb(coding: str) -> bytes:
    """Return 256 MiB of blanks, compressed."""
    packer = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    first, block = (packer.compress(b" " * MEBIBYTE) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + block * 255 + packer.flush()


def packed(asked: Asked, coding: str) -> list[Part]:
    """Return a bomb that ends, and would be a lie."""
    body = gzip.compress(json.dumps(asked.lied()).encode()) if coding == "gzip" else b""
    return [whole(bomb(coding) + body, content_encoding=coding)]


def unfinished(asked: Asked) -> list[Part]:
    """Return a lie that breaks off: within the headers, the body, or a chunk."""
    lie = json.dumps(asked.lied()).encode()
    sent = whole(lie)
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(lie), lie)
    gzipped = gzip.compress(lie)
    cut = whole(gzipped, content_encoding="gzip")
    return [asked.one_of(sent[:20], sent[:-1], sent[: -len(lie) // 2], chunks, cut[:-4], sent[:-2]), CLOSE]


def trickled(body: bytes, pause: float) -> Iterator[Part]:
    """Yield a response in pieces, with pauses."""
    for index in range(0, len(body), 16):
        yield body[index : index + 16]
        yield pause


def dribbled(asked: Asked) -> Iterator[Part]:
    """Yield a lie so slowly that it never ends."""
    sent = whole(asked.lied(), content_length="100000")
    head = sent[: sent.index(b"\r\n\r\n") + 2] + b"X-Slow: "
    start = asked.one_of(b"HTTP/1.1 200 ", head, sent)
    yield start
    while True:
        yield 0.05
        yield b" "


def flood(asked: Asked) -> Iterator[Part]:
    """Yield a lie and a body without an end."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    yield json.dumps(asked.lied()).encode()
    while True:
        yield b" " * MEBIBYTE


def without_state(asked: Asked) -> dict[str, Any]:
    """Return a lie whose state is of a wrong type, or missing."""
    return without_missing(asked.lied(word=asked.one_of(MISSING, [], {"state": "x"}, ["PROCESSED"], "  ")))


def without_missing(data: dict[str, Any]) -> dict[str, Any]:
    """Return an answer without the fields that are to be missing."""
    return {
        name: without_missing(value) if isinstance(value, dict) else value
        for name, value in data.items()
        if value is not MISSING
    }


def date(asked: Asked, seconds: float) -> str:
    """Return an HTTP date, this many seconds from now."""
    return formatdate(asked.now + seconds, usegmt=True)


def hostile(asked: Asked) -> str:
    """Return a text that must not be stored as it is."""
    return str(asked.one_of(*HOSTILE))


#: Vendors whose credential is in the connection.
STATIC = (
    *(vendor for vendor in BUILT_IN if SAMPLES[vendor].ready is not None),
    *("hubspot", "klaviyo", "canvas", "sendgrid", "auth0", "zendesk"),
)

KINDS: dict[str, Kind] = {
    "plain": Kind("good", lambda a: [whole(a.told())]),
    # Texts that cannot be stored, and types that are wrong
    "surrogate or control characters": Kind("good", lambda a: [whole(a.told(text=hostile(a)))]),
    "wrong types": Kind("good", lambda a: [whole(a.told(odd=a.variant))]),
    "wrong clock": Kind(
        "good",
        lambda a: [whole(a.told(), date=date(a, a.one_of(-1e9, 3e9, 86400.0)), age="-7", expires="0")],
    ),
    "byte order mark": Kind("good", lambda a: [whole(b"\xef\xbb\xbf" + json.dumps(a.told()).encode())]),
    "wide and valid": Kind("good", lambda a: [whole(with_more(a.told(), b"[" + b"1," * 300_000 + b"1]"))]),
    "long number": Kind("good", lambda a: [whole(with_more(a.told(), b"9" * 400))]),
    "closed after the answer": Kind("good", lambda a: [whole(a.told()), CLOSE]),
    "slow but complete": Kind("good", lambda a: trickled(whole(a.told()), 0.002)),
    "state of a wrong type": Kind("broken", lambda a: [whole(without_state(a))]),
    # The connection
    "dropped before the answer": Kind("unavailable", lambda _: [CLOSE]),
    "reset before the answer": Kind("unavailable", lambda _: [RESET]),
    "dropped within the answer": Kind("unavailable", unfinished),
    "stalled": Kind("unavailable", lambda a: [a.one_of(b"", whole(a.lied())[:30]), STALL], is_slow=True),
    "dribbled": Kind("unavailable", dribbled, is_slow=True),
    "no HTTP": Kind("unavailable", lambda a: [a.one_of(b"SSH-2.0-OpenSSH\r\n", b"\x00\xff" * 99), CLOSE]),
    # Status codes
    "5xx": Kind(
        "unavailable",
        lambda a: [whole(a.lied(), a.one_of(500, 502, 503, 504, 507, 520, 599), connection="close")],
    ),
    "408 and 425": Kind("unavailable", lambda a: [whole(a.lied(), a.one_of(408, 425))]),
    "429": Kind("unavailable", lambda _: [whole({"message": "Slow down."}, 429)]),
    "429, Retry-After: 1": Kind("unavailable", lambda _: limited(429, "1"), is_announced=True),
    "429, Retry-After: a date": Kind("unavailable", lambda a: limited(429, date(a, 2.0)), is_announced=True),
    "429, Retry-After: a past date": Kind("unavailable", lambda a: limited(429, date(a, -86400.0))),
    "429, Retry-After: unusable": Kind(
        "unavailable",
        lambda a: limited(429, a.one_of("", "-1", "0", "nan", "inf", "soon", "1e999", "1 s", "\xe9", "1,2")),
    ),
    "429, Retry-After: days": Kind("unavailable", lambda _: limited(429, "1e300"), is_long=True),
    "503, Retry-After: days": Kind("unavailable", lambda _: limited(503, "864000"), is_long=True),
    "503, Retry-After: 1": Kind("unavailable", lambda _: limited(503, "1"), is_announced=True),
    "page under 200": Kind("broken", lambda a: page(a, 200)),
    "page under 404": Kind("broken", lambda a: page(a, 404)),
    "page under 502": Kind("unavailable", lambda a: page(a, 502)),
    "redirect": Kind(
        "redirect",
        lambda a: [whole(a.lied(), a.one_of(301, 302, 303, 307, 308), location=f"{a.elsewhere}/lie")],
    ),
    "not found": Kind("not_found", lambda a: [whole(not_found(a.vendor)[1], not_found(a.vendor)[0])]),
    "rejected credential": Kind(
        "unauthorized", lambda a: [whole(refusal("", hostile(a)), a.one_of(401, 403))]
    ),
    "refused, hostile text": Kind("refused", lambda a: [whole(refusal(a.vendor, hostile(a)), 400)]),
    "refused, echoed credential": Kind("refused", lambda a: [whole(refusal(a.vendor, a.credential), 400)]),
    "refused, page in UTF-16": Kind(
        "refused", lambda _: [whole("<h1>No \x00</h1>".encode("utf-16"), 400, content_type="text/caf\xe9")]
    ),
    "refused under 200": Kind(
        "refused", lambda a: [whole({**refusal("clear", hostile(a)), "status": 200})], vendors=("clear",)
    ),
    "5xx under 200": Kind(
        "unavailable", lambda a: [whole({**a.lied(), "status": a.one_of(500, 503, 429)})], vendors=("clear",)
    ),
    # Bodies
    "empty": Kind(
        "broken", lambda a: [a.one_of(whole(b""), whole(b"null"), whole(b"7"), whole(b'"PROCESSED"'))]
    ),
    "truncated JSON": Kind("broken", lambda a: [whole(json.dumps(a.lied()).encode()[: -1 - a.variant % 3])]),
    "two documents": Kind("broken", lambda a: [whole(json.dumps(a.lied()).encode() * 2)]),
    "oversized": Kind("broken", lambda a: [whole(json.dumps(a.lied()).encode() + b" " * 6 * MEBIBYTE)]),
    "endless": Kind("broken", flood),
    "deep": Kind(
        "broken",
        lambda a: [whole(with_more(a.lied(), b"[" * a.one_of(99, 90_000) + b"]" * a.one_of(99, 90_000)))],
    ),
    "wide with objects": Kind(
        "broken", lambda a: [whole(with_more(a.lied(), b"[" + b"{}," * 1_500_000 + b"{}]"))]
    ),
    "mis-encoded": Kind(
        "broken", lambda a: [whole(with_more(a.lied(), '"caf\xe9"'.encode(a.one_of("latin-1", "cp500"))))]
    ),
    "number that is too long": Kind("broken", lambda a: [whole(with_more(a.lied(), b"9" * 5000))]),
    "gzip bomb": Kind("broken", lambda a: packed(a, "gzip")),
    "deflate bomb": Kind("broken", lambda a: packed(a, "deflate")),
    "labelled br or zstd": Kind(
        "broken",
        lambda a: [whole(a.lied(), content_encoding=a.one_of("br", "zstd", "compress", "gzip, gzip"))],
    ),
    "corrupt gzip": Kind("unavailable", lambda a: [whole(a.lied(), content_encoding="gzip")]),
}
