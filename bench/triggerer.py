"""What a triggerer provides to its triggers: a task instance, and the channel for writing XComs."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Self
from uuid import uuid4

from airflow.executors.workloads import TaskInstanceDTO
from airflow.jobs.triggerer_job_runner import TriggerCommsDecoder, TriggerRunner, TriggerRunnerSupervisor
from airflow.sdk import DAG
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import MaskSecret, SetXCom, _RequestFrame, _ResponseFrame
from airflow.serialization.serialized_objects import DagSerialization
from msgspec.msgpack import Decoder

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

__all__ = ["Supervisor", "task_instances"]

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RUN = {
    **dict.fromkeys(
        ("logical_date", "data_interval_start", "data_interval_end", "end_date", "partition_key")
    ),
    "dag_id": "bench",
    "run_id": "bench",
    "run_type": "manual",
    "state": "running",
    "run_after": BEGAN,
    "start_date": BEGAN,
    "consumed_asset_events": [],
}


class Supervisor:
    """The supervisor of a triggerer's triggers: it responds like Airflow's and stores nothing.

    Airflow's own writes what it is told into the database, one by one: it answers later than this one.
    """

    def __enter__(self) -> Self:
        self._pipe, theirs = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_serve, args=(theirs,))
        self._process.start()
        self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    @asynccontextmanager
    async def connected(self, counts: Counter[tuple[int, str]]) -> AsyncIterator[None]:
        """Connect the Task SDK of this process to the supervisor; count the XComs by `map_index` and key."""
        ours, theirs = socket.socketpair()
        self._pipe.send(theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        comms = TriggerCommsDecoder(socket=ours, async_writer=writer, async_reader=reader)
        await comms.start_reader()
        task_runner.SUPERVISOR_COMMS = comms
        try:
            yield
        finally:
            del task_runner.SUPERVISOR_COMMS
            comms._reader_task.cancel()
            writer.close()
            await writer.wait_closed()
            theirs.close()
            counts.update(self._pipe.recv())


def task_instances(numbers: Sequence[int]) -> list[Any]:
    """Return task instances as for triggers started by the scheduler, with a different `map_index` each."""
    with DAG("bench", schedule=None) as dag:
        ImportStatusSensor(
            task_id="wait", conn_id="ours", import_id="0", start_from_trigger=True, end_from_trigger=True
        )
    queued = TaskInstanceDTO(
        id=uuid4(),
        dag_version_id=uuid4(),
        dag_id="bench",
        task_id="wait",
        run_id="bench",
        try_number=1,
        map_index=-1,
        pool_slots=1,
        priority_weight=1,
    )
    instance = TriggerRunner.create_runtime_ti(queued, DagSerialization.to_dict(dag), RUN)
    return [instance.model_copy(update={"map_index": number}) for number in numbers]


def _serve(pipe: Connection) -> None:
    pipe.send("ready")
    while True:
        with pipe.recv() as line:
            pipe.send(_answer(line))


def _answer(line: socket.socket) -> Counter[tuple[int, str]]:
    """Respond to all requests until the connection is closed."""
    decode, counts = Decoder(_RequestFrame).decode, Counter[tuple[int, str]]()
    with line.makefile("rb") as asked:
        while length := asked.read(4):
            frame = decode(asked.read(int.from_bytes(length, "big")))
            match TriggerRunnerSupervisor.decoder.validate_python(frame.body):
                case SetXCom(map_index=int(map_index), key=key):
                    counts[map_index, key] += 1
                case MaskSecret():
                    pass
                case message:
                    raise NotImplementedError(f"What is the answer to {message!r}?")
            line.sendall(_ResponseFrame(id=frame.id).as_bytes())
    return counts
