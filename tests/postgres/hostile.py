"""Four vendors whose responses cannot be stored unchanged; the import id selects the response."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.network.servers import Seen, answer

#: A lone surrogate is valid JSON, but cannot be encoded.
SURROGATE = "Row 7 \ud83d is wrong."
ANSI = "Row 7\r\n\x1b[31mis\x1b[0m\x07 wrong\x9b2J.\u2028"
TEXTS = {"surrogate": SURROGATE, "ansi": ANSI}
#: Just below the maximum response size.
EMPTY_OBJECTS = f"[{'{},' * ((5 * 1024 * 1024 - 400) // 3)}{{}}]"

_ID = re.compile(r"(?:taskId=|status/|EntityImport/)([a-z0-9_]+-[a-z_]+-[a-z_]+)")


class HostileVendors:
    """A server script that responds like all four vendors."""

    def __init__(self) -> None:
        self._polls: Counter[str] = Counter()

    def __call__(self, seen: Seen) -> Iterable[bytes | float]:
        """Respond to a login, or to a poll according to the import id."""
        found = _ID.search(seen.target)
        if found is None:
            return answer(json.dumps({"access_token": "hostile-token", "expires_in": 3600}))
        kind, vendor, mode = found[1].split("-")
        self._polls[found[1]] += 1
        # The worker polls before deferring, but the triggerer should get the hostile response.
        if mode == "deferred" and self._polls[found[1]] == 1:
            return answer(json.dumps(_going_on(vendor)))
        return _hostile(kind, vendor, is_report=seen.target.endswith("/report"))


def _hostile(kind: str, vendor: str, is_report: bool) -> Iterable[bytes | float]:
    match kind.rsplit("_", 1):
        case [text, "refusal"] if text in TEXTS:
            return answer(json.dumps(_refusal(vendor, TEXTS[text])), 400)
        case [text, "failure"]:
            return answer(json.dumps(_failure(vendor, TEXTS[text], is_report)))
        case ["utf16", "page"]:
            return _raw(400, b"text/html; charset=utf-16", "<h1>Wrong \x00 page</h1>".encode("utf-16"))
        case ["latin1_type", "refusal"]:
            return _raw(400, b"text/html; name=caf\xe9", b"<h1>No</h1>")
        case ["latin1_type", "page"]:
            return _raw(200, b"text/html; name=caf\xe9", b"<h1>Welcome</h1>")
        case ["empty", "objects"]:
            return answer(json.dumps(_failure(vendor, "HOLE", is_report)).replace('["HOLE"]', EMPTY_OBJECTS))
    raise ValueError(f"There is no hostile answer {kind}")


def _raw(status: int, content_type: bytes, body: bytes) -> Iterable[bytes | float]:
    head = b"HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return [head % (status, content_type, len(body)) + body]


def _going_on(vendor: str) -> Any:
    return {
        "clear": {"success": True, "result": {"workflowStatus": "PROCESSING"}},
        "tao_advance": {"result": {"status": "pending"}},
        "zilliant": {"status": "RUNNING"},
        "thalamus": {"state": "PROCESSING"},
    }[vendor]


def _refusal(vendor: str, text: str) -> Any:
    return {
        "clear": {"status": 400, "success": False, "error": {"code": "400", "message": text}},
        "tao_advance": {"message": text},
        "zilliant": {"status": 400, "message": text},
        "thalamus": {"errors": {"import": [text]}},
    }[vendor]


def _failure(vendor: str, text: str, is_report: bool) -> Any:
    if vendor == "zilliant":
        return {"status": "FAILED", **({"message": text} if is_report else {})}
    return {
        "clear": {"success": True, "result": {"workflowStatus": "FAILED", **_activities(text)}},
        "tao_advance": {"result": {"status": "failed", "messages": [text]}},
    }[vendor]


def _activities(text: str) -> dict[str, Any]:
    if text == "HOLE":
        return {"activityStatusList": [text]}
    activity = {"stage": text, "ingestionTemplate": text, "status": "FAILURE", "errorMessage": text}
    return {"message": text, "activityStatusList": [activity]}
