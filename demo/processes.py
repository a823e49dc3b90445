"""The processes of an Airflow, and signal handlers of this process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import psutil


def processes_of(home: Path) -> list[int]:
    """Return the pids of all other processes with this AIRFLOW_HOME; an empty list without /proc."""
    wanted = f"AIRFLOW_HOME={home.resolve()}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # It has ended, or belongs to another user.
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return [pid for pid in found if pid != os.getpid()]


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and all that it started, so far."""
    seconds = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):  # It has ended: its time counts for its parent, read later.
                # All four: user and system, its own and of the children that have ended.
                seconds += sum(one.cpu_times()[:4])
    return seconds


def send_to_tree(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process and all that it started."""
    # Not to its group: Airflow's workers put each task into a group of its own.
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                one.send_signal(number)


def exit_on_signal(number: int, _: FrameType | None) -> None:
    """Raise SystemExit, so that all `with` blocks are left. By default SIGTERM ends Python at once."""
    raise SystemExit(128 + number)


@contextmanager
def signals(handler: Callable[..., Any] | signal.Handlers, *numbers: signal.Signals) -> Iterator[None]:
    """Handle these signals within a `with` block. In any thread but the main one, do nothing."""
    if threading.current_thread() is not threading.main_thread():
        numbers = ()
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
