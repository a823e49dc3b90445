"""Sensors that wait for described vendors."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_importstatus.exceptions import ImportSettingsError

from ..network.servers import Server, answer
from ..vendors.described import DOCUMENT
from .tasks import defer, fired, run, sensor

ACME: dict[str, Any] = {**DOCUMENT, "auth": {"type": "bearer"}, "pace": {"min_interval": 0.2}}


@pytest.fixture
def outages() -> set[int]:
    """Return the numbers of the polls that the vendor answers with HTTP 503."""
    return set()


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch, outages: set[int]) -> Iterator[Server]:
    """Return a described vendor whose import ends with the third poll, and the connection `acme` to it."""

    def vendor(_: object) -> Any:
        is_done = len(server.seen) > 2
        polled_at.append(time.monotonic())
        if len(server.seen) in outages:
            return answer("", 503)
        return answer(json.dumps({"job": {"state": "done" if is_done else "loading", "rows": 3}}))

    polled_at: list[float] = []
    with Server(vendor) as server:
        server.polled_at = polled_at  # type: ignore[attr-defined]
        extra = {"verify": False}
        value = {"conn_type": "import_api", "host": server.url, "password": "hunter2", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_ACME", json.dumps(value))
        yield server


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "acme.json"
    file.write_text(json.dumps(ACME))
    return str(file)


@pytest.mark.parametrize("is_path", [True, False])
def test_a_worker_waits_for_a_described_vendor(acme: Server, path: str, is_path: bool) -> None:
    result = run(sensor("acme", hook_params={"description": path if is_path else ACME}))
    assert (result["vendor"], result["state"], result["rows"]["total"]) == ("acme", "succeeded", 3)
    assert len(acme.seen) == 3


@pytest.mark.parametrize("number", [1, 2, None])
def test_polls_are_as_far_apart_as_the_vendor_demands_also_in_an_outage(
    acme: Server, outages: set[int], number: int | None
) -> None:
    outages |= {number} if number else set()
    run(sensor("acme", hook_params={"description": ACME}, poke_interval=0.01))
    first, second, third = acme.polled_at  # type: ignore[attr-defined]
    assert min(second - first, third - second) >= 0.2


@pytest.mark.usefixtures("acme")
def test_a_file_travels_to_the_triggerer_as_its_document(path: str) -> None:
    deferred = defer(sensor("acme", hook_params={"description": path}, deferrable=True))
    kwargs = deferred.trigger.serialize()[1]
    assert kwargs["hook_params"] == {"description": ACME}
    assert kwargs["wait"]["poke_interval"] == 0.2
    Path(path).unlink()
    assert fired(deferred.trigger)["status"]["state"] == "succeeded"


@pytest.fixture
def unreadable_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first reading of a connection fail because Airflow's API is unreachable."""
    left, read = iter(range(1)), BaseHook.get_connection

    def get_connection(conn_id: str) -> Any:
        if next(left, None) is not None:
            raise ConnectionError("unreachable")
        return read(conn_id)

    monkeypatch.setattr(BaseHook, "get_connection", get_connection)


@pytest.mark.usefixtures("acme", "unreadable_once")
def test_a_file_travels_also_if_the_worker_cannot_read_the_connection(path: str) -> None:
    deferred = defer(sensor("acme", hook_params={"description": path}, deferrable=True))
    assert deferred.trigger.serialize()[1]["hook_params"] == {"description": ACME}
    Path(path).unlink()
    assert fired(deferred.trigger)["status"]["state"] == "succeeded"


@pytest.mark.parametrize(
    "description", ["/no/such/acme.yaml", "hubspot", ACME], ids=["path", "name", "object"]
)
@pytest.mark.usefixtures("acme", "unreadable_once")
def test_other_descriptions_travel_as_they_are_if_the_worker_cannot_read_the_connection(
    description: Any,
) -> None:
    deferred = defer(sensor("acme", hook_params={"description": description}, deferrable=True))
    assert deferred.trigger.serialize()[1]["hook_params"] == {"description": description}


@pytest.mark.usefixtures("acme", "unreadable_once")
def test_hook_params_that_were_rendered_as_text_travel_to_who_can_read_the_connection() -> None:
    task = sensor("acme", hook_params="{{ params.hook }}", deferrable=True)
    task.hook_params = "rendered"  # type: ignore[assignment]
    event = fired(defer(task).trigger)
    assert event["error"]["type"] == "ImportSettingsError"
    assert "hook_params is of type str" in event["error"]["message"]


@pytest.mark.parametrize("number", [2, None])
def test_a_trigger_keeps_the_interval_that_the_vendor_demands(
    acme: Server, outages: set[int], number: int | None
) -> None:
    outages |= {number} if number else set()
    deferred = defer(sensor("acme", hook_params={"description": ACME}, deferrable=True))
    trigger: Any = deferred.trigger
    trigger.wait = {**trigger.wait, "poke_interval": 0.01}
    fired(trigger)
    _, second, third = acme.polled_at  # type: ignore[attr-defined]
    assert third - second >= 0.2


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ({**ACME, "version": 2}, "The description in hook_params: version is not supported"),
        ({**ACME, "status": {"path": "https://evil.example/{import_id}"}}, "status.path is not a path below"),
        (
            {**ACME, "status": {"path": "/{import_id}", "headers": {"X-Token": "hunter2"}}},
            "looks like a secret",
        ),
        (
            json.dumps({**ACME, "status": {"path": "/{import_id}", "query": {"sig": "hunter2"}}}),
            "like a secret",
        ),
        ({}, "version is missing"),
        ({**ACME, "notes": object()}, "notes is of type object"),
    ],
)
def test_an_invalid_inline_description_is_refused_when_the_dag_is_parsed(description: Any, told: str) -> None:
    with pytest.raises(ImportSettingsError) as error:
        sensor("acme", hook_params={"description": description})
    assert told in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "description",
    [
        "hubspot",
        "/opt/acme.yaml",
        "{{ params.vendor }}",
        '{"version": 2, "name": "{{ params.vendor }}"}',
        '{"version": 1, {{ params.rest }}}',
        {**ACME, "status": {"path": "/{import_id}", "query": {"day": "{{ ds }}"}}},
        {**ACME, "version": "{{ params.version }}"},
    ],
    ids=str,
)
def test_names_paths_and_templates_are_read_when_the_task_runs(description: Any) -> None:
    assert sensor("acme", hook_params={"description": description}).hook_params == {
        "description": description
    }


def test_a_file_that_is_not_there_fails_the_task_before_any_request(acme: Server) -> None:
    with pytest.raises(
        ImportSettingsError, match=r"Description file 'acme\.yaml': the document cannot be read"
    ):
        run(sensor("acme", hook_params={"description": "/no/such/acme.yaml"}))
    assert acme.seen == []


def test_parsing_an_inline_description_takes_little_time() -> None:
    sensor("acme", hook_params={"description": ACME})
    began = time.thread_time()
    for _ in range(20):
        sensor("acme", hook_params={"description": ACME})
    assert (time.thread_time() - began) / 20 < 0.02
