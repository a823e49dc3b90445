"""Polling processes: a program that has loaded Airflow and forks once for each job.

As workers do, each has a memory of its own, and shares with the others only Airflow's metadata database.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

ROOT = Path(__file__).parents[2]

#: Seconds after which no other process is expected to write.
LATEST = 4.0

#: The job of a process; see `Poll`, and `variables` and `age` of `Pollers`.
Job = Mapping[str, Any]


class Pollers:
    """Handle of the program in its parent process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def poll(self, *polls: Job) -> list[list[str]]:
        """Poll concurrently in separate processes; return the outcomes of each.

        A job is a `connection` of the type `conn_type`, an `import_id`, and optionally how many `polls` must
        succeed within how many `tries`, to `go_on` after any error, the `transport`, how Variables are
        written (`writes`: `at_once`; `late`, after another process wrote; or `never`), and seconds: to
        `start_after`, and the `interval` between polls.
        """
        results: list[list[str]] = self._do([{"do": "poll", **poll} for poll in polls])
        return results

    def variables(self, prefix: str) -> dict[str, str]:
        """Return Airflow's Variables whose names have this prefix."""
        (found,) = self._do([{"do": "variables", "prefix": prefix}])
        return dict(found)

    def age(self, prefix: str, seconds: float) -> None:
        """Make the times in these Variables older."""
        self._do([{"do": "age", "prefix": prefix, "seconds": seconds}])

    def _do(self, jobs: Sequence[Job]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(jobs), file=self._process.stdin, flush=True)
        results = json.loads(self._process.stdout.readline() or "null")
        assert results, "The pollers have died. Their log is on standard error."
        return results


@contextmanager
def pollers(env: Mapping[str, str]) -> Iterator[Pollers]:
    """Start the program for a `with` block, in an environment that names Airflow's home and database."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        command, cwd=ROOT, env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Pollers(process)
        assert process.stdin is not None
        process.stdin.close()


def main() -> None:
    """Respond to each line of jobs with a line of results."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow logs to standard output.
    _load()
    for line in sys.stdin:
        print(json.dumps(_side_by_side(json.loads(line))), file=answers, flush=True)


def _load() -> None:
    # Everything is loaded and created once, before forking, since the routes of the API take seconds.
    import a2wsgi  # noqa: F401
    import httpx
    from airflow.sdk.execution_time import supervisor

    import airflow_provider_importstatus.hooks.clear
    import airflow_provider_importstatus.hooks.zilliant
    import airflow_provider_importstatus.triggers.import_status  # noqa: F401

    api = supervisor.in_process_api_server()
    # The first request creates them, whatever the response.
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
    asyncio.run(httpx.AsyncClient(transport=transport, base_url="http://in-process").get("/health/ping"))
    supervisor.in_process_api_server = lambda: api  # type: ignore[assignment]


def _side_by_side(jobs: Sequence[Job]) -> list[Any]:
    fork = multiprocessing.get_context("fork")
    started = []
    for job in jobs:
        ours, theirs = fork.Pipe(duplex=False)
        process = fork.Process(target=_run, args=(job, theirs))
        process.start()
        theirs.close()
        started.append((process, ours))
    results = [ours.recv() for _, ours in started]
    for process, _ in started:
        process.join()
    return results


def _run(job: Job, results: Connection) -> None:
    doing = {"poll": _poll, "variables": _variables, "age": _age}[job["do"]]
    results.send(doing(job))


def _poll(job: Job) -> list[str]:
    from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor

    os.environ["AIRFLOW_CONN_POLLED"] = json.dumps(job["connection"])
    # It provides Variables like a supervisor, and accepts any object with a `run`.
    outcomes: list[str] = InProcessTestSupervisor.run_trigger_in_process(
        trigger=Poll(job), ti=SimpleNamespace(id=uuid4())
    )
    return outcomes


class Poll:
    """Polls like a wait, until enough polls have succeeded or the tries are used up."""

    def __init__(self, job: Job) -> None:
        self._job: dict[str, Any] = {"polls": 1, "tries": 1, "interval": 0.5, "transport": "requests", **job}

    async def run(self) -> AsyncIterator[list[str]]:
        """Yield the outcomes: a state, or the class and message of an error."""
        yield await asyncio.to_thread(self._outcomes)

    def _outcomes(self) -> list[str]:
        from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
        from airflow_provider_importstatus.hooks.lookup import hook_for

        job, outcomes = self._job, list[str]()
        with _writing(job.get("writes", "at_once")):
            time.sleep(job.get("start_after", 0.0))
            hook, succeeded = hook_for("polled"), 0
            while succeeded < job["polls"] and len(outcomes) < job["tries"]:
                time.sleep(job["interval"] if outcomes else 0.0)
                try:
                    outcomes.append(self._ask(hook))
                    succeeded += 1
                except ImportStatusError as error:
                    outcomes.append(f"{type(error).__name__}: {error}")
                    if not isinstance(error, ImportUnavailableError) and not job.get("go_on"):
                        break
        return outcomes

    def _ask(self, hook: Any) -> str:
        import_id = self._job["import_id"]
        if self._job["transport"] == "requests":
            return str(hook.get_import_status(import_id).state)
        return str(asyncio.run(hook.aget_import_status(import_id)).state)


@contextmanager
def _writing(writes: str) -> Iterator[None]:
    """Change how Variables are written, without the knowledge of this process."""
    from airflow.sdk.execution_time import task_runner

    inner = task_runner.SUPERVISOR_COMMS

    class Comms:
        def send(self, message: Any) -> Any:
            if type(message).__name__ == "PutVariable" and writes != "at_once":
                if writes == "never":
                    raise RuntimeError("This database cannot be written.")
                _wait_for_another_value(message.key)
            return inner.send(message)

        def __getattr__(self, name: str) -> Any:
            return getattr(inner, name)

    task_runner.SUPERVISOR_COMMS = Comms()  # type: ignore[assignment]
    try:
        yield
    finally:
        task_runner.SUPERVISOR_COMMS = inner


def _wait_for_another_value(key: str) -> None:
    deadline = time.monotonic() + LATEST
    before = _variables({"prefix": key})
    while _variables({"prefix": key}) == before and time.monotonic() < deadline:
        time.sleep(0.1)


def _variables(job: Job) -> dict[str, str]:
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(Variable).where(Variable.key.startswith(job["prefix"])))
        return {variable.key: variable.get_val() for variable in found}


def _age(job: Job) -> bool:
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        for variable in session.scalars(select(Variable).where(Variable.key.startswith(job["prefix"]))):
            data = json.loads(variable.get_val())
            aged = {name: _aged(value, job["seconds"]) for name, value in data.items()}
            variable.set_val(json.dumps(aged))
    return True


def _aged(value: Any, seconds: float) -> Any:
    is_time = isinstance(value, int | float) and not isinstance(value, bool)
    return value - seconds if is_time else value


if __name__ == "__main__":
    main()
