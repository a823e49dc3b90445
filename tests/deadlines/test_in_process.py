"""`timeout` and `execution_timeout` hold in every mode, whatever keeps a wait from noticing them.

Each import would go on for a quarter of an hour, and each request may take an hour. `test_deployment.py` has
the same in a real Airflow.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from yarl import URL

from airflow_provider_importstatus.clients import token_store
from airflow_provider_importstatus.polling import schedule
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sensors import import_status as sensors
from airflow_provider_importstatus.triggers import import_status as triggers

from ..conftest import Connect
from ..sensors.tasks import ENDLESS
from ..triggers.waits import events_of, waiting
from .relay import Relay
from .tasks import DEFERRED, LIMITS, ON_WORKERS, SECONDS, VENDOR, Deferral, World

#: How late a wait may end on a slow machine, in seconds.
PATIENCE = 8.0
#: How long slow answers take, and the waits of others last, in seconds.
HOURS = 5000.0

pytestmark = pytest.mark.usefixtures("no_refresh_delays", "short_last_poll")


@pytest.fixture(autouse=True)
def _short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten what lasts seconds in a real Airflow."""
    monkeypatch.setattr(schedule, "MIN_RESUME_DELAY", 0.1)
    monkeypatch.setattr(sensors, "MIN_RESUME_DELAY", 0.1)
    monkeypatch.setattr(triggers, "MAX_LAST_WRITE", 0.2)


class Surroundings:
    """The vendor and Airflow's API of one test, and what goes wrong with them."""

    def __init__(
        self, sandbox: Sandbox, relay: Relay, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.sandbox = sandbox
        self.relay = relay
        #: Set when calls of Airflow that hang may return.
        self.is_over = threading.Event()
        self._connect = connect
        self._monkeypatch = monkeypatch
        self.connect()

    def connect(self, **extra: Any) -> None:
        """Create the connection, with more extras."""
        self._connect(VENDOR, host=self.relay.url, extra={"timeout": 3600, **extra})

    def fault(self, route: str, kind: str, **more: Any) -> None:
        """Let all requests to a route fail from now on."""
        self.sandbox.fault(VENDOR, route, kind, times=None, seconds=HOURS, **more)

    def hang(self, call: str) -> None:
        """Let a call of Airflow's API hang, as seen from one of our modules."""
        self._monkeypatch.setattr(
            f"airflow_provider_importstatus.{call}", lambda *_, **__: self.is_over.wait(60)
        )


#: Something that goes wrong from now on. It returns the waits of others that have a part in it, if any.
Trouble = Callable[[Surroundings], Any]


@pytest.fixture
def surroundings(
    sandbox: Sandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Surroundings]:
    # Neither Airflow's API nor its database is there.
    calls = {name: lambda *_, **__: None for name in ("get", "set")}
    monkeypatch.setattr(triggers, "XCom", SimpleNamespace(**calls))
    monkeypatch.setattr(token_store, "Variable", SimpleNamespace(**calls))
    with Relay(URL(sandbox.url).port or 0) as relay:
        surroundings = Surroundings(sandbox, relay, connect, monkeypatch)
        yield surroundings
        surroundings.is_over.set()


@pytest.fixture
def world(surroundings: Surroundings, trouble: Trouble, tmp_path: Path) -> World:
    return World(surroundings.sandbox, tmp_path, lambda: trouble(surroundings))


# What goes wrong, for waits on workers and in triggerers.


def nothing(_: Surroundings) -> None:
    """The vendor is well, and the import goes on."""


def server_errors(around: Surroundings) -> None:
    around.fault("status", "500")


def rate_limit(around: Surroundings) -> None:
    around.fault("status", "429", retry_after="3000")


def refused(around: Surroundings) -> None:
    around.relay.refuse()


def black_hole(around: Surroundings) -> None:
    around.relay.swallow()


def silence(around: Surroundings) -> None:
    around.fault("status", "slow")


def dribble(around: Surroundings) -> None:
    around.fault("status", "dribble")


def stalled_login(around: Surroundings) -> None:
    around.fault("token", "slow")
    around.sandbox.revoke(VENDOR)


ANYWHERE = (nothing, server_errors, rate_limit, refused, black_hole, silence, dribble, stalled_login)
#: A poll that these keep waiting is also interrupted by an `execution_timeout` between reschedules.
STALLS = (black_hole, silence, dribble, stalled_login)


def can_end(trouble: Trouble, mode: str, limit: str) -> bool:
    """Return whether the limit ends a wait on a worker in this mode."""
    if mode == "reschedule" and limit == "execution_timeout":
        # It bounds each poll.
        return trouble in STALLS
    # Otherwise the worker defers the task after the first poll.
    return mode != "before it defers" or trouble in STALLS


@pytest.mark.parametrize(
    ("trouble", "mode", "limit"),
    [
        pytest.param(*case, id=f"{case[0].__name__}-{case[1]}-{case[2]}")
        for case in itertools.product(ANYWHERE, ON_WORKERS, LIMITS)
        if can_end(*case)
    ],
)
# Airflow's interrupt may be raised in a finalizer, or leave a socket to one that is just being connected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("forgiven")
def test_a_wait_on_a_worker_ends_with_its_deadline(world: World, mode: str, limit: str) -> None:
    began = time.time()
    with pytest.raises(LIMITS[limit]):
        ON_WORKERS[mode](world, limit)
    assert SECONDS <= time.time() - began < SECONDS + PATIENCE


# What goes wrong in triggerers only.


def slots_taken(around: Surroundings) -> list[Any]:
    """All request slots of the connection are taken by somebody's slow request."""
    around.connect(max_concurrency=1)
    rival = around.sandbox.submit(VENDOR, **ENDLESS)
    around.fault("status", "slow", import_id=rival)
    return [waiting(VENDOR, rival, lasts=HOURS)]


def slow_refresh(around: Surroundings) -> list[Any]:
    """Somebody's refresh of the token that all share does not end."""
    around.fault("token", "slow")
    return [waiting(VENDOR, around.sandbox.submit(VENDOR, **ENDLESS), lasts=HOURS)]


def shared_token_unreadable(around: Surroundings) -> list[Any]:
    """Somebody reads the Variable with the token of all processes, and Airflow does not respond."""
    around.connect(share_token=True)
    around.hang("clients.token_store.Variable.get")
    return [waiting(VENDOR, around.sandbox.submit(VENDOR, **ENDLESS), lasts=HOURS)]


def connection_unreadable(around: Surroundings) -> None:
    around.hang("hooks.base.BaseHook.get_connection")


def status_unwritable(around: Surroundings) -> None:
    """Somebody's status is being written, and Airflow does not respond."""
    around.hang("triggers.import_status.XCom.set")


IN_TRIGGERERS = (
    slots_taken,
    slow_refresh,
    shared_token_unreadable,
    connection_unreadable,
    status_unwritable,
)
#: They keep a poll in line, which ends at the deadline itself.
IN_LINE = (slots_taken, slow_refresh)


@pytest.mark.parametrize("restarts", [0, 2])
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("trouble", ANYWHERE + IN_TRIGGERERS, ids=lambda trouble: trouble.__name__)
def test_a_deferred_wait_ends_with_its_deadline(
    world: World, trouble: Trouble, limit: str, restarts: int
) -> None:
    deferrals = {mode: defer(world, limit) for mode, defer in DEFERRED.items()}
    others = world.start_trouble() or []
    events = asyncio.run(asyncio.wait_for(in_triggerer(deferrals.values(), others, restarts), PATIENCE))
    for deferral, (event, ended_at) in zip(deferrals.values(), events, strict=True):
        with pytest.raises(LIMITS[limit]):
            deferral.resume(event)
        assert SECONDS <= ended_at - deferral.began < SECONDS + PATIENCE
    if trouble in IN_LINE:
        # On a slow machine, the deadline of some may pass before they get in line.
        assert any("passed while the poll was queued" in event["error"]["message"] for event, _ in events)


async def in_triggerer(
    deferrals: Iterable[Deferral], others: Iterable[Any], restarts: int
) -> list[tuple[dict[str, Any], float]]:
    """Run the triggers in one event loop beside those of others; return their events, each with its time."""
    rivals = [asyncio.create_task(events_of(trigger)) for trigger in others]
    # They come first.
    await asyncio.sleep(0.1)
    for _ in range(restarts):
        running = [asyncio.create_task(events_of(deferral.trigger())) for deferral in deferrals]
        await asyncio.sleep(0.05)
        await cancelled(running)
    events = await asyncio.gather(*(event_and_time(deferral) for deferral in deferrals))
    await cancelled(rivals)
    return events


async def event_and_time(deferral: Deferral) -> tuple[dict[str, Any], float]:
    (event,) = await events_of(deferral.trigger())
    return event, time.time()


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait for their ends."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
