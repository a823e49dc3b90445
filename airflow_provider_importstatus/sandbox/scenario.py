"""Scenarios: how an import goes, chosen when it is submitted, as a pure function of the time since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from airflow_provider_importstatus.sandbox.fields import (
    COUNT,
    SECONDS,
    FieldType,
    UsageError,
    one_of,
    optional,
    read_fields,
)

__all__ = [
    "SCENARIO_HEADER",
    "Phase",
    "Scenario",
    "ScenarioField",
    "ScenarioSupport",
    "parse_first_line",
    "parse_header",
    "phase",
    "read_scenario",
    "rejection_messages",
    "rows_done",
]

#: Request header that chooses the scenario on a vendor's own submit call.
SCENARIO_HEADER = "X-Sandbox-Course"
#: Beginning of a submitted file's first line that chooses the scenario.
SCENARIO_COMMENT = "# sandbox:"


class Phase(Enum):
    """The phase of an import. Each vendor has its own words for it."""

    ABSENT = "absent"
    UNKNOWN = "unknown"
    BLOCKED = "blocked"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the import has ended, successfully or not."""
        return self in ENDS.values()


ENDS = {end.value: end for end in (Phase.SUCCEEDED, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED)}


@dataclass(frozen=True, slots=True)
class ScenarioField:
    """A scenario field that only some vendors have, and its default value."""

    type: FieldType
    default: Any


@dataclass(frozen=True, slots=True)
class ScenarioSupport:
    """What scenarios of one vendor may contain beyond what all vendors support.

    :param blocked: whether an import can wait for a person
    :param cancelled: whether an import can end cancelled
    :param fields: further fields by name; `Scenario.extra` holds their values
    :param impossible: phases that this vendor cannot play, each with the reason
    """

    blocked: bool = False
    cancelled: bool = False
    impossible: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, ScenarioField] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """How an import goes. Times are seconds since it was submitted.

    :param ends: the final phase
    :param seconds: when the import ends
    :param queued: when it leaves the queue, at vendors that report a queue
    :param unknown: until when the vendor answers with an undocumented state
    :param blocked: until when the import waits for a person, at vendors that support it
    :param appears: until when the vendor answers that the import does not exist
    :param vanishes: from when the vendor answers so again
    :param rows: rows in the file
    :param rejected: rows that are rejected
    :param skipped: rows that are neither imported nor rejected
    :param extra: values of the vendor's own fields
    """

    ends: Phase = Phase.SUCCEEDED
    seconds: float = 2.0
    queued: float = 0.0
    unknown: float = 0.0
    blocked: float = 0.0
    appears: float = 0.0
    vanishes: float | None = None
    rows: int = 120
    rejected: int = 0
    skipped: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended_after(self) -> float:
        """When the final phase begins: after all earlier phases."""
        return max(until for until, _ in _earlier_phases(self))


def phase(scenario: Scenario, elapsed: float) -> Phase:
    """Return the phase of an import, given the seconds since it was submitted."""
    if scenario.vanishes is not None and elapsed >= scenario.vanishes:
        return Phase.ABSENT
    return next((earlier for until, earlier in _earlier_phases(scenario) if elapsed < until), scenario.ends)


def rows_done(scenario: Scenario, elapsed: float) -> int:
    """Return how many rows have been processed, given the seconds since the import was submitted."""
    now = phase(scenario, elapsed)
    if now.is_final:
        return scenario.rows
    return int(scenario.rows * elapsed / scenario.seconds) if now is Phase.RUNNING else 0


def rejection_messages(scenario: Scenario) -> list[str]:
    """Return a message for each rejected row."""
    # Line 1 of the file is the header.
    return [f"Line {row}: the value in column 'code' is empty." for row in range(2, scenario.rejected + 2)]


def parse_header(text: str) -> dict[str, str]:
    """Parse the header `ends=partial; seconds=20` into its fields."""
    return _parse_assignments(text, SCENARIO_HEADER, f"{SCENARIO_HEADER}:")


def parse_first_line(text: str) -> dict[str, str]:
    """Parse the first line of a file, `# sandbox: ends=partial`; without this beginning it has no fields."""
    if not text.startswith(SCENARIO_COMMENT):
        return {}
    return _parse_assignments(text.removeprefix(SCENARIO_COMMENT), "The file's first line", SCENARIO_COMMENT)


def _parse_assignments(text: str, where: str, beginning: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    for name, equals, _ in parts:
        if not equals:
            raise UsageError(
                f"{where} must be name=value fields separated by semicolons, "
                f"not {name.strip()!r}. Example: {beginning} ends=partial; seconds=20."
            )
    return {name.strip(): value.strip() for name, _, value in parts}


def read_scenario(vendor: str, fields: Mapping[str, Any], support: Mapping[str, ScenarioSupport]) -> Scenario:
    """Read a scenario for a vendor and fill in defaults; `support` holds what each vendor supports."""
    extra_fields = _extra_fields(support) | dict(support[vendor].fields)
    given = read_fields(fields, FIELD_TYPES | {name: extra.type for name, extra in extra_fields.items()})
    _reject_unsupported(vendor, given, support)
    # Another vendor's field is accepted with its default value, and means nothing here.
    extra = {name: given.pop(name, one.default) for name, one in extra_fields.items()}
    given["extra"] = {name: extra[name] for name in support[vendor].fields}
    given["ends"] = ENDS[given.get("ends", "succeeded")]
    given.setdefault("queued", given.get("seconds", Scenario().seconds) / 5)
    if given["ends"] is Phase.PARTIAL:
        given.setdefault("rejected", min(3, given.get("rows", Scenario().rows)))
    scenario = Scenario(**given)
    _reject_contradictions(scenario)
    return scenario


def _earlier_phases(scenario: Scenario) -> tuple[tuple[float, Phase], ...]:
    """Return the phases before the final one, in order of precedence, each with the second it ends at."""
    return (
        (scenario.appears, Phase.ABSENT),
        (scenario.unknown, Phase.UNKNOWN),
        (scenario.blocked, Phase.BLOCKED),
        (min(scenario.queued, scenario.seconds), Phase.QUEUED),
        (scenario.seconds, Phase.RUNNING),
    )


def _extra_fields(support: Mapping[str, ScenarioSupport]) -> dict[str, ScenarioField]:
    return {name: extra for one in support.values() for name, extra in one.fields.items()}


def _reject_unsupported(
    vendor: str, given: Mapping[str, Any], support: Mapping[str, ScenarioSupport]
) -> None:
    for name, extra in _extra_fields(support).items():
        if given.get(name, extra.default) != extra.default:
            supporting = [other for other, one in support.items() if name in one.fields]
            _require_support(vendor, name, supporting, f"Omit {name}.")
    for what, phase in _phases(given):
        if reason := support[vendor].impossible.get(phase):
            raise UsageError(f"{what} cannot be played by {vendor}: {reason} {_possible(support[vendor])}")
    if given.get("blocked"):
        supporting = [other for other, one in support.items() if one.blocked]
        _require_support(vendor, "blocked", supporting, "Omit blocked.")
    if given.get("ends") == "cancelled":
        supporting = [other for other, one in support.items() if one.cancelled]
        _require_support(vendor, "ends=cancelled", supporting, "Choose another end.")


def _phases(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the phases that were asked for, each after the field that did so."""
    waits = [(name, name) for name in ("blocked", "unknown") if given.get(name)]
    end = given.get("ends", Phase.SUCCEEDED.value)
    return [*waits, (f"ends={end}", end)]


def _possible(support: ScenarioSupport) -> str:
    return f"Possible ends are {', '.join(end for end in ENDS if end not in support.impossible)}."


def _require_support(vendor: str, what: str, supporting: list[str], advice: str) -> None:
    if vendor not in supporting:
        raise UsageError(f"{what} is supported by {', '.join(supporting)} only, not by {vendor}. {advice}")


def _reject_contradictions(scenario: Scenario) -> None:
    if scenario.rejected + scenario.skipped > scenario.rows:
        raise UsageError(
            f"rejected + skipped must be at most rows={scenario.rows}, "
            f"not {scenario.rejected} + {scenario.skipped}. Increase rows."
        )
    if scenario.ends is Phase.PARTIAL and not scenario.rejected:
        raise UsageError("rejected must be 1 or more with ends=partial, not 0. Example: rejected=3.")
    if scenario.ends is Phase.SUCCEEDED and scenario.rejected:
        raise UsageError(
            f"rejected must be 0 with ends=succeeded, not {scenario.rejected}. Use ends=partial."
        )


#: The fields that all vendors have.
FIELD_TYPES: dict[str, FieldType] = {
    "ends": one_of(ENDS),
    "seconds": SECONDS,
    "queued": SECONDS,
    "unknown": SECONDS,
    "blocked": SECONDS,
    "appears": SECONDS,
    "vanishes": optional(SECONDS),
    "rows": COUNT,
    "rejected": COUNT,
    "skipped": COUNT,
}
