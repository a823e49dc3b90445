"""Limits on time and size of a poll, and cleanup of its connections."""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import time
import warnings

import aiohttp
import pytest

from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox

from .cases import GOING_ON, Connect, KeepPolling, Poll, Serve
from .servers import answer, trickled


def test_a_trickling_body_is_abandoned_after_the_timeout(
    sandbox: Sandbox, connect: Connect, poll: Poll
) -> None:
    connect("thalamus", extra={"timeout": 0.3})
    import_id = sandbox.submit("thalamus")
    # About 100 bytes: the pause between two of them is far below the timeout.
    sandbox.fault("thalamus", "status", "dribble", seconds=20)
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError):
        poll("thalamus_default", import_id)
    assert time.monotonic() - began < 10


def test_trickling_headers_are_abandoned(connect: Connect, serve: Serve, poll: Poll) -> None:
    server = serve(lambda _: trickled(answer(GOING_ON), 0.15))
    conn_id = connect("thalamus", host=server.url, extra={"timeout": 0.3})
    began = time.monotonic()
    with pytest.raises(ImportUnavailableError):
        poll(conn_id, "7")
    # The whole response would take about 15 seconds.
    assert time.monotonic() - began < 8


def test_a_slow_response_within_the_timeout_is_read(connect: Connect, serve: Serve, poll: Poll) -> None:
    conn_id = connect("thalamus", host=serve(lambda _: trickled(answer(GOING_ON), 0.0005)).url)
    assert poll(conn_id, "7").state == "running"


def test_a_compression_bomb_is_not_decompressed(connect: Connect, serve: Serve, poll: Poll) -> None:
    bomb = gzip.compress(b'{"state": "PROCESSED"' + b" " * 64 * 1024 * 1024 + b"}")
    head = answer("", content_encoding="gzip", content_length=str(len(bomb)))
    conn_id = connect("thalamus", host=serve(lambda _: [*head, bomb]).url)
    with pytest.raises(ImportStatusError, match="larger than"):
        poll(conn_id, "7")


def test_a_compressed_response_is_read(connect: Connect, serve: Serve, poll: Poll) -> None:
    body = gzip.compress(GOING_ON.encode())
    head = answer("", content_encoding="gzip", content_length=str(len(body)))
    conn_id = connect("thalamus", host=serve(lambda _: [*head, body]).url)
    assert poll(conn_id, "7").state == "running"


def test_a_response_without_a_length_is_read_to_its_end(connect: Connect, serve: Serve, poll: Poll) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    conn_id = connect("thalamus", host=serve(lambda _: [head, GOING_ON.encode()]).url)
    assert poll(conn_id, "7").state == "running"


def test_a_truncated_chunked_body_is_unavailable(connect: Connect, serve: Serve, poll: Poll) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = f"{len(GOING_ON):x}\r\n{GOING_ON}\r\n".encode()
    conn_id = connect("thalamus", host=serve(lambda _: [head, chunk]).url)
    with pytest.raises(ImportUnavailableError):
        poll(conn_id, "7")


def test_a_refused_connection_is_unavailable(connect: Connect, serve: Serve, poll: Poll) -> None:
    with serve(lambda _: []) as server:
        url = server.url
    with pytest.raises(ImportUnavailableError):
        poll(connect("thalamus", host=url), "7")


def test_a_name_that_does_not_resolve_is_unavailable(connect: Connect, poll: Poll) -> None:
    with pytest.raises(ImportUnavailableError):
        poll(connect("thalamus", host="http://nowhere.invalid", extra={"timeout": 3}), "7")


@pytest.mark.parametrize("kind", ["none", "500", "drop", "cut", "slow", "huge", "redirect", "401"])
@pytest.mark.usefixtures("settled")
def test_nothing_is_left_open(
    sandbox: Sandbox,
    connect: Connect,
    keep_polling: KeepPolling,
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    connect("thalamus", extra={"timeout": 0.2})
    import_id = sandbox.submit("thalamus")
    if kind != "none":
        sandbox.fault("thalamus", "status", kind, times=None)
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.WARNING, "asyncio"):
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(ImportStatusError) if kind != "none" else warnings.catch_warnings():
                keep_polling("thalamus_default", import_id)
        gc.collect()
    assert [str(one.message) for one in warned if issubclass(one.category, ResourceWarning)] == []
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.usefixtures("connections")
def test_no_session_outlives_a_poll(
    sandbox: Sandbox,
) -> None:
    import_id = sandbox.submit("thalamus")
    asyncio.run(hook_for("thalamus_default").aget_import_status(import_id))
    sessions = [one for one in gc.get_objects() if type(one) is aiohttp.ClientSession]
    assert all(session.closed for session in sessions)
