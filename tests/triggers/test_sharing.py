"""Many waits on one connection share a pool and a token, and never block the event loop."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from airflow.secrets.environment_variables import EnvironmentVariablesBackend

from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import VENDORS
from .waits import ENDLESS, Connect, events_of, waiting

MANY = 50
THOUSAND = 1000


def open_sessions() -> int:
    # Compared by type: isinstance would load Airflow's lazy objects.
    return sum(type(one) is aiohttp.ClientSession and not one.closed for one in gc.get_objects())


async def all_of(vendor: str, import_ids: list[str], **more: Any) -> Counter[str]:
    """Run a trigger for each import concurrently; count how they ended."""
    waits = [events_of(waiting(vendor, import_id, poke_interval=0.2, **more)) for import_id in import_ids]
    events = [event for (event,) in await asyncio.gather(*waits)]
    return Counter(
        event["status"]["state"] if "status" in event else event["error"]["type"] for event in events
    )


def _until_asked(sandbox: Sandbox, times: int) -> None:
    while sandbox.requests("tao_advance")["status"] < times:
        time.sleep(0.02)


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
@pytest.mark.usefixtures("connections")
def test_many_waits_need_one_token(sandbox: Sandbox, vendor: str) -> None:
    import_ids = [sandbox.submit(vendor, seconds=0.2, queued=0) for _ in range(MANY)]
    assert asyncio.run(all_of(vendor, import_ids)) == {"succeeded": MANY}
    assert sandbox.requests(vendor)["token"] == 1


def test_many_waits_need_one_token_of_clear(sandbox: Sandbox, connect: Connect) -> None:
    connect("clear")
    import_ids = [sandbox.submit("clear", seconds=0.3, queued=0) for _ in range(MANY)]
    assert asyncio.run(all_of("clear", import_ids)) == {"succeeded": MANY}
    assert sandbox.requests("clear")["token"] == 1


@pytest.mark.usefixtures("connections")
def test_many_waits_rejected_at_once_refresh_once(sandbox: Sandbox) -> None:
    async def revoked_midway() -> Counter[str]:
        waits = asyncio.create_task(all_of("tao_advance", import_ids))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(sandbox.revoke, "tao_advance")
        return await waits

    import_ids = [sandbox.submit("tao_advance", seconds=1, queued=0) for _ in range(MANY)]
    assert asyncio.run(revoked_midway()) == {"succeeded": MANY}
    assert sandbox.requests("tao_advance")["token"] == 2


@pytest.mark.usefixtures("connections")
def test_a_thousand_waits_rejected_by_one_revocation_with_16_in_flight_refresh_once(sandbox: Sandbox) -> None:
    async def revoked_midway() -> Counter[str]:
        waits = asyncio.create_task(all_of("tao_advance", import_ids))
        # All have started, and the pool is at its limit, since each response takes a while.
        await asyncio.to_thread(_until_asked, sandbox, THOUSAND // 2)
        sandbox.revoke("tao_advance")
        return await waits

    import_ids = [sandbox.submit("tao_advance", seconds=0, queued=0) for _ in range(THOUSAND)]
    sandbox.fault("tao_advance", "status", "slow", times=None, seconds=0.02)
    assert asyncio.run(revoked_midway()) == {"succeeded": THOUSAND}
    seen = sandbox.requests("tao_advance")
    assert seen["token"] == 2
    # Requests in flight were rejected and repeated.
    assert THOUSAND < seen["status"] <= THOUSAND + 16


def test_a_changed_limit_applies_when_the_connection_is_reloaded(
    sandbox: Sandbox, connect: Connect, stopwatch: Callable[[], float]
) -> None:
    async def limited_midway() -> float:
        waits = asyncio.create_task(all_of("tao_advance", import_ids))
        await asyncio.to_thread(_until_asked, sandbox, 12)
        connect("tao_advance", extra={"max_concurrency": "1"})
        sandbox.fault("tao_advance", "status", "slow", times=None, seconds=0.3)
        sandbox.revoke("tao_advance")
        began = stopwatch()
        await waits
        return stopwatch() - began

    connect("tao_advance", extra={"max_concurrency": "12"})
    # Each needs one more poll, long after the first ones were rejected.
    import_ids = [sandbox.submit("tao_advance", seconds=2, queued=0) for _ in range(12)]
    assert asyncio.run(limited_midway()) >= 12 * 0.3


def test_many_waits_with_a_wrong_password_try_it_once(sandbox: Sandbox, connect: Connect) -> None:
    """Salesforce locks users after a few rejected logins."""
    connect("zilliant", password="wrong")
    import_ids = [sandbox.submit("zilliant") for _ in range(MANY)]
    assert asyncio.run(all_of("zilliant", import_ids)) == {"ImportAuthError": MANY}
    assert sandbox.requests("zilliant")["token"] == 1


@pytest.mark.usefixtures("connections")
def test_many_waits_queued_during_a_login_outage_try_the_login_once(sandbox: Sandbox) -> None:
    sandbox.fault("tao_advance", "token", "503", times=None, seconds=1.5)
    import_ids = [sandbox.submit("tao_advance") for _ in range(MANY)]
    ends = asyncio.run(all_of("tao_advance", import_ids, outage_tolerance=0.0))
    assert ends == {"ImportUnavailableError": MANY}
    assert sandbox.requests("tao_advance")["token"] == 1


@pytest.mark.usefixtures("connections")
def test_many_waits_share_one_pool_that_closes_with_the_last(sandbox: Sandbox) -> None:
    async def watched() -> list[int]:
        waits = asyncio.create_task(all_of("thalamus", import_ids))
        await asyncio.sleep(0.4)
        during = open_sessions()
        await waits
        return [during, open_sessions()]

    import_ids = [sandbox.submit("thalamus", seconds=0.8, queued=0) for _ in range(MANY)]
    before = open_sessions()
    assert asyncio.run(watched()) == [before + 1, before]


@pytest.mark.usefixtures("connections")
def test_the_pool_stays_open_while_any_wait_runs(sandbox: Sandbox) -> None:
    async def watched() -> list[str]:
        long = asyncio.create_task(all_of("thalamus", [sandbox.submit("thalamus", seconds=0.6)]))
        short = await all_of("thalamus", [sandbox.submit("thalamus", seconds=0)])
        return [*short, *await long]

    assert asyncio.run(watched()) == ["succeeded", "succeeded"]


@pytest.mark.usefixtures("connections")
def test_the_pool_closes_when_the_waits_are_cancelled(sandbox: Sandbox) -> None:
    async def cancelled() -> int:
        waits = [asyncio.create_task(events_of(waiting("thalamus", import_id))) for import_id in import_ids]
        await asyncio.sleep(0.3)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        return open_sessions()

    import_ids = [sandbox.submit("thalamus", **ENDLESS) for _ in range(5)]
    before = open_sessions()
    assert asyncio.run(cancelled()) == before


@pytest.mark.usefixtures("connections")
def test_waits_on_two_connections_share_no_token(sandbox: Sandbox, connect: Connect) -> None:
    async def both() -> Counter[str]:
        other = waiting("tao_advance", import_ids[0])
        other.conn_id = connect("tao_advance", "another_connection")
        first, second = await asyncio.gather(all_of("tao_advance", import_ids), events_of(other))
        return first + Counter(event["status"]["state"] for event in second)

    import_ids = [sandbox.submit("tao_advance", seconds=0)]
    assert asyncio.run(both()) == {"succeeded": 2}
    assert sandbox.requests("tao_advance")["token"] == 2


def test_no_more_requests_are_in_flight_than_the_connection_allows(
    sandbox: Sandbox, connect: Connect, stopwatch: Callable[[], float]
) -> None:
    connect("thalamus", extra={"max_concurrency": "2"})
    sandbox.fault("thalamus", "status", "slow", times=None, seconds=0.1)
    import_ids = [sandbox.submit("thalamus", seconds=0) for _ in range(12)]
    asyncio.run(all_of("thalamus", import_ids))
    assert stopwatch() >= 12 / 2 * 0.1


@pytest.mark.usefixtures("connections")
def test_requests_are_sent_concurrently(sandbox: Sandbox, stopwatch: Callable[[], float]) -> None:
    sandbox.fault("thalamus", "status", "slow", times=None, seconds=0.2)
    import_ids = [sandbox.submit("thalamus", seconds=0) for _ in range(12)]
    asyncio.run(all_of("thalamus", import_ids))
    assert stopwatch() < 12 * 0.2 / 2


async def longest_gap(while_running: Any) -> float:
    """Measure how long the loop delays a task that runs every 10 ms."""
    gap, done = 0.0, asyncio.ensure_future(while_running)
    while not done.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        gap = max(gap, time.monotonic() - before)
    await done
    return gap


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections", "settled")
def test_the_loop_is_never_blocked(sandbox: Sandbox, vendor: str) -> None:
    import_ids = [sandbox.submit(vendor, seconds=0.1, queued=0) for _ in range(MANY)]
    assert asyncio.run(longest_gap(all_of(vendor, import_ids))) < 0.5


@pytest.mark.usefixtures("connections", "settled")
def test_a_slow_secrets_backend_does_not_block_the_loop(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = EnvironmentVariablesBackend.get_conn_value

    def slow(self: Any, conn_id: str) -> str | None:
        time.sleep(0.4)
        return quick(self, conn_id)

    monkeypatch.setattr(EnvironmentVariablesBackend, "get_conn_value", slow)
    import_id = sandbox.submit("tao_advance", seconds=0)
    assert asyncio.run(longest_gap(all_of("tao_advance", [import_id]))) < 0.35
