"""Whose processes are whose, and what signals do to us."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any


def processes_of(home: Path) -> list[int]:
    """Return the pids of all processes with this AIRFLOW_HOME, except ours; none where there is no /proc."""
    wanted = f"AIRFLOW_HOME={home.resolve()}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # It ended meanwhile, or is somebody else's.
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def exit_on_signal(number: int, _: FrameType | None) -> None:
    """Leave all `with` blocks. By default SIGTERM ends Python on the spot."""
    raise SystemExit(128 + number)


@contextmanager
def signals(handler: Callable[..., Any] | signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Handle these signals so within a `with` block. Only the main thread can: elsewhere do nothing."""
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
