"""Base class of the simulated vendors, and what their modules share."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from aiohttp import web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.fields import COUNT, TEXT, FieldType
from airflow_provider_importstatus.sandbox.imports import File, Imports, Snapshot
from airflow_provider_importstatus.sandbox.routes import Route
from airflow_provider_importstatus.sandbox.scenario import (
    SCENARIO_HEADER,
    ScenarioField,
    ScenarioSupport,
    parse_first_line,
    parse_header,
    read_scenario,
)
from airflow_provider_importstatus.sandbox.state import SandboxState

__all__ = [
    "REPORT_FIELDS",
    "UNDOCUMENTED_STATE",
    "Tokens",
    "Vendor",
    "oauth_error",
    "read_form",
    "read_json",
    "utc_datetime",
]

#: A state that no vendor documents.
UNDOCUMENTED_STATE = "HIBERNATING"
#: Scenario fields of vendors with error reports: the size of a report.
REPORT_FIELDS = {"report_kib": ScenarioField(COUNT, default=0)}


class Tokens:
    """The tokens that a vendor has issued, each with its grant, until they expire."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._tokens: dict[str, tuple[object, float]] = {}

    def issue(self, token: str, grant: object) -> float:
        """Make a token valid; return when it expires."""
        expires_at = self._state.clock() + self._state.token_seconds
        self._tokens[token] = (grant, expires_at)
        return expires_at

    def grant(self, token: str) -> object | None:
        """Return the grant of a token, or None if the token is unknown, revoked or expired."""
        grant, expires_at = self._tokens.get(token, (None, 0.0))
        return grant if self._state.clock() < expires_at else None

    def clear(self) -> None:
        """Revoke all tokens."""
        self._tokens.clear()


class Vendor(ABC):
    """A simulated vendor. A subclass holds all that is particular to it.

    The class attributes of a subclass:

    * ``name``: the connection type, or the name of its description
    * ``title``: the vendor's name in texts
    * ``import_id_type``: the type of its import ids
    * ``scenario_support``: what scenarios may contain beyond the common fields
    * ``credential_headers``: request headers of its own that carry credentials
    * ``extra_credentials``: sentences about credentials that are not in its connection
    """

    name: ClassVar[str]
    title: ClassVar[str]
    import_id_type: ClassVar[FieldType] = TEXT
    scenario_support: ClassVar[ScenarioSupport] = ScenarioSupport()
    credential_headers: ClassVar[tuple[str, ...]] = ()
    extra_credentials: ClassVar[tuple[str, ...]] = ()

    def __init__(self, state: SandboxState) -> None:
        self.state = state
        self.imports = Imports(state.clock)
        self.tokens = Tokens(state)

    @abstractmethod
    def routes(self) -> Sequence[Route]:
        """Return the calls of the vendor's API."""

    @abstractmethod
    def error(self, route: str, status: int) -> web.Response:
        """Return the error response for an HTTP status on a route, in the vendor's own format."""

    @abstractmethod
    def connection(self, url: str) -> dict[str, Any]:
        """Return an Airflow connection to the vendor at this base URL, in Airflow's JSON form."""

    def start(self, fields: Mapping[str, Any], file: File, import_id: str | None = None) -> Snapshot:
        """Start an import with the scenario that the fields describe."""
        scenario = read_scenario(self.name, fields, self.state.scenario_support)
        return self.imports.add(import_id or self.new_id(), scenario, file)

    def start_from_request(self, request: web.Request, file: File) -> Snapshot:
        """Start an import with the scenario that the request's header and the file's first line choose.

        The header takes precedence, field by field.
        """
        chosen = parse_header(request.headers.get(SCENARIO_HEADER, ""))
        return self.start({**parse_first_line(file.first_line), **chosen}, file)

    def share(self, snapshot: Snapshot, name: str, file: CsvFile, seconds: int) -> str:
        """Store a file of an import, and return a URL that allows its download for that many seconds."""
        path = f"/{self.name}/{snapshot.id}/{name}"
        self.state.storage.store(path, file)
        return self.state.storage.sign("GET", path, seconds)

    def new_id(self) -> str:
        """Return an unused import id."""
        return str(uuid.uuid4())

    def reset(self) -> None:
        """Forget all imports and tokens."""
        self.imports.clear()
        self.tokens.clear()


async def read_form(request: web.Request) -> Mapping[str, str | web.FileField]:
    """Return the fields of a urlencoded or multipart form; an empty mapping for any other body."""
    try:
        form = await request.post()
    except ValueError:
        return {}
    return {name: value for name, value in form.items() if isinstance(value, (str, web.FileField))}


async def read_json(request: web.Request) -> Mapping[str, Any]:
    """Return the JSON object in the body; an empty one for any other body."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def oauth_error(status: int, error: str, description: str = "") -> web.Response:
    """Return an OAuth error response (RFC 6749, section 5.2)."""
    body = {"error": error, "error_description": description or error.replace("_", " ")}
    return web.json_response(body, status=status)


def utc_datetime(timestamp: float) -> datetime:
    """Return a time in UTC, truncated to whole seconds."""
    return datetime.fromtimestamp(timestamp, UTC).replace(microsecond=0)
