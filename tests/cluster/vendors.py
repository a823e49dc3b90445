"""The sandbox in a process of its own, with a clock that can be put forward and a record of all polls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from typing import Any, NamedTuple, cast

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.faults import Fault, Faults

#: Longer than any test, even if its clock is put forward.
TOKEN_SECONDS = 24 * 3600.0


class Polls(Faults):
    """Records when each import was polled: this is asked about every request."""

    def __init__(self) -> None:
        super().__init__()
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def take(self, vendor: str, route: str, import_id: str | None) -> Fault | None:
        if route == "status" and import_id:
            self.times[import_id].append(time.time())
        return super().take(vendor, route, import_id)


class Import(NamedTuple):
    """A submitted import, and when it ends unless the clock is put forward (Unix seconds)."""

    id: str
    ends_at: float


class Vendors:
    """The sandbox, as seen from other processes."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._polls = Polls()
        self._sandbox = Sandbox(clock=lambda: time.time() + self._ahead, token_seconds=TOKEN_SECONDS)
        self._sandbox._admin_api.state.faults = self._polls
        self._sandbox.start()

    def connections(self) -> dict[str, dict[str, Any]]:
        """Return Airflow's connections to the vendors."""
        return self._sandbox.connections

    def submit(self, vendor: str, seconds: float, ends: str) -> Import:
        """Start an import."""
        return Import(self._sandbox.submit(vendor, seconds=seconds, ends=ends), time.time() + seconds)

    def put_forward(self, seconds: float) -> None:
        """Put the vendors' clock forward: all imports end that much sooner."""
        self._ahead += seconds

    def requests(self, vendor: str) -> dict[str, int]:
        """Return the number of requests to each route of a vendor."""
        return self._sandbox.requests(vendor)

    def imports(self, vendor: str) -> list[dict[str, str]]:
        """Return `import_id`, `file` and `phase` of each import, in the order of submission."""
        return self._sandbox.imports(vendor)

    def polls(self) -> dict[str, list[float]]:
        """Return the times of each import's polls (Unix seconds)."""
        return dict(self._polls.times)


class _Manager(BaseManager):
    pass


_Manager.register("Vendors", Vendors)


@contextmanager
def vendors() -> Iterator[tuple[Vendors, int]]:
    """Start the process for a `with` block; return a proxy, and the pid."""
    manager = _Manager(ctx=get_context("spawn"))
    with manager:
        proxy = cast(Vendors, manager.Vendors())  # type: ignore[attr-defined]  # registered above
        yield proxy, manager._process.pid  # type: ignore[attr-defined]  # not in its stub
