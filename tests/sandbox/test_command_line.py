from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import VENDORS
from ..vendors.described import DOCUMENT
from .clients import Client, tao_token

COMMAND = [sys.executable, "-m", "airflow_provider_importstatus.sandbox"]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start the command; return the process and the lines up to the last connection."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().rstrip("\n") for _ in range(1 + len(VENDORS))]
        finally:
            process.kill()


def test_the_first_line_is_the_url() -> None:
    with started() as (_, lines):
        start, _, url = lines[0].rpartition(" ")
        assert start == "Sandbox ready on"
        assert Client(url).get("/api/v4/me").status_code == 400


def test_the_next_lines_are_connections_as_shell_commands() -> None:
    with started() as (_, lines):
        url = lines[0].rpartition(" ")[2]
        words = [shlex.split(line) for line in lines[1:]]
    connections = {word[1].partition("=")[0]: json.loads(word[1].partition("=")[2]) for word in words}
    assert list(connections) == [f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT" for vendor in VENDORS]
    assert {connection["host"] for connection in connections.values()} == {url}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_exits_cleanly_on_a_signal(number: signal.Signals) -> None:
    with started() as (process, _):
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, "")


def test_described_vendors_have_connections_too(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump({**DOCUMENT, "name": "acme-eu"}))
    with started("--description", "hubspot", "--description", str(path)) as (process, lines):
        assert process.stdout is not None
        words = [shlex.split(process.stdout.readline())[1] for _ in range(2)]
    connections = {word.partition("=")[0]: json.loads(word.partition("=")[2]) for word in words}
    url = lines[0].rpartition(" ")[2]
    assert [(name, each["host"], each["extra"]["description"]) for name, each in connections.items()] == [
        ("AIRFLOW_CONN_HUBSPOT_DEFAULT", f"{url}/described/hubspot", "hubspot"),
        ("AIRFLOW_CONN_ACME_EU_DEFAULT", f"{url}/described/acme-eu", str(path)),
    ]


def disconnect(url: str, kind: str, seconds: float) -> None:
    """Send a request that a fault applies to, and disconnect before the response is complete."""
    fault = {"vendor": "thalamus", "route": "me", "kind": kind, "seconds": seconds}
    Client(url).post("/_sandbox/faults", json=fault)
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"GET /api/v4/me HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        # The request needs time to arrive, and no response confirms it.
        time.sleep(0.1)


@pytest.mark.parametrize(("kind", "seconds"), [("dribble", 1), ("huge", 0), ("slow", 30)])
def test_a_client_that_disconnects_causes_no_error_output(kind: str, seconds: float) -> None:
    with started() as (process, lines):
        disconnect(lines[0].rpartition(" ")[2], kind, seconds)
        time.sleep(0.1)
        process.terminate()
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, "")


def test_a_client_that_disconnects_during_an_upload_causes_no_error_output() -> None:
    with started() as (process, lines):
        url = lines[0].rpartition(" ")[2]
        token = tao_token(Client(url))
        host, _, port = url.removeprefix("http://").partition(":")
        head = (
            "POST /api/v1/upload/api/v1/upload HTTP/1.1\r\nHost: sandbox\r\nContent-Length: 9999\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: multipart/form-data; boundary=y\r\n\r\n"
            '--y\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\ncode\n'
        )
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode())
        # Answered after the disconnection was noticed.
        assert Client(url).get("/_sandbox/requests").json()["tao_advance"]["submit"] == 1
        process.terminate()
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, "")


def test_token_seconds_is_the_lifetime_of_tokens() -> None:
    with started("--token-seconds", "60") as (_, lines):
        form = {"grant_type": "client_credentials"}
        form.update(client_id="tao-sandbox-client", client_secret="tao-sandbox-secret")
        url = lines[0].rpartition(" ")[2]
        answer = Client(url).post("/api/v1/upload/v1/oauth2/tokens", data=form)
    assert answer.json()["expires_in"] == 60


def test_an_invalid_description_is_reported_in_one_line_with_advice(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump({**DOCUMENT, "nam": "acme"}))
    ended = run("--description", str(path))
    # To check a description, Airflow is imported; version 3.1 then logs to stderr.
    (line,) = (line for line in ended.stderr.splitlines() if "[alembic." not in line)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "nam is not known here. To fix it, write name, or remove it" in line


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, timeout=60, check=False)


def test_a_port_in_use_is_reported_in_one_line_with_advice(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    ended = run("--port", port)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
    assert ended.stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: ")
    assert "--port 0" in ended.stderr


@pytest.mark.parametrize("option", [("--port", "99999"), ("--token-seconds", "soon")])
def test_an_invalid_option_is_reported_by_name(option: tuple[str, str]) -> None:
    ended = run(*option)
    assert ended.returncode == 2
    assert f"argument {option[0]}: must be a" in ended.stderr
