"""The queue of statuses that a triggerer has yet to write, and the budget it may spend on them."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context, copy_context
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.sdk import conf

from airflow_provider_importstatus.clients import metrics

__all__ = ["StatusQueue", "status_queue"]

#: One write keeps a triggerer's single-threaded supervisor busy for about 38 ms (measured on Airflow 3.3.2),
#: and the ends of all waits go through it, too.
DEFAULT_WRITES_PER_SECOND = 1.0

Write = Callable[[], Coroutine[Any, Any, None]]

log = logging.getLogger(__name__)

_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, StatusQueue] = WeakKeyDictionary()


def status_queue() -> StatusQueue:
    """Return the queue of the running event loop, and so of the triggerer."""
    loop = asyncio.get_running_loop()
    if loop not in _queues:
        _queues[loop] = StatusQueue(_writes_per_second())
    return _queues[loop]


class StatusQueue:
    """Waits whose latest status has yet to be written. New states are written first, at a limited rate.

    :param writes_per_second: the maximum; with 0, nothing is written
    """

    def __init__(self, writes_per_second: float) -> None:
        self._interval = 1 / writes_per_second if writes_per_second else math.inf
        self._new_states: dict[Hashable, _Turn] = {}
        self._others: dict[Hashable, _Turn] = {}
        self._next_write_at = -math.inf
        self._writer: asyncio.Task[None] | None = None

    def put(self, wait: Hashable, write: Write, *, has_new_state: bool) -> None:
        """Give the wait a turn to write, unless it has one already.

        :param write: writes the status that is the latest by then; must not raise
        """
        if math.isinf(self._interval) or wait in self._new_states:
            return
        line = self._new_states if has_new_state else self._others
        if has_new_state:
            self._others.pop(wait, None)
        # Airflow directs logs to a task by context.
        line.setdefault(wait, _Turn(write, copy_context()))
        if self._writer is None:
            # In a context of its own: it serves all waits, not the first.
            self._writer = asyncio.create_task(self._write_all(), context=Context())

    def drop(self, wait: Hashable) -> None:
        """Remove the wait from the queue."""
        self._new_states.pop(wait, None)
        self._others.pop(wait, None)

    def __len__(self) -> int:
        return len(self._new_states) + len(self._others)

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self:
                await asyncio.sleep(self._next_write_at - loop.time())
                # All may have been dropped meanwhile.
                if line := self._new_states or self._others:
                    self._next_write_at = loop.time() + self._interval
                    turn = line.pop(next(iter(line)))
                    await asyncio.create_task(turn.write(), context=turn.context)
                metrics.gauge_status_backlog(len(self))
        finally:
            self._writer = None


class _Turn(NamedTuple):
    write: Write
    context: Context


def _writes_per_second() -> float:
    default = DEFAULT_WRITES_PER_SECOND
    try:
        # The fallback counts where the provider's defaults are not loaded.
        rate = float(conf.get("importstatus", "status_writes_per_second", fallback=default))
    except ValueError:
        rate = math.nan
    if 0 <= rate < math.inf:
        return rate
    log.warning(
        "[importstatus] status_writes_per_second must be a number of 0 or more; %s is used instead.", default
    )
    return default
