"""A real Airflow in a directory of its own: starts it, monitors it, and stops all of its processes.

`rest.py` is the client of its API.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import requests

from demo import configuration
from demo.processes import cpu_seconds, exit_on_signal, processes_of, send_to_tree, signals
from demo.rest import Rest, RestV1, Run

T = TypeVar("T")


@dataclass(frozen=True)
class Component:
    """A process of Airflow: the arguments of the `airflow` command, and environment variables of its own."""

    arguments: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


class Exit(NamedTuple):
    """The unexpected exit of a component.

    :param at: when it was noticed (Unix seconds)
    """

    name: str
    code: int
    at: float


#: Of each one is started, and with the names of these.
COMPONENTS = (
    "webserver" if configuration.IS_AIRFLOW_2 else "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
)
# In seconds. Enough for all but the triggerer of 3.3.2, which waits 10 seconds after its triggers have ended.
GRACE = 4


class DeploymentError(RuntimeError):
    """Airflow failed. The message says where to look."""


class ComponentDied(DeploymentError):
    """A process of Airflow exited unexpectedly. The message holds the end of its log."""


class TookTooLong(DeploymentError, TimeoutError):
    """A condition was not met in time."""


class Deployment:
    """A real Airflow that runs inside a `with` block, and is stopped however the block is left.

    :param home: its AIRFLOW_HOME, recreated; processes that an earlier start left running there are killed
    :param dags_folder: the folder with its DAGs
    :param connections: its connections by id, in Airflow's JSON form
    :param env: additional environment variables of its processes
    :param config: settings by section and key, which take precedence over the defaults
    :param components: those of `COMPONENTS` that are started
    :param triggerers: number of triggerers
    :param workers: number of Celery workers, if `config` names the CeleryExecutor and its broker
    :param supervised: whether `check` starts a component again that has exited, as systemd and Kubernetes do
    :param bin_dir: the directory of the `airflow` command, by default that of the running Python
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        connections: Mapping[str, Mapping[str, Any]] | None = None,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, Mapping[str, object]] | None = None,
        components: Sequence[str] = COMPONENTS,
        triggerers: int = 1,
        workers: int = 0,
        supervised: bool = False,
        bin_dir: Path | None = None,
    ) -> None:
        self.home = home.resolve()
        self.logs = self.home / "logs-of-processes"
        # Otherwise this would delete its content, and kill an Airflow that runs there.
        if self.home.exists() and any(self.home.iterdir()) and not self.logs.exists():
            raise DeploymentError(f"{self.home} holds something else. Choose an empty directory.")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._airflow = (bin_dir or Path(sys.executable).parent) / "airflow"
        self._env = configuration.environment(self.home) | dict(env or {})
        for conn_id, connection in (connections or {}).items():
            self._env[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)
        defaults = configuration.settings(self.home, dags_folder.resolve())
        self._settings = configuration.merged(defaults, config or {})
        self.url = str(self._settings["api"]["base_url"])
        self.api = RestV1(self.url) if configuration.IS_AIRFLOW_2 else Rest(self.url)
        self._components = self._choose_components(components, triggerers, workers)
        self._supervised = supervised
        self.exits: list[Exit] = []
        self._spent: dict[str, float] = {}
        self._exits = ExitStack()

    def __enter__(self) -> Deployment:
        with ExitStack() as exits:
            exits.enter_context(signals(exit_on_signal, signal.SIGTERM))
            exits.callback(self.stop)
            self.start()
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()

    def start(self) -> None:
        """Create the home and its database, and start all components."""
        self._clear_home()
        configuration.write(self.home / "airflow.cfg", self._settings)
        self._spawn("db-migrate", Component(("db", "migrate"))).wait(timeout=120)
        if self.processes["db-migrate"].returncode:
            self.check()
        del self.processes["db-migrate"]
        for name, component in self._components.items():
            self._spawn(name, component)

    def wait_until_ready(self, timeout: float = 120) -> None:
        """Return once all components are healthy; otherwise raise an error that names the missing ones."""
        unhealthy = [COMPONENTS[0]]

        def is_ready() -> bool:
            health = self.api.health()
            unhealthy[:] = [name for name, part in health.items() if part["status"] != "healthy"]
            return not unhealthy

        try:
            self.wait_for(is_ready, "Airflow with all its components", timeout)
        except TookTooLong as error:
            raise TookTooLong(f"{error}: {', '.join(unhealthy)} missing. Logs: {self.logs}") from None

    def wait_for(self, condition: Callable[[], T], what: str, timeout: float) -> T:
        """Return the first truthy result of `condition`; raise on timeout, or if a component died."""
        deadline = time.monotonic() + timeout
        while True:
            # An API server that does not respond is starting, or has died: `check` finds out.
            with suppress(requests.ConnectionError, requests.Timeout):
                if answer := condition():
                    return answer
            self.check()
            if time.monotonic() > deadline:
                raise TookTooLong(f"No {what} within {timeout:.0f} seconds")
            time.sleep(0.3)

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None, timeout: float = 60) -> Run:
        """Start a run of a DAG once Airflow has parsed the DAG."""
        self.unpause(dag_id, timeout)
        return self.api.trigger(dag_id, conf or {})

    def unpause(self, dag_id: str, timeout: float = 60) -> None:
        """Unpause a DAG once Airflow has parsed it."""

        def is_known() -> bool:
            if self.api.knows(dag_id):
                return True
            for error in self.api.import_errors():  # A missing DAG may be in the file that failed.
                raise DeploymentError(f"{error['filename']}:\n{error['stack_trace']}")
            return False

        self.wait_for(is_known, f"DAG {dag_id}", timeout)
        self.api.unpause(dag_id)

    def wait_for_end(self, run: Run, timeout: float) -> str:
        """Wait for a run to end; return its state, `success` or `failed`."""

        def end() -> str | None:
            state = self.api.state(run)
            return state if state in ("success", "failed") else None

        return str(self.wait_for(end, f"end of {run.dag_id}, {run.run_id},", timeout))

    def kill(self, name: str) -> None:
        """Kill a component, as a machine does that fails."""
        process = self._give_up(name)
        send_to_tree(process.pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            # What a component leaves that has exited.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def terminate(self, name: str, timeout: float = 60) -> None:
        """Stop a component politely, and return once it has exited."""
        process = self._give_up(name)
        process.terminate()
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            send_to_tree(process.pid, signal.SIGKILL)
            process.wait()
            raise TookTooLong(f"Airflow's {name} did not stop within {timeout:.0f} seconds") from None

    def replace(self, name: str) -> None:
        """Kill a component, and start a new one in its place."""
        self.kill(name)
        self.restart(name)

    def restart(self, name: str) -> None:
        """Start a component that was killed, or has exited."""
        self._spawn(name, self._components[name])

    def command(self, *arguments: str) -> str:
        """Return what an `airflow` command prints; raise if it fails."""
        done = subprocess.run(
            [self._airflow, *arguments],
            env=self._env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=120,
            check=True,
            text=True,
        )
        return done.stdout

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each component so far, killed ones included."""
        return {
            name: self._spent.get(name, 0.0)
            + (cpu_seconds(self.processes[name].pid) if name in self.processes else 0.0)
            for name in self._components
        }

    def check(self) -> None:
        """Raise if a component has died, or start it again."""
        for name, process in list(self.processes.items()):
            if process.poll() is not None:
                if self._supervised and name in self._components:
                    self.exits.append(Exit(name, process.returncode, time.time()))
                    self.replace(name)
                    continue
                log = self.logs / f"{name}.log"
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
                raise ComponentDied(f"Airflow's {name} ended ({process.returncode}). {log} ends:\n{tail}")

    def alive(self) -> list[int]:
        """Return the pids of all processes that belong to this Airflow."""
        return processes_of(self.home)

    def stop(self) -> None:
        """Stop all processes of this Airflow, including those that an earlier start left running."""
        # A second Ctrl-C must not interrupt the cleanup.
        with signals(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM):
            self.api.close()
            for process in self.processes.values():
                process.terminate()  # It stops its own children.
            self._wait_for_components(GRACE)
            deadline = time.monotonic() + GRACE
            while self._kill_the_rest():  # Repeat: a component may just have started another process.
                if time.monotonic() > deadline:
                    raise DeploymentError(f"Processes {self.alive()} are still running after SIGKILL")
                time.sleep(0.05)
            self.processes.clear()

    def _give_up(self, name: str) -> subprocess.Popen[bytes]:
        """Return the process of a component, which is no longer monitored."""
        process = self.processes.pop(name)
        self._spent[name] = self._spent.get(name, 0.0) + cpu_seconds(process.pid)
        return process

    def _wait_for_components(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with suppress(subprocess.TimeoutExpired):
            for process in self.processes.values():
                process.wait(max(0, deadline - time.monotonic()))

    def _kill_the_rest(self) -> bool:
        """Kill the remaining processes; return whether there were any."""
        for process in self.processes.values():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        left = self.alive()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(left) or any(process.poll() is None for process in self.processes.values())

    def _clear_home(self) -> None:
        """Recreate an empty home."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(mode=0o700, parents=True)  # Its airflow.cfg holds secrets.
        self.logs.mkdir()

    def _choose_components(
        self, components: Sequence[str], triggerers: int, workers: int
    ) -> dict[str, Component]:
        chosen = {name: Component((name,)) for name in components}
        # Each listens on a port of its own for those who read its logs.
        for number, port in enumerate(configuration.free_ports(triggerers - 1), start=2):
            env = {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(port)}
            chosen[f"triggerer-{number}"] = Component(("triggerer",), env)
        for number, port in enumerate(configuration.free_ports(workers), start=1):
            name, env = f"worker-{number}", {"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port)}
            # Two of one host need names, and files for their pids.
            own = ("--celery-hostname", f"{name}@%h", "--pid", str(self.home / f"{name}.pid"))
            chosen[name] = Component(("celery", "worker", *own), env)
        return chosen

    def _spawn(self, name: str, component: Component) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [self._airflow, *component.arguments],
                env={**self._env, **component.env},
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in a terminal then reaches only this process, which stops the others.
                start_new_session=True,
            )
        return self.processes[name]
