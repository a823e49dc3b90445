"""The imports that have been submitted, and what each looks like at this moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_provider_importstatus.sandbox.course import Course, Phase, phase, rows_done
from airflow_provider_importstatus.sandbox.fields import UsageError

__all__ = ["File", "Import", "Imports", "Snapshot"]


@dataclass(frozen=True, slots=True)
class File:
    """What was submitted, as far as a vendor's answers show it.

    :param name: its file name
    :param kind: what it holds, in the vendor's terms: Clear's template, Thalamus' type
    :param title: the name that the import was given (Thalamus)
    :param size: its bytes
    """

    name: str = "import.csv"
    kind: str = ""
    title: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An import at one moment."""

    id: str
    course: Course
    file: File
    phase: Phase
    rows_done: int
    submitted_at: float
    changed_at: float

    def so_far(self, rows: int) -> int:
        """Return how many of these rows have been met, where they lie evenly in the file."""
        return rows * self.rows_done // self.course.rows if self.course.rows else 0


@dataclass(frozen=True, slots=True)
class Import:
    """One import: when it was submitted decides all that follows, unless it is cancelled."""

    id: str
    course: Course
    file: File
    submitted_at: float
    cancelled_at: float | None = None

    def at(self, now: float) -> Snapshot:
        """Return what the import looks like at this time."""
        last = now if self.cancelled_at is None else self.cancelled_at
        elapsed = last - self.submitted_at
        return Snapshot(
            id=self.id,
            course=self.course,
            file=self.file,
            phase=phase(self.course, elapsed) if self.cancelled_at is None else Phase.CANCELLED,
            rows_done=rows_done(self.course, elapsed),
            submitted_at=self.submitted_at,
            changed_at=self.submitted_at + min(elapsed, self.course.ended_after),
        )


class Imports:
    """One vendor's imports, by their ids."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._imports: dict[str, Import] = {}

    def add(self, import_id: str, course: Course, file: File) -> Snapshot:
        """Start an import."""
        if import_id in self._imports:
            raise UsageError(f"import_id takes an id that is not in use, not {import_id!r}. Write another.")
        self._imports[import_id] = Import(import_id, course, file, self._clock())
        return self._imports[import_id].at(self._clock())

    def find(self, import_id: str) -> Snapshot | None:
        """Return the import as its vendor sees it now: none that has not appeared, or has vanished."""
        known = self._imports.get(import_id)
        seen = known.at(self._clock()) if known else None
        return None if seen is None or seen.phase is Phase.ABSENT else seen

    def all(self) -> list[Snapshot]:
        """Return every import that can be found."""
        return [seen for import_id in self._imports if (seen := self.find(import_id))]

    def cancel(self, import_id: str) -> None:
        """Stop an import that has not ended; what has ended stays as it is."""
        seen = self.find(import_id)
        if seen and not seen.phase.is_over:
            self._imports[import_id] = replace(self._imports[import_id], cancelled_at=self._clock())

    def clear(self) -> None:
        """Forget them all."""
        self._imports.clear()
