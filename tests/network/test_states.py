"""The status of a poll for each vendor and scenario."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState, RowCounts

from .cases import VENDORS, Connect, Poll

ALWAYS = 1000
QUEUED = {"seconds": ALWAYS, "queued": ALWAYS}
RUNNING = {"seconds": ALWAYS, "queued": 0}
UNKNOWN = {"seconds": ALWAYS, "unknown": ALWAYS}
BLOCKED = {"seconds": ALWAYS, "blocked": ALWAYS}


def ended(end: str, **more: Any) -> dict[str, Any]:
    return {"ends": end, "seconds": 0, **more}


SCENARIOS = [
    ("clear", QUEUED, "queued", "CREATED"),
    ("clear", RUNNING, "running", "PROCESSING"),
    ("clear", UNKNOWN, "unknown", "HIBERNATING"),
    ("clear", ended("succeeded"), "succeeded", "SUCCESS"),
    ("clear", ended("partial"), "partial", "SUCCESS"),
    ("clear", ended("failed"), "failed", "FAILED"),
    ("tao_advance", RUNNING, "running", "pending"),
    ("tao_advance", UNKNOWN, "unknown", "hibernating"),
    ("tao_advance", ended("succeeded"), "succeeded", "processed"),
    ("tao_advance", ended("partial"), "partial", "processed"),
    ("tao_advance", ended("failed"), "failed", "failed"),
    ("zilliant", RUNNING, "running", "RUNNING"),
    ("zilliant", UNKNOWN, "unknown", "HIBERNATING"),
    ("zilliant", ended("succeeded"), "succeeded", "SUCCEEDED"),
    ("zilliant", ended("succeeded", report="absent"), "succeeded", "SUCCEEDED"),
    ("zilliant", ended("partial"), "partial", "SUCCEEDED"),
    ("zilliant", ended("failed"), "failed", "FAILED"),
    ("thalamus", QUEUED, "queued", None),
    ("thalamus", RUNNING, "running", None),
    ("thalamus", BLOCKED, "blocked", None),
    ("thalamus", UNKNOWN, "unknown", "HIBERNATING"),
    ("thalamus", ended("succeeded"), "succeeded", None),
    ("thalamus", ended("partial"), "partial", None),
    ("thalamus", ended("failed"), "failed", None),
    ("thalamus", ended("cancelled"), "cancelled", "CANCELED"),
]


@pytest.mark.parametrize(
    ("vendor", "scenario", "state", "word"),
    SCENARIOS,
    ids=[
        f"{vendor}-{state}{'-no-report' if 'report' in scenario else ''}"
        for vendor, scenario, state, _ in SCENARIOS
    ],
)
@pytest.mark.usefixtures("connections")
def test_a_poll_returns_the_state_of_the_import(
    sandbox: Sandbox,
    poll: Poll,
    vendor: str,
    scenario: dict[str, Any],
    state: str,
    word: str | None,
) -> None:
    import_id = sandbox.submit(vendor, **scenario)
    status = poll(f"{vendor}_default", import_id)
    assert (status.vendor, status.import_id, status.state) == (vendor, import_id, ImportState(state))
    assert word in (None, status.vendor_state)


#: What each vendor reports of 50 rows, of which 4 are rejected and 2 skipped.
ROWS = {
    "clear": RowCounts(),
    "tao_advance": RowCounts(total=50),
    "zilliant": RowCounts(total=50, failed=4),
    "thalamus": RowCounts(total=50, succeeded=44, failed=4, skipped=2),
}


@pytest.mark.parametrize(("vendor", "rows"), ROWS.items(), ids=ROWS)
@pytest.mark.usefixtures("connections")
def test_row_counts_are_those_the_vendor_reports(
    sandbox: Sandbox, poll: Poll, vendor: str, rows: RowCounts
) -> None:
    import_id = sandbox.submit(vendor, **ended("partial", rows=50, rejected=4, skipped=2))
    assert poll(f"{vendor}_default", import_id).rows == rows


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_both_transports_return_the_same_status(sandbox: Sandbox, vendor: str) -> None:
    import_id = sandbox.submit(vendor, **ended("partial"))
    hook = hook_for(f"{vendor}_default")
    assert hook.get_import_status(import_id) == asyncio.run(hook.aget_import_status(import_id))


def test_an_integration_of_the_hook_wins_over_the_connections(
    sandbox: Sandbox, connections: Connect, request_token: Any, poll: Poll
) -> None:
    connections(
        "clear", login="an-integration-that-clear-does-not-know", extra={"access_token": request_token()}
    )
    import_id = sandbox.submit("clear", seconds=0)
    status = poll("clear_default", import_id, integration_id=sandbox.connections["clear_default"]["login"])
    assert status.state is ImportState.SUCCEEDED
