"""What a vendor says of an import, in words that are the same for every vendor."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import pendulum

__all__ = ["ImportState", "ImportStatus", "RowCounts", "StageStatus"]

MAX_MESSAGES = 20
MAX_STAGES = 50
MAX_TEXT = 500
#: A vendor's word for a state. Together with the longest import_id it must leave room in an event.
MAX_WORD = 100
#: A trigger's event may have 8 KiB; its envelope takes a few bytes of them.
MAX_RESULT_BYTES = 8 * 1024 - 256

#: A link with a query, a fragment or a user in it may open what it names: only its host may be told.
#: A password may hold an at sign, and JSON may escape a slash.
_URL = re.compile(
    r"(?i)((?:https?|s?ftps?|s3a?|gs|abfss?|wasbs?):\\?/\\?/)(?:[^\s/?#]*@)?([^\s/?#\"'<>\\]*)([^\s\"'<>]*)"
)


class ImportState(StrEnum):
    """The state of an import, whatever its vendor calls it."""

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
        """Whether the import is over."""
        return self in _TERMINAL


_TERMINAL = frozenset({ImportState.SUCCEEDED, ImportState.PARTIAL, ImportState.FAILED, ImportState.CANCELLED})


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows of the file; None where the vendor does not say."""

    total: int | None = None
    succeeded: int | None = None
    failed: int | None = None
    skipped: int | None = None

    def __str__(self) -> str:
        """The counts that are known, as words: ``3 of 120 rows rejected``."""
        if self.failed:
            of_total = "" if self.total is None else f" of {self.total}"
            return f"{self.failed}{of_total} rows rejected"
        known = [(self.total, "rows"), (self.succeeded, "succeeded"), (self.skipped, "skipped")]
        return ", ".join(f"{count} {word}" for count, word in known if count is not None)


@dataclass(frozen=True, slots=True)
class StageStatus:
    """How one stage of an import is going (Clear calls it an activity)."""

    stage: str
    state: ImportState
    template: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        for name in ("stage", "template", "message"):
            text = getattr(self, name)
            object.__setattr__(self, name, None if text is None else _bounded(text))


@dataclass(frozen=True, slots=True)
class ImportStatus:
    """The answer to one look at one import.

    It is bounded where it is built: 20 messages of 500 characters, 50 stages, and a count of those left out.

    :param vendor: the connection type: ``clear``, ``tao_advance``, ``zilliant``, ``thalamus`` or another's
    :param import_id: the vendor's id of the import
    :param state: the normalized state
    :param vendor_state: the vendor's own word for it
    :param rows: row counts, as far as the vendor gives them
    :param progress: 0 to 1, or None unless the vendor really tells
    :param messages: what the vendor says about the import, for people
    :param more_messages: how many messages were left out
    :param stages: the parts of the import, where the vendor names them
    :param more_stages: how many stages were left out
    :param started_at: when the import started, UTC
    :param finished_at: when the import ended, UTC
    :param error_report_urls: signed URLs of the vendor's error reports. They are credentials: they take no
        part in ``to_dict()``, ``repr`` and comparison
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
    error_report_urls: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "state", ImportState(self.state))
        put(self, "vendor_state", _bounded(self.vendor_state, MAX_WORD))
        put(self, "more_messages", self.more_messages + max(0, len(self.messages) - MAX_MESSAGES))
        put(self, "messages", tuple(_bounded(message) for message in self.messages[:MAX_MESSAGES]))
        put(self, "more_stages", self.more_stages + max(0, len(self.stages) - MAX_STAGES))
        put(self, "stages", tuple(self.stages[:MAX_STAGES]))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: what goes into XCom and into a trigger's event."""
        return {
            "vendor": self.vendor,
            "import_id": self.import_id,
            "state": self.state.value,
            "vendor_state": self.vendor_state,
            "rows": {
                "total": self.rows.total,
                "succeeded": self.rows.succeeded,
                "failed": self.rows.failed,
                "skipped": self.rows.skipped,
            },
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
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImportStatus:
        """Read back what `to_dict` gave, also that of another release."""
        rows = data.get("rows") or {}
        return cls(
            vendor=data["vendor"],
            import_id=data["import_id"],
            state=_state(data["state"]),
            vendor_state=data.get("vendor_state", ""),
            rows=RowCounts(*(rows.get(name) for name in ("total", "succeeded", "failed", "skipped"))),
            progress=data.get("progress"),
            messages=tuple(data.get("messages", ())),
            more_messages=data.get("more_messages", 0),
            stages=tuple(
                StageStatus(
                    stage=stage["stage"],
                    state=_state(stage["state"]),
                    template=stage.get("template"),
                    message=stage.get("message"),
                )
                for stage in data.get("stages", ())
            ),
            more_stages=data.get("more_stages", 0),
            started_at=_instant(data.get("started_at")),
            finished_at=_instant(data.get("finished_at")),
        )

    def within(self, max_bytes: int = MAX_RESULT_BYTES) -> ImportStatus:
        """The same status with as many messages and stages as `max_bytes` of JSON hold, the rest counted."""
        status = self
        while (status.messages or status.stages) and len(json.dumps(status.to_dict())) > max_bytes:
            if len(status.stages) > len(status.messages):
                status = replace(status, stages=status.stages[:-1], more_stages=status.more_stages + 1)
            else:
                status = replace(
                    status, messages=status.messages[:-1], more_messages=status.more_messages + 1
                )
        return status


def without_signed_urls(text: str) -> str:
    """The text with every link cut to its host if the rest might open something."""
    return _URL.sub(_host_only, text) if ":" in text else text


def _host_only(url: re.Match[str]) -> str:
    scheme, host, rest = url.groups()
    is_plain = "@" not in url[0] and "?" not in rest and "#" not in rest
    return url[0] if is_plain else f"{scheme}{host}/***"


def _bounded(text: str, length: int = MAX_TEXT) -> str:
    # No database takes NUL or half a surrogate pair. Scrubbed before it is cut: half a secret is one too.
    clean = without_signed_urls(text.replace("\x00", "").encode("utf-8", "replace").decode())
    return clean if len(clean) <= length else f"{clean[: length - 1]}…"


def _state(word: str) -> ImportState:
    try:
        return ImportState(word)
    except ValueError:
        return ImportState.UNKNOWN


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    instant = pendulum.parse(text)
    return instant if isinstance(instant, datetime) else None
