"""What waits in a triggerer until an import is over."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.providers.common.compat.sdk import XCom
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from airflow_provider_importstatus import metrics
from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.outcome import describe
from airflow_provider_importstatus.progress import XCOM_KEY, Progress
from airflow_provider_importstatus.status import MAX_RESULT_BYTES, ImportStatus
from airflow_provider_importstatus.triggers.client import Client, connected
from airflow_provider_importstatus.wait import GaveUp, LookAgain, Over, Wait

__all__ = ["ImportStatusTrigger"]

#: A task that comes back sooner is taken for lost by the scheduler (seen on Airflow 3.3.2), in seconds.
HOLD = 10.0
#: Characters of an error in an event, which must stay below 8 KiB however they are encoded.
MAX_ERROR = 1000
#: Airflow's own default for a sensor's timeout, in seconds.
DEFAULT_TIMEOUT = 7 * 24 * 3600.0


class ImportStatusTrigger(BaseTrigger):
    """Looks at an import until it is over, and fires one event.

    The event is ``{"v": 1, "status": {...}}`` or ``{"v": 1, "error": {"type": ..., "message": ...}}``.

    :param conn_id: the connection, whose type chooses the vendor
    :param import_id: what the vendor's submit call returned
    :param hook_params: keyword arguments of the hook
    :param wait: the course so far, as `Wait.to_dict` gives it; a new one unless given
    :param deferred_at: when the task was deferred, in seconds since 1970. An absolute time, since a restarted
        triggerer makes the trigger anew
    """

    def __init__(
        self,
        conn_id: str,
        import_id: str,
        hook_params: dict[str, Any] | None = None,
        wait: dict[str, Any] | None = None,
        deferred_at: float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in Airflow
        self.conn_id = conn_id
        self.import_id = import_id
        self.hook_params = hook_params
        self.wait = wait
        self.deferred_at = deferred_at

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments that make this trigger again. None of them is a secret."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "conn_id": self.conn_id,
            "import_id": self.import_id,
            "hook_params": self.hook_params,
            "wait": self.wait,
            "deferred_at": self.deferred_at,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Fire exactly one event when the wait is over."""
        end = await self._end()
        self.log.info("The wait is over: %s", _words(end))
        hold = 0.0 if self.deferred_at is None else self.deferred_at + HOLD - time.time()
        if hold > 0:
            self.log.info("The task resumes in %.0f s: sooner, the scheduler might take it for lost.", hold)
            await asyncio.sleep(hold)
        yield TriggerEvent(_event(end))

    async def _end(self) -> Over | GaveUp:
        wait = self._course()
        progress = Progress(wait, self.log, told=wait.last, told_at=time.time())
        async with connected(self.conn_id) as client:
            await asyncio.sleep(self._first_delay(wait))
            while True:
                outcome, latest = progress.note(await self._look(client), time.time())
                if latest:
                    await self._publish(latest)
                if not isinstance(outcome, LookAgain):
                    metrics.waited(self.conn_id, _result(outcome), time.time() - wait.first_look_at)
                    return outcome
                await asyncio.sleep(outcome.delay)

    async def _look(self, client: Client) -> ImportStatus | ImportStatusError:
        try:
            return await client.look(await client.hook(self.hook_params), self.import_id)
        except ImportStatusError as error:
            return error

    def _course(self) -> Wait:
        now = time.time()
        begun = {"first_look_at": now, "deadline": now + DEFAULT_TIMEOUT}
        return Wait.from_dict({**begun, **(self.wait or {})})

    def _first_delay(self, wait: Wait) -> float:
        """Seconds until the first look here: the worker looked just before it deferred."""
        if self.deferred_at is None:
            return 0.0
        now = time.time()
        interval = wait.next_interval(self.deferred_at)
        due = min(self.deferred_at + interval, wait.deadline)
        # After a restart all waits are overdue at once: they are spread over one interval.
        return due - now if due > now else random.uniform(0.0, min(interval, max(wait.deadline - now, 0.0)))

    async def _publish(self, latest: dict[str, Any]) -> None:
        ti = self.task_instance
        if ti is None:  # dag.test() has none
            return
        try:
            await sync_to_async(XCom.set)(
                key=XCOM_KEY,
                value=latest,
                dag_id=ti.dag_id,
                task_id=ti.task_id,
                run_id=ti.run_id,
                map_index=ti.map_index,
            )
        except Exception as error:
            # Nothing depends on it but what people see: the wait must outlive it.
            self.log.warning("The latest status could not be written: %s", type(error).__name__)


def _result(end: Over | GaveUp) -> str:
    return end.status.state.value if isinstance(end, Over) else type(end.error).__name__


def _words(end: Over | GaveUp) -> str:
    return describe(end.status) if isinstance(end, Over) else f"{type(end.error).__name__}: {end.error}"


def _event(end: Over | GaveUp) -> dict[str, Any]:
    if isinstance(end, Over):
        return {"v": 1, "status": end.status.within().to_dict()}
    message = str(end.error)[:MAX_ERROR]
    while len(json.dumps(message)) > MAX_RESULT_BYTES:  # JSON may write a character in 12 bytes
        message = message[: len(message) * 9 // 10]
    return {"v": 1, "error": {"type": type(end.error).__name__, "message": message}}
