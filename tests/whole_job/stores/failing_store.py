"""A backend of the task state store that fails for one DAG."""

from __future__ import annotations

import json
from typing import Any


class FailingStore:
    """Keeps values in their references. It cannot store those of the DAG `unstorable`."""

    def serialize_task_state_store_to_ref(self, *, value: Any, key: str, scope: Any) -> str:
        if scope.dag_id == "unstorable":
            raise ConnectionError(f"hunter2 at the backend's address, for {key}")
        return json.dumps(value)

    def deserialize_task_state_store_from_ref(self, stored: str) -> Any:
        return json.loads(stored)

    def delete(self, scope: Any, key: str) -> None:
        """Delete nothing: the reference is the value."""

    def clear(self, scope: Any) -> None:
        """Clear nothing."""
