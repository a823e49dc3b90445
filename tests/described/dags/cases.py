"""The waits on described vendors and their expected ends, used by the tests and by the DAG file."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_provider_importstatus.hooks.description_files import bundled_names

MODES = ("deferred", "zero_worker")
#: They never say that an import as a whole has failed.
WITHOUT_FAILURE = ("klaviyo",)


class Kind(NamedTuple):
    """What happens to an import.

    :param scenario: of the sandbox; None for an import that does not exist
    :param error: the error that the task ends with; empty if it succeeds
    :param connection: the end of the connection's id
    """

    scenario: dict[str, Any] | None
    error: str = ""
    connection: str = "default"


#: Long enough for all waits to begin before it.
SECONDS = 60
KINDS = {
    "success": Kind({"seconds": SECONDS}),
    "partial": Kind({"seconds": SECONDS, "ends": "partial", "rejected": 2}),
    "failure": Kind({"seconds": SECONDS, "ends": "failed"}, "ImportFailedError"),
    "not_found": Kind(None, "ImportNotFoundError"),
    "bad_credential": Kind({"seconds": 3600}, "ImportAuthError", "wrong"),
    "outage": Kind({"seconds": 3600}, "ImportUnavailableError"),
}


class Case(NamedTuple):
    """One wait."""

    vendor: str
    kind: str
    mode: str

    @property
    def task_id(self) -> str:
        """Return the id of its task."""
        return f"{self.vendor}-{self.kind}-{self.mode}"

    @property
    def conn_id(self) -> str:
        """Return the connection of its task."""
        return f"{self.vendor}_{KINDS[self.kind].connection}"


CASES = [
    Case(vendor, kind, mode)
    for vendor in bundled_names()
    for kind in KINDS
    for mode in MODES
    if kind != "failure" or vendor not in WITHOUT_FAILURE
]
