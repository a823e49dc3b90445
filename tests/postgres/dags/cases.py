"""The response and the expected outcome of each wait, used by the tests and by the DAG file."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow_provider_importstatus.get_provider_info import get_provider_info

#: The error that the task must end with, by kind of response.
ERRORS = {
    "surrogate_refusal": "ImportRequestError",
    "surrogate_failure": "ImportFailedError",
    "utf16_page": "ImportRequestError",
    "latin1_type_refusal": "ImportRequestError",
    "latin1_type_page": "ImportProtocolError",
    "ansi_refusal": "ImportRequestError",
    "ansi_failure": "ImportFailedError",
    "empty_objects": "Import",  # Too many of them, or a failed import: both are an end.
}
TYPES: Any = get_provider_info()["connection-types"]
VENDORS = tuple(name for each in TYPES if (name := each["connection-type"]) != "import_api")
#: Thalamus has no messages; only two vendors have lists that may be long.
WITHOUT = {
    "surrogate_failure": {"thalamus"},
    "ansi_failure": {"thalamus"},
    "empty_objects": {"zilliant", "thalamus"},
}


class Case(NamedTuple):
    """One wait."""

    answer: str
    vendor: str
    mode: str

    @property
    def import_id(self) -> str:
        """Return the id of the import with this response, which is also the task id."""
        return f"{self.answer}-{self.vendor}-{self.mode}"


def _cases() -> list[Case]:
    cases = []
    for answer in ERRORS:
        first, *others = [vendor for vendor in VENDORS if vendor not in WITHOUT.get(answer, set())]
        cases.append(Case(answer, first, "deferred"))
        cases += [Case(answer, vendor, "zero_worker") for vendor in others]
    return [
        *cases,
        Case("surrogate_refusal", "zilliant", "poke"),
        Case("latin1_type_refusal", "thalamus", "poke"),
    ]


CASES = _cases()
#: Healthy waits at the same time: connection and mode by task id.
HEALTHY = {
    "healthy_deferred": ("zilliant_default", "deferred"),
    "healthy_zero_worker": ("thalamus_default", "zero_worker"),
    "healthy_clear": ("clear_default", "zero_worker"),
}
