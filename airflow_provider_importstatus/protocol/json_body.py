"""Bounded parsing of JSON response bodies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

__all__ = ["Repeated", "parse"]

#: Vendors' responses are nested five deep. Python 3.12 and later parse JSON far deeper than calls can nest.
MAX_DEPTH = 50
#: Maximum number of objects and lists: enough for messages with two brackets for 100,000 faulty lines.
MAX_BRACKETS = 200_000


class Repeated(list[Any]):
    """The values of a key that occurs more than once in one JSON object."""


def parse(body: bytes) -> dict[str, Any] | list[Any] | None:
    """Return the JSON object or list; None if the body is anything else, too deep, or has too many parts.

    The values of a repeated key become a list.
    """
    brackets = body.count(b"{") + body.count(b"[")
    if brackets > MAX_BRACKETS:
        return None
    try:
        data = json.loads(body, object_pairs_hook=_all_pairs)
    except (ValueError, RecursionError):
        return None
    # Few brackets cannot nest deeply.
    is_shallow = isinstance(data, dict | list) and (brackets <= MAX_DEPTH or not _is_deep(data))
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
