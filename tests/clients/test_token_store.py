"""Where shared tokens are read: in tasks from their supervisor, also in a scheduler's environment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_importstatus.clients.token_store import load_token
from airflow_provider_importstatus.protocol.messages import Credential


class Supervisor:
    """A supervisor that has every Variable."""

    def send(self, message: Any) -> Any:
        from airflow.sdk.execution_time.comms import GetVariable, VariableResult

        if not isinstance(message, GetVariable):
            return None
        return VariableResult(key=message.key, value=json.dumps({"value": "its-token", "obtained_at": 1}))


def test_a_task_below_a_scheduler_asks_its_supervisor(monkeypatch: pytest.MonkeyPatch) -> None:
    task_runner = pytest.importorskip("airflow.sdk.execution_time.task_runner", reason="from Airflow 3")
    # A local executor's tasks inherit it.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
    assert load_token("importstatus_token_x") == Credential("its-token", 1.0)
