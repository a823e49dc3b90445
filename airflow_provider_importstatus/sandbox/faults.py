"""Faults: which requests go wrong, and how."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_importstatus.sandbox.fields import (
    COUNT,
    SECONDS,
    TEXT,
    FieldType,
    UsageError,
    one_of,
    optional,
    read_fields,
)

__all__ = ["Fault", "Faults", "read_fault"]

ANY_ROUTE = "*"
#: The kinds of faults besides HTTP statuses.
FAULT_KINDS = ("drop", "cut", "slow", "dribble", "garbage", "redirect", "huge")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault and the requests that it applies to.

    :param kind: an HTTP status from 400 to 599, as text, or one of `FAULT_KINDS`
    :param times: the number of requests; None until the faults are cleared
    :param import_id: the only import it applies to, if given
    :param retry_after: value of the `Retry-After` header of an HTTP status
    :param seconds: how long `slow` and `dribble` take
    """

    vendor: str
    route: str
    kind: str
    times: int | None = 1
    import_id: str | None = None
    retry_after: str | None = None
    seconds: float = 1.0

    def matches(self, vendor: str, route: str, import_id: str | None) -> bool:
        """Return whether the fault applies to a request."""
        return (
            self.vendor == vendor and self.route in (ANY_ROUTE, route) and self.import_id in (None, import_id)
        )


class Faults:
    """A queue of faults that have not been used up, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Add a fault to the queue."""
        self._faults.append(fault)

    def take(self, vendor: str, route: str, import_id: str | None) -> Fault | None:
        """Return the first fault that matches a request, if any, and use it up by one request."""
        for index, fault in enumerate(self._faults):
            if fault.matches(vendor, route, import_id):
                left = None if fault.times is None else fault.times - 1
                self._faults[index : index + 1] = [] if left == 0 else [replace(fault, times=left)]
                return fault
        return None

    def clear(self) -> None:
        """Remove all faults."""
        self._faults.clear()


def read_fault(fields: Mapping[str, Any], routes: Mapping[str, Set[str]]) -> Fault:
    """Read a fault from its fields; `routes` holds the names of each vendor's routes."""
    for name in ("vendor", "route", "kind"):
        if name not in fields:
            raise UsageError(f"{name} is missing: a fault needs vendor, route and kind. Add {name}.")
    given = read_fields(fields, {"vendor": one_of(routes), "route": TEXT, **FIELD_TYPES})
    known = sorted(routes[given["vendor"]])
    if given["route"] not in (ANY_ROUTE, *known):
        raise UsageError(
            f"route must be a route of {given['vendor']}, not {given['route']!r}. "
            f"Use * or one of {', '.join(known)}."
        )
    return Fault(**given)


def _kind(value: Any) -> str:
    kind = str(value)
    if kind not in FAULT_KINDS and not (kind.isascii() and kind.isdigit() and 400 <= int(kind) <= 599):
        raise ValueError
    return kind


def _times(value: Any) -> int:
    times: int = COUNT.parse(value)
    if times == 0:
        raise ValueError
    return times


FIELD_TYPES: dict[str, FieldType] = {
    "kind": FieldType(f"an HTTP status from 400 to 599, or one of {', '.join(FAULT_KINDS)}", "503", _kind),
    "times": optional(FieldType("a number of requests, 1 or more", "2", _times)),
    "import_id": optional(TEXT),
    "retry_after": optional(FieldType(TEXT.expected, "30", TEXT.parse)),
    "seconds": SECONDS,
}
