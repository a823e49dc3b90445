"""Requests to a vendor that responds with 403 or 429, in the first three seconds, with default settings."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

from airflow.providers.http.triggers.http import HttpSensorTrigger
from airflow.triggers.base import BaseTrigger

from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from bench.contenders import connect, event
from bench.figures import Figure
from bench.processes import log_as_a_triggerer
from bench.standin import StandIn

__all__ = ["measure"]

SECONDS = 3


def measure() -> list[Figure]:
    """Measure our trigger and `HttpSensorTrigger` with a poke interval of one minute."""
    log_as_a_triggerer()
    with StandIn() as server:
        connect(server.url)
        return [_figure(server, status) for status in (403, 429)]


def _figure(server: StandIn, status: int) -> Figure:
    ours = _asked(server, status, ImportStatusTrigger("ours", "1"))
    theirs = _asked(server, status, HttpSensorTrigger("1", "http", poke_interval=60))
    beside = {"http": theirs["polls"], "of ours are logins": ours["logins"]}
    return Figure(f"requests in {SECONDS} s of {status}", ours["polls"] + ours["logins"], 3, "", beside)


def _asked(server: StandIn, status: int, trigger: BaseTrigger) -> Counter[str]:
    server.reset(refusal=status)
    asyncio.run(_wait(trigger))
    return server.counts


async def _wait(trigger: BaseTrigger) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event(trigger), SECONDS)
