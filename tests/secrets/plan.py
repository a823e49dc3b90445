"""The tasks of the campaign: which connection waits for which import, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

__all__ = ["CONNECTIONS", "HELD", "REFUSED", "SUBMITTING", "WAITS", "WaitCase"]

CONNECTIONS = (
    *("clear", "clear_ready", "tao", "tao_shared", "zilliant", "zilliant_shared", "zilliant_ready"),
    *("thalamus", "thalamus_proxied", "basic", "bearer", "key_header", "key_query"),
    *("oauth2", "oauth2_basic", "oauth2_query", "oauth2_ready", "oauth2_shared"),
)
#: Connections whose login the vendor rejects.
REFUSED = ("clear_refused", "tao_refused", "zilliant_refused", "oauth2_refused")
#: Operators submit with these.
SUBMITTING: dict[str, dict[str, Any]] = {
    "clear": {"template_type": "SALES"},
    "tao": {},
    "zilliant": {"mapping_id": "mapping-of-sales"},
    "thalamus": {"type": 25011},
}
MODES: dict[str, dict[str, Any]] = {
    "poke": {"deferrable": False},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
    "deferred": {"deferrable": True},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}
REPORTS: dict[str, Any] = {"error_report_path": "{{ dag_run.conf['reports'] }}"}


class WaitCase(NamedTuple):
    """A wait.

    :param end: how the import goes, as in the vendors' ids
    :param mode: one of `MODES`
    """

    conn_id: str
    end: str
    mode: str
    more: Mapping[str, Any] = MappingProxyType({})

    @property
    def task_id(self) -> str:
        return f"{self.conn_id}_{self.end}_{self.mode}".replace("-", "_")

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the sensor."""
        return {
            "task_id": self.task_id,
            "conn_id": self.conn_id,
            "import_id": f"{self.end}-{self.conn_id}-{self.mode}",
            "poke_interval": 1,
            "exponential_backoff": False,
            "outage_tolerance": 1,
            **MODES[self.mode],
            **self.more,
        }


def _waits() -> Iterator[WaitCase]:
    for number, conn_id in enumerate(CONNECTIONS):
        yield WaitCase(conn_id, "partial-1", "deferred", REPORTS)
        yield WaitCase(conn_id, "renews-1", ("poke", "zero_worker")[number % 2])
        rejection, mode = (("rejects401-0", "deferred"), ("rejects403-0", "poke"))[number % 2]
        yield WaitCase(conn_id, rejection, mode)
    for conn_id in ("clear_ready", "tao", "zilliant", "thalamus", "key_query"):
        yield WaitCase(conn_id, "fails-1", "reschedule")
        yield WaitCase(conn_id, "breaks503-0", "deferred")
        yield WaitCase(conn_id, "drops-0", "poke")
    for number, conn_id in enumerate(REFUSED):
        yield WaitCase(conn_id, "succeeds-0", ("poke", "deferred")[number % 2])
    for mode in ("poke", "deferred", "zero_worker"):
        for bug in ("password", "body", "library"):
            yield WaitCase("crashing", f"succeeds-0-{bug}", mode)


WAITS = tuple(_waits())
#: These run until the vendor is told to let go.
HELD = (
    *(WaitCase(conn_id, "holds-0", "deferred", REPORTS) for conn_id in ("clear", "tao_shared", "key_query")),
    *(
        WaitCase(conn_id, "holds-0", "zero_worker")
        for conn_id in ("clear_ready", "zilliant", "thalamus_proxied", "oauth2")
    ),
)
