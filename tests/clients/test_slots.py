"""Request slots of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from airflow_provider_importstatus.clients.slots import FairSlots


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


async def served(slots: FairSlots, dag_id: str, order: list[str]) -> None:
    await slots.acquire(dag_id)
    order.append(dag_id)
    await asyncio.sleep(0)
    slots.release()


def test_slots_are_handed_to_dags_in_turn() -> None:
    async def test() -> None:
        slots, order = FairSlots(1), list[str]()
        await slots.acquire("first")
        waits = [asyncio.create_task(served(slots, dag_id, order)) for dag_id in ["big"] * 5 + ["small"] * 2]
        await asyncio.sleep(0)
        slots.release()
        await asyncio.gather(*waits)
        assert order == ["big", "small", "big", "small", "big", "big", "big"]

    run(test())


def test_no_more_slots_are_taken_than_the_limit() -> None:
    async def test() -> None:
        slots, under_way, most = FairSlots(3), 0, 0

        async def hold() -> None:
            nonlocal under_way, most
            await slots.acquire("dag")
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1
            slots.release()

        await asyncio.gather(*(hold() for _ in range(50)))
        assert most == 3

    run(test())


@pytest.mark.parametrize("is_handed_over", [False, True])
def test_cancelling_a_queued_wait_leaks_no_slot(is_handed_over: bool) -> None:
    async def test() -> None:
        slots = FairSlots(1)
        await slots.acquire("dag")
        cancelled = asyncio.create_task(slots.acquire("dag"))
        await asyncio.sleep(0)
        if is_handed_over:
            slots.release()
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        if not is_handed_over:
            slots.release()
        await slots.acquire("dag")

    run(test())
