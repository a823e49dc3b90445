"""Unusual response bodies in both transports."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from types import FrameType
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportProtocolError, ImportStatusError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.protocol import json_body
from airflow_provider_importstatus.protocol.messages import LARGE_BODY

from .cases import Connect, Poll, Serve
from .servers import answer

RECORD = {"state": "PROCESSED", "rows": 5}


def parsed_in(conn_id: str) -> set[str]:
    """Poll once in an event loop, and return the threads in which JSON was parsed."""
    threads: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is json_body.parse.__code__:
            is_main = threading.current_thread() is threading.main_thread()
            threads.add("the loop's" if is_main else "another")

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        asyncio.run(hook_for(conn_id).aget_import_status("7"))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return threads


@pytest.mark.parametrize(
    ("size", "threads"),
    [
        pytest.param(10, {"the loop's"}, id="small"),
        pytest.param(LARGE_BODY, {"another"}, id="large"),
    ],
)
def test_a_large_body_is_parsed_outside_the_event_loop(
    connect: Connect, serve: Serve, size: int, threads: set[str]
) -> None:
    body = json.dumps({**RECORD, "name": "x" * size})
    conn_id = connect("thalamus", host=serve(lambda _: answer(body)).url)
    assert parsed_in(conn_id) == threads


def is_storable(text: str) -> bool:
    return text.isprintable() and text == text.encode().decode()


@pytest.mark.parametrize(
    ("status", "head", "body"),
    [
        pytest.param(200, b"Content-Type: text/\xe9\xff", b"<html>", id="Latin-1 in a header"),
        pytest.param(200, b"Content-Type: text/\x1b[31mhtml", b"<html>", id="ESC in a header"),
        pytest.param(400, b"X: y", "<html>no".encode("utf-16"), id="a page in UTF-16"),
        pytest.param(400, b"X: y", b'{"message": "\\ud83d\\u0000"}', id="a lone surrogate, escaped"),
        pytest.param(400, b"X: y", b"\xed\xa0\xbd\x00\x1b[0m", id="a lone surrogate's bytes"),
        pytest.param(200, b"X: y", b'{"errors": {"a": "\\ud83d\\u0000\\u001b[1m"}}', id="in errors"),
        pytest.param(200, b"X: \xff", b'{"state": "ODD\\ud83d\\u0000"}', id="in a state"),
    ],
)
def test_any_quoted_body_can_be_stored(
    connect: Connect, serve: Serve, poll: Poll, status: int, head: bytes, body: bytes
) -> None:
    lines = [f"HTTP/1.1 {status} Odd".encode(), head, f"Content-Length: {len(body)}".encode()]
    sent = b"\r\n".join([*lines, b"Connection: close", b"", body])
    conn_id = connect("thalamus", host=serve(lambda _: [sent]).url)
    try:
        text = str(poll(conn_id, "7").vendor_state)
    except ImportStatusError as error:
        text = str(error)
    assert is_storable(text)


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
def test_a_404_from_a_gateway_is_not_from_the_vendor(
    connect: Connect, serve: Serve, poll: Poll, vendor: str
) -> None:
    page = answer("<h1>default backend - 404</h1>", 404, content_type="text/html")
    token = json.dumps({"access_token": "t"})
    server = serve(lambda seen: answer(token) if seen.method == "POST" else page)
    conn_id = connect(vendor, host=server.url, extra={"token_url": f"{server.url}/token"})
    with pytest.raises(ImportProtocolError, match="default backend") as caught:
        poll(conn_id, "7")
    assert caught.value.retryable


def test_a_404_from_a_gateway_is_not_an_absent_report(connect: Connect, serve: Serve, poll: Poll) -> None:
    """Only the report shows whether the import is partial."""

    def vendor(seen: Any) -> Any:
        if seen.method == "POST":
            return answer(json.dumps({"access_token": "t"}))
        if seen.target.endswith("/status"):
            return answer('{"status": "SUCCEEDED"}')
        return answer("<h1>default backend - 404</h1>", 404, content_type="text/html")

    server = serve(vendor)
    conn_id = connect("zilliant", host=server.url, extra={"token_url": f"{server.url}/token"})
    with pytest.raises(ImportProtocolError, match="report: HTTP 404"):
        poll(conn_id, "7")
