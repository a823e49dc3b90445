"""Run the example DAGs in a real Airflow against the sandbox, and check how every import ends."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import requests

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment, DeploymentError, TookTooLong
from demo.processes import exit_on_signal, signals
from demo.rest import Run

ROOT = Path(__file__).parents[1]
DAGS = ROOT / "example_dags"
HOME = ROOT / ".demo" / "airflow"
FAN_OUT = "import_fan_out"
TASK = "import_file"
#: The DAG that runs after each successful import of `UPDATING`.
SCHEDULED, UPDATING = "import_report", "import_zilliant"
HEADINGS = ("vendor", "import", "vendor's state", "state", "rows: good/bad/all", "waited", "task")
DEADLINE = 150  # In seconds, for all runs together. They take about 30 on two cores.


class Expected(NamedTuple):
    """An import of the demo: its scenario at the vendor, and how the task that waits for it must end.

    :param reports: number of error reports that the task must store
    """

    dag_id: str
    scenario: str
    state: str
    task_state: str
    reports: int = 0


#: Consecutive rows of the fan-out are one run, with one mapped task instance each.
PLAN = (
    Expected("import_clear", "ends=succeeded; seconds=8; rows=120", "succeeded", "success"),
    Expected("import_clear", "ends=partial; seconds=8; rows=120; rejected=3", "partial", "failed", reports=1),
    Expected("import_tao_advance", "ends=failed; seconds=5; rows=40", "failed", "failed"),
    Expected("import_zilliant", "ends=succeeded; seconds=12; rows=5000", "succeeded", "success"),
    Expected("import_thalamus", "ends=partial; seconds=8; rows=60; rejected=2", "partial", "failed"),
    Expected("import_thalamus", "ends=cancelled; seconds=5; rows=60", "cancelled", "failed"),
    Expected(FAN_OUT, "ends=succeeded; seconds=4; rows=10", "succeeded", "success"),
    Expected(FAN_OUT, "ends=failed; seconds=6; rows=20", "failed", "failed"),
    Expected(FAN_OUT, "ends=succeeded; seconds=9; rows=30", "succeeded", "success"),
)


class Outcome(NamedTuple):
    """What Airflow reports about an import when its run has ended."""

    expected: Expected
    run: Run
    status: dict[str, Any]
    task: dict[str, Any]

    @property
    def reports(self) -> list[Path]:
        """The error reports that have been stored."""
        paths = map(Path, self.status.get("error_reports", ()))
        return [path for path in paths if path.is_file() and path.stat().st_size]

    @property
    def is_as_expected(self) -> bool:
        return (self.status.get("state"), self.task.get("state"), len(self.reports)) == (
            self.expected.state,
            self.expected.task_state,
            self.expected.reports,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; return the exit code: 0 if all is as expected, 1 if not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep everything running until Ctrl-C")
    parser.add_argument("--home", type=Path, default=HOME, help="AIRFLOW_HOME of the demo; recreated")
    options = parser.parse_args(arguments)
    # A job that a shell starts in the background ignores SIGINT until it sets a handler.
    with signals(signal.default_int_handler, signal.SIGINT), signals(exit_on_signal, signal.SIGTERM):
        try:
            return demonstrate(options.home, options.keep)
        except (DeploymentError, requests.RequestException) as error:
            say(str(error))
            return 1
        except KeyboardInterrupt:
            say("Interrupted. Everything has been stopped.")
            return 130


def demonstrate(home: Path, keep: bool) -> int:
    """Start everything, run the plan, stop everything; return the exit code."""
    with Sandbox() as sandbox:
        say(f"The sandbox listens on {sandbox.url}")
        say("Starting Airflow (about 20 seconds) ...")
        with Deployment(home, DAGS, connections=sandbox.connections) as airflow:
            try:
                airflow.wait_until_ready()
                return show(airflow, keep)
            finally:
                say("Stopping ...")


def show(airflow: Deployment, keep: bool) -> int:
    """Run the plan and print the outcomes; return the exit code."""
    say(f"Airflow listens on {airflow.url}")
    say(f"Logs of its processes: {airflow.logs}. Logs of its tasks: {airflow.home / 'logs'}")
    outcomes = run(airflow)
    problems = differences(outcomes) + unscheduled(airflow, outcomes)
    for error in airflow.api.import_errors():
        problems.append(f"{error['filename']} cannot be imported:\n{error['stack_trace']}")
    say("\n" + table(outcomes) + "\n-: not reported by the vendor\n")
    for path in [path for one in outcomes for path in one.reports]:
        say(f"Error report: {path}")
    say(*problems, sep="\n")
    say("Not as expected." if problems else "Every task ended as its import did.")
    if keep:
        say(f"Still running: {airflow.url} (no password). Ctrl-C stops everything.")
        airflow.wait_for(lambda: False, "Ctrl-C", timeout=float("inf"))
    return 1 if problems else 0


def run(airflow: Deployment) -> list[Outcome]:
    """Run the plan; return the outcomes in the same order."""
    say(f"Running {len(PLAN)} imports ...")
    # Asset events create runs of unpaused DAGs only.
    airflow.unpause(SCHEDULED)
    started = [
        (expected, start(airflow, expected, airflow.home / f"files-{number}"))
        for number, expected in enumerate(grouped(PLAN), start=1)
    ]
    deadline = time.monotonic() + DEADLINE
    outcomes: list[Outcome] = []
    for expected, dag_run in started:
        try:
            end = f"ended: {airflow.wait_for_end(dag_run, deadline - time.monotonic())}"
        except TookTooLong:
            end = f"did not end within {DEADLINE} seconds"
        say(f"  {dag_run.dag_id} {end}")
        outcomes += read_outcomes(airflow, expected, dag_run)
    return outcomes


def grouped(plan: Sequence[Expected]) -> Iterator[list[Expected]]:
    """Group the plan by run."""
    for dag_id, group in groupby(plan, key=lambda expected: expected.dag_id):
        if dag_id == FAN_OUT:
            yield list(group)
        else:
            yield from ([one] for one in group)


def start(airflow: Deployment, expected: list[Expected], folder: Path) -> Run:
    """Start a run of the DAG with a file for each scenario."""
    folder.mkdir()
    files = [folder / f"file-{number}.csv" for number in range(1, len(expected) + 1)]
    for file, one in zip(files, expected, strict=True):
        # The sandbox reads the first line.
        file.write_text(f"# sandbox: {one.scenario}\nid,amount\n1,10.00\n")
    dag_id = expected[0].dag_id
    conf = {"folder": str(folder)} if dag_id == FAN_OUT else {"file": str(files[0])}
    if expected[0].reports:
        conf["reports"] = str(airflow.home / "error-reports")
    return airflow.trigger(dag_id, conf)


def read_outcomes(airflow: Deployment, expected: list[Expected], dag_run: Run) -> Iterator[Outcome]:
    """Return the outcome of each import of a run."""
    tasks = {task["map_index"]: task for task in airflow.api.task_instances(dag_run, TASK)}
    for number, one in enumerate(expected):
        index = number if one.dag_id == FAN_OUT else -1
        # A failed task has no result; its last status is in the XCom that it publishes while it waits.
        status = airflow.api.xcom(dag_run, TASK, "return_value", index) or airflow.api.xcom(
            dag_run, TASK, "import_status", index
        )
        yield Outcome(one, dag_run, status or {}, tasks.get(index, {}))


def differences(outcomes: list[Outcome]) -> list[str]:
    """Describe each import that did not end as expected."""
    return [
        f"{one.run.dag_id} ({one.expected.scenario}), {one.run.run_id}: expected {one.expected.state}, "
        f"a task {one.expected.task_state} and {one.expected.reports} error reports, "
        f"not {one.status.get('state')}, {one.task.get('state')} and {len(one.reports)}"
        for one in outcomes
        if not one.is_as_expected
    ]


def unscheduled(airflow: Deployment, outcomes: list[Outcome]) -> list[str]:
    """Wait until the DAG that asset events start has read the imports; describe each that it has not read."""
    ids = {one.status.get("import_id") for one in outcomes if one.run.dag_id == UPDATING}
    with suppress(TookTooLong):
        airflow.wait_for(lambda: ids <= set(scheduled_imports(airflow)), f"run of {SCHEDULED}", timeout=60)
    found = scheduled_imports(airflow)
    for status in found.values():
        say(f"  {SCHEDULED} ran for {status['vendor']}'s import {status['import_id']}: {status['rows']}")
    return [f"{SCHEDULED} has not read the import {one}" for one in ids - set(found)]


def scheduled_imports(airflow: Deployment) -> dict[str, dict[str, Any]]:
    """Return what the runs that asset events have started have read, by import id."""
    results = [airflow.api.xcom(run, "report") or [] for run in airflow.api.runs(SCHEDULED)]
    return {status["import_id"]: status for result in results for status in result}


def table(outcomes: list[Outcome]) -> str:
    """Return the outcomes as a table to print."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for one in outcomes:
        rows, waited = one.status.get("rows") or {}, one.task.get("duration")
        counts = "/".join(text(rows.get(name)) for name in ("succeeded", "failed", "total"))
        words = (one.status.get(name) for name in ("vendor", "import_id", "vendor_state", "state"))
        seconds = text(waited if waited is None else f"{waited:.0f} s")
        lines.append((*map(text, words), counts, seconds, text(one.task.get("state"))))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def text(value: object) -> str:
    """Return a value as text to print, or a dash for None."""
    return "-" if value is None else str(value)


def say(*words: str, sep: str = " ") -> None:
    """Print and flush, for readers of a pipe."""
    print(*words, sep=sep, flush=True)


if __name__ == "__main__":
    sys.exit(main())
