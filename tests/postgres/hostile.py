"""Vendors whose responses cannot be stored unchanged; the import id selects the response."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from functools import partial

from tests.network.servers import Seen, answer
from tests.vendors import SAMPLES

#: A lone surrogate is valid JSON, but cannot be encoded.
SURROGATE = "Row 7 \ud83d is wrong."
ANSI = "Row 7\r\n\x1b[31mis\x1b[0m\x07 wrong\x9b2J.\u2028"
TEXTS = {"surrogate": SURROGATE, "ansi": ANSI}
#: Just below the maximum response size.
EMPTY_OBJECTS = f"[{'{},' * ((5 * 1024 * 1024 - 400) // 3)}{{}}]"

_ID = re.compile(r"[/=]([a-z0-9_]+-[a-z_]+-[a-z_]+)")
#: A list in which nothing but `HOLE` is said.
_LIST = re.compile(r"""\[[^\[\]]*"HOLE"[^\[\]]*\]""")


class HostileVendors:
    """A server script that responds like all vendors."""

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
            return answer(json.dumps(SAMPLES[vendor].answer("running")))
        return _hostile(kind, vendor, is_report=seen.target.endswith("/report"))


def _hostile(kind: str, vendor: str, is_report: bool) -> Iterable[bytes | float]:
    failed = partial(SAMPLES[vendor].answer, "failed", is_report=is_report)
    match kind.rsplit("_", 1):
        case [text, "refusal"] if text in TEXTS:
            return answer(json.dumps(SAMPLES[vendor].refusal(TEXTS[text])), 400)
        case [text, "failure"]:
            return answer(json.dumps(failed(text=TEXTS[text])))
        case ["utf16", "page"]:
            return _raw(400, b"text/html; charset=utf-16", "<h1>Wrong \x00 page</h1>".encode("utf-16"))
        case ["latin1_type", "refusal"]:
            return _raw(400, b"text/html; name=caf\xe9", b"<h1>No</h1>")
        case ["latin1_type", "page"]:
            return _raw(200, b"text/html; name=caf\xe9", b"<h1>Welcome</h1>")
        case ["empty", "objects"]:
            return answer(_LIST.sub(EMPTY_OBJECTS, json.dumps(failed(text="HOLE"))))
    raise ValueError(f"There is no hostile answer {kind}")


def _raw(status: int, content_type: bytes, body: bytes) -> Iterable[bytes | float]:
    head = b"HTTP/1.1 %d Whatever\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
    return [head % (status, content_type, len(body)) + body]
