"""Thalamus's records of imports: the response of the status call, and pages of such records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from airflow_provider_importstatus.sandbox.imports import Snapshot
from airflow_provider_importstatus.sandbox.scenario import Phase
from airflow_provider_importstatus.sandbox.vendors.base import UNDOCUMENTED_STATE, utc_datetime

__all__ = ["STATES", "TYPES", "listing", "record"]

#: Types of data in a file: physical locations, companies, partner sales, partner stock.
TYPES = ("25006", "25004", "25011", "25012")

#: Each state's number in the list's filter, its word in JSON, and its label.
STATES = {
    # The submit call returns the record at once, even while the status call does not find the import.
    Phase.ABSENT: (1, "WAITING", "Waiting"),
    Phase.UNKNOWN: (7, UNDOCUMENTED_STATE, "Hibernating"),
    Phase.QUEUED: (1, "WAITING", "Waiting"),
    Phase.RUNNING: (2, "PROCESSING", "Processing"),
    Phase.SUCCEEDED: (3, "PROCESSED", "Processed"),
    Phase.PARTIAL: (3, "PROCESSED", "Processed"),
    Phase.FAILED: (4, "ERROR_IN_FILE_FORMAT", "Error in file format"),
    Phase.BLOCKED: (5, "CONFIGURATION_PENDING", "Configuration Pending"),
    Phase.CANCELLED: (6, "CANCELED", "Canceled"),
}
NOT_STARTED = (Phase.ABSENT, Phase.QUEUED, Phase.BLOCKED)

#: Columns to sort a list by.
ORDERS = ("name", "id", "creationDate", "modificationDate")


def record(snapshot: Snapshot, url: str) -> dict[str, Any]:
    """Return the record of an import, with all keys that the status page shows."""
    _, word, label = STATES[snapshot.phase]
    imported_at = None if snapshot.phase in NOT_STARTED else snapshot.submitted_at + snapshot.scenario.queued
    return {
        "id": int(snapshot.id),
        "creationDate": _milliseconds(snapshot.submitted_at),
        "modificationDate": _milliseconds(snapshot.changed_at),
        "creationOperator": 0,
        "modificationOperator": 0,
        "name": snapshot.file.title or f"import {snapshot.id}",
        "fileName": snapshot.file.name,
        "fileType": "CSV" if snapshot.file.name.lower().endswith(".csv") else "EXCEL",
        "owner": {"id": 265, "entityType": int(snapshot.file.content or TYPES[2])},
        "relatedEntityType": None,
        "importDate": None if imported_at is None else _milliseconds(imported_at),
        "userId": 4,
        "partnerDatasourceId": None,
        "mediumContextData": _medium_context(),
        "mediumContextDataJson": (
            "<com.thalamus.aaa.MediumContextData>\n <touchpointId>3</touchpointId>\n"
            " <asyncExcution>false</asyncExcution>\n</com.thalamus.aaa.MediumContextData>"
        ),
        **_counters(snapshot),
        "state": word,
        "percentageProcessed": snapshot.prorated(100),
        "totalToProcess": 0 if snapshot.phase in NOT_STARTED else snapshot.scenario.rows,
        "url": url,
        "fileImportType": None,
        "fileSize": snapshot.file.size,
        "analysisResult": None,
        "analysisResultJson": None,
        "stateInternationalizableKey": label.title().replace(" ", ""),
        "internationalizedState": label,
    }


def listing(
    imports: Sequence[Snapshot], query: Mapping[str, str], url: Callable[[Snapshot], str]
) -> dict[str, Any]:
    """Return the page of records that a query selects. Raise ValueError(field, code) for an invalid field."""
    page, size = _number(query, "page", 1), _number(query, "pageSize", 25)
    order = query.get("orderBy", "name")
    if order not in ORDERS:
        raise ValueError("orderBy", "InvalidFormat")
    is_wanted = _filter(query)
    records = [record(snapshot, url(snapshot)) for snapshot in imports if is_wanted(snapshot)]
    records.sort(key=lambda found: found[order], reverse=query.get("ascending", "true") == "false")
    return {"total": len(records), "imports": records[(page - 1) * size : page * size]}


def _filter(query: Mapping[str, str]) -> Callable[[Snapshot], bool]:
    """Return a predicate that applies all filters of a query."""
    state, first, last = _number(query, "state", 0), _day(query, "beginDate"), _day(query, "endDate")
    if (first is None) != (last is None):
        raise ValueError("endDate" if last is None else "beginDate", "Required")

    def is_wanted(snapshot: Snapshot) -> bool:
        created = utc_datetime(snapshot.submitted_at).date()
        return (
            state in (0, STATES[snapshot.phase][0])
            and query.get("type") in (None, snapshot.file.content)
            and query.get("name") in (None, snapshot.file.title)
            and (query.get("withErrors") != "true" or _counters(snapshot)["rowsWithErrors"] > 0)
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


def _counters(snapshot: Snapshot) -> dict[str, int]:
    bad, skipped = snapshot.prorated(snapshot.scenario.rejected), snapshot.prorated(snapshot.scenario.skipped)
    # A file in the wrong format is not processed: only its rejected rows are counted.
    rows = bad + skipped if snapshot.phase is Phase.FAILED else snapshot.rows_done
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
