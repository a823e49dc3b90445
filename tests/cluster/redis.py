"""A private Redis on a free port, which keeps nothing on disk."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from demo.configuration import free_ports


class RedisError(RuntimeError):
    """Raised if Redis is missing or does not start. The message says what to do."""


class Redis(NamedTuple):
    """A running server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Return the URL of its first database."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def redis(home: Path) -> Iterator[Redis]:
    """Start a server for a `with` block."""
    program = shutil.which("redis-server")
    if program is None:
        raise RedisError("This test needs Redis. Install it, e.g. with `apt-get install redis-server`.")
    (port,) = free_ports(1)
    options = {"port": str(port), "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": str(home)}
    command = [program, *(part for name, value in options.items() for part in (f"--{name}", value))]
    with (home / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait_until_ready(process, port, home / "redis.log")
        yield Redis(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RedisError(f"Redis does not take connections. Its log:\n{log.read_text(errors='replace')}")
