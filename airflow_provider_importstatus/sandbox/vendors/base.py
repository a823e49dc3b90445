"""What every fake vendor has: routes, imports, the tokens that it has issued, a way to say an error."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from aiohttp import web

from airflow_provider_importstatus.sandbox.course import HEADER, parse_header, read_course
from airflow_provider_importstatus.sandbox.imports import File, Imports, Snapshot
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["UNDOCUMENTED_WORD", "Route", "Tokens", "Vendor", "read_form", "read_json", "size_of", "utc"]

#: A state that is in no vendor's documents.
UNDOCUMENTED_WORD = "HIBERNATING"


@dataclass(frozen=True, slots=True)
class Route:
    """One call of a vendor's API, by the name that counts and faults use."""

    name: str
    method: str
    path: str
    answer: Callable[[web.Request], Awaitable[web.Response]]


class Tokens:
    """The tokens that a vendor has issued, each with what it stands for, until it expires."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens: dict[str, tuple[object, float]] = {}

    def issue(self, token: str, meaning: object) -> float:
        """Let a token in from now on; return when it expires."""
        expires_at = self._world.clock() + self._world.token_seconds
        self._tokens[token] = (meaning, expires_at)
        return expires_at

    def meaning(self, token: str) -> object | None:
        """Return what a token stands for: None if it is unknown, revoked or expired."""
        meaning, expires_at = self._tokens.get(token, (None, 0.0))
        return meaning if self._world.clock() < expires_at else None

    def clear(self) -> None:
        """Revoke them all."""
        self._tokens.clear()


class Vendor(ABC):
    """One fake vendor."""

    name: ClassVar[str]

    def __init__(self, world: World) -> None:
        self.world = world
        self.imports = Imports(world.clock)
        self.tokens = Tokens(world)

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the calls that it answers."""

    @abstractmethod
    def error(self, route: str, status: int) -> web.Response:
        """Say an HTTP status on this route in the vendor's own shape."""

    def start(self, fields: Mapping[str, Any], file: File, import_id: str | None = None) -> Snapshot:
        """Start an import on the course that the fields describe."""
        return self.imports.add(import_id or self.new_id(), read_course(self.name, fields), file)

    def submitted(self, request: web.Request, file: File) -> Snapshot:
        """Start the import that a request submits, on the course that its header chooses."""
        return self.start(parse_header(request.headers.get(HEADER, "")), file)

    def new_id(self) -> str:
        """Return an id for the next import."""
        return str(uuid.uuid4())

    def reset(self) -> None:
        """Forget everything that has happened."""
        self.imports.clear()
        self.tokens.clear()


async def read_form(request: web.Request) -> Mapping[str, str | web.FileField]:
    """Return the fields of a form, urlencoded or multipart; none if the body is no form."""
    try:
        form = await request.post()
    except ValueError:
        return {}
    return {name: value for name, value in form.items() if isinstance(value, (str, web.FileField))}


async def read_json(request: web.Request) -> Mapping[str, Any]:
    """Return the body's JSON object; an empty one if it is anything else."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def utc(timestamp: float) -> datetime:
    """Return a time in UTC without its fraction of a second, for vendors that print it so."""
    return datetime.fromtimestamp(timestamp, UTC).replace(microsecond=0)


def size_of(file: web.FileField) -> int:
    """Return how many bytes were uploaded."""
    return len(file.file.read())
