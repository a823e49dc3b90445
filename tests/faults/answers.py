"""What the vendors answer when nothing is wrong: described ones as written here, the others by their samples.

Marketo has no part: it is polled every five seconds at most, and a campaign would take minutes longer.
"""

from __future__ import annotations

from typing import Any

from tests.vendors import SAMPLES
from tests.vendors.samples import UNDOCUMENTED, Contents

__all__ = ["BUILT_IN", "ENDS", "GOING_ON", "VENDORS", "answer", "not_found", "refusal"]

BUILT_IN = tuple(vendor for vendor in SAMPLES if vendor != "import_api")
#: States in which the wait goes on; of an unknown word, too.
GOING_ON = ("running", "unknown")

#: Described vendors go by the name of their description.
_WORDS: dict[str, dict[str, str]] = {
    "hubspot": {
        "running": "PROCESSING",
        "succeeded": "DONE",
        "partial": "DONE",
        "failed": "FAILED",
        "cancelled": "CANCELED",
    },
    "klaviyo": {
        "running": "processing",
        "succeeded": "complete",
        "partial": "complete",
        "cancelled": "cancelled",
    },
    "salesforce_bulk": {
        "running": "InProgress",
        "succeeded": "JobComplete",
        "partial": "JobComplete",
        "failed": "Failed",
        "cancelled": "Aborted",
    },
    "canvas": {
        "running": "importing",
        "succeeded": "imported",
        "partial": "imported",
        "failed": "failed",
        "cancelled": "aborted",
    },
    "sendgrid": {"running": "pending", "succeeded": "completed", "partial": "errored", "failed": "failed"},
    "auth0": {"running": "pending", "succeeded": "completed", "partial": "completed", "failed": "failed"},
    "zendesk": {"running": "working", "succeeded": "completed", "partial": "completed", "failed": "failed"},
}
#: The final states that each vendor has.
ENDS: dict[str, tuple[str, ...]] = {
    vendor: tuple(state for state in words if state != "running")
    for vendor, words in {**{vendor: SAMPLES[vendor].words for vendor in BUILT_IN}, **_WORDS}.items()
}
VENDORS = tuple(ENDS)
#: Of the wrong type for any field that is a text, a number, a date or a list.
_ODD: tuple[Any, ...] = ({"a": [1]}, True, -1, 1e300, "x\x00y", [[], {}], 10**30)


def answer(vendor: str, state: str, *, odd: int | None = None, **more: Any) -> dict[str, Any]:
    """Return the answer to a poll of an import in this state.

    :param odd: give all fields that do not decide about the state values of wrong types, by this number
    :param more: further `Contents`
    """
    if odd is not None:
        more["value"] = lambda _: _ODD[odd % len(_ODD)]
    if vendor in BUILT_IN:
        return SAMPLES[vendor].answer(state, **more)
    word = _WORDS[vendor].get(state, UNDOCUMENTED)
    return _described(vendor, Contents(**{"state": state, "word": word, **more}))


def _described(vendor: str, contents: Contents) -> dict[str, Any]:
    word, text, failed, value = contents.word, contents.text, contents.failed, contents.value
    match vendor:
        case "hubspot":
            counters = {"TOTAL_ROWS": value(120), "ERRORS": failed}
            more = {"createdAt": value("2026-01-01T00:00:00Z"), "message": value(text)}
            return {"state": word, "metadata": {"counters": counters}, **more}
        case "klaviyo":
            counts = {"total_count": value(120), "completed_count": value(60), "failed_count": failed}
            more = {"started_at": value("2026-01-01T00:00:00Z"), "completed_at": value(None)}
            errors = value([{"detail": text}])
            return {"data": {"attributes": {"status": word, **counts, **more}}, "errors": errors}
        case "salesforce_bulk":
            counts = {"numberRecordsProcessed": value(120), "numberRecordsFailed": failed}
            more = {"createdDate": value("2026-01-01T00:00:00.000+0000"), "errorMessage": value(text)}
            return {"state": word, **counts, **more}
        case "canvas":
            counts = {"error_count": failed, "users": value(120)}
            more = {"progress": value(50), "created_at": value("2026-01-01T00:00:00Z")}
            told = {"processing_warnings": value([["users.csv", text]]), "errors_attachment": value(None)}
            return {"workflow_state": word, "data": {"counts": counts}, **more, **told}
        case "sendgrid":
            counts = {"requested_count": value(120), "created_count": value(60), "errored_count": failed}
            more = {"started_at": value("2026-01-01T00:00:00Z"), "errors": value([{"message": text}])}
            return {"id": value("x"), "status": word, "results": counts, **more}
        case "auth0":
            counts = {"failed": failed, "total": value(120), "inserted": value(100), "updated": value(None)}
            more = {"percentage_done": value(50), "status_details": value(text), "created_at": value(None)}
            return {"status": word, "summary": counts, **more}
        case "zendesk":
            items = [{"index": 7, "error": "PermissionDenied", "details": text}] * failed
            more = {"total": value(120), "progress": value(60), "message": value(text)}
            return {"job_status": {"status": word, "results": items, **more}}
    raise ValueError(vendor)


def not_found(vendor: str) -> tuple[int, dict[str, Any]]:
    """Return status and body of the answer for an import that does not exist."""
    return SAMPLES.get(vendor, SAMPLES["import_api"]).not_found


def refusal(vendor: str, text: str) -> dict[str, Any]:
    """Return the body of the answer to a request that is wrong."""
    return SAMPLES.get(vendor, SAMPLES["import_api"]).refusal(text)
