"""Repeated cancellation of a trigger: up to 3.3.2, Airflow cancels `on_kill` too, which must not stop it."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger
from airflow_provider_importstatus.version_compat import is_airflow

from .waits import ENDLESS

pytestmark = [
    pytest.mark.usefixtures("connections"),
    pytest.mark.skipif(not is_airflow(3, 3), reason="Airflow calls on_kill from 3.3 on"),
]


def test_an_import_is_cancelled_though_on_kill_is_cancelled(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    def get_states_slowly(**_: Any) -> dict[str, Any]:
        # The first call in a triggerer takes seconds.
        time.sleep(0.5)
        return {"r1": {"load": "failed"}}

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", get_states_slowly)
    import_id = sandbox.submit("thalamus", **ENDLESS)
    trigger = ImportStatusTrigger("thalamus_default", import_id, deferred_at=time.time(), cancel_on_kill=True)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="load", run_id="r1", map_index=-1)  # type: ignore[assignment]

    async def kill_twice() -> None:
        killing = asyncio.create_task(trigger.on_kill())
        await asyncio.sleep(0.1)
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    asyncio.run(kill_twice())
    (phase,) = [one["phase"] for one in sandbox.imports("thalamus") if one["import_id"] == import_id]
    assert phase == "cancelled"
