"""Trouble on demand: which requests are to go wrong, and how."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_importstatus.sandbox.fields import (
    COUNT,
    SECONDS,
    TEXT,
    Kind,
    UsageError,
    one_of,
    optional,
    read,
)

__all__ = ["ANY_ROUTE", "KINDS_OF_TROUBLE", "Fault", "Faults", "read_fault"]

ANY_ROUTE = "*"
KINDS_OF_TROUBLE = ("drop", "cut", "slow", "dribble", "garbage", "redirect", "huge")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to go wrong.

    :param kind: an HTTP status from 400 to 599, as text, or one of `KINDS_OF_TROUBLE`
    :param times: for how many requests; None until it is cleared
    :param import_id: only where this import is asked for
    :param retry_after: the text of a `Retry-After` header, with an HTTP status
    :param seconds: how long `slow` and `dribble` take
    """

    vendor: str
    route: str
    kind: str
    times: int | None = 1
    import_id: str | None = None
    retry_after: str | None = None
    seconds: float = 1.0

    def hits(self, vendor: str, route: str, import_id: str | None) -> bool:
        """Whether it concerns this request."""
        return (
            self.vendor == vendor and self.route in (ANY_ROUTE, route) and self.import_id in (None, import_id)
        )


class Faults:
    """The faults that are still to happen, the oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let one more thing go wrong."""
        self._faults.append(fault)

    def take(self, vendor: str, route: str, import_id: str | None) -> Fault | None:
        """Return what is to go wrong with this request, and count it as happened."""
        for place, fault in enumerate(self._faults):
            if fault.hits(vendor, route, import_id):
                left = None if fault.times is None else fault.times - 1
                self._faults[place : place + 1] = [] if left == 0 else [replace(fault, times=left)]
                return fault
        return None

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._faults.clear()


def read_fault(fields: Mapping[str, Any], routes: Mapping[str, Set[str]]) -> Fault:
    """Read a fault for one of the vendors' routes."""
    for name in ("vendor", "route", "kind"):
        if name not in fields:
            raise UsageError(f"{name} is missing: a fault takes vendor, route and kind. Add {name}.")
    given = read(fields, {"vendor": one_of(routes), "route": TEXT, **KINDS})
    known = sorted(routes[given["vendor"]])
    if given["route"] not in (ANY_ROUTE, *known):
        raise UsageError(
            f"route takes a route of {given['vendor']}, not {given['route']!r}. Use * or {', '.join(known)}."
        )
    return Fault(**given)


def _kind(value: Any) -> str:
    kind = str(value)
    if kind not in KINDS_OF_TROUBLE and not (kind.isascii() and kind.isdigit() and 400 <= int(kind) <= 599):
        raise ValueError
    return kind


def _times(value: Any) -> int:
    times: int = COUNT.read(value)
    if times == 0:
        raise ValueError
    return times


KINDS: dict[str, Kind] = {
    "kind": Kind(f"an HTTP status from 400 to 599, or one of {', '.join(KINDS_OF_TROUBLE)}", "503", _kind),
    "times": optional(Kind("a number of requests, 1 or more", "2", _times)),
    "import_id": optional(TEXT),
    "retry_after": optional(Kind(TEXT.takes, "30", TEXT.read)),
    "seconds": SECONDS,
}
