"""Measurements during a campaign: how late an event loop is, and how much memory the process has."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["BareLoop", "Lateness", "Memory"]

MEBIBYTE = 1024 * 1024
#: Seconds between two looks at the clock.
BEAT = 0.01


@dataclass
class Lateness:
    """How late a task that runs every 10 ms was, in seconds.

    :param callback: the processor time of one callback, at most: in contrast to `longest`, neither other
        processes nor the callbacks that were due at the same time have a part in it
    """

    longest: float = 0.0
    callback: float = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        with self._measured_callbacks():
            while True:
                due = time.monotonic() + BEAT
                await asyncio.sleep(BEAT)
                self.longest = max(self.longest, time.monotonic() - due)

    @contextlib.contextmanager
    def _measured_callbacks(self) -> Iterator[None]:
        # asyncio's debug mode measures them by the clock, and thus other processes, too.
        run, loop = asyncio.Handle._run, asyncio.get_running_loop()

        def measured(handle: asyncio.Handle) -> None:
            began = time.thread_time()
            run(handle)
            if handle._loop is loop:  # type: ignore[attr-defined]
                self.callback = max(self.callback, time.thread_time() - began)

        asyncio.Handle._run = measured  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            asyncio.Handle._run = run  # type: ignore[method-assign]


class BareLoop:
    """An event loop in a thread of its own, in which nothing else runs."""

    def __init__(self) -> None:
        self.lateness = Lateness()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Lateness:
        self._thread.start()
        return self.lateness

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._watching.cancel)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._watching = self._loop.create_task(self.lateness.watch())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._watching)


@dataclass
class Memory:
    """The resident memory of this process, in MiB."""

    before: float = field(default_factory=lambda: resident())
    peak: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Measure within the block."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    @property
    def growth(self) -> float:
        """How much it grew at most."""
        return self.peak - self.before

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self.peak = max(self.peak, resident())


def resident() -> float:
    """Return the resident memory in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE
