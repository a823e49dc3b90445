"""What a user of the sandbox may write: fields are read here, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["COUNT", "SECONDS", "TEXT", "Kind", "UsageError", "one_of", "optional", "read", "read_one"]


class UsageError(ValueError):
    """The sandbox was asked for something that it cannot do; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field takes: in words, by example, and how it is read."""

    takes: str
    example: str
    read: Callable[[Any], Any]


def read(fields: Mapping[str, Any], kinds: Mapping[str, Kind]) -> dict[str, Any]:
    """Read each field as its kind says. Headers bring texts, JSON brings numbers: both are taken."""
    for name in fields:
        if name not in kinds:
            raise UsageError(f"{name}: there is no such field. Use {', '.join(kinds)}.")
    return {name: read_one(name, value, kinds[name]) for name, value in fields.items()}


def read_one(name: str, value: Any, kind: Kind) -> Any:
    """Read one field as its kind says."""
    try:
        return kind.read(value)
    except ValueError:
        raise UsageError(f"{name} takes {kind.takes}, not {value!r}. Write {name}={kind.example}.") from None


def optional(kind: Kind) -> Kind:
    """Return the kind that also takes null."""

    def read_optional(value: Any) -> Any:
        return None if value is None else kind.read(value)

    return Kind(f"{kind.takes}, or null", kind.example, read_optional)


def one_of(choices: Iterable[str]) -> Kind:
    """Return the kind that takes one of a few words."""
    words = tuple(choices)
    return Kind(f"one of {', '.join(words)}", words[0], lambda value: words[words.index(value)])


def _seconds(value: Any) -> float:
    seconds = float(str(value))
    if not math.isfinite(seconds) or seconds < 0:
        raise ValueError
    return seconds


def _count(value: Any) -> int:
    count = int(str(value))
    if count < 0:
        raise ValueError
    return count


def _text(value: Any) -> str:
    if not isinstance(value, (str, int)) or not str(value):
        raise ValueError
    return str(value)


SECONDS = Kind("a number of seconds, 0 or more", "20", _seconds)
COUNT = Kind("a whole number, 0 or more", "3", _count)
TEXT = Kind("a text", "text", _text)
