"""Signed URLs are credentials: neither errors nor logs reveal their path and query.

Every secret part of a URL here holds the word MARKER.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from airflow_provider_importstatus.hooks.lookup import hook_for

from .cases import Connect, Serve
from .servers import Seen, Server, answer, trickled

#: Paths and queries as vendors write them: some clients encode them in another way before they send them.
TARGETS = {
    "usual": "/MARKER-1/sales.csv?X-Amz-Date=2027&X-Amz-Signature=MARKER-2",
    "escapes": "/MARKER-1%7e%2f(1)/sales.csv?X-Amz-Credential=MARKER-2%2fus&X-Amz-Signature=MARKER+3==",
    "no query": "/MARKER-1/MARKER-2",
    "no path": "?MARKER-1&X-Amz-Signature=MARKER-2",
}


def echo(seen: Seen) -> list[bytes | float]:
    page = f"<Error><Code>AccessDenied</Code><Resource>{seen.target} {seen.headers}</Resource></Error>"
    return answer(page, 403, content_type="application/xml")


SCRIPTS: dict[str, Callable[[Seen], Iterable[bytes | float]]] = {
    "200": lambda _: answer("stored"),
    "400": lambda seen: [part.replace(b"403", b"400") for part in echo(seen) if isinstance(part, bytes)],
    "403": echo,
    "404": lambda seen: [part.replace(b"403", b"404") for part in echo(seen) if isinstance(part, bytes)],
    "503": lambda seen: [part.replace(b"403", b"503") for part in echo(seen) if isinstance(part, bytes)],
    "302": lambda seen: answer("", 302, location=f"http://127.0.0.1/{seen.target}"),
    "garbage": lambda seen: [f"MARKER {seen.target}\r\n\r\n".encode()],
    "nothing": lambda _: [],
    "cut": lambda _: [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"],
    "slow": lambda _: trickled(answer("x" * 100), 0.05),
}
#: Storages that cannot be connected to.
UNCONNECTED = ("refused", "no such host", "TLS with a server that has none")


@pytest.fixture
def clear(connect: Connect, serve: Serve) -> Callable[[str, str], Server]:
    """Start Clear with signed URLs of a storage; return the storage."""

    def clear(kind: str, target: str) -> Server:
        storage = serve(SCRIPTS.get(kind, SCRIPTS["200"]))
        origin = storage.url
        if kind == "refused":
            storage.shutdown()
            storage.server_close()
        elif kind == "no such host":
            origin = "http://nowhere.invalid"
        elif kind.startswith("TLS"):
            origin = origin.replace("http:", "https:")
        url = origin + target
        activity = {"stage": "INGESTION", "status": "FAILURE", "errorReportPreSign": url}
        result = {"workflowStatus": "SUCCESS", "preSignedUrl": url, "activityStatusList": [activity]}
        # Its ingestion request is rejected, with an echo.
        api = serve(
            lambda seen: (
                answer(json.dumps({"message": seen.body.decode()}), 400)
                if seen.method == "POST"
                else answer(json.dumps({"success": True, "result": result}))
            )
        )
        connect("clear", host=api.url, extra={"access_token": "ready", "timeout": 1, "transfer_timeout": 0.5})
        return storage

    return clear


def tried(action: Callable[[], object]) -> str:
    """Return everything that an action reveals."""
    try:
        return repr(action())
    except Exception as error:
        return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("kind", [*SCRIPTS, *UNCONNECTED])
def test_no_signed_url_is_revealed(
    clear: Callable[[str, str], Server],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    kind: str,
    target: str,
) -> None:
    storage, hook = clear(kind, TARGETS[target]), hook_for("clear_default")
    file = tmp_path / "sales.csv"
    file.write_text("code\n")
    with caplog.at_level(logging.DEBUG):
        submitted = tried(lambda: hook.submit_import(file, template_type="SALES"))
        reported = tried(lambda: hook.save_error_reports("7", tmp_path))
    assert "MARKER" not in submitted
    assert "MARKER" not in reported
    assert "MARKER" not in "\n".join([caplog.text, *capsys.readouterr()])
    # This ensures that there was something to find.
    assert kind in UNCONNECTED or any("MARKER" in seen.target for seen in storage.seen)
