"""Command line: run the sandbox until it is interrupted."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sys
import threading
from collections.abc import Sequence

from airflow_provider_importstatus.sandbox.fields import SECONDS, UsageError
from airflow_provider_importstatus.sandbox.server import Sandbox
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox; return the exit code of the process."""
    options = _parser().parse_args(arguments)
    interrupted = _interrupt_event()
    try:
        sandbox = Sandbox(options.host, options.port, options.token_seconds, descriptions=options.description)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        sandbox.start()
    except OSError as error:
        print(
            f"Cannot listen on {options.host}:{options.port}: {error.strerror}. "
            f"Choose another port with --port, or let the system choose one with --port 0.",
            file=sys.stderr,
        )
        return 1
    _print_connections(sandbox)
    interrupted.wait()
    sandbox.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    titles = ", ".join(vendor.title for vendor in VENDORS)
    parser = argparse.ArgumentParser(
        prog="python -m airflow_provider_importstatus.sandbox",
        description=f"Run simulated vendors on localhost ({titles}). No account is needed.",
        epilog=" ".join(_extra_credentials()),
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        default=8099,
        help="port to listen on, 0 for any free one (default: %(default)s)",
    )
    parser.add_argument(
        "--token-seconds",
        type=_seconds,
        default=3600,
        help="lifetime of tokens in seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--description",
        metavar="FILE_OR_NAME",
        action="append",
        default=[],
        help="also run the vendor of this description: a YAML or JSON file, or the name of a bundled one; may"
        " be repeated",
    )
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a port from 0 to 65535, not {text!r}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(SECONDS.parse(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be {SECONDS.expected}, not {text!r}") from None


def _interrupt_event() -> threading.Event:
    """Return an event that SIGINT or SIGTERM sets."""
    interrupted = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: interrupted.set())
    return interrupted


def _print_connections(sandbox: Sandbox) -> None:
    """Print lines to paste into a shell, where the extra credentials are comments."""
    print(f"Sandbox ready on {sandbox.url}")
    for conn_id, connection in sandbox.connections.items():
        print(f"export AIRFLOW_CONN_{conn_id.upper()}={shlex.quote(json.dumps(connection))}")
    for sentence in _extra_credentials():
        print(f"# {sentence}")
    sys.stdout.flush()


def _extra_credentials() -> list[str]:
    return [sentence for vendor in VENDORS for sentence in vendor.extra_credentials]


if __name__ == "__main__":
    sys.exit(main())
