"""Reading of a description, key by key. Errors name the key and the remedy, and quote nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.expressions import Expression, InvalidExpressionError

__all__ = ["MAX_DEPTH", "Section", "Source", "is_number", "join", "walk"]

#: Maximum depth of a description; the format itself has four levels, besides a JSON body.
MAX_DEPTH = 20
#: Maximum number of keys and values: a document of the maximum size can hardly have more.
MAX_PARTS = 8192
#: Maximum length of a text, in characters: `notes` name sources.
MAX_TEXT_LENGTH = 4000
_SHOWABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a description is from, for error texts.

    :param name: such as "description 'hubspot'"
    :param lines: the line of each key, if it is from a file
    """

    name: str = "the description"
    lines: Mapping[str, int] = field(default_factory=dict)

    def error(self, key: str, fact: str, remedy: str) -> ImportSettingsError:
        """Return an error that names the key, the problem and the remedy, but no value.

        :param fact: what is wrong, such as "is missing"
        :param remedy: how to fix it, as an imperative
        """
        line = self.line_of(key)
        where = f"{self.name}, line {line}" if line else self.name
        subject = key or "the document"
        error = ImportSettingsError(f"{where[0].upper()}{where[1:]}: {subject} {fact}. To fix it, {remedy}.")
        error.key = key
        return error

    def line_of(self, key: str) -> int | None:
        """Return the line of a key, or of what contains it if the key itself is missing."""
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get(key)


class Section:
    """An object of a description; values are checked as they are read.

    :param values: the object
    :param key: its dotted key; empty for the whole description
    """

    def __init__(self, values: Any, key: str, source: Source) -> None:
        self.key = key
        self.source = source
        if not isinstance(values, Mapping):
            raise source.error(key, "is not an object", "give keys and values")
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def error(self, name: str, fact: str, remedy: str, index: int | None = None) -> ImportSettingsError:
        """Return an error about one of the keys; an empty name stands for the object itself.

        :param index: of the item, if the value is a list
        """
        key = join(self.key, name) if name else self.key
        return self.source.error(key if index is None else join(key, index), fact, remedy)

    def allow(self, *names: str) -> None:
        """Raise an error for any other key."""
        for name in self._values:
            if name not in names:
                similar = get_close_matches(str(name), names, n=1)
                meant = f"write {similar[0]}, or remove it" if similar else "remove it"
                raise self.error(name, "is not known here", f"{meant}; known are {', '.join(names)}")

    def require(self, *names: str) -> None:
        """Raise an error if one of these keys is missing."""
        for name in names:
            if name not in self:
                raise self.error(name, "is missing", "add it")

    def names(self) -> list[str]:
        """Return the keys."""
        for name in self._values:
            if not isinstance(name, str):
                raise self.error("", f"has a key of type {type(name).__name__}", "give texts as keys")
        return list(self._values)

    def get(self, name: str) -> Any:
        """Return any value; None if it is missing."""
        return self._values.get(name)

    def section(self, name: str) -> Section:
        """Return an object; an empty one if it is missing."""
        return Section(self._values.get(name) if name in self else {}, join(self.key, name), self.source)

    def items(self, name: str) -> list[Any]:
        """Return a list; an empty one if it is missing."""
        value = self._values.get(name)
        if value is not None and not isinstance(value, list):
            raise self.error(name, "is not a list", "write it as [first, second]")
        return value or []

    def text(self, name: str, default: str = "", *, pattern: str = "", remedy: str = "") -> str:
        """Return a text.

        :param pattern: a regular expression that it must match completely
        :param remedy: what to do if it does not match
        """
        value = self._values.get(name)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self.error(name, f"is of type {_type_name(value)}", "give a text, in quotes if need be")
        if len(value) > MAX_TEXT_LENGTH:
            raise self.error(name, f"has more than {MAX_TEXT_LENGTH} characters", "shorten it")
        if pattern and not re.fullmatch(pattern, value):
            raise self.error(name, "has an invalid value", remedy)
        return value

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of these texts."""
        value = self.text(name, default)
        if value not in choices:
            raise self.error(name, "has an unknown value", f"use one of {', '.join(choices)}")
        return value

    def number(self, name: str, default: float, minimum: float, maximum: float) -> float:
        """Return a number within these limits."""
        value = self._values.get(name)
        value = default if value is None else value
        if not is_number(value) or not minimum <= value <= maximum:
            raise self.error(name, "is no number within the limits", f"give {minimum:g} to {maximum:g}")
        return float(value)

    def expression(self, name: str) -> Expression | None:
        """Return a compiled JMESPath expression; None if it is missing."""
        text = self.text(name)
        if name not in self:
            return None
        try:
            return Expression.compile(join(self.key, name), text)
        except InvalidExpressionError as error:
            remedy = "correct it; https://jmespath.org explains the syntax"
            raise self.error(name, str(error), remedy) from None


def join(key: str, name: Any) -> str:
    """Return the dotted key of a part: `name` is the key in an object, or the index in a list."""
    if isinstance(name, int):
        return f"{key}[{name}]"
    # A name that is no identifier may be anything, even a secret in the wrong place.
    shown = name if isinstance(name, str) and _SHOWABLE.fullmatch(name) else "(a key)"
    return f"{key}.{shown}" if key else shown


def is_number(value: Any) -> bool:
    """Return whether a value is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def walk(document: Any, source: Source) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Return the dotted key, all names in it, and the value of each part of a JSON document, in order.

    :raises ImportSettingsError: it is too large, too deep, or not JSON
    """
    waiting: list[tuple[str, tuple[Any, ...], Any]] = [("", (), document)]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        key, names, value = waiting.pop()
        if len(names) > MAX_DEPTH:
            raise source.error(key, f"is nested deeper than {MAX_DEPTH} levels", "remove levels")
        yield key, names, value
        if isinstance(value, Mapping | list):
            parts = list(value.items() if isinstance(value, Mapping) else enumerate(value))
            waiting += [(join(key, name), (*names, name), part) for name, part in reversed(parts)]
        elif not isinstance(value, str | int | float | bool | None):
            raise source.error(
                key, f"is of type {_type_name(value)}", "use texts, numbers, lists and objects"
            )
    raise source.error("", f"has more than {MAX_PARTS} parts", "shorten it")


def _type_name(value: Any) -> str:
    return {"dict": "object", "list": "list", "NoneType": "null"}.get(
        type(value).__name__, type(value).__name__
    )
