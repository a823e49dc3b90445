"""The waits of a cluster and how their tasks must end, used by the test and by the DAG file."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_provider_importstatus.get_provider_info import get_provider_info

TYPES: Any = get_provider_info()["connection-types"]
VENDORS = tuple(name for each in TYPES if (name := each["connection-type"]) != "import_api")
#: Ends that fail the task, in turn; only Thalamus knows the last one.
REFUSED = ("failed", "partial", "cancelled")
#: Waits of one run of the DAG `unattended` that a mapped task has.
SHARE = 5


class Case(NamedTuple):
    """A wait: its vendor, how its import ends, and what a partial end means for the task."""

    vendor: str
    ends: str
    on_partial: str = "fail"

    @property
    def state(self) -> str:
        """Return the state that the task must end in."""
        is_accepted = self.ends == "succeeded" or (self.ends == "partial" and self.on_partial == "succeed")
        return "success" if is_accepted else "failed"


def unattended(number: int) -> dict[str, Case]:
    """Return what a run of the DAG `unattended` waits for, by task."""
    return {
        f"{vendor}_{place}": case for vendor in VENDORS for place, case in enumerate(_cases(vendor, number))
    }


def mapped(number: int) -> list[Case]:
    """Return what a run of the DAG `mapped` waits for, by map index."""
    first = number * SHARE
    return [case for one in range(first, first + SHARE) for case in unattended(one).values()]


def _cases(vendor: str, number: int) -> list[Case]:
    refused = REFUSED[number % len(REFUSED)]
    if refused == "cancelled" and vendor != "thalamus":
        refused = "failed"
    return [*[Case(vendor, "succeeded")] * 3, Case(vendor, "partial", "succeed"), Case(vendor, refused)]
