"""A limit on concurrent requests, shared fairly between DAGs."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["FairSlots"]


class FairSlots:
    """A semaphore of `limit` slots. Each DAG has its own queue, and the queues are served in turn."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}

    async def acquire(self, dag_id: str) -> None:
        """Acquire a slot, waiting in the DAG's queue if none is free."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(dag_id)

    def release(self) -> None:
        """Release a slot to the first waiter of the next queue, which then moves to the end."""
        while self._queues:
            dag_id = next(iter(self._queues))
            queue = self._queues.pop(dag_id)
            waiter = queue.popleft()
            if queue:
                self._queues[dag_id] = queue
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    async def _wait(self, dag_id: str) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._queues.setdefault(dag_id, deque()).append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()
            raise
