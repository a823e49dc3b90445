"""A real Airflow at log level DEBUG, vendors that quote every credential, and a search for them everywhere.

Connections are in the metadata database, where Airflow encrypts them. Everything happens once, in the fixture
`hits`; each test is about one kind of place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from configparser import RawConfigParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from demo import configuration
from demo.deployment import Deployment
from demo.postgres import Postgres, postgres
from demo.rest import Run

from .places import RestAnswers, Text, command_lines, files, rows, without_known
from .plan import CONNECTIONS, HELD, REFUSED, SUBMITTING, WAITS
from .search import Hit, Search
from .vendors import EchoingVendors, connections, decoded

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
PATH = os.pathsep.join(map(str, (HERE / "vendor", REPOSITORY)))
DAG_ID = "campaign"
#: The kinds of places, each of which has a test.
LOGS, DATABASE, REST, PAGE, SHELL, PROCESSES, REPORTS, TESTS = KINDS = (
    "logs",
    "database",
    "REST API",
    "Imports page",
    "shell commands",
    "command lines",
    "error reports",
    "Test connection",
)
COMMANDS = (
    ("poll", "tao", "partial-0-shell", "--output", "json"),
    ("poll", "clear_ready", "partial-2-shell", "--wait", "--verbose"),
    ("poll", "key_query", "rejects401-0-shell", "--verbose"),
    ("poll", "crashing", "succeeds-0-body", "--verbose"),
    ("poll", "zilliant_refused", "succeeds-0-shell", "--verbose"),
    ("submit", "thalamus", "{files}/partial-1-shell.csv", "--param", "type=25011", "--verbose"),
    ("cancel", "oauth2_basic", "succeeds-0-shell", "--verbose"),
    ("error-reports", "zilliant", "partial-0-shell", "{reports}", "--verbose"),
)


@dataclass
class Findings:
    """What was found in each kind of place.

    :param planted: the search for what was planted there, which must be found
    """

    search: Search
    planted: Search
    hits: dict[str, list[Hit]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    found_planted: set[str] = field(default_factory=set)
    places: dict[str, set[str]] = field(default_factory=lambda: {kind: set() for kind in KINDS})

    def add(self, kind: str, place: str, text: str) -> None:
        """Search a text."""
        self.places[kind].add(place)
        self.hits[kind] += self.search.find(place, text)
        if self.planted.find(place, text):
            self.found_planted.add(kind)


@dataclass
class Campaign:
    """A running Airflow, and what happens in it."""

    airflow: Deployment
    server: Postgres
    vendors: EchoingVendors
    connections: dict[str, dict[str, Any]]
    folder: Path
    findings: Findings
    states: dict[str, str] = field(default_factory=dict)

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def run(self) -> None:
        """Let everything happen, and search while imports are waited for and afterwards."""
        rest = RestAnswers(self.airflow.url)
        self._prepare(rest)
        conf = {"reports": str(self.reports), "files": str(self.folder / "files")}
        run = self.airflow.trigger(DAG_ID, conf)
        with ThreadPoolExecutor(2) as pool:
            done = [*pool.map(self._test_connection, [rest] * len(self.connections), self.connections)]
            done = [*done, *pool.map(self._call, COMMANDS)]
        assert all(done)
        self._wait_until_only_held_tasks_wait(run)
        self._search_database()
        self._search_rest(rest, run, {case.task_id for case in HELD})
        self.vendors.released.set()
        self.airflow.wait_for_end(run, 120)
        tasks = self.airflow.api.task_instances(run)
        self.states = {task["task_id"]: task["state"] for task in tasks}
        self._search_rest(rest, run, set(self.states))

    def search_what_is_left(self) -> None:
        """Search what the stopped Airflow has left."""
        self._search_database()
        for kind, folder in ((LOGS, self.airflow.home), (REPORTS, self.reports)):
            for place, text in files(folder):
                self.findings.add(kind, place, without_known(text) if kind == LOGS else text)

    def _prepare(self, rest: RestAnswers) -> None:
        for folder in (self.reports, self.folder / "files"):
            folder.mkdir()
        for name in (*(f"{conn_id}-submits" for conn_id in SUBMITTING), "shell"):
            (self.folder / "files" / f"partial-1-{name}.csv").write_text("code\n1\n")
        for conn_id, fields in self.connections.items():
            answer = rest.post("api/v2/connections", self._body(conn_id, fields))
            assert answer.status_code == 201, answer.text
            self.findings.add(REST, f"POST connection {conn_id}", answer.text)
        planted = self.findings.planted.secret("planted")
        rest.post("api/v2/variables", {"key": "planted", "value": "x", "description": planted})
        for path in (self.airflow.home / "logs" / "planted.log", self.reports / "planted.csv"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(planted)

    def _body(self, conn_id: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "connection_id": conn_id, "extra": json.dumps(fields["extra"])}

    def _test_connection(self, rest: RestAnswers, conn_id: str) -> bool:
        answer = rest.post("api/v2/connections/test", self._body(conn_id, self.connections[conn_id]))
        self.findings.add(TESTS, conn_id, answer.text)
        return answer.status_code == 200

    def _call(self, command: tuple[str, ...]) -> bool:
        arguments = [part.format(files=self.folder / "files", reports=self.reports) for part in command]
        done = subprocess.run(
            [Path(sys.executable).parent / "airflow", "import-status", *arguments],
            env=configuration.environment(self.airflow.home) | {"PYTHONPATH": PATH},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        self.findings.add(SHELL, " ".join(command), done.stdout + done.stderr)
        return done.returncode in range(5)

    def _wait_until_only_held_tasks_wait(self, run: Run) -> None:
        held = {case.task_id for case in HELD}

        def is_so() -> bool:
            tasks = self.airflow.api.task_instances(run)
            waiting = {task["task_id"] for task in tasks if task["state"] not in ("success", "failed")}
            return waiting == held and all(
                task["state"] == "deferred" for task in tasks if task["task_id"] in held
            )

        self.airflow.wait_for(is_so, "end of all tasks but the held ones", 240)

    def _search_database(self) -> None:
        config = RawConfigParser()
        config.read(self.airflow.home / "airflow.cfg")
        for place, text in rows(self.server, "airflow", Fernet(config["core"]["fernet_key"])):
            self.findings.add(DATABASE, place, text)

    def _search_rest(self, rest: RestAnswers, run: Run, tasks: set[str]) -> None:
        variables = self.server.query("airflow", "SELECT key FROM variable")
        values: dict[str, list[Any]] = {
            "dag_id": [DAG_ID],
            "dag_run_id": [run.run_id],
            "task_id": sorted(tasks),
            "map_index": [-1],
            "xcom_key": ["import_status", "return_value"],
            "try_number": [1],
            "task_try_number": [1],
            "connection_id": list(self.connections),
            "variable_key": [key for (key,) in variables],
        }
        texts: list[Text] = [*rest.all(values)]
        assert sum("200 " in text for _, text in texts) > 5 * len(tasks)
        for place, text in texts:
            self.findings.add(REST, place, text)
        for query in ({}, {"dag_id": DAG_ID, "run_id": run.run_id}):
            place, text = rest.get("importstatus/imports", **query)
            assert text.startswith("200 "), text[:300]
            self.findings.add(PAGE, place, text)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Run the campaign in an Airflow, and search it."""
    folder = tmp_path_factory.mktemp("campaign")
    search, planted = Search(), Search()
    findings = Findings(search, planted)
    config: dict[str, dict[str, object]] = {
        "core": {"parallelism": 10},
        "logging": {"logging_level": "DEBUG"},
    }
    with EchoingVendors(search) as vendors, postgres() as server, command_lines() as lines:
        config["database"] = {"sql_alchemy_conn": server.create_database("airflow")}
        given = connections(vendors.url, search)
        airflow = Deployment(folder / "airflow", HERE / "dags", env={"PYTHONPATH": PATH}, config=config)
        campaign = Campaign(airflow, server, vendors, given, folder, findings)
        with (
            airflow,
            subprocess.Popen(
                [sys.executable, "-c", "input()", planted.marker], stdin=subprocess.PIPE
            ) as decoy,
        ):
            airflow.wait_until_ready()
            campaign.run()
            decoy.communicate(b"\n")
        campaign.search_what_is_left()
    for line in lines:
        findings.add(PROCESSES, "a process", line)
    return campaign


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_found(deployment: Campaign, kind: str) -> None:
    assert deployment.findings.places[kind]
    if hits := sorted({str(hit) for hit in deployment.findings.hits[kind]}):
        pytest.fail("\n".join(hits))


@pytest.mark.parametrize("kind", [LOGS, DATABASE, REST, PROCESSES, REPORTS])
def test_what_was_planted_is_found(deployment: Campaign, kind: str) -> None:
    assert kind in deployment.findings.found_planted


def test_the_vendors_have_received_every_secret(deployment: Campaign) -> None:
    """This ensures that there was something to find."""
    search = deployment.findings.search
    given = search.names(json.dumps(deployment.connections))
    sent = search.names(" ".join(map(decoded, deployment.vendors.seen)))
    # With a ready token, nobody logs in.
    assert {name for name in given - sent if not name.endswith("ready_password")} == set()
    assert len(deployment.vendors.seen) > 2 * len(WAITS)


def test_every_wait_has_ended_as_its_import(deployment: Campaign) -> None:
    ended = [case for case in WAITS if not case.end.startswith("renews")]
    assert {deployment.states[case.task_id] for case in ended} == {"failed"}
    assert {deployment.states[case.task_id] for case in HELD} == {"failed"}
    renewed = {case.conn_id for case in WAITS if deployment.states[case.task_id] == "success"}
    assert renewed >= {"tao", "zilliant", "oauth2", "oauth2_basic", "oauth2_query"}


def test_reports_have_been_stored(deployment: Campaign) -> None:
    vendors = {path.parent.parent.name for path in deployment.reports.rglob("*.csv")}
    assert vendors >= {"clear", "tao", "zilliant", "key_query"}
    assert list(deployment.reports.glob("zilliant/zilliant/partial-0-shell/*.csv"))


def test_every_connection_is_used(deployment: Campaign) -> None:
    assert set(deployment.connections) == {*CONNECTIONS, *REFUSED, "crashing"}


def test_airflow_still_logs_shared_tokens_at_debug(deployment: Campaign) -> None:
    """Once it does not, `KNOWN` and its sentence in SECURITY.md can go."""
    log = (deployment.airflow.logs / "scheduler.log").read_text()
    assert deployment.findings.search.find("the log", log)


def test_the_tables_that_hold_what_waits_leave_have_been_searched(deployment: Campaign) -> None:
    places = deployment.findings.places[DATABASE]
    tables = {place.partition(".")[0] for place in places}
    assert "trigger.kwargs decrypted" in places
    assert tables >= {"connection", "variable", "xcom", "serialized_dag", "task_state_store", "log"}
    assert tables >= {"task_instance", "rendered_task_instance_fields", "task_reschedule", "dag_run"}
