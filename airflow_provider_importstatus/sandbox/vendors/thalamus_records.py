"""What Thalamus shows of an import: the record of the status call, and pages of such records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from airflow_provider_importstatus.sandbox.course import Phase
from airflow_provider_importstatus.sandbox.imports import Snapshot
from airflow_provider_importstatus.sandbox.vendors.base import UNDOCUMENTED_WORD, utc

__all__ = ["STATES", "TYPES", "listing", "record"]

#: What a file may hold: physical locations, companies, partner sales, partner stock.
TYPES = ("25006", "25004", "25011", "25012")

#: The list's number for a state, the JSON word, and the label.
STATES = {
    # Who submits an import gets its record at once, even if nobody else finds it yet.
    Phase.ABSENT: (1, "WAITING", "Waiting"),
    Phase.UNKNOWN: (7, UNDOCUMENTED_WORD, "Hibernating"),
    Phase.QUEUED: (1, "WAITING", "Waiting"),
    Phase.RUNNING: (2, "PROCESSING", "Processing"),
    Phase.SUCCEEDED: (3, "PROCESSED", "Processed"),
    Phase.PARTIAL: (3, "PROCESSED", "Processed"),
    Phase.FAILED: (4, "ERROR_IN_FILE_FORMAT", "Error in file format"),
    Phase.BLOCKED: (5, "CONFIGURATION_PENDING", "Configuration Pending"),
    Phase.CANCELLED: (6, "CANCELED", "Canceled"),
}
NOT_STARTED = (Phase.ABSENT, Phase.QUEUED, Phase.BLOCKED)

#: The columns that a list can be put in order by.
ORDERS = ("name", "id", "creationDate", "modificationDate")


def record(seen: Snapshot, url: str) -> dict[str, Any]:
    """Return all that the status page shows of an import."""
    _, word, label = STATES[seen.phase]
    imported_at = None if seen.phase in NOT_STARTED else seen.submitted_at + seen.course.queued
    return {
        "id": int(seen.id),
        "creationDate": _milliseconds(seen.submitted_at),
        "modificationDate": _milliseconds(seen.changed_at),
        "creationOperator": 0,
        "modificationOperator": 0,
        "name": seen.file.title or f"import {seen.id}",
        "fileName": seen.file.name,
        "fileType": "CSV" if seen.file.name.lower().endswith(".csv") else "EXCEL",
        "owner": {"id": 265, "entityType": int(seen.file.kind or TYPES[2])},
        "relatedEntityType": None,
        "importDate": None if imported_at is None else _milliseconds(imported_at),
        "userId": 4,
        "partnerDatasourceId": None,
        "mediumContextData": _medium_context(),
        "mediumContextDataJson": (
            "<com.thalamus.aaa.MediumContextData>\n <touchpointId>3</touchpointId>\n"
            " <asyncExcution>false</asyncExcution>\n</com.thalamus.aaa.MediumContextData>"
        ),
        **_counters(seen),
        "state": word,
        "percentageProcessed": seen.so_far(100),
        "totalToProcess": 0 if seen.phase in NOT_STARTED else seen.course.rows,
        "url": url,
        "fileImportType": None,
        "fileSize": seen.file.size,
        "analysisResult": None,
        "analysisResultJson": None,
        "stateInternationalizableKey": label.title().replace(" ", ""),
        "internationalizedState": label,
    }


def listing(
    imports: Sequence[Snapshot], query: Mapping[str, str], url: Callable[[Snapshot], str]
) -> dict[str, Any]:
    """Return the page of records that a query asks for. Raises ValueError(field, code) where it is wrong."""
    page, size = _number(query, "page", 1), _number(query, "pageSize", 25)
    order = query.get("orderBy", "name")
    if order not in ORDERS:
        raise ValueError("orderBy", "InvalidFormat")
    is_wanted = _filter(query)
    records = [record(seen, url(seen)) for seen in imports if is_wanted(seen)]
    records.sort(key=lambda found: found[order], reverse=query.get("ascending", "true") == "false")
    return {"total": len(records), "imports": records[(page - 1) * size : page * size]}


def _filter(query: Mapping[str, str]) -> Callable[[Snapshot], bool]:
    """Return who passes the query's filters: each of them, where it is given."""
    state, first, last = _number(query, "state", 0), _day(query, "beginDate"), _day(query, "endDate")
    if (first is None) != (last is None):
        raise ValueError("endDate" if last is None else "beginDate", "Required")

    def is_wanted(seen: Snapshot) -> bool:
        created = utc(seen.submitted_at).date()
        return (
            state in (0, STATES[seen.phase][0])
            and query.get("type") in (None, seen.file.kind)
            and query.get("name") in (None, seen.file.title)
            and (query.get("withErrors") != "true" or _counters(seen)["rowsWithErrors"] > 0)
            and (first is None or last is None or first <= created <= last)
        )

    return is_wanted


def _number(query: Mapping[str, str], field: str, default: int) -> int:
    text = query.get(field)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise ValueError(field, "InvalidFormat")
    return int(text)


def _day(query: Mapping[str, str], field: str) -> date | None:
    try:
        return date.fromisoformat(query[field]) if field in query else None
    except ValueError:
        raise ValueError(field, "InvalidFormat") from None


def _counters(seen: Snapshot) -> dict[str, int]:
    bad, skipped = seen.so_far(seen.course.rejected), seen.so_far(seen.course.skipped)
    # A file in a wrong format is not worked through: only its refused rows are counted.
    rows = bad + skipped if seen.phase is Phase.FAILED else seen.rows_done
    return {
        "rows": rows,
        "rowsOk": rows - bad - skipped,
        "rowsWithErrors": bad,
        "rowsSkipped": skipped,
        "rowsRollbacked": 0,
        "rowsRollbackedWithErrors": 0,
    }


def _medium_context() -> dict[str, Any]:
    unset = ("touchpointCountryId", "communicationId", "activityId", "direction", "location")
    more = ("tags", "source", "countriesIds", "mediumDate")
    # "asyncExcution" is the vendor's own spelling.
    return {"touchpointId": 3, **dict.fromkeys(unset), "asyncExcution": False, **dict.fromkeys(more)}


def _milliseconds(timestamp: float) -> int:
    return int(timestamp * 1000)
