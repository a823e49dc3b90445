"""The command line: run the sandbox until it is interrupted."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_importstatus.sandbox.credentials import hints
from airflow_provider_importstatus.sandbox.fields import SECONDS
from airflow_provider_importstatus.sandbox.server import Sandbox

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox; return the process' exit code."""
    options = _parser().parse_args(arguments)
    ended = _signals()
    sandbox = Sandbox(options.host, options.port, options.token_seconds)
    try:
        sandbox.start()
    except OSError as error:
        print(
            f"Cannot listen on {options.host}:{options.port}: {error.strerror}. "
            f"Choose another port with --port, or let the system choose with --port 0.",
            file=sys.stderr,
        )
        return 1
    _introduce(sandbox)
    ended.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_importstatus.sandbox",
        description="Run Clear, TAO Advance, Zilliant and Thalamus on localhost; no account is needed.",
        epilog=" ".join(hints()),
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=8099, help="0 takes any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--token-seconds", type=_seconds, default=3600, help="how long tokens live (default: %(default)s)"
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"takes a port from 0 to 65535, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(SECONDS.read(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"takes {SECONDS.takes}, not {text!r}") from None


def _signals() -> threading.Event:
    """Return what is set when the process is asked to end."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    return ended


def _introduce(sandbox: Sandbox) -> None:
    """Print what can be pasted into a shell; the hints are comments there."""
    print(f"Sandbox ready on {sandbox.url}")
    for conn_id, connection in sandbox.connections.items():
        print(f"export AIRFLOW_CONN_{conn_id.upper()}={shlex.quote(json.dumps(connection))}")
    for hint in hints():
        print(f"# {hint}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
