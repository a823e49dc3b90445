"""Descriptions of vendors: what a document says in place of a hook. The schema explains each key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_importstatus.protocol.description_section import (
    Section,
    Source,
    is_number,
    walk,
)
from airflow_provider_importstatus.protocol.expressions import Expression
from airflow_provider_importstatus.protocol.request_template import IMPORT_ID, PLACEHOLDER, RequestTemplate
from airflow_provider_importstatus.secret_names import is_literal, names_secret
from airflow_provider_importstatus.status import COUNTS, ImportState

__all__ = [
    "MAX_BYTES",
    "NAME",
    "Auth",
    "Condition",
    "Description",
    "Extra",
    "Report",
    "is_name",
    "normalized_word",
    "parse_description",
]

#: Maximum size of a description as JSON or YAML, in bytes: it travels in the trigger's arguments.
MAX_BYTES = 16 * 1024
VERSION = 1
#: The name of a description: of a file, and `ImportStatus.vendor`.
NAME = r"[a-z][a-z0-9_-]{0,49}"
AUTH_KEYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "basic": (),
    "bearer": (),
    "api_key": ("in", "name", "prefix"),
    "oauth2_client_credentials": ("scope", "encoding", "method", "token_url"),
}
KEYS = (
    *(
        "version",
        "name",
        "title",
        "docs",
        "notes",
        "base_url",
        "auth",
        "extras",
        "import_id",
        "status",
        "state",
    ),
    *("rows", "partial_if", "progress", "messages", "started_at", "finished_at", "ok"),
    *("unauthorized", "not_found", "unavailable", "report", "cancel", "pace", "sandbox"),
)
REQUIRED_KEYS = ("version", "name", "auth", "status", "state")
#: The states that words may stand for: all but unknown.
STATES = tuple(state.value for state in ImportState if state is not ImportState.UNKNOWN)
#: Headers that the credential, the transport or the client sets.
FORBIDDEN_HEADERS = frozenset(
    {
        *("authorization", "cookie", "proxy-authorization", "set-cookie"),
        *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"),
        *("transfer-encoding", "upgrade", "user-agent"),
    }
)
#: Extras of the connection that have a meaning of their own.
RESERVED_EXTRAS = frozenset(
    {
        *("access_token", "description", "login", "max_concurrency", "proxy", "share_token", "timeout"),
        *("token_url", "transfer_timeout", "verify"),
    }
)
#: Characters of a path as it is written: no escapes, no backslash, no query.
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}"
_PRINTABLE = r"[ -~]{1,500}"
#: The value of an Authorization header.
_CREDENTIAL = re.compile(r"(?i)\s*(bearer|basic|token|api-?key)\s+[a-z0-9+/=._~-]{12,}\s*")
#: A database rejects NUL and lone surrogates.
_NOT_STORABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_EXTENSION = r"[A-Za-z0-9]{1,10}"
_EXTRA_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,49}")
_PLACEHOLDER_REMEDY = "use {import_id}, or {extra.name} with the name of an extra of the connection"
_LINE_REMEDY = "give up to 200 characters in one line"
_ID_REMEDY = "give an id that no import has, in quotes, of up to 100 characters without spaces"
#: The largest number that is compared as a word, and the longest interval between polls, in seconds.
MAX_NUMBER, MAX_INTERVAL = 2**53, 86_400.0


@dataclass(frozen=True, slots=True)
class Auth:
    """How a request carries the credential.

    :param kind: one of `AUTH_KEYS`
    :param place: header or query, for an API key
    :param name: the name of the API key's header or query parameter
    :param prefix: what stands before the API key in the header
    :param token_url: of a bundled description; a path, or a URL of the vendor's
    """

    kind: str
    place: str = ""
    name: str = ""
    prefix: str = ""
    scope: str = ""
    encoding: str = ""
    method: str = ""
    token_url: str = ""


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra of the connection that a request contains; None as default means that it is required."""

    default: str | None
    help: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Which answers mean something: those with one of these statuses, and those for which `when` holds."""

    statuses: frozenset[int]
    when: Expression | None


@dataclass(frozen=True, slots=True)
class Report:
    """The vendor's error report: links in the answer, or a request of its own."""

    url: Expression | None
    request: RequestTemplate | None
    ext: str


@dataclass(frozen=True, slots=True)
class Description:
    """A checked description.

    :param is_bundled: whether it is part of this package, so that its URLs count
    :param words: the state of each normalized word
    :param partial_if: None for the default, rows that failed
    :param missing_id: an id that no import has; empty for the default
    :param progress_of: the value of `progress` at the end
    :param min_interval: the minimum time between two polls, in seconds
    """

    name: str
    title: str
    docs: str
    is_bundled: bool
    base_url: str
    auth: Auth
    extras: Mapping[str, Extra]
    import_id_help: str
    missing_id: str
    status: RequestTemplate
    state: Expression
    words: Mapping[str, ImportState]
    rows: Mapping[str, Expression]
    partial_if: Expression | None
    progress: Expression | None
    progress_of: float | Expression
    messages: Expression | None
    started_at: Expression | None
    finished_at: Expression | None
    ok: Expression | None
    unauthorized: Condition
    not_found: Condition
    unavailable: Condition
    report: Report | None
    cancel: RequestTemplate | None
    min_interval: float


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a description, as opposed to a path."""
    return re.fullmatch(NAME, text) is not None


def normalized_word(value: Any) -> str | None:
    """Return a state as it is compared; None for a value that is no word."""
    if isinstance(value, str):
        return value.strip().casefold() or None
    if isinstance(value, bool) or (is_number(value) and abs(value) <= MAX_NUMBER):
        return json.dumps(value)
    return None


def parse_description(
    document: Any, source: Source | None = None, *, is_bundled: bool = False
) -> Description:
    """Return the description in a JSON document. The checks are cheap enough for parsing DAG files.

    :param source: where the document is from, for error texts
    :param is_bundled: whether it is part of this package
    :raises ImportSettingsError: with the key and the remedy
    """
    source = source or Source()
    _check_parts(document, source)
    _check_size(document, source)
    root = Section(document, "", source)
    root.allow(*KEYS)
    root.require(*REQUIRED_KEYS)
    if root.get("version") != VERSION or isinstance(root.get("version"), bool):
        raise root.error("version", "is not supported", f"use version: {VERSION}")
    root.text("notes")
    _check_sandbox(root)
    name = root.text("name", pattern=NAME, remedy="use up to 50 lower-case letters, digits, _ and -")
    declared = _read_extras(root)
    import_id = root.section("import_id")
    import_id.allow("help", "missing")
    status = _read_request(root.section("status"), ("GET", "POST"), may_have_headers=True)
    report, cancel = _read_report(root, status), _read_cancel(root, status)
    state = root.section("state")
    state.allow("path", "map")
    progress, progress_of = _read_progress(root)
    return Description(
        name=name,
        title=root.text("title", pattern=r".{1,100}", remedy="give up to 100 characters in one line") or name,
        docs=_read_url(root, "docs", ("https", "http")),
        is_bundled=is_bundled,
        base_url=_read_url(root, "base_url", ("https",)),
        auth=_read_auth(root.section("auth"), status),
        extras=declared | _undeclared(declared, status, report.request if report else None, cancel),
        import_id_help=import_id.text("help", pattern=r".{1,200}", remedy=_LINE_REMEDY),
        missing_id=import_id.text("missing", pattern=r"[!-~]{1,100}", remedy=_ID_REMEDY),
        status=status,
        state=_required_expression(state, "path"),
        words=_read_words(state),
        rows=_read_rows(root),
        partial_if=root.expression("partial_if"),
        progress=progress,
        progress_of=progress_of,
        messages=root.expression("messages"),
        started_at=root.expression("started_at"),
        finished_at=root.expression("finished_at"),
        ok=root.expression("ok"),
        unauthorized=_read_condition(root, "unauthorized"),
        not_found=_read_condition(root, "not_found", default=(404,)),
        unavailable=_read_condition(root, "unavailable"),
        report=report,
        cancel=cancel,
        min_interval=_read_pace(root),
    )


def _check_parts(document: Any, source: Source) -> None:
    """Raise an error for secrets, at any depth, and for what is not JSON or cannot be stored."""
    for key, names, value in walk(document, source):
        if isinstance(value, str) and _NOT_STORABLE.search(value):
            raise source.error(key, "contains a control character or half a character", "remove it")
        if not is_literal(value):
            continue
        is_sent = names[:1] in (("status",), ("cancel",))
        is_parameter = names[1:2] in (("headers",), ("query",))
        is_secret = any(names_secret(name, is_sent=is_sent, is_parameter=is_parameter) for name in names)
        if is_secret or (is_sent and isinstance(value, str) and _CREDENTIAL.fullmatch(value)):
            raise source.error(
                key, "looks like a secret", "remove it: credentials are read from the connection"
            )


def _check_sandbox(root: Section) -> None:
    """Check the names of the sandbox's examples; only the sandbox reads them."""
    section = root.section("sandbox")
    section.allow("answers")
    answers = section.section("answers")
    answers.allow(*STATES, "not_found", "unauthorized")
    for name in answers.names():
        if not isinstance(answers.get(name), Mapping | list):
            raise answers.error(name, "is no JSON answer", "give an object or a list")


def _check_size(document: Any, source: Source) -> None:
    try:
        compact = json.dumps(
            document, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=dict
        )
    except (ValueError, TypeError):
        raise source.error("", "contains a number that JSON cannot hold", "write it as a text") from None
    if len(compact.encode()) > MAX_BYTES:
        raise source.error("", f"is larger than {MAX_BYTES // 1024} KiB", "shorten it")


def _read_url(section: Section, name: str, schemes: tuple[str, ...]) -> str:
    """Return a URL that carries neither a credential nor a query; empty if it is missing."""
    url = section.text(name).rstrip("/")
    if not url:
        return ""
    remedy = f"give a URL that begins with {schemes[0]}://, without user and query"
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in schemes and parts.hostname and not parts.query and "@" not in parts.netloc
        is_plain = is_plain and (parts.port is None or parts.port > 0)
    except ValueError:
        is_plain = False
    if not is_plain or not url.isascii() or not url.isprintable() or set(url) & set(" {}\\#"):
        raise section.error(name, "is not a plain URL", remedy)
    return url


def _read_extras(root: Section) -> dict[str, Extra]:
    section = root.section("extras")
    return {name: _read_extra(section, name) for name in section.names()}


def _read_extra(extras: Section, name: str) -> Extra:
    if not _EXTRA_NAME.fullmatch(name):
        raise extras.error(name, "is no valid name", "use up to 50 letters, digits and _")
    if reason := _reason_against_extra(name):
        raise extras.error(name, *reason)
    section = extras.section(name)
    section.allow("default", "help")
    default = section.get("default")
    if default is None:
        return Extra(None, section.text("help"))
    if not (isinstance(default, str) or is_number(default)) or not str(default).strip():
        raise section.error("default", "is neither a text nor a number", "give one, or leave it out")
    return Extra(str(default), section.text("help"))


def _reason_against_extra(name: str) -> tuple[str, str] | None:
    """Return why requests may not contain this extra of the connection, with the remedy; None if they may."""
    if name in RESERVED_EXTRAS:
        return "is an extra with another meaning", "choose another name"
    if names_secret(name):
        return "looks like a secret", "let auth read it from the connection's password"
    return None


def _undeclared(declared: Mapping[str, Extra], *requests: RequestTemplate | None) -> dict[str, Extra]:
    """Return the extras that requests contain without a declaration: the connection must have them."""
    names = {name for request in requests if request for name in request.extras}
    return {name: Extra(None, "") for name in sorted(names - declared.keys())}


def _read_auth(auth: Section, status: RequestTemplate) -> Auth:
    auth.require("type")
    kind = auth.choice("type", tuple(AUTH_KEYS))
    auth.allow("type", *AUTH_KEYS[kind])
    if kind == "api_key":
        return _read_api_key(auth, status)
    if kind != "oauth2_client_credentials":
        return Auth(kind)
    return Auth(
        kind,
        scope=auth.text("scope", pattern=_PRINTABLE, remedy="use printable characters in one line"),
        encoding=auth.choice("encoding", ("form", "basic"), "form"),
        method=auth.choice("method", ("POST", "GET"), "POST"),
        token_url=_read_token_url(auth),
    )


def _read_api_key(auth: Section, status: RequestTemplate) -> Auth:
    auth.require("in", "name")
    place = auth.choice("in", ("header", "query"))
    name = auth.text("name", pattern=_HEADER_NAME, remedy="give the name alone")
    taken = status.headers if place == "header" else status.query
    if name.lower() in {other.lower() for other in taken}:
        raise auth.error("name", "is also in status", "remove it there")
    if place == "query":
        auth.allow("type", "in", "name")
    elif name.lower() in FORBIDDEN_HEADERS - {"authorization"}:
        raise auth.error("name", "is a header that cannot be set", "use the header that the vendor documents")
    prefix = auth.text("prefix", pattern=r"[ -~]{1,40}", remedy="give up to 40 characters, without the key")
    return Auth("api_key", place, name, prefix)


def _read_token_url(auth: Section) -> str:
    url = auth.text("token_url")
    if url.startswith("/"):
        _check_path(auth, "token_url", url)
        return url
    return _read_url(auth, "token_url", ("https",))


def _read_request(
    section: Section,
    methods: tuple[str, ...],
    *,
    headers: Mapping[str, str] | None = None,
    may_have_headers: bool = False,
) -> RequestTemplate:
    """Return the template of a request.

    :param methods: the allowed methods; the first is the default
    :param headers: those of another request that this one shares
    """
    section.allow("method", "path", "query", "json", *(("headers",) if may_have_headers else ()))
    section.require("path")
    method = section.choice("method", methods, methods[0])
    path = section.text("path")
    _check_path(section, "path", PLACEHOLDER.sub("x", path))
    if method == "GET" and "json" in section:
        raise section.error("json", "cannot be sent with GET", "use method: POST")
    template = RequestTemplate(
        method,
        path,
        _read_query(section.section("query")),
        _read_headers(section.section("headers")) if may_have_headers else headers or {},
        section.get("json"),
    )
    if IMPORT_ID not in template.placeholders:
        raise section.error("", "does not contain {import_id}", "use it in path, query or json")
    for name in sorted(template.extras):
        if reason := _reason_against_extra(name):
            fact, remedy = reason
            raise section.error("", f"contains {{extra.{name}}}, but {name} {fact}", remedy)
    return template


def _check_path(section: Section, name: str, path: str) -> None:
    """Raise an error for a path that could leave the base URL."""
    if "{" in path or "}" in path:
        raise section.error(name, "contains an unknown placeholder", _PLACEHOLDER_REMEDY)
    segments = path.split("/")
    if not _PATH.fullmatch(path) or "//" in path or "." in segments or ".." in segments:
        raise section.error(
            name,
            "is not a path below the base URL",
            "begin it with one /, and use neither a host, .., //, \\, % nor ?; a query has a key of its own",
        )


def _read_query(section: Section) -> dict[str, str]:
    return {name: _read_parameter(section, name) for name in section.names()}


def _read_parameter(section: Section, name: str) -> str:
    value = section.get(name)
    if not re.fullmatch(_PRINTABLE, name) or set(name) & set("{}"):
        raise section.error(name, "is no valid name of a parameter", "use printable characters")
    if isinstance(value, bool):
        return json.dumps(value)
    if not (isinstance(value, str) or is_number(value)):
        remedy = "give one of them, and quote a placeholder: '{import_id}'"
        raise section.error(name, "is neither a text nor a number", remedy)
    _check_placeholders(section, name, str(value))
    return str(value)


def _check_placeholders(section: Section, name: str, text: str) -> None:
    rest = PLACEHOLDER.sub("", text)
    if "{" in rest or "}" in rest:
        raise section.error(name, "contains an unknown placeholder", _PLACEHOLDER_REMEDY)


def _read_headers(section: Section) -> dict[str, str]:
    names = section.names()
    if len({name.lower() for name in names}) < len(names):
        raise section.error("", "names a header twice", "remove one")
    return {name: _read_header(section, name) for name in names}


def _read_header(section: Section, name: str) -> str:
    if not re.fullmatch(_HEADER_NAME, name):
        raise section.error(name, "is no valid name of a header", "use letters, digits and -")
    if name.lower() in FORBIDDEN_HEADERS:
        raise section.error(
            name, "is a header that cannot be set", "use auth for a credential, else remove it"
        )
    remedy = "use printable ASCII characters in one line, and no braces but those of {extra.name}"
    value = section.text(name)
    # Only extras are replaced in headers, whatever their values are.
    rest = PLACEHOLDER.sub(lambda found: "{" if found[1] == IMPORT_ID else "x", value)
    Section({name: rest}, section.key, section.source).text(name, pattern=r"[ -z|~]{1,500}", remedy=remedy)
    return value


def _required_expression(section: Section, name: str) -> Expression:
    expression = section.expression(name)
    if expression is None:
        raise section.error(name, "is missing", "give a JMESPath expression")
    return expression


def _read_words(state: Section) -> dict[str, ImportState]:
    state.require("map")
    section = state.section("map")
    section.allow(*STATES)
    words: dict[str, ImportState] = {}
    for name in section.names():
        for index, value in enumerate(section.items(name)):
            word = normalized_word(value)
            if word is None:
                remedy = "give a text, a number, true or false"
                raise section.error(name, "is no word", remedy, index)
            if (first := words.setdefault(word, ImportState(name))) != name:
                fact = f"is a word of both {first.value} and {name}"
                raise section.error(name, fact, "leave it in one of them", index)
    if not {ImportState.SUCCEEDED, ImportState.PARTIAL} & set(words.values()):
        raise section.error("succeeded", "has no word", "add the vendor's word for success")
    return words


def _read_rows(root: Section) -> dict[str, Expression]:
    section = root.section("rows")
    section.allow(*COUNTS)
    read = {name: section.expression(name) for name in COUNTS}
    return {name: expression for name, expression in read.items() if expression}


def _read_progress(root: Section) -> tuple[Expression | None, float | Expression]:
    if not isinstance(root.get("progress"), Mapping):
        return root.expression("progress"), 1.0
    section = root.section("progress")
    section.allow("path", "of")
    path = _required_expression(section, "path")
    if isinstance(section.get("of"), str):
        return path, _required_expression(section, "of")
    return path, section.number("of", 1.0, 1e-9, 1e15)


def _read_condition(root: Section, name: str, default: tuple[int, ...] = ()) -> Condition:
    section = root.section(name)
    section.allow("status", "when")
    if name in root and "status" not in section and "when" not in section:
        raise root.error(name, "has neither status nor when", "give at least one of them")
    statuses = section.items("status") if "status" in section else list(default)
    for index, status in enumerate(statuses):
        # HTTP 401 and 403 are judged before, a redirect is never followed.
        is_status = isinstance(status, int) and not isinstance(status, bool)
        if not is_status or not (201 <= status < 300 or 400 <= status < 600) or status in (401, 403):
            remedy = (
                "give an HTTP status such as 404; 401 and 403 mean a rejected credential, unless the when of"
                " unavailable holds"
            )
            raise section.error("status", "cannot stand here", remedy, index)
    return Condition(frozenset(statuses), section.expression("when"))


def _read_report(root: Section, status: RequestTemplate) -> Report | None:
    if "report" not in root:
        return None
    section = root.section("report")
    section.allow("url", "path", "ext")
    if ("url" in section) == ("path" in section):
        raise root.error("report", "has both url and path, or neither", "give one of them")
    ext = section.text("ext", "", pattern=_EXTENSION, remedy="give letters and digits, such as csv")
    if "url" in section:
        return Report(section.expression("url"), None, ext)
    path = Section({"path": section.get("path")}, section.key, root.source)
    return Report(None, _read_request(path, ("GET",), headers=status.headers), ext)


def _read_cancel(root: Section, status: RequestTemplate) -> RequestTemplate | None:
    if "cancel" not in root:
        return None
    section = root.section("cancel")
    methods = ("POST", "DELETE", "PUT", "PATCH")
    return _read_request(section, methods, headers=status.headers)


def _read_pace(root: Section) -> float:
    section = root.section("pace")
    section.allow("min_interval")
    return section.number("min_interval", 0.0, 0.0, MAX_INTERVAL)
