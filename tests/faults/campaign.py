"""A campaign: runs the waits of a plan against its server, and compares their ends with what is right."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_importstatus.exceptions import AirflowFailException
from airflow_provider_importstatus.operators.import_file import ImportFileOperator
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from airflow_provider_importstatus.version_compat import is_airflow
from tests.hostile_texts import is_clean, texts_in
from tests.operators.tasks import TriedTaskInstance
from tests.sensors.tasks import Store, TaskInstance
from tests.vendors import SAMPLES
from tests.vendors.samples import PASSWORD, SECRET, TOKEN

from .kinds import STATIC
from .measures import BareLoop, Lateness, Memory
from .oracle import right_outcome
from .plan import OPERATORS, Plan

__all__ = ["Campaign", "End", "run_campaign"]

ROOT = Path(__file__).parents[2]
#: Waits at a time: in the event loop, and on workers.
IN_LOOP, WORKERS = 100, 24
#: Seconds between two polls.
INTERVAL = 0.02
#: Seconds that a wait may take beyond its timeout and one request: a machine may be slow.
PATIENCE = 20.0
#: Tries of a task.
TRIES = 8
#: A credential as it may be echoed.
SECRETS = (
    *(PASSWORD, SECRET, TOKEN, base64.b64encode(f"user:{PASSWORD}".encode()).decode()),
    *("token-", "sig=hunter2"),
)


@dataclass
class End:
    """How a wait ended.

    :param outcome: a final state, or the class of an error
    :param texts: all that is stored or shown
    :param took: seconds
    """

    outcome: str
    texts: Any
    took: float


@dataclass
class Campaign:
    """The result of a campaign.

    :param ends: by wait
    :param seen: what the server reports
    """

    plans: Sequence[Plan]
    ends: dict[str, End] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)
    lateness: Lateness = field(default_factory=Lateness)
    bare: Lateness = field(default_factory=Lateness)
    memory: Memory = field(default_factory=Memory)
    took: float = 0.0

    def wrong(self) -> dict[str, str]:
        """Return what is wrong, by wait."""
        return {plan.wait: what for plan in self.plans if (what := self._wrong(plan))}

    def table(self) -> dict[str, Counter[str]]:
        """Return how often each kind of fault led to each outcome."""
        table: dict[str, Counter[str]] = {}
        for wait, end in self.ends.items():
            for kind in self.seen["waits"][wait]["served"]:
                table.setdefault(kind, Counter())[end.outcome] += 1
        return table

    def _wrong(self, plan: Plan) -> str | None:
        end, seen = self.ends.get(plan.wait), self.seen["waits"][plan.wait]
        right = right_outcome(plan)
        longest = plan.timeout + plan.request_timeout + PATIENCE
        if end is None:
            return f"has no end after {longest:.0f} s; right is {right}"
        if end.outcome != right:
            return f"ended as {end.outcome}; right is {right}: {str(end.texts)[:300]}"
        if end.took > longest:
            return f"took {end.took:.1f} s instead of {longest:.0f} s at most"
        if seen["starts"] > 1:
            return f"was submitted {seen['starts']} times"
        # The last poll comes when the time is up, however long the vendor asks to wait.
        if seen["early"] > (plan.timeout < 10):
            return f"polled {seen['early']} times before Retry-After"
        return _unstorable(end.texts)


def run_campaign(plans: Sequence[Plan], folder: Path) -> Campaign:
    """Run the waits: first those in an event loop, then those on workers."""
    began = time.monotonic()
    campaign = Campaign(plans)
    with _vendors(plans) as url, _connections(plans, url), campaign.memory.watch():
        asyncio.run(_run_in_loop(campaign, [plan for plan in plans if plan.mode == "async"]))
        _run_on_workers(campaign, [plan for plan in plans if plan.mode != "async"], folder)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/seen") as answer:
            campaign.seen = json.load(answer)
    campaign.took = time.monotonic() - began
    return campaign


@contextmanager
def _vendors(plans: Sequence[Plan]) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.faults.server"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdin
        assert server.stdout
        print(json.dumps([plan.to_dict() for plan in plans]), file=server.stdin, flush=True)
        yield server.stdout.readline().strip()
        server.stdin.close()


@contextmanager
def _connections(plans: Sequence[Plan], url: str) -> Iterator[None]:
    lanes = {plan.lane: plan for plan in plans}
    variables = {
        f"AIRFLOW_CONN_{lane.upper()}": json.dumps(_fields(lane, url, plan)) for lane, plan in lanes.items()
    }
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


def _fields(lane: str, url: str, plan: Plan) -> dict[str, Any]:
    is_described = plan.vendor not in OPERATORS
    own: dict[str, Any] = {"description": plan.vendor}
    if not is_described:
        sample = SAMPLES[plan.vendor]
        own = {**sample.settings.extra, **(sample.ready or {})}
    limits = {"timeout": plan.request_timeout, "transfer_timeout": plan.request_timeout}
    return {
        "conn_type": "import_api" if is_described else plan.vendor,
        "host": url,
        # A login says whose it is.
        "login": "user" if plan.vendor in STATIC else lane,
        "password": PASSWORD,
        "extra": {**own, **limits, "verify": False},
    }


async def _run_in_loop(campaign: Campaign, plans: Sequence[Plan]) -> None:
    turns = asyncio.Semaphore(IN_LOOP)

    async def run(plan: Plan) -> None:
        async with turns:
            longest = plan.timeout + plan.request_timeout + PATIENCE
            with suppress(TimeoutError):
                campaign.ends[plan.wait] = await asyncio.wait_for(_end_in_loop(plan), longest)

    with BareLoop() as campaign.bare:
        watching = asyncio.ensure_future(campaign.lateness.watch())
        await asyncio.gather(*map(run, plans))
        watching.cancel()


async def _end_in_loop(plan: Plan) -> End:
    began = time.time()
    wait = {
        "first_poll_at": began,
        "deadline": began + plan.timeout,
        "poke_interval": INTERVAL,
        "exponential_backoff": False,
        "outage_tolerance": plan.tolerance,
        "not_found_grace": plan.grace,
    }
    trigger = ImportStatusTrigger(conn_id=plan.lane, import_id=plan.wait, wait=wait)
    (payload,) = [event.payload async for event in trigger.run()]
    if len(json.dumps(payload)) > 8192:
        return End("an event that is too large", payload, time.time() - began)
    error = payload.get("error")
    outcome = error["type"] if error else payload["status"]["state"]
    return End(outcome, payload, time.time() - began)


def _let_thread_execute_tasks() -> None:
    """Do in this thread what Airflow 2.11 does in the main thread only: its check of callers needs it."""
    if not is_airflow(3, 0):
        from airflow.models.baseoperator import (  # type: ignore[import-not-found]
            ExecutorSafeguard,
        )

        ExecutorSafeguard._sentinel.callers = {}


def _run_on_workers(campaign: Campaign, plans: Sequence[Plan], folder: Path) -> None:
    # Tasks are made before: a DAG is a context of the whole process.
    waiting: queue.SimpleQueue[tuple[Plan, list[Any]]] = queue.SimpleQueue()
    for plan in plans:
        waiting.put((plan, [_task(plan, folder) for _ in range(TRIES if plan.mode == "operator" else 1)]))

    def work() -> None:
        _let_thread_execute_tasks()
        while True:
            try:
                plan, tasks = waiting.get_nowait()
            except queue.Empty:
                return
            campaign.ends[plan.wait] = _end_on_worker(tasks)

    # Daemons: a wait without an end must not outlive the campaign.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    # All of them, one after the other, take no longer.
    ends = time.monotonic() + max((p.timeout + p.request_timeout for p in plans), default=0.0)
    ends += PATIENCE + 2.0 * len(plans)
    for thread in threads:
        thread.join(max(ends - time.monotonic(), 0.0))


def _task(plan: Plan, folder: Path) -> Any:
    schedule: dict[str, Any] = {
        "conn_id": plan.lane,
        "timeout": plan.timeout,
        "outage_tolerance": plan.tolerance,
        "not_found_grace": plan.grace,
        "exponential_backoff": False,
        "on_partial": "succeed",
    }
    with DAG("faults", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        if plan.mode != "operator":
            return ImportStatusSensor(task_id="wait", import_id=plan.wait, poke_interval=INTERVAL, **schedule)
        file = folder / f"{plan.wait}.csv"
        file.write_text("code,name\nu1,Ada\n")
        params = {**SAMPLES[plan.vendor].submit_params}
        if "mapping_id" in params:
            # Zilliant's requests hold no other name of the wait.
            params["mapping_id"] = plan.wait
        return ImportFileOperator(
            task_id="load", file=str(file), submit_params=params, poll_interval=INTERVAL, **schedule
        )


def _end_on_worker(tries: Sequence[Any]) -> End:
    """Run a task as Airflow does: again after an error that may pass."""
    began, store = time.monotonic(), Store()
    told: list[Any] = []
    for task in tries:
        ti = TaskInstance() if len(tries) == 1 else TriedTaskInstance()
        outcome, is_final = _end_of_try(task, {"ti": ti, "task_state_store": store}, told)
        told.append(ti.xcoms)
        if is_final or len(tries) == 1:
            break
    return End(outcome, told, time.monotonic() - began)


def _end_of_try(task: Any, context: Any, told: list[Any]) -> tuple[str, bool]:
    try:
        result = task.execute(context)
    except Exception as error:
        told.append(str(error))
        name = type(error).__name__
        if name in ("ImportFailedError", "SubmittedImportError"):
            return context["ti"].xcoms["import_status"]["state"], True
        return name, isinstance(error, AirflowFailException)
    told.append(result)
    return result["state"], True


def _unstorable(texts: Any) -> str | None:
    try:
        json.dumps(texts, allow_nan=False)
    except ValueError as error:
        return f"cannot be stored: {error}"
    for text in texts_in(texts):
        if not is_clean(text):
            return f"cannot be stored: {text[:200]!r}"
        if any(secret in text for secret in SECRETS):
            return "tells a credential"
    return None
