"""A limit on requests under way, whose line moves in turn between DAGs."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["FairSlots"]


class FairSlots:
    """At most `limit` holders at a time. Each DAG has a line of its own, and the lines are served in turn."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    async def acquire(self, dag_id: str) -> None:
        """Take a slot; wait for it in the line of the DAG."""
        if self._free:
            self._free -= 1
        else:
            await self._stand_in_line(dag_id)

    def release(self) -> None:
        """Give the slot to the first in the next line; a line that was served goes to the end."""
        while self._lines:
            dag_id = next(iter(self._lines))
            line = self._lines.pop(dag_id)
            turn = line.popleft()
            if line:
                self._lines[dag_id] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    async def _stand_in_line(self, dag_id: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault(dag_id, deque())
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise
