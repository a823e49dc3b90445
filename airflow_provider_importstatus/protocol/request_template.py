"""Templates of a described vendor's requests: a path, a query and a JSON body with placeholders."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.messages import Request

__all__ = ["IMPORT_ID", "PLACEHOLDER", "RequestTemplate", "placeholders"]

IMPORT_ID, EXTRA = "import_id", "extra."
#: What is replaced: ``{import_id}``, or ``{extra.name}`` with an extra of the connection.
PLACEHOLDER = re.compile(r"\{(import_id|extra\.[A-Za-z][A-Za-z0-9_]{0,49})\}")


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """A request below the base URL, without a credential.

    :param path: begins with a slash
    :param json: the JSON body; None for none
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None

    @property
    def placeholders(self) -> set[str]:
        """The names of all placeholders."""
        return {
            name
            for text in (self.path, *self.query.values(), *self.headers.values(), *_texts(self.json))
            for name in placeholders(text)
        }

    @property
    def extras(self) -> set[str]:
        """The names of the connection's extras that it contains."""
        return {name.removeprefix(EXTRA) for name in self.placeholders if name.startswith(EXTRA)}

    def render(self, values: Mapping[str, str]) -> Request:
        """Return the request with each placeholder replaced by its value.

        A value is quoted as a part of one path segment, as one query value, or as a JSON string; in a header
        it is not quoted.

        :raises ImportSettingsError: a value would change the path of the URL, or cannot stand in a header
        """
        path = _replaced(self.path, {name: quote(value, safe="") for name, value in values.items()})
        if any(segment in (".", "..") for segment in path.split("/")) or "//" in path:
            raise ImportSettingsError(
                "The import_id or an extra of the connection is empty or consists of dots, which would change"
                " the path of the URL. Check both. Nothing was sent."
            )
        query = "&".join(
            f"{quote(name, safe='')}={quote(_replaced(text, values), safe='')}"
            for name, text in self.query.items()
        )
        url = f"{path}?{query}" if query else path
        headers = {name: _header(name, text, values) for name, text in self.headers.items()}
        if self.json is None:
            return Request(self.method, url, _with_usual(headers))
        body = json.dumps(_filled(self.json, values)).encode()
        return Request(self.method, url, _with_usual(headers, "application/json"), body)


def _header(name: str, text: str, values: Mapping[str, str]) -> str:
    value = _replaced(text, values)
    if not (value.isascii() and value.isprintable()):
        raise ImportSettingsError(
            f"An extra of the connection contains characters not allowed in the header {name}. Use printable"
            " ASCII characters. Nothing was sent."
        )
    return value


def _with_usual(headers: Mapping[str, str], content_type: str = "") -> dict[str, str]:
    usual = {"Accept": "application/json", **({"Content-Type": content_type} if content_type else {})}
    own = {name.lower() for name in headers}
    return {**{name: value for name, value in usual.items() if name.lower() not in own}, **headers}


def placeholders(text: str) -> list[str]:
    """Return the names of the placeholders in a text."""
    return PLACEHOLDER.findall(text)


def _replaced(text: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    # The depth of descriptions is limited.
    if isinstance(value, str):
        return _replaced(value, values)
    if isinstance(value, Mapping):
        return {name: _filled(part, values) for name, part in value.items()}
    return [_filled(part, values) for part in value] if isinstance(value, list) else value


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)
