"""Search for secrets in any text, however they are written there.

All secrets of one search begin and end with the same marker, which occurs nowhere else: whoever writes the
first half of a secret writes the marker.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote, quote_plus

__all__ = ["Hit", "Search"]

#: Characters of a text that are shown around a secret.
AROUND = 90
#: Longest secret between its two markers.
LONGEST = 80
NAME = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True)
class Hit:
    """A secret that was found.

    :param place: the file, table column or address whose text holds it
    :param form: how it is written there
    :param text: what surrounds it, without it
    """

    place: str
    form: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.form}: {self.text}"


class Search:
    """Finds secrets with one marker."""

    def __init__(self) -> None:
        # A slash, a quote and a plus sign are written in another way in URLs, in JSON and in forms.
        self.marker = f'{secrets.token_hex(3)}/"{secrets.token_hex(3)}+'
        self._forms = forms(self.marker)
        # JSON in JSON in a `repr` has many backslashes.
        self._backslashed = re.compile(re.escape(self.marker).replace("/", r"\\*/").replace('"', r'\\*"'))
        longest_first = sorted(self._forms, key=len, reverse=True)
        any_form = "|".join([self._backslashed.pattern, *map(re.escape, longest_first)])
        inner = f".{{0,{LONGEST}}}"
        self._secret = re.compile(f"(?:{any_form})(?:({inner}?)(?:{any_form})|{inner})", re.DOTALL)

    def secret(self, name: str) -> str:
        """Return a secret whose name is shown when it is found."""
        return f"{self.marker}{name}{self.marker}"

    def find(self, place: str, text: str) -> list[Hit]:
        """Return the first hit of each form in a text."""
        begins = {form: text.find(written) for written, form in self._forms.items() if written in text}
        if "plain" not in begins and (found := self._backslashed.search(text)):
            begins["escaped with backslashes"] = found.start()
        return [Hit(place, form, self._around(text, begin)) for form, begin in begins.items()]

    def names(self, text: str) -> set[str]:
        """Return the names of the secrets that are legible in a text."""
        return {found[1] for found in self._secret.finditer(text) if found[1] and NAME.fullmatch(found[1])}

    def _around(self, text: str, begin: int) -> str:
        before = text[max(0, begin - AROUND) : begin]
        after = self._secret.sub(_cut, text[begin : begin + LONGEST + 2 * AROUND])
        # What is left of a secret whose end is beyond the window may hold its second marker.
        return " ".join(f"{self._secret.sub(_cut, before)}{after[:AROUND]}".split())


def _cut(found: re.Match[str]) -> str:
    """Return what stands for a secret: its name, if that is legible."""
    name = found[1] or ""
    return f"<{name}>" if NAME.fullmatch(name) else "<secret>"


def forms(text: str) -> Mapping[str, str]:
    """Return all ways to write a text, each with its name."""
    written: dict[str, str] = {}
    for name, escaped in _escaped(text):
        written.setdefault(escaped, name)
        for encoding, encoded in _encoded(escaped.encode()):
            written.setdefault(encoded, f"{encoding} of {name}")
    return written


def _escaped(text: str) -> Iterator[tuple[str, str]]:
    yield "plain", text
    for name, escaped in (
        ("percent-encoded", quote(text, safe="")),
        ("percent-encoded path", quote(text)),
        ("percent-encoded form", quote_plus(text, safe="/")),
    ):
        yield name, escaped
        yield name, re.sub("%..", lambda found: found[0].lower(), escaped)
    yield "percent-encoded twice", quote(quote(text, safe=""), safe="")
    yield "JSON-escaped", json.dumps(text)[1:-1]
    yield "HTML-escaped", escape(text)
    yield "with doubled quotes", text.replace('"', '""')


def _encoded(data: bytes) -> Iterator[tuple[str, str]]:
    yield "hex", data.hex()
    yield "hex", data.hex().upper()
    for alignment in range(3):
        # Characters that also depend on what precedes and follows are left out.
        first, end = (0, 2, 3)[alignment], (alignment + len(data)) * 8 // 6
        encoded = base64.b64encode(b"\0" * alignment + data).decode()[first:end]
        yield f"base64, alignment {alignment}", encoded
        yield f"base64, alignment {alignment}", encoded.replace("+", "-").replace("/", "_")
