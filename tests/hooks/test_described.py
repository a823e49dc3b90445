"""The hook of described vendors: requests, credentials, and what answers mean."""

from __future__ import annotations

import base64
import copy
import json
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks import description_files
from airflow_provider_importstatus.hooks.described import DescribedHook, DescribedSettings
from airflow_provider_importstatus.protocol.described_status import read_status
from airflow_provider_importstatus.protocol.description import parse_description
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    LoadLoginRejection,
    NeedCredential,
    Request,
    Response,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

from ..vendors.described import DOCUMENT
from .playing import NOW, FakeClient, answer, body_of, play, play_to_error, raw
from .strategies import json_values, places, with_other

ACME: dict[str, Any] = {
    "version": 1,
    "name": "acme",
    "title": "Acme",
    "auth": {"type": "bearer"},
    "status": {"path": "/jobs/{import_id}"},
    "state": {
        "path": "state",
        "map": {
            "queued": ["WAITING"],
            "running": ["LOADING"],
            "blocked": ["PAUSED"],
            "succeeded": ["DONE", True, 4],
            "partial": ["DONE_WITH_ERRORS"],
            "failed": ["FAILED", 5.5],
            "cancelled": ["STOPPED"],
        },
    },
    "rows": {"total": "rows", "succeeded": "good", "failed": "bad", "skipped": "left_out"},
    "messages": "errors",
}
SECRET = "Zq-secret/+&= 1"
HELD = Credential("held-token", obtained_at=NOW)


def connected(document: Any = ACME, *, is_bundled: bool = False, **fields: Any) -> DescribedSettings:
    usual: dict[str, Any] = {"host": "acme.example", "login": "me", "password": SECRET, **fields}
    description = parse_description(document, is_bundled=is_bundled)
    return DescribedSettings(conn_id="a_conn", conn_type="import_api", description=description, **usual)


def acme(document: Any = ACME, **fields: Any) -> DescribedHook:
    hook = DescribedHook()
    hook.settings = connected(document, **fields)
    return hook


def poll(response: Response, **keys: Any) -> ImportStatus:
    return play(acme({**ACME, **keys}).poll("7"), HELD, response)[1]


def refused(response: Response, **keys: Any) -> ImportStatusError:
    return play_to_error(acme({**ACME, **keys}).poll("7"), HELD, response)[1]


def sent(hook: DescribedHook, import_id: str = "7") -> Request:
    """Return the request of a poll, with the connection's own credential."""
    client = FakeClient(hook.settings, lambda _: answer(state="DONE"))
    client.run(hook, hook.poll(import_id))
    return client.sent[-1]


class TestStates:
    @pytest.mark.parametrize(
        ("word", "state", "vendor_state"),
        [
            ("WAITING", "queued", "WAITING"),
            ("loading ", "running", "loading "),
            ("Paused", "blocked", "Paused"),
            ("done", "succeeded", "done"),
            (True, "succeeded", "true"),
            (4, "succeeded", "4"),
            ("true", "succeeded", "true"),
            ("DONE_WITH_ERRORS", "partial", "DONE_WITH_ERRORS"),
            ("FAILED", "failed", "FAILED"),
            (5.5, "failed", "5.5"),
            ("STOPPED", "cancelled", "STOPPED"),
            ("DONE?", "unknown", "DONE?"),
            (False, "unknown", "false"),
            (0, "unknown", "0"),
        ],
    )
    def test_a_word_is_mapped_ignoring_case(self, word: Any, state: str, vendor_state: str) -> None:
        status = poll(answer(state=word))
        assert (status.state, status.vendor_state) == (state, vendor_state)

    @pytest.mark.parametrize("word", [None, "", " ", [], ["DONE"], {"a": 1}, 10**400])
    def test_an_answer_without_a_word_is_broken(self, word: Any) -> None:
        error = refused(answer(state=word))
        assert isinstance(error, ImportProtocolError)
        assert "Acme's import status: no state at state.path" in str(error)

    def test_a_long_text_is_no_known_word(self) -> None:
        status = poll(answer(state="DONE" + " " * 1000 + "not"))
        assert (status.state, len(status.vendor_state) <= 100) == (ImportState.UNKNOWN, True)

    def test_the_vendor_is_the_descriptions_name(self) -> None:
        assert poll(answer(state="DONE")).vendor == "acme"

    def test_an_answer_may_be_a_list(self) -> None:
        state = {**ACME["state"], "path": "[0].state"}
        assert poll(raw('[{"state": "DONE"}]'), state=state).state is ImportState.SUCCEEDED


class TestRowsAndMessages:
    def test_counts_are_read(self) -> None:
        rows = poll(answer(state="LOADING", rows=10, good="7", bad=2.0, left_out=1)).rows
        assert (rows.total, rows.succeeded, rows.failed, rows.skipped) == (10, 7, 2, 1)

    @pytest.mark.parametrize(
        ("bad", "state"),
        [
            (0, "succeeded"),
            ("0", "succeeded"),
            (0.0, "succeeded"),
            (None, "succeeded"),
            (1, "partial"),
            ("3", "partial"),
            (0.5, "partial"),
            (-1, "partial"),
            ("many", "partial"),
            ([], "partial"),
            (True, "partial"),
        ],
    )
    def test_rejected_rows_make_a_success_partial(self, bad: Any, state: str) -> None:
        """A count that is present but unreadable must not be taken for none."""
        assert poll(answer(state="DONE", bad=bad)).state == state

    @pytest.mark.parametrize("word", ["FAILED", "STOPPED", "LOADING"])
    def test_rejected_rows_change_no_other_state(self, word: str) -> None:
        assert poll(answer(state=word, bad=5)).state in ("failed", "cancelled", "running")

    @pytest.mark.parametrize(
        ("warnings", "state"), [([], "succeeded"), (["x"], "partial"), (None, "succeeded")]
    )
    def test_partial_if_replaces_the_default(self, warnings: Any, state: str) -> None:
        assert poll(answer(state="DONE", bad=5, warnings=warnings), partial_if="warnings").state == state

    def test_messages_are_kept_without_the_secret(self) -> None:
        status = poll(answer(state="FAILED", errors=[f"no {SECRET} here", {"line": 2}, "NA"]))
        assert status.messages == ("no *** here", '{"line": 2}')

    @pytest.mark.parametrize(
        ("progress", "value", "expected"),
        [
            ("p", 0.5, 0.5),
            ({"path": "p", "of": 100}, 40, 0.4),
            ({"path": "p", "of": 100}, 101, None),
            ({"path": "p"}, "0.5", None),
            ({"path": "p", "of": "all.rows"}, 40, 0.2),
            ({"path": "p", "of": "rows"}, 40, None),
            ({"path": "p", "of": "nothing"}, 0, None),
            ({"path": "p", "of": "all.none"}, 0, None),
            ("p", True, None),
            ("p", 10**400, None),
        ],
    )
    def test_progress_is_a_share(self, progress: Any, value: Any, expected: float | None) -> None:
        body = answer(state="LOADING", p=value, rows="200", all={"rows": 200, "none": 0})
        assert poll(body, progress=progress).progress == expected

    @pytest.mark.parametrize(
        "value",
        ["2026-01-01T00:00:00Z", 1767225600, 1767225600.0, 1767225600000],
        ids=["iso", "s", "s.0", "ms"],
    )
    def test_times_are_read(self, value: Any) -> None:
        keys = {"started_at": "began", "finished_at": "ended"}
        status = poll(answer(state="DONE", began=value, ended=value), **keys)
        assert status.started_at == status.finished_at == pendulum.datetime(2026, 1, 1)
        assert poll(answer(state="LOADING", ended=value), **keys).finished_at is None

    def test_links_of_reports_are_kept_apart_and_removed_from_messages(self) -> None:
        url = "https://files.example/7?sig=Zq-signature"
        keys = {"report": {"url": "[link, links]"}}
        body = answer(
            state="DONE_WITH_ERRORS", link=url, links=["ftp://x", 5, "/relative"], errors=[f"see {url}"]
        )
        status = poll(body, **keys)
        assert status.error_report_urls == (url,)
        assert status.messages == ("see ***",)

    @pytest.mark.parametrize(
        ("key", "keys"),
        [
            ("state.path", {"state": {**ACME["state"], "path": "sum(text)"}}),
            ("rows.failed", {"rows": {"failed": "sum(text)"}}),
            ("partial_if", {"partial_if": "sum(text)"}),
            ("ok", {"ok": "sum(text)"}),
            ("report.url", {"report": {"url": "sum(text)"}}),
        ],
    )
    def test_an_expression_that_decides_about_the_end_must_not_fail(
        self, key: str, keys: dict[str, Any]
    ) -> None:
        error = refused(answer(state="DONE", text=SECRET), **keys)
        assert isinstance(error, ImportProtocolError)
        assert f"expression {key} failed: sum() does not accept a value of type str" in str(error)

    @pytest.mark.parametrize(
        ("key", "keys"),
        [
            *((f"rows.{name}", {"rows": {name: "sum(text)"}}) for name in ("total", "succeeded", "skipped")),
            ("progress", {"progress": "sum(text)"}),
            ("progress.of", {"progress": {"path": "text", "of": "sum(text)"}}),
            ("messages", {"messages": "sum(text)"}),
            ("started_at", {"started_at": "sum(text)"}),
            ("finished_at", {"finished_at": "sum(text)"}),
        ],
    )
    def test_any_other_expression_that_fails_leaves_its_field_empty_and_says_so(
        self, key: str, keys: dict[str, Any]
    ) -> None:
        """Otherwise an import that has ended would be waited for until the timeout."""
        status = poll(answer(state="DONE", text=SECRET, errors=["Row 7 is wrong."]), **keys)
        assert status.state is ImportState.SUCCEEDED
        assert status.rows == RowCounts()
        assert (status.progress, status.started_at, status.finished_at) == (None, None, None)
        failure, *others = status.messages
        assert f"expression {key} failed: sum() does not accept a value of type str" in failure
        assert others == ([] if key == "messages" else ["Row 7 is wrong."])

    def test_an_error_is_told_although_its_messages_cannot_be_read(self) -> None:
        error = refused(answer(state="DONE", bad=5), ok="bad == `0`", messages="sum(bad)")
        assert isinstance(error, ImportRequestError)
        assert '"bad": 5' in str(error)

    def test_work_on_an_answer_is_bounded_for_all_expressions_together(self) -> None:
        large = answer(state="DONE", list=[{"a": 1}] * 40_000)
        keys = {"rows": dict.fromkeys(("total", "succeeded", "skipped"), "length(list[*].a)")}
        status = poll(large, **keys)
        assert (status.rows.total, status.rows.skipped) == (40_000, None)
        assert all("takes too much work" in message for message in status.messages)


class TestErrors:
    def test_a_404_with_json_is_not_found(self) -> None:
        error = refused(answer(404, code=1), import_id={"help": "the jobId of POST /jobs"})
        assert isinstance(error, ImportNotFoundError)
        assert "Acme knows no import '7'. Check that it is the jobId of POST /jobs" in str(error)

    def test_a_404_with_a_json_list_is_not_found(self) -> None:
        assert isinstance(refused(raw('[{"errorCode": "NOT_FOUND"}]', 404)), ImportNotFoundError)

    def test_a_404_without_json_is_a_gateways(self) -> None:
        assert isinstance(refused(raw("<html>", 404)), ImportProtocolError)

    @pytest.mark.parametrize("status", [200, 400, 500])
    def test_not_found_may_be_told_by_the_body(self, status: int) -> None:
        error = refused(answer(status, code=17), not_found={"when": "code == `17`"})
        assert isinstance(error, ImportNotFoundError)

    def test_with_other_statuses_a_404_is_a_request_error(self) -> None:
        assert isinstance(refused(answer(404), not_found={"status": [410]}), ImportRequestError)
        assert isinstance(refused(answer(410), not_found={"status": [410]}), ImportNotFoundError)

    @pytest.mark.parametrize(
        "response",
        [answer(408), answer(425), answer(429), answer(500), raw("", 503), answer(409), answer(code=1)],
    )
    def test_a_busy_vendor_is_unavailable(self, response: Response) -> None:
        error = refused(response, unavailable={"status": [409], "when": "code == `1`"})
        assert isinstance(error, ImportUnavailableError)

    def test_a_described_outage_may_say_when_to_come_back(self) -> None:
        response = replace(answer(code=1), headers={"retry-after": "30"})
        error = refused(response, unavailable={"when": "code"})
        assert getattr(error, "retry_after", None) == 30

    @pytest.mark.parametrize("status", [400, 405, 422])
    def test_any_other_error_is_a_request_error(self, status: int) -> None:
        assert isinstance(refused(answer(status, message="no")), ImportRequestError)

    def test_a_redirect_is_not_followed(self) -> None:
        error = refused(raw("", 302, location="https://evil.example"))
        assert isinstance(error, ImportProtocolError)
        assert "It is not followed" in str(error)

    def test_an_envelope_that_is_not_ok_is_a_request_error_with_the_messages(self) -> None:
        error = refused(answer(success=False, errors=["unknown", SECRET]), ok="success")
        assert isinstance(error, ImportRequestError)
        assert "the vendor reports an error (unknown; ***)" in str(error)

    def test_an_envelope_that_is_ok_is_read(self) -> None:
        assert poll(answer(success=True, state="DONE"), ok="success").state is ImportState.SUCCEEDED

    @pytest.mark.parametrize("response", [raw("<html>"), raw(""), raw("5"), raw('{"state": "DONE"')])
    def test_a_success_without_json_is_broken(self, response: Response) -> None:
        assert isinstance(refused(response), ImportProtocolError)

    @pytest.mark.parametrize(
        "response", [answer(401), answer(403), answer(errors=[{"code": "601"}]), answer(400, e=1)]
    )
    def test_a_rejected_credential_is_replaced(self, response: Response) -> None:
        keys = {"unauthorized": {"status": [400], "when": "errors[?code == '601']"}}
        flow = acme({**ACME, **keys}).poll("7")
        effects, status = play(flow, HELD, response, Credential("newer"), answer(state="DONE"))
        assert [type(effect) for effect in effects] == [NeedCredential, Request, NeedCredential, Request]
        assert effects[2].rejected == HELD
        assert status.state is ImportState.SUCCEEDED

    @pytest.mark.parametrize("status", [401, 403])
    @pytest.mark.parametrize(
        ("when", "body"),
        [
            ("code == 'LIMIT'", '{"code": "LIMIT"}'),
            ("[?code == 'LIMIT']", '[{"code": "LIMIT"}]'),
            ("type(@) == 'string' && contains(@, 'Limit')", "403 (Limit exceeded)"),
        ],
        ids=["object", "list", "text"],
    )
    def test_an_outage_counts_before_a_rejected_credential(self, status: int, when: str, body: str) -> None:
        error = refused(raw(body, status, **{"retry-after": "30"}), unavailable={"when": when})
        assert isinstance(error, ImportUnavailableError)
        assert error.retry_after == 30

    @pytest.mark.parametrize(
        ("when", "body"),
        [
            ("code == 'LIMIT'", '{"code": "EXPIRED"}'),
            ("type(@) == 'string' && contains(@, 'Limit')", "x" * 1000 + "Limit"),
            ("contains(code, 'Limit')", '{"code": 5}'),
            ("type(@) == 'string' && contains(@, 'Limit')", b"\xff\xfe"),
        ],
        ids=["other code", "far away", "expression fails", "no text"],
    )
    def test_any_other_401_or_403_is_a_rejected_credential(self, when: str, body: str | bytes) -> None:
        response = Response(403, {}, body if isinstance(body, bytes) else body.encode(), received_at=NOW)
        flow = acme({**ACME, "unavailable": {"when": when}}).poll("7")
        effects, _ = play(flow, HELD, response, Credential("newer"), answer(state="DONE", code=""))
        assert isinstance(effects[2], NeedCredential)

    def test_a_rejected_credential_counts_before_not_found(self) -> None:
        keys = {"unauthorized": {"when": "expired"}, "not_found": {"when": "expired"}}
        effects, _ = play(
            acme({**ACME, **keys}).poll("7"), HELD, answer(expired=1), HELD, answer(state="DONE")
        )
        assert isinstance(effects[2], NeedCredential)

    def test_not_found_counts_before_an_outage(self) -> None:
        keys = {"unavailable": {"when": "gone"}, "not_found": {"when": "gone"}}
        assert isinstance(refused(answer(503, gone=1), **keys), ImportNotFoundError)

    def test_an_unauthorized_condition_that_fails_on_other_answers_does_not_hold(self) -> None:
        """`get_conn()` asks about answers of any endpoint."""
        status = poll(answer(state="DONE"), unauthorized={"when": "contains(message, 'token')"})
        assert status.state is ImportState.SUCCEEDED


class TestRequests:
    def test_a_poll_sends_what_the_description_says(self) -> None:
        document = {
            **ACME,
            "extras": {"tenant": {"default": 7.5}, "view": {}},
            "status": {
                "method": "POST",
                "path": "/t/{extra.tenant}/jobs",
                "query": {"view": "{extra.view}"},
                "headers": {"Revision": "2025-01-15"},
                "json": {"id": "{import_id}"},
            },
        }
        request = sent(acme(document, extra={"view": "a&b"}), 'x"/..')
        assert (request.method, request.url) == ("POST", "https://acme.example/t/7.5/jobs?view=a%26b")
        assert body_of(request) == {"id": 'x"/..'}
        assert request.headers["Revision"] == "2025-01-15"

    def test_a_header_may_contain_an_extra(self) -> None:
        document = {
            **ACME,
            "extras": {"revision": {"default": "2026-07-15"}},
            "status": {"path": "/jobs/{import_id}", "headers": {"Revision": "v{extra.revision}"}},
            "cancel": {"path": "/jobs/{import_id}/cancel"},
        }
        hook = acme(document, extra={"revision": "2025-01-15 beta"})
        assert sent(hook).headers["Revision"] == "v2025-01-15 beta"
        assert sent(acme(document)).headers["Revision"] == "v2026-07-15"
        effects, _ = play(hook.cancel("7"), HELD, raw("", 204))
        assert effects[1].headers["Revision"] == "v2025-01-15 beta"

    @pytest.mark.parametrize("value", ["a\r\nX-Other: b", "\u2028", "é", "a\tb"])
    def test_an_extra_that_cannot_stand_in_a_header_is_refused(self, value: str) -> None:
        document = {
            **ACME,
            "extras": {"revision": {}},
            "status": {"path": "/jobs/{import_id}", "headers": {"Revision": "{extra.revision}"}},
        }
        effects, error = play_to_error(acme(document, extra={"revision": value}).poll("7"))
        assert (effects, type(error)) == ([], ImportSettingsError)

    def test_a_path_of_the_host_is_kept(self) -> None:
        assert sent(acme(host="https://acme.example:8443/api/")).url == "https://acme.example:8443/api/jobs/7"

    def test_an_extra_without_a_default_is_required(self) -> None:
        document = {
            **ACME,
            "extras": {"tenant": {"help": "the short name"}},
            "status": {"path": "/{extra.tenant}/{import_id}"},
        }
        effects, error = play_to_error(acme(document).poll("7"))
        assert (effects, type(error)) == ([], ImportSettingsError)
        assert str(error) == (
            "Connection 'a_conn' (import_api): tenant is empty, but description 'acme' needs it."
            " To fix it, add this extra (the short name); nothing was sent."
        )

    @pytest.mark.parametrize(
        "request_",
        [
            {"path": "/{extra.tenant}/{import_id}"},
            {"path": "/jobs", "query": {"id": "{import_id}", "tenant": "{extra.tenant}"}},
            {"method": "POST", "path": "/jobs", "json": {"id": "{import_id}", "in": ["{extra.tenant}"]}},
        ],
        ids=["path", "query", "json"],
    )
    def test_an_extra_needs_no_declaration(self, request_: dict[str, Any]) -> None:
        document = {**ACME, "status": request_, "cancel": {"path": "/{import_id}/cancel/{extra.tenant}"}}
        request = sent(acme(document, extra={"tenant": "a b"}))
        body = body_of(request) if request.body else {}
        assert ("a%20b" in request.url) or body == {"id": "7", "in": ["a b"]}
        for flow in (acme(document).poll("7"), acme(document).cancel("7"), acme(document).probe()):
            effects, error = play_to_error(flow)
            assert (effects, type(error)) == ([], ImportSettingsError)
            assert str(error) == (
                "Connection 'a_conn' (import_api): tenant is empty, but description 'acme' needs it."
                " To fix it, add this extra; nothing was sent."
            )

    @pytest.mark.parametrize("value", ["..", ".", "a\nb", "a\0b", "\ud83d", True, "", None])
    def test_a_hostile_extra_is_refused_before_anything_is_sent(self, value: Any) -> None:
        document = {**ACME, "extras": {"tenant": {}}, "status": {"path": "/{extra.tenant}/{import_id}"}}
        effects, error = play_to_error(acme(document, extra={"tenant": value}).poll("7"))
        assert (effects, type(error)) == ([], ImportSettingsError)

    @pytest.mark.parametrize("import_id", [".", ".."])
    def test_an_id_that_climbs_is_refused(self, import_id: str) -> None:
        effects, error = play_to_error(acme().poll(import_id))
        assert (effects, type(error)) == ([], ImportSettingsError)

    def test_the_probe_polls_an_id_that_no_import_has(self) -> None:
        effects, error = play_to_error(acme().probe(), HELD, answer(404))
        assert effects[1].url == "https://acme.example/jobs/00000000-0000-0000-0000-000000000000"
        assert isinstance(error, ImportNotFoundError)

    def test_the_probe_polls_the_descriptions_id_that_no_import_has(self) -> None:
        hook = acme({**ACME, "import_id": {"missing": "0"}})
        effects, _ = play_to_error(hook.probe(), HELD, answer(404))
        assert effects[1].url == "https://acme.example/jobs/0"


def with_auth(**auth: Any) -> dict[str, Any]:
    return {**ACME, "auth": auth}


OAUTH = "oauth2_client_credentials"
TOKEN_URL = "https://login.acme.example/token"


class TestCredentials:
    @pytest.mark.parametrize(
        ("auth", "headers"),
        [
            ({"type": "none"}, {}),
            ({"type": "bearer"}, {"Authorization": f"Bearer {SECRET}"}),
            (
                {"type": "basic"},
                {"Authorization": f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"},
            ),
            ({"type": "api_key", "in": "header", "name": "X-Key"}, {"X-Key": SECRET}),
            (
                {"type": "api_key", "in": "header", "name": "Authorization", "prefix": "Klaviyo-API-Key "},
                {"Authorization": f"Klaviyo-API-Key {SECRET}"},
            ),
        ],
    )
    def test_a_credential_is_sent_as_the_description_says(self, auth: Any, headers: dict[str, str]) -> None:
        request = sent(acme(with_auth(**auth)))
        assert request.headers == {"Accept": "application/json", **headers}
        assert request.url == "https://acme.example/jobs/7"

    def test_a_key_in_the_query_is_quoted_and_in_no_label(self) -> None:
        document = with_auth(type="api_key", **{"in": "query", "name": "key"})
        document["status"] = {"path": "/jobs/{import_id}", "query": {"a": "b"}}
        request = sent(acme(document))
        assert parse_qs(urlsplit(request.url).query) == {"a": ["b"], "key": [SECRET]}
        assert (request.label, request.headers) == (
            "GET https://acme.example/jobs/7",
            {"Accept": "application/json"},
        )

    @pytest.mark.parametrize(
        "auth", [{"type": "basic"}, {"type": "bearer"}, {"type": "api_key", "in": "query", "name": "k"}]
    )
    def test_an_empty_password_is_refused_before_anything_is_sent(self, auth: Any) -> None:
        hook = acme(with_auth(**auth), password="" if auth["type"] == "basic" else "  ")
        with pytest.raises(ImportSettingsError, match="password"):
            hook.static_credential(hook.settings)

    def test_a_token_that_is_no_header_is_refused(self) -> None:
        hook = acme(password="a\nb")
        with pytest.raises(
            ImportSettingsError, match="password contains characters not allowed in an HTTP header"
        ):
            hook.static_credential(hook.settings)

    @pytest.mark.parametrize(
        ("auth", "method", "query", "body", "headers"),
        [
            (
                {},
                "POST",
                {},
                {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": [SECRET]},
                {},
            ),
            (
                {"scope": "a b", "encoding": "basic"},
                "POST",
                {},
                {"grant_type": ["client_credentials"], "scope": ["a b"]},
                {"Authorization": f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}"},
            ),
            (
                {"method": "GET"},
                "GET",
                {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": [SECRET]},
                {},
                {},
            ),
        ],
        ids=["form", "basic", "GET"],
    )
    def test_a_token_is_requested(
        self, auth: Any, method: str, query: Any, body: Any, headers: dict[str, str]
    ) -> None:
        hook = acme(with_auth(type=OAUTH, **auth), extra={"token_url": TOKEN_URL})
        effects, credential = play(
            hook.authenticate(hook.settings), answer(access_token="t0ken", expires_in=3600)
        )
        (request,) = effects
        assert (request.method, request.url.partition("?")[0]) == (method, TOKEN_URL)
        assert parse_qs(urlsplit(request.url).query) == query
        assert parse_qs((request.body or b"").decode()) == body
        assert headers.items() <= request.headers.items()
        assert request.label == f"{method} {TOKEN_URL}"
        assert (credential.value, credential.expires_at) == ("t0ken", NOW + 3540)

    def test_a_ready_made_token_needs_no_login(self) -> None:
        hook = acme(with_auth(type=OAUTH), login="", password="", extra={"access_token": "ready-made"})
        assert hook.static_credential(hook.settings) == Credential("ready-made")
        assert sent(hook).headers["Authorization"] == "Bearer ready-made"

    def test_a_ready_made_token_is_refused_if_it_is_no_header(self) -> None:
        hook = acme(with_auth(type=OAUTH), extra={"access_token": "a\nb"})
        with pytest.raises(ImportSettingsError, match="access_token contains characters not allowed"):
            hook.static_credential(hook.settings)

    def test_a_token_without_a_lifetime_is_kept(self) -> None:
        hook = acme(with_auth(type=OAUTH), extra={"token_url": TOKEN_URL})
        _, credential = play(hook.authenticate(hook.settings), answer(access_token="t0ken"))
        assert credential.expires_at is None

    def test_a_rejected_login_is_an_auth_error_that_quotes_nothing(self) -> None:
        hook = acme(with_auth(type=OAUTH), extra={"token_url": TOKEN_URL})
        _, error = play_to_error(
            hook.authenticate(hook.settings), answer(401, error="invalid_client", a=SECRET)
        )
        assert isinstance(error, ImportAuthError)
        assert str(error) == "Acme's token request was rejected: HTTP 401 invalid_client."

    @pytest.mark.parametrize(
        ("extra", "described", "is_bundled", "expected"),
        [
            ({"token_url": TOKEN_URL}, "https://other.example/token", True, TOKEN_URL),
            ({"token_url": "/token"}, "", False, "https://acme.example/token"),
            ({}, "/oauth/token", True, "https://acme.example/oauth/token"),
            ({}, "https://other.example/token", True, "https://other.example/token"),
        ],
    )
    def test_the_token_url_is_the_connections_or_a_bundled_descriptions(
        self, extra: Any, described: str, is_bundled: bool, expected: str
    ) -> None:
        auth = {"type": OAUTH, **({"token_url": described} if described else {})}
        hook = acme(with_auth(**auth), is_bundled=is_bundled, extra=extra)
        assert hook.token_url(hook.settings) == expected

    @pytest.mark.parametrize("described", ["https://evil.example/token", "/token", None])
    @pytest.mark.parametrize("extra", [{}, {"token_url": "//evil.example"}, {"token_url": "ftp://x"}])
    def test_a_description_of_a_dag_decides_no_token_url(self, described: Any, extra: Any) -> None:
        hook = acme(with_auth(type=OAUTH, token_url=described), extra=extra)
        _, error = play_to_error(hook.authenticate(hook.settings))
        assert isinstance(error, ImportSettingsError)
        assert "token_url is not a URL" in str(error)

    def test_processes_share_a_token_if_the_connection_says_so(self) -> None:
        extra = {"token_url": TOKEN_URL, "share_token": "true"}
        hook = acme(with_auth(type=OAUTH), extra=extra)
        name = hook.shared_token_name(hook.settings) or ""
        assert name.startswith("importstatus_token_import_api_")
        other = acme(with_auth(type=OAUTH, scope="more"), extra=extra)
        assert other.shared_token_name(other.settings) != name
        alone = acme(with_auth(type=OAUTH), extra={"token_url": TOKEN_URL})
        assert alone.shared_token_name(alone.settings) is None
        static = acme(extra=extra)
        assert static.shared_token_name(static.settings) is None

    def test_a_login_and_a_poll_need_one_token_request(self) -> None:
        hook = acme(with_auth(type=OAUTH), extra={"token_url": TOKEN_URL})
        effects, credential = play(
            hook.credentials.credential(hook, NeedCredential(), NOW), None, answer(access_token="t0ken")
        )
        assert [type(effect) for effect in effects] == [LoadLoginRejection, Request]
        _, status = play(hook.poll("7"), credential, answer(state="DONE"))
        assert status.state is ImportState.SUCCEEDED


class TestCancelling:
    document: ClassVar[dict[str, Any]] = {
        **ACME,
        "cancel": {"method": "PATCH", "path": "/jobs/{import_id}", "json": {"state": "Aborted"}},
    }

    def test_a_cancel_request_is_sent_as_described(self) -> None:
        effects, result = play(acme(self.document).cancel("7"), HELD, raw("", 204))
        request = effects[1]
        assert (request.method, request.url) == ("PATCH", "https://acme.example/jobs/7")
        assert (json.loads(request.body), result) == ({"state": "Aborted"}, None)

    def test_a_vendor_can_cancel_if_its_description_says_how(self) -> None:
        assert (acme(self.document).can_cancel, acme().can_cancel) == (True, False)
        effects, error = play_to_error(acme().cancel("7"))
        assert (effects, type(error)) == ([], ImportSettingsError)

    def test_the_error_names_the_described_vendor(self) -> None:
        with pytest.raises(ImportSettingsError, match="but Acme cannot cancel imports"):
            acme().check_can_cancel()

    @pytest.mark.parametrize(
        ("response", "kind"),
        [
            (answer(404), ImportNotFoundError),
            (answer(503), ImportUnavailableError),
            (answer(409, message="finished"), ImportRequestError),
            (answer(200, success=False), ImportRequestError),
        ],
    )
    def test_a_refused_cancel_request_is_an_error(self, response: Response, kind: type[Exception]) -> None:
        hook = acme({**self.document, "ok": "success"})
        assert type(play_to_error(hook.cancel("7"), HELD, response)[1]) is kind


class TestConnections:
    @pytest.fixture(autouse=True)
    def _connection(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def connect(self, extra: Any = None, **fields: Any) -> None:
        value = {"conn_type": "import_api", "password": SECRET, "extra": extra or {}, **fields}
        self.monkeypatch.setenv("AIRFLOW_CONN_A_CONN", json.dumps(value))

    def read(self, description: Any = None) -> DescribedHook:
        hook = DescribedHook("a_conn", description)
        hook.read_again()
        return hook

    @pytest.mark.parametrize("written", [ACME, json.dumps(ACME)], ids=["object", "text"])
    def test_a_description_in_the_connection_is_read(self, written: Any) -> None:
        self.connect({"description": written}, host="acme.example")
        assert self.read().description.name == "acme"

    def test_the_parameter_counts_before_the_connection(self) -> None:
        self.connect({"description": {**ACME, "name": "other"}}, host="acme.example")
        assert self.read(ACME).description.name == "acme"

    def test_a_file_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "acme.json"
        path.write_text(json.dumps(ACME))
        self.connect({"description": str(path)}, host="acme.example")
        assert self.read().description.name == "acme"

    @pytest.mark.parametrize(
        ("extra", "told"),
        [
            ({}, "description is empty"),
            ({"description": ""}, "description is empty"),
            ({"description": "acme.yaml"}, "neither a name nor an absolute path"),
            (
                {"description": {**ACME, "version": 2}},
                "the description in connection 'a_conn': version is not supported",
            ),
            ({"description": 5}, "is of type int"),
        ],
    )
    def test_an_unusable_description_is_refused(self, extra: Any, told: str) -> None:
        self.connect(extra, host="acme.example")
        with pytest.raises(ImportSettingsError) as error:
            self.read()
        assert told.lower() in str(error.value).lower()

    @pytest.mark.parametrize("in_connection", [True, False])
    def test_without_a_host_only_a_bundled_description_says_where_the_secret_goes(
        self, in_connection: bool
    ) -> None:
        document = {**ACME, "base_url": "https://evil.example"}
        self.connect({"description": document} if in_connection else {})
        with pytest.raises(
            ImportSettingsError, match=r"'a_conn' \(import_api\): host is empty\. To fix it, give"
        ):
            self.read(None if in_connection else document)

    def test_a_bundled_description_has_a_host(self, tmp_path: Path) -> None:
        (tmp_path / "acme.yaml").write_text(json.dumps({**ACME, "base_url": "https://api.acme.example/"}))
        self.monkeypatch.setattr(description_files, "FOLDER", tmp_path)
        self.connect({"description": "acme"})
        description_files._bundled.cache_clear()
        try:
            assert self.read().base_url == "https://api.acme.example"
            self.connect({"description": "acme"}, host="http://localhost:1")
            assert self.read().base_url == "http://localhost:1"
        finally:
            description_files._bundled.cache_clear()

    def test_an_edited_description_is_another_reading(self) -> None:
        """The credential of one description must not be used by another."""
        self.connect({"description": ACME}, host="acme.example")
        hook = self.read()
        before = hook.credentials
        hook.read_again()
        assert hook.credentials is before
        self.connect({"description": with_auth(type="basic")}, host="acme.example", login="me")
        hook.read_again()
        assert hook.credentials is not before

    def test_a_file_travels_as_its_document(self, tmp_path: Path) -> None:
        path = tmp_path / "acme.json"
        path.write_text(json.dumps(ACME))
        assert DescribedHook.portable_params({"description": str(path)}) == {"description": ACME}

    @pytest.mark.parametrize("params", [None, {}, {"description": "hubspot"}, {"description": ACME}])
    def test_other_parameters_travel_as_they_are(self, params: Any) -> None:
        assert DescribedHook.portable_params(params) == params


def test_the_minimum_interval_is_the_descriptions() -> None:
    assert (acme({**ACME, "pace": {"min_interval": 20}}).min_interval, acme().min_interval) == (20.0, 0.0)


_changes = json_values | st.sampled_from(
    [
        ...,
        "https://evil.example/{import_id}",
        "//evil.example/{import_id}",
        "/\\evil.example/{import_id}",
        "/../{import_id}",
        "@evil.example/{import_id}",
        "/{extra.tenant}{extra.tenant}/{import_id}",
        {"path": "https://evil.example/{import_id}"},
        {"type": "api_key", "in": "query", "name": "key"},
        {"type": "api_key", "in": "header", "name": "X-Key", "prefix": "k "},
        {"type": "basic"},
        {"type": OAUTH, "token_url": "https://evil.example/token", "method": "GET"},
        "[@,@]|[@,@]|[@,@]|[@,@]|to_string(@)",
    ]
)
_ids = st.sampled_from(
    ["7", "..", ".", "//evil.example", "\\\\evil.example", "@evil.example", "a/../..", "?x#y", "%2e%2e"]
)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(data=st.data())
def test_no_description_sends_a_credential_anywhere_but_to_the_connections_hosts(data: st.DataObject) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(min_value=1, max_value=3))):
        path = data.draw(st.sampled_from([path for path in places(document) if path]))
        document = with_other(document, path, data.draw(_changes))
    document["base_url"] = "https://evil.example"
    extra = {"tenant": data.draw(_ids), "token_url": "https://login.example/token"}
    try:
        hook = acme(document, extra=extra)
    except ImportSettingsError:
        return
    client = FakeClient(hook.settings, lambda _: answer(access_token="t0ken", job={"state": "done"}))
    told = ""
    try:
        client.run(hook, hook.poll(data.draw(_ids)))
        client.run(hook, hook.cancel(data.draw(_ids)))
    except ImportStatusError as error:
        told = "".join(traceback.format_exception(error))
    for request in client.sent:
        parts = urlsplit(request.url)
        assert (parts.scheme, parts.netloc) in (("https", "acme.example"), ("https", "login.example"))
        if parts.netloc == "acme.example":
            assert not {".", ".."} & set(parts.path.split("/"))
        assert SECRET not in request.label
    assert SECRET not in told


LARGE: dict[str, Any] = {
    "messages": {
        "job": {"state": "broken", "errors": [{"text": f"line {i}: no number"} for i in range(90_000)]}
    },
    "lists": {"job": {"state": "done", "errors": [[[{"text": "x"}]] for _ in range(45_000)]}},
    "long texts": {
        "job": {"state": "done" * 300_000, "errors": [{"text": "x" * 2_000_000}], "bad": "9" * 900_000}
    },
    "links": {"job": {"state": "done", "links": [{"href": "https://a.example/" + "x" * 30}] * 60_000}},
    "counts": {"job": {"state": "done", "bad": [1] * 1_000_000}},
    "codes": {
        "code": "x" * 2_000_000,
        "state": "x",
        "job": {"state": "done", "errors": [{"text": "\x1b[" * 400_000}]},
    },
}


@pytest.mark.parametrize("shape", LARGE)
def test_the_largest_answers_stop_an_event_loop_for_a_moment_only(shape: str) -> None:
    """200 ms at most, besides reading the JSON; the best of three leaves out what others do to the CPU."""
    response = raw(json.dumps(LARGE[shape]))
    response.parse_any()
    hook = acme(DOCUMENT)

    def seconds() -> float:
        began = time.thread_time()
        with suppress(ImportStatusError):
            hook.effective_status(response)
            read_status(hook.description, "7", response)
        return time.thread_time() - began

    assert min(seconds() for _ in range(3)) < 0.2
