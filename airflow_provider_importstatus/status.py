"""The normalized status of an import, the same for every vendor."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import pendulum

from airflow_provider_importstatus.redaction import clean_text, is_nothing, storable

__all__ = ["ImportState", "ImportStatus", "RowCounts", "StageStatus"]

MAX_MESSAGES = 20
MAX_STAGES = 50
#: Maximum length of a vendor's state. Together with the longest import_id it must leave room in an event.
MAX_WORD = 100
#: Maximum length of an import_id; no vendor's ids are longer.
MAX_ID = 500
#: A trigger's event may take 8 KiB, including its envelope.
MAX_RESULT_BYTES = 8 * 1024 - 256
#: The largest signed 64-bit integer: trigger events cannot carry larger numbers.
MAX_COUNT = 2**63 - 1


class ImportState(StrEnum):
    """The normalized state of an import."""

    QUEUED = "queued"
    RUNNING = "running"
    BLOCKED = "blocked"
    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the import has ended."""
        return self in _TERMINAL


_TERMINAL = frozenset({ImportState.SUCCEEDED, ImportState.PARTIAL, ImportState.FAILED, ImportState.CANCELLED})


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Row counts of an import; None where the vendor does not report them.

    :param total: rows in the file, or those that the vendor has read so far
    :param succeeded: imported rows
    :param failed: rejected rows
    :param skipped: rows that were neither imported nor rejected
    """

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    skipped: int | None = None

    def __post_init__(self) -> None:
        for name in COUNTS:
            value = getattr(self, name)
            is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT
            object.__setattr__(self, name, value if is_count else None)

    def __str__(self) -> str:
        """Return the known counts as text: ``3 of 120 rows rejected``."""
        if self.failed:
            of_total = "" if self.total is None else f" of {self.total}"
            return f"{self.failed}{of_total} rows rejected"
        counts = [(self.total, "rows"), (self.succeeded, "succeeded"), (self.skipped, "skipped")]
        return ", ".join(f"{count} {label}" for count, label in counts if count is not None)


#: The names of the counts.
COUNTS = tuple(count.name for count in fields(RowCounts))


@dataclass(frozen=True, slots=True)
class StageStatus:
    """The status of one stage of an import (an activity in Clear's terms).

    :param stage: the vendor's name of the stage
    :param state: the normalized state
    :param template: what the stage is about, if the vendor says so (Clear's ingestion template)
    :param message: the vendor's message about the stage
    """

    stage: str
    state: ImportState
    template: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        for name in ("stage", "template", "message"):
            text = getattr(self, name)
            object.__setattr__(self, name, None if text is None else clean_text(str(text)))


class Messages(tuple[str, ...]):
    """The first messages of a vendor, and the number of those left out."""

    more: int = 0

    @classmethod
    def of(cls, texts: Iterable[str], more: int) -> Messages:
        """Return the messages together with the number of those left out."""
        messages = cls(texts)
        messages.more = more
        return messages


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """The result of one poll.

    It is bounded on construction: 20 messages of 500 characters, 50 stages, and a count of those left out.

    :param vendor: the connection type, such as ``clear``, ``tao_advance``, ``zilliant`` or ``thalamus``
    :param import_id: the vendor's id of the import
    :param state: the normalized state
    :param vendor_state: the state as the vendor spells it
    :param rows: row counts, as far as the vendor reports them
    :param progress: 0 to 1; None unless the vendor reports it
    :param messages: the vendor's messages about the import
    :param more_messages: number of messages left out
    :param stages: the stages of the import, if the vendor reports them
    :param more_stages: number of stages left out
    :param started_at: when the import started, UTC
    :param finished_at: when the import ended, UTC
    :param error_reports: paths of the error reports that were stored
    :param error_report_urls: signed URLs of the vendor's error reports. They are credentials, and therefore
        left out of ``to_dict()``, ``repr`` and comparison
    """

    vendor: str
    import_id: str
    state: ImportState
    vendor_state: str
    rows: RowCounts = field(default_factory=RowCounts)
    progress: float | None = None
    messages: tuple[str, ...] = ()
    more_messages: int = 0
    stages: tuple[StageStatus, ...] = ()
    more_stages: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    error_reports: tuple[str, ...] = ()
    error_report_urls: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "vendor", clean_text(self.vendor))
        put(self, "import_id", clean_text(str(self.import_id), MAX_ID))
        put(self, "state", ImportState(self.state))
        put(self, "vendor_state", clean_text(self.vendor_state, MAX_WORD))
        put(self, "progress", _fraction(self.progress))
        messages = [message for message in self.messages if not is_nothing(message)]
        more = getattr(self.messages, "more", 0) + max(0, len(messages) - MAX_MESSAGES)
        cleaned = (clean_text(message) for message in messages[:MAX_MESSAGES])
        put(self, "more_messages", self.more_messages + more)
        put(self, "messages", tuple(message for message in cleaned if not is_nothing(message)))
        put(self, "more_stages", self.more_stages + max(0, len(self.stages) - MAX_STAGES))
        put(self, "stages", tuple(self.stages[:MAX_STAGES]))
        put(self, "started_at", _in_utc(self.started_at))
        put(self, "finished_at", _in_utc(self.finished_at))
        put(self, "error_reports", tuple(storable(path) for path in self.error_reports))
        put(self, "error_report_urls", tuple(storable(url) for url in self.error_report_urls))

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON types, for XComs and trigger events."""
        return {
            "vendor": self.vendor,
            "import_id": self.import_id,
            "state": self.state.value,
            "vendor_state": self.vendor_state,
            "rows": {name: getattr(self.rows, name) for name in COUNTS},
            "progress": self.progress,
            "messages": list(self.messages),
            "more_messages": self.more_messages,
            "stages": [
                {
                    "stage": stage.stage,
                    "template": stage.template,
                    "state": stage.state.value,
                    "message": stage.message,
                }
                for stage in self.stages
            ],
            "more_stages": self.more_stages,
            "started_at": self.started_at and self.started_at.isoformat(),
            "finished_at": self.finished_at and self.finished_at.isoformat(),
            "error_reports": list(self.error_reports),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImportStatus:
        """Build a status from the result of `to_dict`, including that of another release."""
        rows = data.get("rows") or {}
        return cls(
            vendor=data["vendor"],
            import_id=data["import_id"],
            state=_state(data["state"]),
            vendor_state=data.get("vendor_state") or "",
            rows=RowCounts(*(rows.get(name) for name in COUNTS)),
            progress=data.get("progress"),
            messages=tuple(data.get("messages") or ()),
            more_messages=data.get("more_messages") or 0,
            stages=tuple(
                StageStatus(
                    stage=stage["stage"],
                    state=_state(stage["state"]),
                    template=stage.get("template"),
                    message=stage.get("message"),
                )
                for stage in data.get("stages") or ()
            ),
            more_stages=data.get("more_stages") or 0,
            started_at=_parse_timestamp(data.get("started_at")),
            finished_at=_parse_timestamp(data.get("finished_at")),
            error_reports=tuple(data.get("error_reports") or ()),
        )

    def with_reports(self, paths: Iterable[str], errors: Sequence[str]) -> ImportStatus:
        """Return the status with the paths of stored error reports, and with further messages."""
        kept = self.messages[: MAX_MESSAGES - len(errors)]
        more = self.more_messages + len(self.messages) - len(kept)
        return replace(self, error_reports=tuple(paths), messages=(*kept, *errors), more_messages=more)

    def within(self, max_bytes: int = MAX_RESULT_BYTES) -> ImportStatus:
        """Return the status with as many messages and stages as fit into `max_bytes` of JSON.

        Paths of error reports do not count: triggers store none.
        """
        size = len(json.dumps({**self.to_dict(), "error_reports": []}))
        if size <= max_bytes:
            return self
        excess = size + len('"more": 99') - max_bytes
        messages, stages = list(self.messages), list(self.stages)
        while excess > 0 and (messages or stages):
            left_out = asdict(stages.pop()) if len(stages) > len(messages) else messages.pop()
            excess -= len(json.dumps(left_out)) + len(", ")
        return replace(
            self,
            messages=tuple(messages),
            more_messages=self.more_messages + len(self.messages) - len(messages),
            stages=tuple(stages),
            more_stages=self.more_stages + len(self.stages) - len(stages),
        )


def _fraction(progress: Any) -> float | None:
    is_number = isinstance(progress, int | float) and not isinstance(progress, bool)
    return progress if is_number and 0 <= progress <= 1 else None


def _state(value: str) -> ImportState:
    try:
        return ImportState(value)
    except ValueError:
        return ImportState.UNKNOWN


def _in_utc(time: datetime | None) -> datetime | None:
    try:
        return time and pendulum.instance(time).in_timezone("UTC")
    except OverflowError:
        # In UTC it is before the first year, or after the last.
        return None


def _parse_timestamp(text: Any) -> datetime | None:
    try:
        parsed = pendulum.parse(text)
    except Exception:
        # For some texts pendulum raises undocumented exceptions such as TypeError.
        return None
    return parsed if isinstance(parsed, datetime) else None
