"""The JSON object in an answer's body."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["Repeated", "parse"]

#: Vendors' answers are nested five deep. From Python 3.12 on, JSON is read far deeper than Python calls go.
MAX_DEPTH = 50
#: Objects and lists: a message for each of 100,000 faulty lines, with two brackets in it, is the most likely.
MAX_BRACKETS = 200_000


class Repeated(list[Any]):
    """The values of a key that stood in one JSON object more than once."""


def parse(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object; None where the body is anything else, or has too many or too deep parts.

    Keys that stand there twice lose nothing: their values become a list.
    """
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > MAX_BRACKETS:
        return None
    try:
        data = json.loads(body, object_pairs_hook=_all_pairs)
    except (ValueError, RecursionError):
        return None
    # What opens few brackets is not deep.
    is_shallow = isinstance(data, dict) and (brackets <= MAX_DEPTH or not _is_deep(data))
    return data if is_shallow else None


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level if isinstance(whole, (dict, list)) for part in _parts(whole)]
        if not level:
            return False
    return True


def _parts(whole: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return whole.values() if isinstance(whole, dict) else whole


def _all_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key not in data:
            data[key] = value
        elif isinstance(data[key], Repeated):
            data[key].append(value)
        else:
            data[key] = Repeated([data[key], value])
    return data
