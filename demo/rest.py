"""Client of Airflow's REST API, as far as the demo and the tests need it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import requests

PAGE = 100  # Airflow's [api] maximum_page_limit.


class Run(NamedTuple):
    """A run of a DAG."""

    dag_id: str
    run_id: str

    @property
    def path(self) -> str:
        return f"dags/{self.dag_id}/dagRuns/{self.run_id}"


class Rest:
    """A client with the rights of an administrator; the simple auth manager needs no password.

    An error response raises `requests.HTTPError` with the text of the response.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # Never use a proxy for this machine.

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def health(self) -> dict[str, dict[str, Any]]:
        """Return the health of each component; it has a `status`."""
        return dict(self._call("GET", "monitor/health"))

    def knows(self, dag_id: str) -> bool:
        """Return whether the DAG can be run."""
        # Its details are read from the parsed DAG, which is stored after its row.
        return self._find(f"dags/{dag_id}/details") is not None

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG."""
        self._call("PATCH", f"dags/{dag_id}", body={"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> Run:
        """Start a run of a DAG."""
        answer = self._call("POST", f"dags/{dag_id}/dagRuns", body={"logical_date": None, "conf": conf})
        return Run(dag_id, answer["dag_run_id"])

    def runs(self, dag_id: str) -> list[Run]:
        """Return all runs of a DAG."""
        return [Run(dag_id, one["dag_run_id"]) for one in self._list(f"dags/{dag_id}/dagRuns", "dag_runs")]

    def state(self, run: Run) -> str:
        """Return the state of a run."""
        return str(self._call("GET", run.path)["state"])

    def task_instances(self, run: Run, task_id: str | None = None) -> list[dict[str, Any]]:
        """Return the task instances of a run, or of one of its tasks, sorted by task and `map_index`."""
        found = self._list(f"{run.path}/taskInstances", "task_instances")
        return sorted(
            (one for one in found if task_id in (None, one["task_id"])),
            key=lambda one: (one["task_id"], one["map_index"]),
        )

    def xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return the value of an XCom, or None if it does not exist."""
        path = f"{run.path}/taskInstances/{task_id}/xcomEntries/{key}"
        entry = self._find(path, map_index=map_index)
        return None if entry is None else entry["value"]

    def xcom_keys(self, run: Run, task_id: str, map_index: int = -1) -> list[str]:
        """Return the XCom keys of a task instance."""
        path = f"{run.path}/taskInstances/{task_id}/xcomEntries"
        return [entry["key"] for entry in self._list(path, "xcom_entries", map_index=map_index)]

    def asset_events(self, run: Run) -> list[dict[str, Any]]:
        """Return the asset events of a run."""
        events = self._list("assets/events", "asset_events", source_dag_id=run.dag_id)
        return [event for event in events if event["source_run_id"] == run.run_id]

    def clear(self, run: Run, task_id: str) -> None:
        """Clear a task of a run, so that it runs again."""
        body = {"dag_run_id": run.run_id, "task_ids": [task_id], "dry_run": False, "only_failed": False}
        self._call("POST", f"dags/{run.dag_id}/clearTaskInstances", body=body)

    def mark(self, run: Run, task_id: str, state: str) -> None:
        """Mark a task of a run `failed` or `success`."""
        self._call("PATCH", f"{run.path}/taskInstances/{task_id}", body={"new_state": state})

    def log(self, run: Run, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of a task instance, with one JSON event per line."""
        path = f"{run.path}/taskInstances/{task_id}/logs/{try_number}"
        content = self._call("GET", path, map_index=map_index, full_content=True)["content"]
        return "\n".join(json.dumps(event) for event in content)

    def import_errors(self) -> list[dict[str, Any]]:
        """Return the import errors of DAG files, each with `filename` and `stack_trace`."""
        return list(self._list("importErrors", "import_errors"))

    def _list(self, path: str, name: str, **query: Any) -> Iterator[dict[str, Any]]:
        offset, total = 0, 1
        while offset < total:
            page = self._call("GET", path, limit=PAGE, offset=offset, **query)
            yield from page[name]
            offset, total = offset + PAGE, page["total_entries"]

    def _find(self, path: str, **query: Any) -> Any:
        """Return a resource, or None if it does not exist."""
        try:
            return self._call("GET", path, **query)
        except requests.HTTPError as error:
            if error.response.status_code == 404:
                return None
            raise

    def _call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        return self._request(method, path, body, query).json()

    def _request(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> requests.Response:
        if "Authorization" not in self._session.headers:
            token = self._send("GET", "auth/token").json()["access_token"]
            self._session.headers["Authorization"] = f"Bearer {token}"
        return self._send(method, f"api/v2/{path}", params=query, json=body)

    def _send(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = self._session.request(method, f"{self.url}/{path}", timeout=30, **more)
        if answer.status_code >= 400:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text}", response=answer)
        return answer


class RestV1(Rest):
    """The same for Airflow 2 and its API, as far as the tests on it need it."""

    def health(self) -> dict[str, dict[str, Any]]:
        return dict(self._call("GET", "health"))

    def trigger(self, dag_id: str, conf: Mapping[str, Any]) -> Run:
        answer = self._call("POST", f"dags/{dag_id}/dagRuns", body={"conf": conf})
        return Run(dag_id, answer["dag_run_id"])

    def xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        path = f"{run.path}/taskInstances/{task_id}/xcomEntries/{key}"
        # By default, the value is Python's representation of the object.
        entry = self._find(path, map_index=map_index, stringify=False)
        return None if entry is None else entry["value"]

    def log(self, run: Run, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of a task instance as text."""
        path = f"{run.path}/taskInstances/{task_id}/logs/{try_number}"
        # It sends text to clients that do not insist on JSON.
        return self._request("GET", path, None, {"map_index": map_index, "full_content": True}).text

    def _request(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> requests.Response:
        return self._send(method, f"api/v1/{path}", params=query, json=body)
