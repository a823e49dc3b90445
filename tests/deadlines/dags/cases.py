"""The waits for imports that never end, used by the test and by the DAG file."""

from __future__ import annotations

from typing import Any, NamedTuple

#: The limit of each wait, in seconds. All waits should have begun before the first one ends.
LIMIT = 90
#: Far longer than the test.
HOURS = 5 * 3600
#: The wait of somebody else, who takes the only request slot.
RIVAL = "rival"

SENSORS: dict[str, dict[str, Any]] = {
    "poke": {},
    "reschedule": {"mode": "reschedule"},
    "deferred": {"deferrable": True},
    "ends_in_triggerer": {"end_from_trigger": True},
    "zero_worker": {"start_from_trigger": True, "end_from_trigger": True},
}
OPERATORS: dict[str, dict[str, Any]] = {
    "operator": {},
    "operator_deferred": {"deferrable": True},
    "operator_ends_in_triggerer": {"end_from_trigger": True},
}
#: What goes wrong during the wait, and the connection that it happens to.
TROUBLES = {
    "nothing": "plain",
    "server_errors": "plain",
    "dribble": "plain",
    "refused": "refused",
    "black_hole": "black_hole",
    "stalled_login": "stalled_login",
    "slots_taken": "one_slot",
}
ERRORS = {"timeout": "AirflowSensorTimeout", "execution_timeout": "AirflowTaskTimeout"}


class Wait(NamedTuple):
    """One wait.

    :param limit: the parameter that ends it
    """

    mode: str
    trouble: str
    limit: str

    @property
    def task_id(self) -> str:
        return f"{self.mode}-{self.trouble}-{self.limit}"

    @property
    def conn_id(self) -> str:
        return TROUBLES[self.trouble]

    @property
    def is_of_sensor(self) -> bool:
        return self.mode in SENSORS


WAITS = (
    *(Wait("deferred", trouble, limit) for trouble in TROUBLES for limit in ERRORS),
    Wait("zero_worker", "nothing", "timeout"),
    Wait("zero_worker", "nothing", "execution_timeout"),
    Wait("zero_worker", "dribble", "execution_timeout"),
    Wait("zero_worker", "slots_taken", "timeout"),
    Wait("ends_in_triggerer", "black_hole", "timeout"),
    Wait("ends_in_triggerer", "stalled_login", "execution_timeout"),
    Wait("operator_deferred", "dribble", "timeout"),
    Wait("operator_deferred", "nothing", "execution_timeout"),
    Wait("operator_ends_in_triggerer", "server_errors", "timeout"),
    Wait("operator", "dribble", "execution_timeout"),
    Wait("poke", "dribble", "timeout"),
    Wait("poke", "server_errors", "execution_timeout"),
    Wait("reschedule", "nothing", "timeout"),
    Wait("reschedule", "dribble", "timeout"),
)
