"""Any bytes from the network end, in time, in a status or one of our errors, which can be stored."""

from __future__ import annotations

import gzip
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..hooks.strategies import bodies, encoded, json_values, places, with_other
from ..hostile_texts import HOSTILE, is_clean, texts_in
from ..vendors import SAMPLES
from .cases import READY, WITH_LOGIN, Connect, KeepPolling, Poll, Serve
from .servers import Seen, Server, answer

# After some broken headers urllib3 leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

#: Seconds; a poll of Zilliant is two requests, and a machine may be slow.
TIMEOUT, PATIENCE = 5.0, 30.0
TOKEN_RESPONSE = {"access_token": "Zq-token", "token_type": "Bearer", "expires_in": 3600}

every_vendor = pytest.mark.parametrize("vendor", SAMPLES)
any_answers = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    # The fixtures are shared by all examples of a test, as a client is by all polls of a wait.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@dataclass(frozen=True)
class Raw:
    """An HTTP response.

    :param sent: all bytes that go over the socket before it is closed
    :param status: its status, if it has one
    :param body: the decoded content, if it can be read completely
    """

    sent: bytes
    status: int
    body: bytes


HOSTILE_TEXTS = (*HOSTILE.values(), "NA", "https://u:p@files.example/a?sig=5ecret \x00")
hostile_values = (
    st.sampled_from(HOSTILE_TEXTS)
    | st.sampled_from([10**400, -(10**18), math.nan, math.inf, 1e400, True, [], {}, [[]], {"a": "\ud83d"}])
    | json_values
)
#: Arbitrary headers: names and values are bytes, not necessarily ASCII.
header_lines = st.sampled_from(
    [
        b"Content-Type: application/json; charset=caf\xe9",
        b"Content-Type: text/html; name=\xff\xfe\x1b[31m",
        b"Content-Type: " + "téxt/hüml😀".encode(),
        b"Content-Type: ",
        b"Content-Type: application/json\x00",
        b"Content-Type: " + b"x" * 9000,
        b"Retry-After: 7",
        b"Retry-After: -1",
        b"Retry-After: nan",
        b"Retry-After: 1e999",
        b"Retry-After: \xe9",
        b"Retry-After: Wed, 21 Oct 99999 07:28:00 GMT",
        b"Location: /\xe9\x00",
        b"Set-Cookie: a=\xe9; Domain=\x1b",
        b"Transfer-Encoding: chunked",
        b"Content-Encoding: gzip",
        b"Content-Encoding: deflate",
        b"Content-Encoding: br",
        b"Content-Length: -1",
        b"Content-Length: 1",
        b"Content-Length: 99999999999999999999",
        b"WWW-Authenticate: Basic realm=\xff",
        b"Bad Name: 1",
        b"\xe9: 1",
        b": nothing",
        b"no colon",
        b" folded",
        b"X-Long: " + b"y" * 70_000,
    ]
) | st.binary(max_size=40)
status_lines = st.sampled_from(
    [
        b"HTTP/1.1 abc",
        b"HTTP/9.9 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1",
        b"HTTP/1.1 200 \xe9\x1b[31m",
        b"",
        b"\xff\x00",
    ]
)
statuses = st.sampled_from([200] * 6 + [201, 204, 302, 304, 400, 400, 401, 403, 404, 404, 408, 429, 500, 503])


@st.composite
def hostile_bodies(draw: st.DrawFn, answers: tuple[dict[str, Any], ...]) -> bytes:
    """Draw a real response with some parts replaced, in any encoding."""
    changed: Any = draw(st.sampled_from(answers))
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        path = draw(st.sampled_from([path for path in places(changed) if path] or [()]))
        changed = with_other(changed, path, draw(hostile_values))
    text = json.dumps(changed)
    spelling = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "utf-32", "utf-16-le"]))
    return text.encode(spelling)


pages = st.builds(
    lambda text, spelling: f"<!doctype html><h1>{text}</h1>".encode(spelling, "replace"),
    st.sampled_from(HOSTILE_TEXTS),
    st.sampled_from(["utf-8", "utf-16", "latin-1"]),
)


@st.composite
def raw_answers(draw: st.DrawFn, answers: tuple[dict[str, Any], ...]) -> Raw:
    """Draw an HTTP response with any body and content encoding, unusual headers, perhaps truncated."""
    body = draw(hostile_bodies(answers) | hostile_bodies(answers) | bodies(answers) | pages)
    status = draw(statuses | st.integers(min_value=200, max_value=999))
    first = draw(
        st.just(b"HTTP/1.1 %d Whatever" % status) | st.just(b"HTTP/1.1 %d Whatever" % status) | status_lines
    )
    coding, content = draw(st.sampled_from(["identity"] * 3 + ["gzip", "deflate", "garbage"])), body
    if coding == "gzip":
        content = gzip.compress(body)
    elif coding == "deflate":
        content = zlib.compress(body)
    lines = [first, b"Content-Type: application/json"]
    lines += [b"Content-Encoding: gzip"] if coding in ("gzip", "garbage") else []
    lines += [b"Content-Encoding: deflate"] if coding == "deflate" else []
    lines += draw(st.lists(header_lines, max_size=2))
    match draw(st.sampled_from(["length", "length", "chunked", "close"])):
        case "length":
            lines.append(b"Content-Length: %d" % (len(content) + draw(st.sampled_from([0, 0, 0, 1, -1]))))
        case "chunked":
            lines.append(b"Transfer-Encoding: chunked")
            content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)
    sent = b"\r\n".join([*lines, b"Connection: close", b"", b""]) + content
    if draw(st.integers(min_value=0, max_value=5)) == 0:
        sent = sent[: draw(st.integers(min_value=0, max_value=len(sent)))]
    return Raw(sent, status, body)


def simple(body: bytes, status: int = 200, content_type: bytes = b"application/json") -> Raw:
    """Add examples that caused failures before."""
    head = b"HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return Raw(head % (status, content_type, len(body)) + body, status, body)


class Vendor:
    """A server script with separate responses to polls, reports and logins, which a test sets."""

    def __init__(self) -> None:
        self.answers: Mapping[str, list[bytes | float]] = {}

    def __call__(self, seen: Seen) -> list[bytes | float]:
        """Respond according to the path."""
        if "token" in seen.target:
            return self.answers["login"]
        return self.answers["report" if seen.target.endswith("/report") else "poll"]


@pytest.fixture
def vendor_server(serve: Serve) -> Server:
    """Return the server; the test sets the `answers` of its script."""
    return serve(Vendor())


@pytest.fixture
def polls(
    connect: Connect, vendor_server: Server, keep_polling: KeepPolling
) -> Callable[..., ImportStatus | ImportStatusError]:
    """Poll the server like one wait, with these responses to the poll and to the report."""

    def poll(vendor: str, first: Raw, second: Raw) -> ImportStatus | ImportStatusError:
        login = answer(json.dumps(TOKEN_RESPONSE))
        vendor_server.script.answers = {"poll": [first.sent], "report": [second.sent], "login": login}  # type: ignore[attr-defined]
        conn_id = connect(vendor, host=vendor_server.url, extra={**READY.get(vendor, {}), "timeout": TIMEOUT})
        return _ended(lambda: keep_polling(conn_id, "7"))

    return poll


def _ended(poll: Callable[[], ImportStatus]) -> ImportStatus | ImportStatusError:
    began = time.monotonic()
    try:
        return poll()
    except ImportStatusError as error:
        return error
    finally:
        assert time.monotonic() - began < PATIENCE


@every_vendor
@any_answers
@given(data=st.data())
def test_the_outcome_of_any_response_can_be_stored(polls: Any, vendor: str, data: st.DataObject) -> None:
    first, second = (data.draw(raw_answers(SAMPLES[vendor].answers)) for _ in range(2))
    ended = polls(vendor, first, second)
    _assert_storable(ended)
    if isinstance(ended, ImportStatus) and ended.state in (ImportState.SUCCEEDED, ImportState.PARTIAL):
        good = [raw.body for raw in (first, second) if 200 <= raw.status < 300]
        assert any(SAMPLES[vendor].is_success(word) for body in good for word in _words(body))


SURROGATE, PAGE = (
    b'{"message": "\\ud83d", "error": {"message": "\\ud83d"}, "errors": ["\\ud83d"]}',
    b"<h1>No</h1>",
)
FOUND = {
    "a surrogate": simple(SURROGATE, 400),
    "ANSI and a line": simple(SURROGATE.replace(b"ud83d", b"u001b[31m\\r\\n"), 400),
    "a page in UTF-16": simple("<h1>No</h1>".encode("utf-16"), 400, b"text/html"),
    "a broken page in UTF-16": simple("<h1>Yes</h1>".encode("utf-16"), 200, b"text/html"),
    "Latin-1 in a header, refused": simple(PAGE, 400, b"text/html; name=caf\xe9"),
    "Latin-1 in a header, broken": simple(PAGE, 200, b"text/html; name=caf\xe9"),
    "ANSI in a header": simple(PAGE, 200, b"text/html; \x1b[31m"),
    "a colon in a date": simple(
        json.dumps({"status": "SUCCEEDED", "startDate": "202127:", "state": "PROCESSED"}).encode()
    ),
}


@every_vendor
@pytest.mark.parametrize("name", FOUND)
def test_the_outcome_of_known_bad_responses_can_be_stored(polls: Any, vendor: str, name: str) -> None:
    _assert_storable(polls(vendor, FOUND[name], FOUND[name]))


BROKEN = {
    "no HTTP": b"\xff\x00\r\n\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n{}",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a short body": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
    "a broken chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "a huge header": b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 70_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
}


@every_vendor
@pytest.mark.parametrize("name", BROKEN)
def test_broken_http_is_not_a_request_error(polls: Any, vendor: str, name: str) -> None:
    raw = Raw(BROKEN[name], 200, b"")
    ended = polls(vendor, raw, raw)
    assert isinstance(ended, ImportUnavailableError | ImportProtocolError), repr(ended)
    _assert_storable(ended)


@pytest.mark.parametrize("vendor", WITH_LOGIN)
@any_answers
@given(data=st.data())
def test_the_outcome_of_any_login_response_can_be_stored(
    connect: Connect, vendor_server: Server, poll: Poll, vendor: str, data: st.DataObject
) -> None:
    raw = data.draw(raw_answers((SAMPLES[vendor].login,)))
    vendor_server.script.answers = {  # type: ignore[attr-defined]
        "poll": answer(json.dumps(SAMPLES[vendor].answer("running"))),
        "login": [raw.sent],
    }
    url = vendor_server.url
    number = next(_numbers)
    # Another user each time, since a rejected login is not repeated soon.
    conn_id = connect(
        vendor,
        f"{vendor}_{number}",
        host=url,
        login=f"user-{number}",
        password=f"Zq-password-{number}",
        extra={"timeout": TIMEOUT, **({"token_url": f"{url}/token"} if vendor == "zilliant" else {})},
    )
    ended = _ended(lambda: poll(conn_id, "7"))
    _assert_storable(ended)
    if isinstance(ended, ImportStatus):
        assert ended.state is ImportState.RUNNING
        assert any("token" in word for word in _words(raw.body))


_numbers = count()


@pytest.mark.parametrize(
    "sent", [0, 20, 60, -1], ids=["nothing", "half a header", "all headers", "all but a byte"]
)
@every_vendor
def test_a_stalled_response_is_abandoned(
    connect: Connect, serve: Serve, poll: Poll, vendor: str, sent: int
) -> None:
    whole = simple(encoded(SAMPLES[vendor].answers[0])).sent
    login = answer(json.dumps(TOKEN_RESPONSE))
    server = serve(lambda seen: login if "token" in seen.target else [whole[:sent], PATIENCE])
    conn_id = connect(vendor, host=server.url, extra={**READY.get(vendor, {}), "timeout": 0.2})
    ended = _ended(lambda: poll(conn_id, "7"))
    assert isinstance(ended, ImportUnavailableError)
    _assert_storable(ended)


def _assert_storable(ended: ImportStatus | ImportStatusError) -> None:
    if isinstance(ended, ImportStatus):
        data = ended.to_dict()
        # PostgreSQL's JSON has neither NaN nor Infinity.
        json.dumps(data, allow_nan=False).encode("utf-8")
        assert ImportStatus.from_dict(json.loads(json.dumps(data))) == ended
        texts = list(texts_in(data))
    else:
        texts = [str(ended), repr(ended)]
        retry_after = getattr(ended, "retry_after", None)
        assert retry_after is None or 0 < retry_after < math.inf
    assert not [text for text in texts if not is_clean(text)]


def _words(body: bytes) -> Iterator[str]:
    """Return all texts and numbers in a JSON text, including all values of repeated keys."""
    try:
        waiting = [
            json.loads(body, object_pairs_hook=lambda pairs: [part for pair in pairs for part in pair])
        ]
    except (ValueError, RecursionError):
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, str | int | float):
            yield str(value)
