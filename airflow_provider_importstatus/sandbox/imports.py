"""Submitted imports, and snapshots of them at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.scenario import Phase, Scenario, phase, rows_done

__all__ = ["File", "Import", "Imports", "Snapshot"]


@dataclass(frozen=True, slots=True)
class File:
    """What the sandbox keeps of a submitted file.

    :param name: its file name
    :param content: what it contains, in the vendor's terms: a template or a data type
    :param title: the name that the user gave the import
    :param size: its size in bytes
    :param first_line: its first line, which may choose the scenario
    """

    name: str = "import.csv"
    content: str = ""
    title: str = ""
    size: int = 0
    first_line: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An import at one moment."""

    id: str
    scenario: Scenario
    file: File
    phase: Phase
    rows_done: int
    submitted_at: float
    changed_at: float

    def prorated(self, rows: int) -> int:
        """Return how many of these rows have been processed, if they are spread evenly over the file."""
        return rows * self.rows_done // self.scenario.rows if self.scenario.rows else 0


@dataclass(frozen=True, slots=True)
class Import:
    """An import. Its scenario and the time determine its phase, unless it is cancelled."""

    id: str
    scenario: Scenario
    file: File
    submitted_at: float
    cancelled_at: float | None = None

    def at(self, now: float) -> Snapshot:
        """Return a snapshot of the import at a given time."""
        last = now if self.cancelled_at is None else self.cancelled_at
        elapsed = last - self.submitted_at
        return Snapshot(
            id=self.id,
            scenario=self.scenario,
            file=self.file,
            phase=phase(self.scenario, elapsed) if self.cancelled_at is None else Phase.CANCELLED,
            rows_done=rows_done(self.scenario, elapsed),
            submitted_at=self.submitted_at,
            changed_at=self.submitted_at + min(elapsed, self.scenario.ended_after),
        )


class Imports:
    """The imports of one vendor, by id."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._imports: dict[str, Import] = {}

    def add(self, import_id: str, scenario: Scenario, file: File) -> Snapshot:
        """Start an import."""
        if import_id in self._imports:
            raise UsageError(f"import_id {import_id!r} is already in use. Choose another.")
        self._imports[import_id] = Import(import_id, scenario, file, self._clock())
        return self._imports[import_id].at(self._clock())

    def find(self, import_id: str) -> Snapshot | None:
        """Return the import as it is now, or None if it is unknown, has not appeared or has vanished."""
        known = self._imports.get(import_id)
        snapshot = known.at(self._clock()) if known else None
        return None if snapshot is None or snapshot.phase is Phase.ABSENT else snapshot

    def all(self) -> list[Snapshot]:
        """Return every import that `find` returns."""
        return [snapshot for import_id in self._imports if (snapshot := self.find(import_id))]

    def cancel(self, import_id: str) -> None:
        """Cancel an import, unless it has ended."""
        snapshot = self.find(import_id)
        if snapshot and not snapshot.phase.is_final:
            self._imports[import_id] = replace(self._imports[import_id], cancelled_at=self._clock())

    def clear(self) -> None:
        """Forget all imports."""
        self._imports.clear()
