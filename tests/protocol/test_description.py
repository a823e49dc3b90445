"""What a description may contain, and what the error says if it does not."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.description_files import check_schema
from airflow_provider_importstatus.protocol.description import Description, is_name, parse_description
from airflow_provider_importstatus.protocol.description_section import Source
from airflow_provider_importstatus.status import ImportState

from ..hooks.strategies import json_values, places, with_other
from ..vendors.described import DOCUMENT

SMALLEST: dict[str, Any] = {
    "version": 1,
    "name": "acme",
    "auth": {"type": "bearer"},
    "status": {"path": "/jobs/{import_id}"},
    "state": {"path": "state", "map": {"succeeded": ["DONE"]}},
}


def changed(key: str, value: Any, document: dict[str, Any] = SMALLEST) -> dict[str, Any]:
    """Return the document with another value at a dotted key; `...` removes it."""
    document = copy.deepcopy(document)
    part = document
    *parents, last = key.split(".")
    for name in parents:
        part = part.setdefault(name, {})
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return document


def refused(document: Any) -> str:
    with pytest.raises(ImportSettingsError) as error:
        parse_description(document)
    assert "To fix it, " in str(error.value)
    return str(error.value)


def test_the_smallest_description_has_the_documented_defaults() -> None:
    description = parse_description(SMALLEST)
    assert (description.title, description.status.method) == ("acme", "GET")
    assert description.not_found.statuses == {404}
    assert (description.cancel, description.report, description.min_interval) == (None, None, 0.0)
    check_schema(SMALLEST, Source())


def test_a_complete_description_is_read() -> None:
    description = parse_description(DOCUMENT)
    assert description.words["loading"] is ImportState.RUNNING
    assert (description.words["2"], description.words["true"]) == (ImportState.RUNNING, ImportState.SUCCEEDED)
    assert (description.progress_of, description.min_interval) == (100.0, 15.0)
    assert description.cancel
    assert description.cancel.headers == {"Revision": "2025-01-15"}
    check_schema(DOCUMENT, Source())


def test_an_undeclared_extra_in_any_part_of_a_request_is_required() -> None:
    document = {
        **SMALLEST,
        "extras": {"area": {"default": "eu"}, "unused": {}},
        "status": {
            "method": "POST",
            "path": "/{extra.area}/{extra.tenant}/{import_id}",
            "query": {"view": "{extra.view}"},
            "headers": {"Revision": "{extra.revision}"},
            "json": {"deep": ["{extra.inner}"]},
        },
        "cancel": {"path": "/{import_id}/{extra.reason}"},
        "report": {"path": "/{import_id}/{extra.kind}"},
    }
    extras = parse_description(document).extras
    assert {name: extra.default for name, extra in extras.items()} == {
        "area": "eu",
        **dict.fromkeys(("unused", "inner", "kind", "reason", "revision", "tenant", "view")),
    }
    check_schema(document, Source())


def test_equal_documents_give_equal_descriptions() -> None:
    """The settings of two waits are compared, and with them their descriptions."""
    assert parse_description(DOCUMENT) == parse_description(copy.deepcopy(DOCUMENT))
    assert parse_description(DOCUMENT) != parse_description(changed("partial_if", "job.x", DOCUMENT))


@pytest.mark.parametrize("key", ["version", "name", "auth", "status", "state", "status.path", "state.path"])
def test_a_required_key_is_named_if_it_is_missing(key: str) -> None:
    assert f"{key} is missing" in refused(changed(key, ...))


@pytest.mark.parametrize("document", [None, [], "text", 1, True], ids=repr)
def test_a_document_is_an_object(document: Any) -> None:
    assert "the document is not an object" in refused(document)


@pytest.mark.parametrize("version", [0, 2, "1", True, None, 1.5, [1]], ids=repr)
def test_another_version_is_refused(version: Any) -> None:
    assert "version is" in refused(changed("version", version))


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("nam", "x", "nam is not known here"),
        ("status.url", "/x", "status.url is not known here. To fix it, remove it; known are method, path"),
        ("state.map.success", ["x"], "state.map.success is not known here"),
        ("state.map.unknown", ["x"], "state.map.unknown is not known here"),
        ("cancel.headers", {}, "cancel.headers is not known here"),
        ("name", "Acme Inc", "name has an invalid value"),
        ("name", "../acme", "name has an invalid value"),
        ("name", 5, "name is of type int"),
        ("docs", "javascript:alert(1)", "docs is not a plain URL"),
        ("base_url", "http://acme.example", "base_url is not a plain URL"),
        ("base_url", "https://user:pw@acme.example", "base_url is not a plain URL"),
        ("base_url", "https://acme.example?key=1", "base_url is not a plain URL"),
        ("base_url", "https://{extra.x}.example", "base_url is not a plain URL"),
        ("base_url", "https://acme.example:port", "base_url is not a plain URL"),
        ("auth.type", "oauth1", "auth.type has an unknown value. To fix it, use one of none, basic, bearer"),
        ("auth.name", "X-Key", "auth.name is not known here"),
        ("auth", {"type": "api_key", "in": "header"}, "auth.name is missing"),
        ("auth", {"type": "api_key", "in": "cookie", "name": "x"}, "auth.in has an unknown value"),
        ("auth", {"type": "api_key", "in": "header", "name": "Cookie"}, "auth.name is a header that cannot"),
        ("auth", {"type": "api_key", "in": "header", "name": "Host"}, "auth.name is a header that cannot"),
        ("auth", {"type": "api_key", "in": "header", "name": "X\nY"}, "auth.name has an invalid value"),
        ("auth", {"type": "api_key", "in": "query", "name": "k", "prefix": "x"}, "auth.prefix is not known"),
        ("auth", {"type": "oauth2_client_credentials", "method": "PUT"}, "auth.method has an unknown value"),
        ("auth", {"type": "oauth2_client_credentials", "token_url": "//x/y"}, "auth.token_url is not a path"),
        (
            "auth",
            {"type": "oauth2_client_credentials", "token_url": "x"},
            "auth.token_url is not a plain URL",
        ),
        ("status.method", "PUT", "status.method has an unknown value"),
        ("status.json", {"id": "{import_id}"}, "status.json cannot be sent with GET"),
        ("status.headers", {"Authorization": "x"}, "status.headers.Authorization looks like a secret"),
        ("status.headers", {"Host": "x"}, "status.headers.Host is a header that cannot be set"),
        ("status.headers", {"transfer-encoding": "x"}, "status.headers.transfer-encoding is a header"),
        ("status.headers", {"X-A": "1", "x-a": "2"}, "status.headers names a header twice"),
        ("status.headers", {"X-A": "1\r\nX-B: 2"}, "status.headers.X-A has an invalid value"),
        (
            "status.headers",
            {"X-A": "{extra.api_key}"},
            "status contains {extra.api_key}, but api_key looks like a secret. To fix it, let auth read it",
        ),
        ("status.headers", {"X-A": "{import_id}"}, "status.headers.X-A has an invalid value"),
        ("status.headers", {"X-A": "{extra.x} {y}"}, "status.headers.X-A has an invalid value"),
        ("status.headers", {"{extra.x}": "1"}, "status.headers.(a key) is no valid name"),
        ("status.headers", {"X A": "1"}, "status.headers.(a key) is no valid name"),
        ("status.query", {"view": ["a"]}, "status.query.view is neither a text nor a number"),
        ("status.query", {"view": "{importid}"}, "status.query.view contains an unknown placeholder"),
        (
            "status.query",
            {"view": "{extra.proxy}"},
            "status contains {extra.proxy}, but proxy is an extra with another meaning. To fix it, choose",
        ),
        ("status.query", {"view": "{extra.a-b}"}, "status.query.view contains an unknown placeholder"),
        ("cancel", {"path": "/{import_id}/{extra.login}"}, "cancel contains {extra.login}, but login is an"),
        ("status", {"path": "/jobs"}, "status does not contain {import_id}"),
        ("extras", {"login": {}}, "extras.login is an extra with another meaning"),
        ("extras", {"access_token": {}}, "extras.access_token is an extra with another meaning"),
        ("extras", {"timeout": {}}, "extras.timeout is an extra with another meaning"),
        ("extras", {"api_key": {}}, "extras.api_key looks like a secret"),
        ("extras", {"a-b": {}}, "extras.a-b is no valid name"),
        ("extras", {"a": {"default": [1]}}, "extras.a.default is neither a text nor a number"),
        ("state.map.failed", "BROKEN", "state.map.failed is not a list"),
        ("state.map.failed", [["BROKEN"]], "state.map.failed[0] is no word"),
        ("state.map.failed", [" "], "state.map.failed[0] is no word"),
        ("state.map.failed", ["x", " done "], "state.map.failed[1] is a word of both succeeded and failed"),
        ("state.map", {"failed": ["x"]}, "state.map.succeeded has no word"),
        ("state.path", "a[", "state.path is not valid JMESPath (at character"),
        ("state.path", "$.job.state", "state.path begins with $: that is JSONPath"),
        (
            "rows",
            {"failed": "len(a)"},
            "rows.failed calls a function that JMESPath does not have; similar: len",
        ),
        ("rows", {"total": "length(a, b)"}, "rows.total calls length() with the wrong number"),
        ("rows", {"bad": "x"}, "rows.bad is not known here"),
        ("partial_if", 5, "partial_if is of type int"),
        ("progress", {"of": 100}, "progress.path is missing"),
        ("progress", {"path": "p", "of": 0}, "progress.of is no number within the limits"),
        ("progress", {"path": "p", "of": "a["}, "progress.of is not valid JMESPath"),
        ("progress", {"path": "p", "of": ""}, "progress.of is not valid JMESPath"),
        ("import_id", {"missing": "a b"}, "import_id.missing has an invalid value"),
        ("import_id", {"missing": 0}, "import_id.missing is of type int"),
        ("not_found", {}, "not_found has neither status nor when"),
        ("not_found", {"status": 404}, "not_found.status is not a list"),
        ("not_found", {"status": [403]}, "not_found.status[0] cannot stand here"),
        ("unavailable", {"status": [403], "when": "x"}, "unless the when of unavailable holds"),
        ("unavailable", {"status": [200]}, "unavailable.status[0] cannot stand here"),
        ("unavailable", {"status": [True]}, "unavailable.status[0] cannot stand here"),
        ("unauthorized", {"status": [302]}, "unauthorized.status[0] cannot stand here"),
        ("report", {"ext": "csv"}, "report has both url and path, or neither"),
        ("report", {"url": "x", "path": "/{import_id}"}, "report has both url and path, or neither"),
        ("report", {"path": "/report"}, "report does not contain {import_id}"),
        ("report", {"url": "x", "ext": "../x"}, "report.ext has an invalid value"),
        ("cancel", {"path": "/x"}, "cancel does not contain {import_id}"),
        ("cancel", {"path": "/{import_id}", "method": "GET"}, "cancel.method has an unknown value"),
        ("pace", {"min_interval": -1}, "pace.min_interval is no number within the limits"),
        ("pace", {"min_interval": "10"}, "pace.min_interval is no number within the limits"),
        ("title", "two\nlines", "title has an invalid value"),
        ("title", "a\x00b", "title contains a control character"),
        ("notes", "\ud83d", "notes contains a control character or half a character"),
        ("notes", "x" * 5000, "notes has more than 4000 characters"),
        ("notes", {"a": object()}, "notes.a is of type object"),
    ],
)
def test_an_error_names_the_key_and_the_problem(key: str, value: Any, told: str) -> None:
    assert told in refused(changed(key, value))


@pytest.mark.parametrize(
    "path",
    [
        "jobs/{import_id}",
        "https://evil.example/{import_id}",
        "//evil.example/{import_id}",
        "/jobs//{import_id}",
        "/jobs/../{import_id}",
        "/./{import_id}",
        "/jobs/{import_id}/..",
        "\\\\evil.example/{import_id}",
        "/\\evil.example/{import_id}",
        "/jobs/{import_id}?admin=1",
        "/jobs/{import_id}#x",
        "/%2e%2e/{import_id}",
        "/jobs%2f..%2f{import_id}",
        "/jobs/ {import_id}",
        "/jobs/\t{import_id}",
        "/jobs/{import_id}/{state}",
        "/jobs/{{import_id}}",
        "/jöbs/{import_id}",
        "",
    ],
)
@pytest.mark.parametrize("key", ["status", "cancel", "report"])
def test_a_path_stays_below_the_base_url(key: str, path: str) -> None:
    assert f"{key}.path" in refused(changed(key, {"path": path}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status.headers", {"X-Api-Key": "Zq-secret"}),
        ("status.headers", {"Cookie": "Zq-secret"}),
        ("status.headers", {"X-Auth": "Bearer Zq-secret-0123456789"}),
        ("status.query", {"access_token": "Zq-secret"}),
        ("status.query", {"apikey": 123456}),
        ("status.query", {"key": "Zq-secret"}),
        ("status.query", {"sig": "Zq-secret"}),
        ("status.query", {"Signature": "Zq-secret"}),
        ("status.headers", {"X-Auth": "Zq-secret"}),
        ("cancel.json", {"pass": "Zq-secret"}),
        ("status.json", {"user": {"pw": "Zq-secret", "name": "me"}}),
        ("status.json", {"PIN": 1234}),
        ("status.json", {"auth": {"passPhrase": "Zq-secret"}}),
        ("status.headers", {"Ocp-Apim-Subscription-Key": "Zq-secret"}),
        ("status.json", {"deep": [{"er": {"client-secret": "Zq-secret"}}]}),
        ("status.json", {"credentials": {"value": "Zq-secret"}}),
        ("status.json", {"secrets": ["Zq-secret"]}),
        ("cancel.json", {"password": "Zq-secret"}),
        ("cancel.query", {"x": "token Zq-secret-0123456789"}),
        ("auth.password", "Zq-secret"),
        ("auth.token", "Zq-secret"),
        ("password", "Zq-secret"),
        ("extras.client_secret.default", "Zq-secret"),
    ],
)
def test_a_literal_secret_is_refused_at_any_depth(key: str, value: Any) -> None:
    told = refused(changed(key, value, changed("status.method", "POST")))
    assert "looks like a secret. To fix it, remove it: credentials are read from the connection" in told
    assert "Zq-secret" not in told


def test_an_id_may_be_called_a_token() -> None:
    document = changed("status", {"path": "/job", "query": {"job_token": "{import_id}"}})
    assert parse_description(document).status.query == {"job_token": "{import_id}"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("status.json", {"page_token": "first", "token_type": "Bearer", "id_token_path": "x"}),
        ("status.json", {"pass": True, "pin": "{import_id}", "pw": ""}),
        ("status.query", {"sig": "{import_id}", "design": "x", "author": "me", "monkey": 5}),
        ("status.headers", {"X-Author": "me"}),
        ("sandbox", {"answers": {"succeeded": {"pass": 10, "pin": 5}}}),
        ("auth", {"type": "oauth2_client_credentials", "token_url": "/oauth/token"}),
    ],
)
def test_what_is_no_secret_for_certain_is_accepted(key: str, value: Any) -> None:
    parse_description(changed(key, value, changed("status.method", "POST")))


def test_a_key_that_is_no_identifier_is_not_quoted() -> None:
    assert "Zq secret" not in refused(changed("Zq secret: 5", "x"))


def test_a_line_is_named_where_it_is_known() -> None:
    source = Source("description file 'a.yaml'", {"state": 7, "state.map": 9})
    with pytest.raises(ImportSettingsError) as error:
        parse_description(changed("state.map.done", ["x"]), source)
    assert str(error.value).startswith("Description file 'a.yaml', line 9: state.map.done is not known")


def test_a_large_document_is_refused() -> None:
    assert "is larger than 16 KiB" in refused(changed("status.json", ["x" * 100] * 200))


def test_the_size_counts_bytes_as_in_a_file() -> None:
    assert parse_description({**SMALLEST, "notes": "ж" * 4000, "extras": {"a": {"help": "ж" * 3900}}})


def test_a_deep_document_is_refused() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    assert "is nested deeper than 20 levels" in refused(changed("status.json", deep))


def test_an_object_that_contains_itself_is_refused() -> None:
    cycle: list[Any] = []
    cycle += [cycle, cycle]
    assert "is nested deeper than 20 levels" in refused({**SMALLEST, "notes": cycle})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**5000], ids=["nan", "inf", "huge"])
def test_a_number_that_json_cannot_hold_is_refused(number: Any) -> None:
    assert "contains a number that JSON cannot hold" in refused({**SMALLEST, "notes": number})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("hubspot", True), ("a_b-2", True), ("a.yaml", False), ("/a", False), ("./a", False), ("A", False)],
)
def test_a_name_is_told_from_a_path(text: str, expected: bool) -> None:
    assert is_name(text) is expected


_mutations = (
    json_values
    | st.just(...)
    | st.sampled_from(
        [
            *("DONE", "waiting", "{import_id}", "{extra.tenant}", "{extra.none}", "a" * 301, "!" * 50 + "a"),
            *(
                "[@,@]|" * 40 + "@",
                "&a",
                "sum(",
                "/..",
                "//x",
                "/{import_id}/..",
                "https://evil.example/{import_id}",
            ),
            *(
                ["DONE"],
                ["stopped", "done"],
                {"path": "/x/{import_id}"},
                {"when": "a("},
                10**400,
                -1,
                0,
                True,
            ),
        ]
    )
)


@settings(deadline=None, derandomize=True, max_examples=600)
@given(data=st.data())
def test_a_changed_description_works_or_the_error_names_a_key_and_a_remedy(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        path = data.draw(st.sampled_from([path for path in places(document) if path]))
        document = with_other(document, path, data.draw(_mutations))
    told = ""
    try:
        description = parse_description(document)
        check_schema(document, Source())
    except ImportSettingsError as error:
        told = str(error)
    assert not told or (told.startswith("The description: ") and "To fix it, " in told)
    if told:
        return
    assert isinstance(description, Description)
    request = description.status.render({"import_id": "../7", "extra.tenant": "a/../b"})
    assert request.url.startswith("/")
    assert not {"..", "."} & set(request.url.partition("?")[0].split("/"))
    assert "//" not in request.url.partition("?")[0]
    assert json.dumps(document)


def test_the_schema_describes_every_key() -> None:
    """The reference is generated from it."""
    from airflow_provider_importstatus.hooks.description_files import SCHEMA

    missing: list[str] = []

    def visit(schema: Any, where: str) -> None:
        if isinstance(schema, dict):
            for name, part in schema.get("properties", {}).items():
                if "description" not in part and "$ref" not in part:
                    missing.append(f"{where}.{name}")
            for name, part in schema.items():
                visit(part, f"{where}.{name}")
        elif isinstance(schema, list):
            for part in schema:
                visit(part, where)

    schema = json.loads(SCHEMA.read_text())
    visit(schema, "")
    assert missing == []
    assert all("description" in part for part in schema["$defs"].values())


def test_the_schema_and_the_parser_know_the_same_keys() -> None:
    from airflow_provider_importstatus.hooks.description_files import SCHEMA
    from airflow_provider_importstatus.protocol import description as format_

    schema = json.loads(SCHEMA.read_text())
    assert set(schema["properties"]) == set(format_.KEYS)
    assert schema["required"] == list(format_.REQUIRED_KEYS)
    auth = schema["properties"]["auth"]["properties"]
    assert set(auth) == {"type", *(name for names in format_.AUTH_KEYS.values() for name in names)}
    assert auth["type"]["enum"] == list(format_.AUTH_KEYS)
    assert set(schema["properties"]["state"]["properties"]["map"]["properties"]) == set(format_.STATES)


def test_an_unknown_key_names_the_one_that_was_meant() -> None:
    told = refused(changed("mesages", "errors"))
    assert "mesages is not known here. To fix it, write messages, or remove it" in told


def test_an_unquoted_placeholder_is_explained() -> None:
    told = refused(changed("status.query", {"id": {"import_id": None}}))
    assert "status.query.id is neither a text nor a number" in told
    assert "quote a placeholder: '{import_id}'" in told
