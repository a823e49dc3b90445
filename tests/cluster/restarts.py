"""The restarts of the campaign, one after the other."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from demo.processes import send_to_tree

from .conftest import DEAD_AFTER, Cluster

#: Seconds for one restart to take effect. Two idle cores need 30.
PATIENCE = 600.0
#: Seconds for which the database is absent.
ABSENCE = 20.0
#: What a trigger logs that is cancelled though nobody has ended its task.
NOT_CANCELLED = "is not cancelled: the task is"


class Restarts:
    """Restarts the parts of a cluster, all of whose waits are in its first triggerer, the only one.

    Each method returns when its restart has taken effect, and from when on the waits must poll again.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._airflow = cluster.airflow
        ((first,),) = cluster.query("SELECT DISTINCT triggerer_id FROM trigger")
        self._jobs = {"triggerer": first}
        self._start_triggerer("triggerer-2")

    def in_order(self) -> tuple[Callable[[], float], ...]:
        """Return all restarts."""
        return (
            self.kill_a_triggerer,
            self.stop_a_triggerer,
            self.pause_a_triggerer,
            self.kill_a_worker,
            self.restart_the_scheduler,
            self.restart_the_api_server,
            self.stop_the_database,
        )

    def kill_a_triggerer(self) -> float:
        """Kill a triggerer, start another, and wait until its waits have been taken over."""
        name, job = self._choose_triggerer()
        self._airflow.kill(name)
        killed_at = time.time()
        self._start_triggerer(name)
        self._wait_for_takeover(job)
        return killed_at

    def stop_a_triggerer(self) -> float:
        """Stop a triggerer politely, start another, and wait until its waits have been taken over."""
        name, job = self._choose_triggerer()
        self._airflow.terminate(name)
        stopped_at = time.time()
        self._start_triggerer(name)
        self._wait_for_takeover(job)
        return stopped_at

    def pause_a_triggerer(self) -> float:
        """Pause a triggerer until its waits have been taken over, then let it go on and give them up."""
        name, job = self._choose_triggerer()
        paused = self._airflow.processes[name].pid
        send_to_tree(paused, signal.SIGSTOP)
        paused_at = time.time()
        try:
            self._wait_for_takeover(job)
        finally:
            send_to_tree(paused, signal.SIGCONT)
        self._airflow.wait_for(self._has_given_up, "trigger that is given up", PATIENCE)
        return paused_at

    def kill_a_worker(self) -> float:
        """Kill the worker with the most tasks that poll there, and start another."""
        pids = [
            pid for (pid,) in self._cluster.query("SELECT pid FROM task_instance WHERE state = 'running'")
        ]
        workers = {name: one.pid for name, one in self._airflow.processes.items() if "worker" in name}
        tasks = {name: sum(_is_below(pid, worker) for pid in pids) for name, worker in workers.items()}
        busiest = max(tasks, key=lambda name: tasks[name])
        assert tasks[busiest], f"no worker runs one of the tasks {pids}"
        self._airflow.kill(busiest)
        killed_at = time.time()
        self._airflow.restart(busiest)
        return killed_at

    def restart_the_scheduler(self) -> float:
        """Kill the scheduler, and wait until another is at work."""
        before = self._latest_job("SchedulerJob")
        self._airflow.replace("scheduler")
        restarted_at = time.time()
        self._airflow.wait_for(lambda: self._latest_job("SchedulerJob") > before, "new scheduler", PATIENCE)
        return restarted_at

    def restart_the_api_server(self) -> float:
        """Kill the API server, and wait until another answers."""
        self._airflow.replace("api-server")
        restarted_at = time.time()
        self._airflow.wait_for(self._airflow.api.health, "answer of the API server", PATIENCE)
        return restarted_at

    def stop_the_database(self) -> float:
        """Stop the database for a while, and wait until all components are healthy again."""
        self._cluster.database.stop()
        time.sleep(ABSENCE)
        self._cluster.database.start()
        started_at = time.time()
        # Airflow 3.3.2's scheduler, triggerers and DAG processor exit without a database: they are started
        # again, as systemd and Kubernetes do.
        self._airflow.wait_until_ready(PATIENCE)
        return started_at

    def _choose_triggerer(self) -> tuple[str, int]:
        """Return name and job of the triggerer with the most waits that might be cancelled by mistake."""

        def held() -> tuple[int, str]:
            return max((self._held(job), name) for name, job in self._jobs.items())

        self._airflow.wait_for(lambda: held()[0], "wait in a triggerer", PATIENCE)
        name = held()[1]
        return name, self._jobs[name]

    def _start_triggerer(self, name: str) -> None:
        before = self._latest_job("TriggererJob")
        self._airflow.restart(name)
        self._airflow.wait_for(lambda: self._latest_job("TriggererJob") > before, "new triggerer", PATIENCE)
        self._jobs[name] = self._latest_job("TriggererJob")

    def _wait_for_takeover(self, job: int) -> None:
        """Wait until this triggerer counts as dead, and all waits are in others that do not."""

        def is_over() -> bool:
            # As Airflow itself decides it.
            rows = self._cluster.query(
                "SELECT id FROM job WHERE job_type = 'TriggererJob' AND end_date IS NULL"
                f" AND latest_heartbeat > now() - interval '{DEAD_AFTER} seconds'"
            )
            owners = set(self._cluster.query("SELECT DISTINCT triggerer_id FROM trigger"))
            return owners <= set(rows) - {(job,)}

        self._airflow.wait_for(is_over, "takeover of the waits of a triggerer", PATIENCE)

    def _latest_job(self, kind: str) -> int:
        return int(self._cluster.query(f"SELECT max(id) FROM job WHERE job_type = '{kind}'")[0][0])

    def _held(self, job: int) -> int:
        """Return how many waits a triggerer has that cancel their import when somebody ends the task."""
        rows = self._cluster.query(
            "SELECT count(*) FROM trigger JOIN task_instance ON task_instance.trigger_id = trigger.id"
            f" WHERE triggerer_id = {job} AND task_id LIKE '%thalamus%'"
        )
        return int(rows[0][0])

    def _has_given_up(self) -> bool:
        if self._cluster.vendors.requests("thalamus")["cancel"]:
            return True  # A test says so.
        logs = Path(self._airflow.home, "logs").rglob("*.trigger.*")
        return any(NOT_CANCELLED in path.read_text(errors="replace") for path in logs)


def _is_below(pid: int, ancestor: int) -> bool:
    try:
        return ancestor in [parent.pid for parent in psutil.Process(pid).parents()]
    except psutil.NoSuchProcess:
        return False
