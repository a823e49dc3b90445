"""Types of the fields that users of the sandbox write, and the errors for fields that cannot be read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "COUNT",
    "SECONDS",
    "TEXT",
    "FieldType",
    "UsageError",
    "one_of",
    "optional",
    "read_field",
    "read_fields",
]


class UsageError(ValueError):
    """A request to the sandbox itself is invalid. The message says how to correct it."""


@dataclass(frozen=True, slots=True)
class FieldType:
    """The type of a field.

    :param expected: the valid values, in words
    :param example: a valid value
    :param parse: returns the parsed value, or raises `ValueError`
    """

    expected: str
    example: str
    parse: Callable[[Any], Any]


def read_fields(fields: Mapping[str, Any], types: Mapping[str, FieldType]) -> dict[str, Any]:
    """Parse each field by its type. Headers hold texts, JSON holds numbers: both are accepted."""
    for name in fields:
        if name not in types:
            raise UsageError(f"{name} is not a field. Use one of {', '.join(types)}.")
    return {name: read_field(name, value, types[name]) for name, value in fields.items()}


def read_field(name: str, value: Any, field_type: FieldType) -> Any:
    """Parse one field by its type."""
    try:
        return field_type.parse(value)
    except ValueError:
        raise UsageError(
            f"{name} must be {field_type.expected}, not {value!r}. Example: {name}={field_type.example}."
        ) from None


def optional(field_type: FieldType) -> FieldType:
    """Return the type that also accepts null."""

    def parse(value: Any) -> Any:
        return None if value is None else field_type.parse(value)

    return FieldType(f"{field_type.expected}, or null", field_type.example, parse)


def one_of(choices: Iterable[str]) -> FieldType:
    """Return the type that accepts only these words."""
    words = tuple(choices)
    return FieldType(f"one of {', '.join(words)}", words[0], lambda value: words[words.index(value)])


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


SECONDS = FieldType("a number of seconds, 0 or more", "20", _seconds)
COUNT = FieldType("a whole number, 0 or more", "3", _count)
TEXT = FieldType("a text", "text", _text)
