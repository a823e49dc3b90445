"""Vendors that a description describes: as strict as it is, with its paths, words and credentials.

A description does not say how a file is submitted, so the submit call is the sandbox's own.
"""

from __future__ import annotations

import base64
import itertools
import json
import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from aiohttp import web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.described_answers import AnswerBook, Facts, UnplayableError
from airflow_provider_importstatus.sandbox.described_calls import PLACEHOLDER, DescribedCall
from airflow_provider_importstatus.sandbox.fields import COUNT, UsageError
from airflow_provider_importstatus.sandbox.imports import Snapshot
from airflow_provider_importstatus.sandbox.routes import RequestRejected, Route
from airflow_provider_importstatus.sandbox.scenario import (
    Phase,
    ScenarioField,
    ScenarioSupport,
    rejection_messages,
)
from airflow_provider_importstatus.sandbox.state import SandboxState
from airflow_provider_importstatus.sandbox.uploads import read_body, read_form_file
from airflow_provider_importstatus.sandbox.vendors.base import (
    REPORT_FIELDS,
    Vendor,
    oauth_error,
    read_form,
    utc_datetime,
)

__all__ = ["described_vendor"]

#: Lifetime of an error report's URL in seconds.
REPORT_SECONDS = 3600
#: The path of the token call, if the description leaves it to the connection.
TOKEN_PATH = "/oauth/token"
SUBMIT_PATH = "/_sandbox/imports"
#: What is played instead of a phase for which there is no answer.
INSTEAD = {
    Phase.QUEUED: (Phase.RUNNING, Phase.UNKNOWN),
    Phase.RUNNING: (Phase.QUEUED, Phase.UNKNOWN),
    Phase.CANCELLED: (Phase.FAILED, Phase.UNKNOWN),
}
#: Of each of these, one must be playable.
NEEDED = ((Phase.UNKNOWN, Phase.QUEUED, Phase.RUNNING), (Phase.SUCCEEDED, Phase.PARTIAL))


def described_vendor(
    document: Mapping[str, Any], reference: str | Mapping[str, Any] | None = None
) -> type[Vendor]:
    """Return the vendor that a description describes.

    :param document: the description, which must be valid
    :param reference: what connections have as their extra `description`; the document by default
    :raises UsageError: its answers about imports cannot be played
    """
    name, impossible = document["name"], _impossible_phases(document)
    for phases in NEEDED:
        reasons = [impossible.get(phase.value) for phase in phases]
        if all(reasons):
            raise UsageError(f"{name} cannot be played: {reasons[0]}")
    report = document.get("report") or {}
    fields = {"report_seconds": ScenarioField(COUNT, default=REPORT_SECONDS)} if report.get("url") else {}
    auth = document["auth"]
    members = {
        "__doc__": f"{name}, as its description says.",
        "name": name,
        "title": document.get("title") or name,
        "document": document,
        "reference": document if reference is None else reference,
        "scenario_support": ScenarioSupport(
            blocked=Phase.BLOCKED.value not in impossible,
            cancelled=Phase.CANCELLED.value not in impossible,
            fields={**REPORT_FIELDS, **fields} if report else {},
            impossible=impossible,
        ),
        "credential_headers": (auth["name"],) if auth.get("in") == "header" else (),
    }
    return type("Described", (DescribedVendor,), members)


def _impossible_phases(document: Mapping[str, Any]) -> dict[str, str]:
    """Return why phases cannot be played, by their names."""
    answers, impossible = AnswerBook(document), {}
    for phase in Phase:
        if phase is Phase.ABSENT:
            continue
        try:
            answers.status(phase, Facts(failed=3 if phase is Phase.PARTIAL else 0))
        except UnplayableError as error:
            impossible[phase.value] = str(error)
    return impossible


class DescribedVendor(Vendor):
    """A vendor with a description, one credential, and the default value of each extra."""

    document: ClassVar[Mapping[str, Any]]
    reference: ClassVar[str | Mapping[str, Any]]

    def __init__(self, state: SandboxState) -> None:
        super().__init__(state)
        self._answers = AnswerBook(self.document)
        self._auth: Mapping[str, Any] = self.document["auth"]
        self._base = f"/described/{self.name}"
        self._login, self._password = f"{self.name}-sandbox-login", f"{self.name}-sandbox-password"
        self._defaults = _extras(self.document)
        self._extras = {name: default or f"sandbox-{name}" for name, default in self._defaults.items()}
        self._numbers = itertools.count(1)

    def routes(self) -> Sequence[Route]:
        """Return the described calls, and the sandbox's own to submit a file."""
        calls = {
            "status": (self.document["status"], self.status),
            "cancel": (self.document.get("cancel") or {}, self.cancel),
            "report": (self.document.get("report") or {}, self.report),
        }
        routes = [
            self._route(name, call, respond) for name, (call, respond) in calls.items() if call.get("path")
        ]
        if self._auth["type"] == "oauth2_client_credentials":
            method = self._auth.get("method") or "POST"
            routes.append(Route("token", method, self._base + self._token_path(), self.token))
        routes.append(Route("submit", "POST", self._base + SUBMIT_PATH, self.submit))
        taken = [(route.method, route.path) for route in routes]
        if len(set(taken)) < len(taken):
            raise UsageError(
                f"{self.name} cannot be played: two of its calls have the same method and path. Remove cancel"
                " or report from a copy of the description."
            )
        return routes

    def _route(self, name: str, described: Mapping[str, Any], respond: Any) -> Route:
        headers = self.document["status"].get("headers") or {}
        call = DescribedCall(described, headers, self._base, self._extras)
        method = described.get("method") or ("POST" if name == "cancel" else "GET")
        return Route(name, method, call.route_path, partial(respond, call), call.sent_id)

    def error(self, route: str, status: int) -> web.Response:
        """Return an OAuth error on the token call, elsewhere JSON with a message."""
        if route == "token":
            return oauth_error(status, "server_error" if status >= 500 else "invalid_request")
        return web.json_response(self._answers.message(f"HTTP {status}"), status=status)

    def connection(self, url: str) -> dict[str, Any]:
        """Return a connection with the extras that have no default."""
        extra: dict[str, Any] = {"description": self.reference}
        extra |= {name: value for name, value in self._extras.items() if not self._defaults[name]}
        if self._auth["type"] == "oauth2_client_credentials":
            extra["token_url"] = self._token_path()
        return {
            "conn_type": "import_api",
            "host": url + self._base,
            "login": self._login,
            "password": self._password,
            "extra": extra,
        }

    def new_id(self) -> str:
        """Return an unused import id, which is a number if the description's missing one is."""
        missing = (self.document.get("import_id") or {}).get("missing") or ""
        return str(next(self._numbers)) if missing.isdigit() else super().new_id()

    async def token(self, request: web.Request) -> web.Response:
        """Issue a token for the client credentials grant (RFC 6749, section 4.4)."""
        form = request.query if request.method == "GET" else await read_form(request)
        if form.get("grant_type") != "client_credentials":
            return oauth_error(400, "unsupported_grant_type")
        if form.get("scope") != self._auth.get("scope"):
            return oauth_error(400, "invalid_scope")
        client = (form.get("client_id"), form.get("client_secret"))
        if self._auth.get("encoding") == "basic":
            is_client = request.headers.get("Authorization") == self._basic() and client == (None, None)
        else:
            is_client = client == (self._login, self._password)
        if not is_client:
            return oauth_error(401, "invalid_client")
        token = f"{self.name}-sandbox-token-{secrets.token_hex(16)}"
        self.tokens.issue(token, self._login)
        lifetime = int(self.state.token_seconds)
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": lifetime})

    async def submit(self, request: web.Request) -> web.Response:
        """Accept a file, as the body or as the part `file` of a form, and return the id of its import."""
        self._authenticate(request)
        is_form = request.content_type == "multipart/form-data"
        file = await read_form_file(request) if is_form else await read_body(request)
        if file is None:
            raise UsageError("The form must have one part, 'file'.")
        return web.json_response({"import_id": self.start_from_request(request, file).id}, status=201)

    async def status(self, call: DescribedCall, request: web.Request) -> web.Response:
        """Return the state of an import."""
        return self._status(await self._find(call, request))

    async def cancel(self, call: DescribedCall, request: web.Request) -> web.Response:
        """Cancel an import that has not ended, and return its state."""
        snapshot = await self._find(call, request)
        if snapshot.phase.is_final:
            return web.json_response(self._answers.message("The import has ended."), status=400)
        self.imports.cancel(snapshot.id)
        cancelled = self.imports.find(snapshot.id)
        return self._status(cancelled or snapshot)

    async def report(self, call: DescribedCall, request: web.Request) -> web.Response:
        """Return the rejected rows of an import that has ended."""
        snapshot = await self._find(call, request)
        messages = rejection_messages(snapshot.scenario) if snapshot.phase.is_final else []
        if self.document["report"].get("ext") == "json":
            return web.json_response([{"message": message} for message in messages])
        return CsvFile("error", messages, snapshot.scenario.extra["report_kib"]).response()

    def _status(self, snapshot: Snapshot) -> web.Response:
        phases = (snapshot.phase, *INSTEAD.get(snapshot.phase, ()))
        playable = [phase for phase in phases if phase.value not in self.scenario_support.impossible]
        if not playable:
            raise UsageError(self.scenario_support.impossible[snapshot.phase.value])
        return web.json_response(self._answers.status(playable[0], self._facts(snapshot)))

    def _facts(self, snapshot: Snapshot) -> Facts:
        scenario, is_final = snapshot.scenario, snapshot.phase.is_final
        rejected, skipped = snapshot.prorated(scenario.rejected), snapshot.prorated(scenario.skipped)
        has_failed = snapshot.phase is Phase.FAILED
        messages = ["The file could not be imported."] if has_failed else []
        return Facts(
            total=scenario.rows,
            succeeded=0 if has_failed else snapshot.rows_done - rejected - skipped,
            failed=rejected,
            skipped=skipped,
            done=snapshot.rows_done,
            messages=[*messages, *(rejection_messages(scenario) if is_final else ())],
            started_at=utc_datetime(snapshot.submitted_at).isoformat(),
            finished_at=utc_datetime(snapshot.changed_at).isoformat() if is_final else None,
            report_url=self._report_url(snapshot) if is_final and scenario.rejected else None,
        )

    def _report_url(self, snapshot: Snapshot) -> str | None:
        extra = snapshot.scenario.extra
        if "report_seconds" not in extra:
            return None
        report = CsvFile("error", rejection_messages(snapshot.scenario), extra["report_kib"])
        return self.share(snapshot, "error-report.csv", report, extra["report_seconds"])

    async def _find(self, call: DescribedCall, request: web.Request) -> Snapshot:
        self._authenticate(request)
        snapshot = self.imports.find(await call.read_id(request, self._key_parameter()))
        if snapshot is None:
            raise RequestRejected(self._rejection("not_found", "There is no such import."))
        return snapshot

    def _authenticate(self, request: web.Request) -> None:
        if not self._is_authenticated(request):
            raise RequestRejected(self._rejection("unauthorized", "The credential is invalid."))

    def _is_authenticated(self, request: web.Request) -> bool:
        header = request.headers.get("Authorization", "")
        match self._auth["type"]:
            case "none":
                return True
            case "basic":
                return header == self._basic()
            case "bearer":
                return header == f"Bearer {self._password}"
            case "api_key" if self._key_parameter():
                return request.query.getall(self._key_parameter(), []) == [self._password]
            case "api_key":
                key = f"{self._auth.get('prefix') or ''}{self._password}"
                return request.headers.get(self._auth["name"]) == key
        scheme, _, token = header.partition(" ")
        return scheme == "Bearer" and self.tokens.grant(token) is not None

    def _rejection(self, name: str, message: str) -> web.Response:
        status, body = self._answers.error(name, message)
        return web.json_response(body, status=status)

    def _key_parameter(self) -> str:
        """Return the name of the query parameter that is the credential, if any."""
        return str(self._auth["name"]) if self._auth.get("in") == "query" else ""

    def _basic(self) -> str:
        return f"Basic {base64.b64encode(f'{self._login}:{self._password}'.encode()).decode()}"

    def _token_path(self) -> str:
        return urlsplit(self._auth.get("token_url") or "").path or TOKEN_PATH


def _extras(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the default of each extra that is declared, or that a call contains; empty if it has none."""
    calls = json.dumps([document.get(name) for name in ("status", "report", "cancel")])
    named = [name.removeprefix("extra.") for name in PLACEHOLDER.findall(calls) if name != "import_id"]
    declared = {name: (extra or {}).get("default") for name, extra in (document.get("extras") or {}).items()}
    defaults = dict.fromkeys(named) | declared
    return {name: "" if default is None else str(default) for name, default in defaults.items()}
