from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pendulum
import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.zilliant import ZilliantHook
from airflow_provider_importstatus.protocol.messages import Credential, NeedCredential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

from .playing import NOW, answer, play, play_to_error, raw

CLIENT = {"client_id": "app-1", "client_secret": "app-secret"}
SETTINGS = ConnectionSettings(
    "zilliant_default", "zilliant", host="mine.zilliant.com", login="me", password="pass word", extra=CLIENT
)
CREDENTIAL = Credential("encoded-1")
#: Odd spacing, so that a token response that is parsed and written anew is another one.
TOKEN_RESPONSE = (
    b'{"access_token" :"00D!x",\n "instance_url":"https:\\/\\/z.example", "signature":"s\xc3\xbc="}'
)
ABSENT = answer(404, message="Report not found.")


def zilliant(**fields: Any) -> ZilliantHook:
    hook = ZilliantHook()
    hook.settings = replace(SETTINGS, **fields)
    return hook


def status(word: Any, **changes: Any) -> Response:
    return answer(status=word, **{"clientErrorCallingService": False, **changes})


def report(word: Any, **changes: Any) -> Response:
    return answer(status=word, **changes)


def poll(*answers: Any) -> ImportStatus:
    return play(zilliant().poll("2587c81c"), CREDENTIAL, *answers)[1]


def look_at_ended(*, word: str = "SUCCEEDED", report: Response) -> ImportStatus:
    return poll(status(word), CREDENTIAL, report)


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        pytest.param([status("RUNNING")], "running", id="RUNNING"),
        pytest.param([status("QUEUED")], "unknown", id="another word"),
        pytest.param([status(" running ")], "running", id="lower case, spaces"),
    ],
)
def test_an_unfinished_import_has_the_state(answers: list[Response], state: str) -> None:
    assert poll(*answers).state is ImportState(state)


@pytest.mark.parametrize(
    ("word", "said", "state"),
    [
        pytest.param("SUCCEEDED", report("SUCCESS"), "succeeded", id="SUCCEEDED, report SUCCESS"),
        pytest.param("SUCCEEDED", ABSENT, "succeeded", id="SUCCEEDED, report absent"),
        pytest.param("SUCCEEDED", report("PARTIAL_SUCCESS"), "partial", id="SUCCEEDED, report PARTIAL"),
        pytest.param("SUCCEEDED", report("FAILED"), "failed", id="SUCCEEDED, report FAILED"),
        pytest.param("SUCCEEDED", report("ODD"), "unknown", id="SUCCEEDED, report of another word"),
        pytest.param("FAILED", report("PARTIAL_SUCCESS"), "partial", id="FAILED, report PARTIAL"),
        pytest.param("FAILED", report("FAILED"), "failed", id="FAILED, report FAILED"),
        pytest.param("FAILED", report("SUCCESS"), "failed", id="FAILED, report SUCCESS"),
        pytest.param("FAILED", ABSENT, "failed", id="FAILED, report absent"),
        pytest.param("succeeded", report("success"), "succeeded", id="lower case"),
    ],
)
def test_a_finished_import_has_the_state(word: str, said: Response, state: str) -> None:
    assert look_at_ended(word=word, report=said).state is ImportState(state)


def test_the_documented_sample_has_start_and_end() -> None:
    sample = status("SUCCEEDED", startDate="2021-09-28T13:09:25Z", stopDate="2021-09-28T13:16:06Z")
    seen = poll(sample, CREDENTIAL, ABSENT)
    assert (seen.started_at, seen.finished_at) == (
        pendulum.datetime(2021, 9, 28, 13, 9, 25),
        pendulum.datetime(2021, 9, 28, 13, 16, 6),
    )


def test_a_running_import_has_no_end() -> None:
    seen = poll(status("RUNNING", startDate="2021-09-28T13:09:25Z", stopDate=None))
    assert (seen.started_at, seen.finished_at) == (pendulum.datetime(2021, 9, 28, 13, 9, 25), None)


def test_the_status_names_vendor_import_and_word() -> None:
    seen = poll(status("Running", entityImportId="2587c81c"))
    assert (seen.vendor, seen.import_id, seen.vendor_state) == ("zilliant", "2587c81c", "Running")


def test_the_report_has_the_row_counts() -> None:
    seen = look_at_ended(report=report("PARTIAL_SUCCESS", processedRows=120, failedRows=3))
    assert seen.rows == RowCounts(total=120, failed=3)


@pytest.mark.parametrize("said", [report("SUCCESS"), ABSENT], ids=["report without counts", "no report"])
def test_missing_row_counts_are_none(said: Response) -> None:
    assert look_at_ended(report=said).rows == RowCounts()


@pytest.mark.parametrize("said", [True, False, None, "true"], ids=repr)
def test_a_client_error_is_a_message(said: Any) -> None:
    messages = poll(status("RUNNING", clientErrorCallingService=said)).messages
    assert [message for message in messages if "clientErrorCallingService" in message] == list(messages)
    assert bool(messages) is (said is True)


@pytest.mark.parametrize("other", ["2587c81d", 7, "x" * 10**6], ids=lambda other: str(other)[:8])
def test_another_import_id_adds_a_message(other: Any) -> None:
    """It is not documented that entityImportId is the importId, and the failed sample is not a UUID."""
    seen = poll(status("RUNNING", entityImportId=other))
    assert (seen.state, "entityImportId" in seen.messages[0]) == (ImportState.RUNNING, True)


@pytest.mark.parametrize("same", ["2587c81c", "2587C81C", "2587-c81c", "", None, [], True], ids=repr)
def test_the_same_import_id_adds_no_message(same: Any) -> None:
    assert poll(status("RUNNING", entityImportId=same)).messages == ()


def test_the_reports_message_is_kept() -> None:
    assert look_at_ended(report=report("FAILED", message="bad header")).messages == ("bad header",)


class TestTheRequests:
    def requests(self, hook: ZilliantHook, import_id: str = "2587c81c") -> list[Request]:
        effects, _ = play(hook.poll(import_id), CREDENTIAL, status("FAILED"), CREDENTIAL, ABSENT)
        return [effect for effect in effects if isinstance(effect, Request)]

    def test_the_requests_are_as_documented(self) -> None:
        base = "https://mine.zilliant.com/v1/EntityImport/2587c81c"
        assert [(request.method, request.url) for request in self.requests(zilliant())] == [
            ("GET", f"{base}/status"),
            ("GET", f"{base}/report"),
        ]

    def test_the_requests_have_the_credential(self) -> None:
        headers = [request.headers for request in self.requests(zilliant())]
        assert headers == [{"Authorization": "OAuth encoded-1"}] * 2

    def test_the_requests_name_the_oauth_host(self) -> None:
        hook = zilliant(extra={**CLIENT, "x_forwarded_host": "mine-dev.example"})
        hosts = [request.headers["X-Forwarded-Host"] for request in self.requests(hook)]
        assert hosts == ["mine-dev.example"] * 2

    def test_the_import_id_is_quoted(self) -> None:
        assert self.requests(zilliant(), "a/b?c")[0].url.endswith("/v1/EntityImport/a%2Fb%3Fc/status")

    def test_an_import_id_cannot_change_the_path(self) -> None:
        effects, error = play_to_error(zilliant().poll(".."))
        assert (effects, type(error)) == ([], ImportSettingsError)

    @pytest.mark.parametrize("word", ["RUNNING", "QUEUED"])
    def test_the_report_is_not_requested_while_the_import_runs(self, word: str) -> None:
        effects, _ = play(zilliant().poll("2587c81c"), CREDENTIAL, status(word))
        assert len(effects) == 2


ANSWERS = [
    pytest.param(raw("", 400), ImportRequestError, id="400"),
    pytest.param(raw("", 409), ImportRequestError, id="409"),
    pytest.param(raw("", 429), ImportUnavailableError, id="429"),
    pytest.param(raw("<html>", 502), ImportUnavailableError, id="502 with a page"),
    pytest.param(raw("", 302), ImportProtocolError, id="redirect"),
    pytest.param(raw("<html>"), ImportProtocolError, id="200 with a page"),
    pytest.param(raw("<html>default backend", 404), ImportProtocolError, id="404 with a page"),
    pytest.param(raw("", 404), ImportProtocolError, id="404 with nothing"),
    pytest.param(raw('"gone"', 404), ImportProtocolError, id="404 with a text"),
    pytest.param(answer(), ImportProtocolError, id="no status"),
    pytest.param(answer(status=""), ImportProtocolError, id="blank status"),
    pytest.param(answer(status=["SUCCEEDED"]), ImportProtocolError, id="a list as status"),
]


@pytest.mark.parametrize(("response", "error"), ANSWERS)
def test_a_response_without_a_status_is_an_error(response: Response, error: type[ImportStatusError]) -> None:
    with pytest.raises(ImportStatusError) as caught:
        poll(response)
    assert type(caught.value) is error


@pytest.mark.parametrize(("response", "error"), ANSWERS)
def test_an_unusable_report_is_not_an_absent_report(
    response: Response, error: type[ImportStatusError]
) -> None:
    with pytest.raises(ImportStatusError) as caught:
        look_at_ended(report=response)
    assert type(caught.value) is error


def test_the_not_found_error_names_the_import() -> None:
    with pytest.raises(ImportNotFoundError, match=r"'2587c81c'.*mappingId.*uploadId"):
        poll(answer(404, message="Import ID not found."))


def test_a_404_with_a_json_list_is_not_found() -> None:
    with pytest.raises(ImportNotFoundError):
        poll(raw('[{"message": "Import ID not found."}]', 404))


@pytest.mark.parametrize("http", [401, 403])
def test_a_rejected_credential_is_replaced(http: int) -> None:
    other = Credential("encoded-2")
    effects, _ = play(zilliant().poll("2587c81c"), CREDENTIAL, raw("", http), other, status("RUNNING"))
    assert effects[2] == NeedCredential(rejected=CREDENTIAL)


def test_a_credential_rejected_for_the_report_is_replaced() -> None:
    answers = [status("SUCCEEDED"), CREDENTIAL, raw("", 401), Credential("encoded-2"), report("SUCCESS")]
    effects, seen = play(zilliant().poll("2587c81c"), CREDENTIAL, *answers)
    assert (effects[4], seen.state) == (NeedCredential(rejected=CREDENTIAL), ImportState.SUCCEEDED)


class TestTheLogin:
    def request(self, **extra: str) -> Any:
        return play(
            zilliant().authenticate(replace(SETTINGS, extra={**CLIENT, **extra})), raw(TOKEN_RESPONSE)
        )[0][0]

    def authenticate(self, response: Response) -> Credential:
        return play(zilliant().authenticate(SETTINGS), response)[1]

    def test_the_login_goes_to_salesforce(self) -> None:
        request = self.request()
        url = "https://login.salesforce.com/services/oauth2/token"
        assert (request.method, request.url) == ("POST", url)

    def test_the_login_url_can_be_configured(self) -> None:
        url = "https://test.salesforce.com/services/oauth2/token"
        assert self.request(token_url=url).url == url

    def test_the_login_is_a_form_with_five_fields(self) -> None:
        sent = {name: values[0] for name, values in parse_qs(self.request().body.decode()).items()}
        assert sent == {"grant_type": "password", "username": "me", "password": "pass word", **CLIENT}

    def test_the_credential_encodes_the_exact_response_body(self) -> None:
        assert base64.b64decode(self.authenticate(raw(TOKEN_RESPONSE)).value) == TOKEN_RESPONSE

    def test_the_credential_is_one_line(self) -> None:
        long = json.dumps({"access_token": "t" * 500}).encode()
        assert "\n" not in self.authenticate(raw(long)).value

    def test_the_token_in_the_response_is_a_secret(self) -> None:
        assert self.authenticate(raw(TOKEN_RESPONSE)).secrets == ("00D!x",)

    def test_the_credential_has_no_expiry(self) -> None:
        credential = self.authenticate(raw(TOKEN_RESPONSE))
        assert (credential.obtained_at, credential.expires_at) == (NOW, None)

    @pytest.mark.parametrize(
        ("code", "http"), [("invalid_grant", 400), ("invalid_client", 400), ("invalid_client", 401)]
    )
    def test_a_rejected_login_is_an_auth_error(self, code: str, http: int) -> None:
        refusal = answer(http, error=code, error_description="authentication failure")
        with pytest.raises(ImportAuthError, match=f"HTTP {http} {code}"):
            self.authenticate(refusal)

    @pytest.mark.parametrize("body", [{}, {"access_token": None}, {"access_token": ""}, {"access_token": 5}])
    def test_a_login_response_without_a_token_is_a_protocol_error(self, body: dict[str, Any]) -> None:
        with pytest.raises(ImportProtocolError, match="without an access_token"):
            self.authenticate(answer(**body))


class TestAStaticTokenResponse:
    def static_credential(self, token_response: Any) -> Any:
        extra = {"token_response": token_response}
        return zilliant().static_credential(replace(SETTINGS, login="", password="", extra=extra))

    def test_a_token_response_as_text_is_used_unchanged(self) -> None:
        assert base64.b64decode(self.static_credential(TOKEN_RESPONSE.decode()).value) == TOKEN_RESPONSE

    def test_a_token_response_as_an_object_is_encoded_as_json(self) -> None:
        ready = {"access_token": "00D!x", "issued_at": "1"}
        assert json.loads(base64.b64decode(self.static_credential(ready).value)) == ready

    def test_a_token_response_contains_a_secret(self) -> None:
        assert self.static_credential(TOKEN_RESPONSE.decode()).secrets == ("00D!x",)

    @pytest.mark.parametrize("nothing", ["", None])
    def test_an_empty_token_response_is_none(self, nothing: Any) -> None:
        assert self.static_credential(nothing) is None

    @pytest.mark.parametrize("wrong", ["00D!x", "[]", "{}", '{"access_token": null}', '"00D!x"', "5"])
    def test_an_invalid_token_response_is_rejected_by_name(self, wrong: str) -> None:
        with pytest.raises(
            ImportSettingsError, match=r"'zilliant_default'.*: token_response is not a JSON object"
        ):
            self.static_credential(wrong)

    def test_a_rejected_token_response_is_not_quoted(self) -> None:
        with pytest.raises(ImportSettingsError) as caught:
            self.static_credential("hunter22-hunter22")
        assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        pytest.param({"login": ""}, "login", id="login"),
        pytest.param({"password": ""}, "password", id="password"),
        pytest.param({"extra": {"client_secret": "s"}}, "client_id", id="client_id"),
        pytest.param({"extra": {"client_id": "i"}}, "client_secret", id="client_secret"),
        pytest.param(
            {"login": "", "password": "", "extra": {}}, "login, password, client_id, client_secret", id="all"
        ),
    ],
)
def test_without_its_fields_nothing_is_sent(fields: dict[str, Any], missing: str) -> None:
    effects, error = play_to_error(zilliant().authenticate(replace(SETTINGS, **fields)))
    assert effects == []
    assert str(error).startswith(f"Connection 'zilliant_default' (zilliant) lacks {missing}.")
