"""How an import goes: chosen when it is submitted, then a pure function of the time since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from airflow_provider_importstatus.sandbox.fields import (
    COUNT,
    SECONDS,
    Kind,
    UsageError,
    one_of,
    optional,
    read,
)

__all__ = ["HEADER", "Course", "Phase", "parse_header", "phase", "read_course", "rejections", "rows_done"]

#: The request header that chooses a course on a vendor's own submit call.
HEADER = "X-Sandbox-Course"


class Phase(Enum):
    """Where an import stands; each vendor has its own words for it."""

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
    def is_over(self) -> bool:
        """Whether the import has ended, well or not."""
        return self in ENDS.values()


ENDS = {end.value: end for end in (Phase.SUCCEEDED, Phase.PARTIAL, Phase.FAILED, Phase.CANCELLED)}


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of an import. Times are seconds since it was submitted.

    :param ends: how it ends
    :param seconds: when it ends
    :param queued: until when it stands in the queue, at vendors that say so
    :param unknown: until when the vendor answers with a word that is in nobody's documents
    :param blocked: until when a person would have to act (Thalamus: Configuration Pending)
    :param appears: until when the vendor says that there is no such import
    :param vanishes: from when on the vendor says so again
    :param rows: rows in the file
    :param rejected: rows that are refused
    :param skipped: rows that are neither imported nor refused
    :param report: whether the report exists after the end (Zilliant)
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
    report: str = "present"

    @property
    def ended_after(self) -> float:
        """When the end is reached: whatever comes first in a course, comes before the end."""
        return max(until for until, _ in _stages(self))


def phase(course: Course, elapsed: float) -> Phase:
    """Return where an import stands, so many seconds after it was submitted."""
    if course.vanishes is not None and elapsed >= course.vanishes:
        return Phase.ABSENT
    return next((stage for until, stage in _stages(course) if elapsed < until), course.ends)


def rows_done(course: Course, elapsed: float) -> int:
    """Return how many rows have been worked through."""
    now = phase(course, elapsed)
    if now.is_over:
        return course.rows
    return int(course.rows * elapsed / course.seconds) if now is Phase.RUNNING else 0


def rejections(course: Course) -> list[str]:
    """Say of each refused row why."""
    # Row 1 is the header line of the file.
    return [f"Line {row}: the value in column 'code' is empty." for row in range(2, course.rejected + 2)]


def parse_header(text: str) -> dict[str, str]:
    """Split `ends=partial; seconds=20` into its fields."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    for name, equals, _ in parts:
        if not equals:
            raise UsageError(
                f"{HEADER} takes fields 'name=value' divided by semicolons, not {name.strip()!r}. "
                f"Write {HEADER}: ends=partial; seconds=20."
            )
    return {name.strip(): value.strip() for name, _, value in parts}


def read_course(vendor: str, fields: Mapping[str, Any]) -> Course:
    """Read a course as one vendor can run it, and fill in what is not said."""
    given = read(fields, KINDS)
    _refuse_foreign(vendor, given)
    given["ends"] = ENDS[given.get("ends", "succeeded")]
    given.setdefault("queued", given.get("seconds", Course().seconds) / 5)
    if given["ends"] is Phase.PARTIAL:
        given.setdefault("rejected", min(3, given.get("rows", Course().rows)))
    course = Course(**given)
    _refuse_contradictions(course)
    return course


def _stages(course: Course) -> tuple[tuple[float, Phase], ...]:
    """Return what comes before the end, in this order, each with the second at which it is over."""
    return (
        (course.appears, Phase.ABSENT),
        (course.unknown, Phase.UNKNOWN),
        (course.blocked, Phase.BLOCKED),
        (min(course.queued, course.seconds), Phase.QUEUED),
        (course.seconds, Phase.RUNNING),
    )


def _refuse_foreign(vendor: str, given: Mapping[str, Any]) -> None:
    for field, (owner, harmless) in ONLY.items():
        if given.get(field, harmless) != harmless and vendor != owner:
            raise UsageError(f"{field} exists at {owner} only, not at {vendor}. Leave {field} out.")
    if given.get("ends") == "cancelled" and vendor != "thalamus":
        raise UsageError(f"ends=cancelled exists at thalamus only, not at {vendor}. Write another end.")


def _refuse_contradictions(course: Course) -> None:
    if course.rejected + course.skipped > course.rows:
        raise UsageError(
            f"rejected and skipped take no more than rows={course.rows} together, "
            f"not {course.rejected} + {course.skipped}. Write a larger rows."
        )
    if course.ends is Phase.PARTIAL and not course.rejected:
        raise UsageError("rejected takes 1 or more where ends=partial, not 0. Write rejected=3.")
    if course.ends is Phase.SUCCEEDED and course.rejected:
        raise UsageError(f"rejected takes 0 where ends=succeeded, not {course.rejected}. Write ends=partial.")


KINDS: dict[str, Kind] = {
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
    "report": one_of(("present", "absent")),
}

#: Fields that only one vendor can show, and their value that changes nothing elsewhere.
ONLY = {"blocked": ("thalamus", 0.0), "report": ("zilliant", "present")}
