"""A description in plain words: what is requested, and what answers mean."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks import description_files
from airflow_provider_importstatus.hooks.described import read_answer
from airflow_provider_importstatus.hooks.description_errors import find_errors
from airflow_provider_importstatus.redaction import storable
from airflow_provider_importstatus.status import ImportStatus

if TYPE_CHECKING:
    from airflow_provider_importstatus.protocol.description import Auth, Condition, Description
    from airflow_provider_importstatus.protocol.request_template import RequestTemplate

__all__ = ["Described", "connection", "load"]

#: A host to be replaced.
HOST = "https://api.your-vendor.example"


@dataclass(frozen=True, slots=True)
class Described:
    """A valid description.

    :param document: the description as it is written
    :param reference: what a connection has as its extra `description`
    """

    description: Description
    document: Mapping[str, Any]
    reference: str

    def explain(self) -> dict[str, list[str]]:
        """Return what the description says, as lines by subject."""
        return _explain(self.description, self.document, connection(self.description, self.reference))

    def to_dict(self) -> dict[str, Any]:
        """Return the same with the connection as an object."""
        return {**self.explain(), "connection": connection(self.description, self.reference)}

    def read_answer(self, path: str, status: str | None) -> ImportStatus:
        """Return the status in the answer that a file holds, or raise what the answer means instead.

        :param status: the answer's HTTP status; 200 by default
        :raises ImportSettingsError: the arguments are invalid
        """
        try:
            body = Path(path).read_bytes()
        except OSError as error:
            raise ImportSettingsError(
                f"--answer: the file cannot be read ({error.strerror}). Check its path."
            ) from None
        if not re.fullmatch("[2-5][0-9][0-9]", status or "200"):
            raise ImportSettingsError("--status is no HTTP status from 200 to 599. Give one such as 404.")
        return read_answer(self.description, "example", int(status or 200), body)


def load(given: str) -> Described | list[ImportSettingsError]:
    """Return the description in a file or of this name, or all of its errors.

    :raises ImportSettingsError: it cannot be read
    """
    document, source = description_files.find_document(given)
    if errors := find_errors(document, source):
        return errors
    is_bundled = description_files.is_name(given.strip())
    reference = given.strip() if is_bundled else str(Path(given).resolve())
    description = description_files.load_description(reference)
    return Described(description, document, reference)


def _explain(
    description: Description, document: Mapping[str, Any], connection: Mapping[str, Any]
) -> dict[str, list[str]]:
    host = description.base_url if description.is_bundled else ""
    missing = description.missing_id
    subjects = {
        "description": [f"{description.name}: {description.title}"],
        "documentation": [description.docs],
        "request": [*_request(description.status, host), *_placeholders(description)],
        "credential": _credential(description.auth, description.is_bundled),
        "states": _states(description, document),
        "partial": [_partial(description)],
        "warning": list(_warnings(description)),
        "rows": [f"{name}: {expression.text}" for name, expression in description.rows.items()],
        "progress": _progress(description),
        "messages": _expression(description.messages),
        "started": _expression(description.started_at),
        "finished": _expression(description.finished_at),
        "errors": list(_errors(description)),
        "pace": _pace(description),
        "cancel": _cancel(description),
        "report": _report(description),
        "test": [f"Test connection asks for the id {missing}, which no import has"] if missing else [],
        "connection": _connection_lines(description.name, connection),
    }
    # The author of a description need not be who prints it.
    return {subject: [*map(storable, lines)] for subject, lines in subjects.items() if any(lines)}


def connection(description: Description, reference: str) -> dict[str, Any]:
    """Return the Airflow connection to create, with words in angle brackets for what the user knows."""
    login, password = _fields(description.auth)
    fields: dict[str, Any] = {"conn_type": "import_api"}
    if not (description.is_bundled and description.base_url):
        fields["host"] = HOST
    fields |= {name: f"<{what}>" for name, what in (("login", login), ("password", password)) if what}
    required = [name for name, extra in description.extras.items() if extra.default is None]
    extra: dict[str, Any] = {"description": reference, **{name: f"<{name}>" for name in required}}
    if _needs_token_url(description):
        extra |= {"token_url": "<URL of the token endpoint>"}
    return {**fields, "extra": extra}


def _fields(auth: Auth) -> tuple[str, str]:
    """Return what a connection's login and password are."""
    return {
        "none": ("", ""),
        "basic": ("user", "password"),
        "bearer": ("", "token"),
        "api_key": ("", "API key"),
        "oauth2_client_credentials": ("client ID", "client secret"),
    }[auth.kind]


def _needs_token_url(description: Description) -> bool:
    auth = description.auth
    return auth.kind == "oauth2_client_credentials" and not (description.is_bundled and auth.token_url)


def _request(template: RequestTemplate, host: str = "") -> list[str]:
    query = "&".join(f"{name}={value}" for name, value in template.query.items())
    body = "" if template.json is None else f"JSON body: {json.dumps(template.json)}"
    return [
        f"{template.method} {host}{template.path}{f'?{query}' if query else ''}",
        *(f"header {name}: {value}" for name, value in template.headers.items()),
        *([body] if body else []),
    ]


def _placeholders(description: Description) -> Iterator[str]:
    yield f"{{import_id}} is {description.import_id_help or 'the import id of the sensor'}"
    for name, extra in description.extras.items():
        default = "required" if extra.default is None else f"default {extra.default}"
        about = f". {extra.help}" if extra.help else ""
        yield f"{{extra.{name}}} is the connection's extra {name} ({default}){about}"


def _credential(auth: Auth, is_bundled: bool) -> list[str]:
    login, password = _fields(auth)
    match auth.kind:
        case "none":
            return ["none is sent"]
        case "basic":
            return ["HTTP Basic: the connection's login and password"]
        case "bearer":
            return ["header Authorization: Bearer <the connection's password>"]
        case "api_key" if auth.place == "query":
            return [f"query parameter {auth.name}=<the connection's password>"]
        case "api_key":
            return [f"header {auth.name}: {auth.prefix}<the connection's password>"]
    where = auth.token_url if is_bundled and auth.token_url else "the URL in the connection's extra token_url"
    how = "with HTTP Basic" if auth.encoding == "basic" else "as fields client_id and client_secret"
    return [
        "header Authorization: Bearer <token>",
        f"the token is requested with {auth.method} from {where}; a path is below the connection's host",
        f"login is the {login}, password the {password}, sent {how}",
        *([f"scope {auth.scope}"] if auth.scope else []),
        "the connection's extra access_token, if it is given, is used instead, without a login",
    ]


def _states(description: Description, document: Mapping[str, Any]) -> list[str]:
    words = {state: ", ".join(map(_word, each)) for state, each in document["state"]["map"].items() if each}
    width = max(map(len, words))
    return [
        f"read from: {description.state.text}",
        *(f"{state:{width}}  {each}" for state, each in words.items()),
        "case is ignored; any other word is unknown, with which the wait goes on",
    ]


def _word(word: Any) -> str:
    return word if isinstance(word, str) else json.dumps(word)


def _partial(description: Description) -> str:
    if description.partial_if:
        return f"a succeeded import is partial if this holds: {description.partial_if.text}"
    if "failed" in description.rows:
        return "a succeeded import is partial if rows.failed is above 0, or is no count"
    return "a succeeded import is never partial: there is neither partial_if nor rows.failed"


def _warnings(description: Description) -> Iterator[str]:
    """Return what may be wrong in the expressions that tell a succeeded import from another."""
    if description.is_bundled:
        # Those are tested with the vendor's answers.
        return
    deciding = (description.state, description.partial_if, description.rows.get("failed"), description.ok)
    for expression in filter(None, deciding):
        if expression.has_constant_default:
            yield f"{expression.key} has a constant for a missing field: a misspelt name is not noticed"
        if expression.has_flatten_default:
            yield f"{expression.key} has || [], which is no empty list but flattens the answer: write || `[]`"


def _progress(description: Description) -> list[str]:
    if description.progress is None:
        return []
    of = description.progress_of
    return [f"{description.progress.text}, of {f'{of:g}' if isinstance(of, float) else of.text}"]


def _expression(expression: Any) -> list[str]:
    return [expression.text] if expression else []


def _errors(description: Description) -> Iterator[str]:
    yield f"rejected credential: {_condition(description.unauthorized, 'HTTP 401, 403')}"
    yield f"not found: {_condition(description.not_found)}"
    yield f"busy or down, polled again: {_condition(description.unavailable, 'HTTP 408, 425, 429, 5xx')}"
    if description.ok:
        yield f"rejected request: any other 4xx, or if this does not hold: {description.ok.text}"
    else:
        yield "rejected request: any other 4xx"


def _condition(condition: Condition, usual: str = "") -> str:
    statuses = f"HTTP {', '.join(map(str, sorted(condition.statuses)))}" if condition.statuses else ""
    when = f"if this holds: {condition.when.text}" if condition.when else ""
    return "; ".join(part for part in (usual, statuses, when) if part)


def _pace(description: Description) -> list[str]:
    seconds = description.min_interval
    return [f"at least {seconds:g} s between two polls of an import"] if seconds else []


def _cancel(description: Description) -> list[str]:
    if description.cancel is None:
        return ["not described: cancel_on_kill and cancel are errors"]
    return _request(description.cancel)


def _report(description: Description) -> list[str]:
    report = description.report
    if report is None:
        return ["not described"]
    kept = f"stored as .{report.ext}" if report.ext else "stored as the answer says, or as .csv"
    if report.request:
        return [*_request(report.request), kept]
    return [*(f"links at: {text}" for text in _expression(report.url)), kept]


def _connection_lines(name: str, connection: Mapping[str, Any]) -> list[str]:
    value = json.dumps(connection, ensure_ascii=False)
    conn_id = f"{name.replace('-', '_')}_default"
    return [value, f"airflow connections add {conn_id} --conn-json {shlex.quote(value)}"]
