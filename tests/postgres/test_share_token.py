"""One token for all processes, where the connection says so: many processes log in about once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox

from .pollers import Job, Pollers

#: Processes that start at once, and processes that start when a token is stored.
CROWD, WAVE = 20, 5
#: Most logins of a crowd, those under way when the first token is stored: usually 2 to 6, but more on
#: a slow machine.
FEW = CROWD * 3 // 4
#: Age in seconds from which a rejection indicates a revocation.
OLD = 600.0

every_vendor = pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return vendors at a new address, for which no token is stored yet."""
    with Sandbox() as sandbox:
        yield sandbox


def jobs(sandbox: Sandbox, vendor: str, count: int, *, share_token: Any = "true", **more: Any) -> list[Job]:
    """Return the jobs of workers and triggerers that poll one import each, all at once."""
    connection = dict(sandbox.connections[f"{vendor}_default"])
    connection["extra"] = {**connection["extra"], "share_token": share_token}
    return [
        {
            "connection": connection,
            "import_id": sandbox.submit(vendor, seconds=3600),
            "transport": ("requests", "aiohttp")[number % 2],
            **more,
        }
        for number in range(count)
    ]


def logins(sandbox: Sandbox, vendor: str) -> int:
    return sandbox.requests(vendor)["token"]


@every_vendor
def test_by_default_every_process_logs_in_and_stores_no_token(
    sandbox: Sandbox, processes: Pollers, vendor: str
) -> None:
    before = processes.variables("importstatus_token_")
    assert processes.poll(*jobs(sandbox, vendor, WAVE, share_token=False)) == [["running"]] * WAVE
    assert logins(sandbox, vendor) == WAVE
    assert processes.variables("importstatus_token_") == before


@every_vendor
def test_processes_that_start_at_once_log_in_a_few_times_and_later_ones_never(
    sandbox: Sandbox, processes: Pollers, vendor: str
) -> None:
    assert processes.poll(*jobs(sandbox, vendor, CROWD)) == [["running"]] * CROWD
    first = logins(sandbox, vendor)
    assert 1 <= first <= FEW
    assert processes.poll(*jobs(sandbox, vendor, WAVE)) == [["running"]] * WAVE
    assert logins(sandbox, vendor) == first


@every_vendor
def test_a_revoked_token_is_replaced_a_few_times(sandbox: Sandbox, processes: Pollers, vendor: str) -> None:
    processes.poll(*jobs(sandbox, vendor, 1))
    processes.age(f"importstatus_token_{vendor}_", OLD)
    sandbox.revoke(vendor)
    ends = processes.poll(*jobs(sandbox, vendor, CROWD, tries=10))
    assert [outcomes[-1] for outcomes in ends] == ["running"] * CROWD
    assert 2 <= logins(sandbox, vendor) <= 1 + FEW


def test_an_expired_token_is_replaced_a_few_times(sandbox: Sandbox, processes: Pollers) -> None:
    """Only TAO Advance says when a token expires: after an hour."""
    processes.poll(*jobs(sandbox, "tao_advance", 1))
    processes.age("importstatus_token_tao_advance_", 2 * 3600.0)
    assert processes.poll(*jobs(sandbox, "tao_advance", CROWD)) == [["running"]] * CROWD
    assert 2 <= logins(sandbox, "tao_advance") <= 1 + FEW


@every_vendor
def test_without_a_writable_variable_every_process_logs_in(
    sandbox: Sandbox, processes: Pollers, vendor: str
) -> None:
    assert processes.poll(*jobs(sandbox, vendor, 2, writes="never")) == [["running"]] * 2
    assert logins(sandbox, vendor) == 2
