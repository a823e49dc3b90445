"""A wrong password in several processes: one rejection stops the others, before the user is locked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox

from .pollers import Job, Pollers

#: The vendors with a login, and their error for a wrong password.
REFUSALS = {"zilliant": "invalid_grant", "tao_advance": "invalid_client"}
WAVE = 5
#: Longer than a rejection blocks other logins, in seconds.
OLD = 61.0

every_vendor = pytest.mark.parametrize("vendor", REFUSALS)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return vendors at a new address, at which no login has been rejected yet."""
    with Sandbox() as sandbox:
        yield sandbox


def _poll(sandbox: Sandbox, vendor: str, **more: Any) -> Job:
    fields: dict[str, Any] = {name: more.pop(name) for name in ("login", "password") if name in more}
    connection = {**sandbox.connections[f"{vendor}_default"], **fields}
    return {"connection": connection, "import_id": sandbox.submit(vendor, seconds=3600), **more}


def _refused(sandbox: Sandbox, vendor: str, **more: Any) -> Job:
    return _poll(sandbox, vendor, password="a-wrong-password", **more)


def _logins(sandbox: Sandbox, vendor: str) -> int:
    return sandbox.requests(vendor)["token"]


@every_vendor
def test_processes_stop_logging_in_after_one_rejection(
    sandbox: Sandbox, processes: Pollers, vendor: str
) -> None:
    first = processes.poll(_refused(sandbox, vendor))
    wave = processes.poll(
        *(_refused(sandbox, vendor, transport=("requests", "aiohttp")[number % 2]) for number in range(WAVE))
    )
    assert _logins(sandbox, vendor) == 1
    for (outcome,) in first + wave:
        assert outcome.startswith("ImportAuthError")
        assert REFUSALS[vendor] in outcome


def test_only_logins_already_in_flight_are_rejected_together(sandbox: Sandbox, processes: Pollers) -> None:
    processes.poll(*(_refused(sandbox, "zilliant") for _ in range(WAVE)))
    together = _logins(sandbox, "zilliant")
    assert 1 <= together <= WAVE
    processes.poll(*(_refused(sandbox, "zilliant", tries=3, go_on=True) for _ in range(WAVE)))
    assert _logins(sandbox, "zilliant") == together


@every_vendor
@pytest.mark.parametrize("seconds", [OLD, -3600.0], ids=["an old one", "one from the future"])
def test_a_rejection_blocks_logins_only_for_a_minute(
    sandbox: Sandbox, processes: Pollers, vendor: str, seconds: float
) -> None:
    processes.poll(_refused(sandbox, vendor))
    assert _logins_shared(processes, vendor)
    processes.age(f"importstatus_login_{vendor}_", seconds)
    assert processes.poll(_poll(sandbox, vendor)) == [["running"]]


@every_vendor
def test_another_login_is_not_blocked(sandbox: Sandbox, processes: Pollers, vendor: str) -> None:
    processes.poll(_refused(sandbox, vendor, login="somebody-else"))
    assert processes.poll(_poll(sandbox, vendor)) == [["running"]]
    assert _logins(sandbox, vendor) == 2


def test_the_same_login_at_another_host_is_not_blocked(sandbox: Sandbox, processes: Pollers) -> None:
    processes.poll(_refused(sandbox, "zilliant"))
    with Sandbox() as other:
        assert processes.poll(_poll(other, "zilliant")) == [["running"]]


def test_without_writable_variables_each_process_remembers_its_own_rejection(
    sandbox: Sandbox, processes: Pollers
) -> None:
    jobs = [_refused(sandbox, "zilliant", writes="never", tries=3, go_on=True) for _ in range(2)]
    outcomes = processes.poll(*jobs)
    assert _logins(sandbox, "zilliant") == 2
    assert all("invalid_grant" in outcome for each in outcomes for outcome in each)


def test_the_shared_rejection_contains_no_secret_or_digest(sandbox: Sandbox, processes: Pollers) -> None:
    processes.poll(_refused(sandbox, "zilliant"))
    connection = sandbox.connections["zilliant_default"]
    secrets = ["a-wrong-password", connection["password"], connection["extra"]["client_secret"]]
    digests = [
        algorithm(secret.encode()).hexdigest()[:8]
        for secret in secrets
        for algorithm in (hashlib.md5, hashlib.sha1, hashlib.sha256)
    ]
    shared = _logins_shared(processes, "zilliant")
    assert shared
    stored = "".join(f"{name} {value}" for name, value in shared.items())
    assert not [one for one in secrets + digests if one in stored]


def _logins_shared(processes: Pollers, vendor: str) -> dict[str, str]:
    return processes.variables(f"importstatus_login_{vendor}_")
