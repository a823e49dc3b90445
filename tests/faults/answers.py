"""What the vendors answer when nothing is wrong, written from their documentation and not from the hooks.

Marketo has no part: it is polled every five seconds at most, and a campaign would take minutes longer.
"""

from __future__ import annotations

from typing import Any

__all__ = ["ENDS", "GOING_ON", "VENDORS", "answer", "not_found", "refusal"]

#: The final states that each vendor has. Described vendors go by the name of their description.
ENDS: dict[str, tuple[str, ...]] = {
    "clear": ("succeeded", "partial", "failed"),
    "tao_advance": ("succeeded", "partial", "failed"),
    "zilliant": ("succeeded", "partial", "failed"),
    "thalamus": ("succeeded", "partial", "failed", "cancelled"),
    "hubspot": ("succeeded", "partial", "failed", "cancelled"),
    "klaviyo": ("succeeded", "partial", "cancelled"),
    "salesforce_bulk": ("succeeded", "partial", "failed", "cancelled"),
    "canvas": ("succeeded", "partial", "failed", "cancelled"),
    "sendgrid": ("succeeded", "partial", "failed"),
    "auth0": ("succeeded", "partial", "failed"),
    "zendesk": ("succeeded", "partial", "failed"),
}
VENDORS = tuple(ENDS)
#: States in which the wait goes on; of an unknown word, too.
GOING_ON = ("running", "unknown")

_WORDS: dict[str, dict[str, str]] = {
    "clear": {"running": "PROCESSING", "succeeded": "SUCCESS", "failed": "FAILED"},
    "tao_advance": {"running": "pending", "succeeded": "processed", "failed": "failed"},
    "zilliant": {"running": "RUNNING", "succeeded": "SUCCEEDED", "failed": "FAILED"},
    "thalamus": {
        "running": "PROCESSING",
        "succeeded": "PROCESSED",
        "failed": "ERROR_IN_FILE_FORMAT",
        "cancelled": "CANCELED",
    },
    "hubspot": {"running": "PROCESSING", "succeeded": "DONE", "failed": "FAILED", "cancelled": "CANCELED"},
    "klaviyo": {"running": "processing", "succeeded": "complete", "cancelled": "cancelled"},
    "salesforce_bulk": {
        "running": "InProgress",
        "succeeded": "JobComplete",
        "failed": "Failed",
        "cancelled": "Aborted",
    },
    "canvas": {"running": "importing", "succeeded": "imported", "failed": "failed", "cancelled": "aborted"},
    "sendgrid": {"running": "pending", "succeeded": "completed", "partial": "errored", "failed": "failed"},
    "auth0": {"running": "pending", "succeeded": "completed", "failed": "failed"},
    "zendesk": {"running": "working", "succeeded": "completed", "failed": "failed"},
}
_REPORTS = {"succeeded": "SUCCESS", "partial": "PARTIAL_SUCCESS", "failed": "FAILED"}
#: Of the wrong type for any field that is a text, a number, a date or a list.
_ODD: tuple[Any, ...] = ({"a": [1]}, True, -1, 1e300, "x\x00y", [[], {}], 10**30)


def answer(
    vendor: str, state: str, *, text: str = "Row 7 is wrong.", is_report: bool = False, odd: int | None = None
) -> dict[str, Any]:
    """Return the answer to a poll of an import in this state.

    :param text: what the vendor says about the import, if it says anything in this state
    :param odd: give all fields that do not decide about the state values of wrong types, by this number
    """
    words = {"partial": _WORDS[vendor]["succeeded"], **_WORDS[vendor]}
    word = words.get(state, "ARCHIVED")
    failed = 3 if state == "partial" else 0
    messages = [] if state == "succeeded" else [text]
    plain: Any = None if odd is None else _ODD[odd % len(_ODD)]

    def value(usual: Any) -> Any:
        return usual if odd is None else plain

    match vendor:
        case "clear":
            activity = {"partial": "PARTIAL_SUCCESS", "failed": "FAILURE"}.get(state, "SUCCESS")
            stage = {
                "stage": value("VALIDATE"),
                "ingestionTemplate": value("SALES"),
                "status": activity,
                "errorMessage": value(text if activity != "SUCCESS" else "NA"),
            }
            result = {"taskId": value(None), "workflowStatus": word, "message": value("NA")}
            return {"success": True, "result": {**result, "activityStatusList": [stage]}}
        case "tao_advance":
            told = messages if state == "succeeded" else value(messages)
            return {"result": {"status": word, "messages": told, "fileLine": value(120)}}
        case "zilliant" if is_report:
            counts = {"processedRows": value(120), "failedRows": value(failed)}
            return {"status": _REPORTS.get(state, "SUCCESS"), "message": value(text), **counts}
        case "zilliant":
            dates = {"startDate": value("2026-01-01T00:00:00Z"), "stopDate": value("2026-01-01T00:00:00Z")}
            return {"entityImportId": value(None), "status": word, **dates}
        case "thalamus":
            told = {"id": value(None), "url": value("https://files.example/a?sig=s"), "rows": value(120)}
            dates = {"creationDate": value(1757507096000), "modificationDate": value(1757507205000)}
            return {
                "state": word,
                "rowsWithErrors": failed,
                "percentageProcessed": value(50),
                **told,
                **dates,
            }
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
    match vendor:
        case "clear":
            return 200, {"success": True, "result": None}
        case "thalamus":
            return 400, {"errors": {"ProcessorInfo": "InvalidID"}}
    return 404, {"message": "There is no such import."}


def refusal(vendor: str, text: str) -> dict[str, Any]:
    """Return the body of the answer to a request that is wrong."""
    match vendor:
        case "clear":
            return {"status": 400, "success": False, "error": {"code": "400", "message": text}}
        case "thalamus":
            return {"errors": {"import": [text]}}
    return {"status": 400, "message": text}
