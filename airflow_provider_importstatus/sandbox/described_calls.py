"""Requests that a description describes, against which the sandbox checks those that it gets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote

from aiohttp import web

from airflow_provider_importstatus.sandbox.fields import UsageError

__all__ = ["DescribedCall"]

IMPORT_ID = "{import_id}"
PLACEHOLDER = re.compile(r"\{(import_id|extra\.\w+)\}")
#: Described texts, each with what a request has in its place.
Places: TypeAlias = Sequence[tuple[str, str]]


class DescribedCall:
    """A call of a described vendor.

    :param described: the section of the description
    :param headers: the headers that it describes for all calls
    :param base: the path before the described one
    :param extras: the expected values of the connection's extras
    """

    def __init__(
        self,
        described: Mapping[str, Any],
        headers: Mapping[str, str],
        base: str,
        extras: Mapping[str, str],
    ) -> None:
        self._path = base + described["path"]
        self._query = {name: _text(value) for name, value in (described.get("query") or {}).items()}
        self._json = described.get("json")
        self._headers = headers
        self._extras = {f"extra.{name}": value for name, value in extras.items()}

    @property
    def route_path(self) -> str:
        """The path as a pattern of the web framework, in which placeholders match one segment."""
        parts = PLACEHOLDER.split(self._path)[::2]
        return "".join(f"{part}{{part{index}:[^/]+}}" for index, part in enumerate(parts[:-1])) + parts[-1]

    def sent_id(self, request: web.Request) -> str | None:
        """Return the import id in the path or the query of a request."""
        return self._id_in(self._url_places(request))

    async def read_id(self, request: web.Request, key_parameter: str = "") -> str:
        """Return the import id in a request that is exactly as described.

        :param key_parameter: a parameter that carries the credential
        :raises UsageError: the request differs
        """
        body = await self._read_body(request)
        import_id = self._id_in([*self._url_places(request), *_text_places(self._json, body)])
        if import_id is None:
            raise UsageError("The request has no import id where the description has it.")
        values = {**self._extras, "import_id": import_id}
        path, query = _filled(self._path, values), _filled(self._query, values)
        if _segments(request) != [_filled(part, values) for part in self._path.split("/")]:
            raise UsageError(f"The path must be {path}.")
        if {name: value for name, value in request.query.items() if name != key_parameter} != query:
            raise UsageError(f"The query must be {query}.")
        for name, value in _filled(self._headers, values).items():
            if request.headers.get(name) != value:
                raise UsageError(f"The header {name} must be {value!r}.")
        if body != _filled(self._json, values):
            raise UsageError(f"The JSON body must be {_filled(self._json, values)}.")
        return import_id

    async def _read_body(self, request: web.Request) -> Any:
        if self._json is None:
            return None
        try:
            return await request.json()
        except ValueError:
            raise UsageError("The body must be JSON.") from None

    def _url_places(self, request: web.Request) -> Places:
        path = zip(self._path.split("/"), _segments(request), strict=False)
        return [*path, *((text, request.query.get(name, "")) for name, text in self._query.items())]

    def _id_in(self, places: Places) -> str | None:
        for template, text in places:
            if IMPORT_ID in template and (found := _pattern(template, self._extras).fullmatch(text)):
                return found["import_id"]
        return None


def _segments(request: web.Request) -> list[str]:
    return [unquote(segment) for segment in request.rel_url.raw_path.split("/")]


def _pattern(template: str, extras: Mapping[str, str]) -> re.Pattern[str]:
    before, *others = (re.escape(_filled(part, extras)) for part in template.split(IMPORT_ID))
    return re.compile(before + "(?P<import_id>.+)" + "(?P=import_id)".join(others))


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: values[found[1]], value)
    if isinstance(value, Mapping):
        return {name: _filled(part, values) for name, part in value.items()}
    return [_filled(part, values) for part in value] if isinstance(value, list) else value


def _text_places(template: Any, body: Any) -> Places:
    if isinstance(template, str) and isinstance(body, str):
        return [(template, body)]
    if isinstance(template, Mapping) and isinstance(body, Mapping):
        return [pair for name in template for pair in _text_places(template[name], body.get(name))]
    if isinstance(template, list) and isinstance(body, list):
        return [pair for parts in zip(template, body, strict=False) for pair in _text_places(*parts)]
    return []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
