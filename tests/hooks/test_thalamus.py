from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

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
from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.protocol.messages import Credential, NeedCredential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

from .playing import FakeClient, answer, play, play_to_error, raw

ACCESS = {"touchpoint": "shop", "token": "api-token"}
SETTINGS = ConnectionSettings(
    "thalamus_default",
    "thalamus",
    host="t.example/thalamus",
    login="me@x.example",
    password="pass:word",
    extra=ACCESS,
)
COUNTERS = ("rowsWithErrors", "rowsRollbacked", "rowsRollbackedWithErrors")


def thalamus(**fields: Any) -> ThalamusHook:
    hook = ThalamusHook()
    hook.settings = replace(SETTINGS, **fields)
    return hook


CREDENTIAL = thalamus().static_credential(SETTINGS)


def record(state: Any, **changes: Any) -> Response:
    """The page's sample in another state."""
    sample = {
        "id": 274,
        "creationDate": 1757507096000,
        "modificationDate": 1757507205000,
        "importDate": 1757507200000,
        "rows": 576,
        "rowsOk": 576,
        "rowsWithErrors": 0,
        "rowsSkipped": 0,
        "rowsRollbacked": 0,
        "rowsRollbackedWithErrors": 0,
        "percentageProcessed": 0,
        "totalToProcess": 0,
        "url": "https://s3.amazonaws.com/thalamus-imports/x.xlsx",
        "stateInternationalizableKey": None,
        "internationalizedState": None,
    }
    return answer(**{**sample, "state": state, **changes})


def poll(*answers: Any) -> ImportStatus:
    return play(thalamus().poll("274"), CREDENTIAL, *answers)[1]


@pytest.mark.parametrize(
    ("word", "state"),
    [
        pytest.param("WAITING", "queued", id="WAITING"),
        pytest.param("WAIT", "queued", id="WAIT"),
        pytest.param("Waiting to be processed", "queued", id="Waiting to be processed"),
        pytest.param("PROCESSING", "running", id="PROCESSING"),
        pytest.param("IN_PROCESS", "running", id="IN_PROCESS"),
        pytest.param("CONFIGURATION_PENDING", "blocked", id="CONFIGURATION_PENDING"),
        pytest.param("Pending configuration", "blocked", id="Pending configuration"),
        pytest.param("PROCESSED", "succeeded", id="PROCESSED"),
        pytest.param("Processed", "succeeded", id="Processed"),
        pytest.param("ERROR_IN_FILE_FORMAT", "failed", id="ERROR_IN_FILE_FORMAT"),
        pytest.param("Error in file format", "failed", id="Error in file format"),
        pytest.param("FILE_FORMAT_ERROR", "failed", id="FILE_FORMAT_ERROR"),
        pytest.param("ERROR", "failed", id="ERROR"),
        pytest.param("CANCELED", "cancelled", id="CANCELED"),
        pytest.param("CANCELLED", "cancelled", id="CANCELLED"),
        pytest.param("canceled", "cancelled", id="canceled"),
        pytest.param("RESTING", "unknown", id="another word"),
        pytest.param("CANCELING", "unknown", id="CANCELING"),
        pytest.param("UNPROCESSED", "unknown", id="UNPROCESSED"),
        pytest.param("PROCESSED_WITH_ERRORS", "unknown", id="PROCESSED_WITH_ERRORS"),
        pytest.param("PREPROCESSED", "unknown", id="PREPROCESSED"),
        pytest.param("TERROR", "unknown", id="TERROR"),
        pytest.param("...", "unknown", id="no letters"),
    ],
)
def test_a_state_name_has_the_state(word: str, state: str) -> None:
    assert poll(record(word)).state is ImportState(state)


@pytest.mark.parametrize("kind", [int, str])
@pytest.mark.parametrize(
    ("number", "state"),
    [
        pytest.param(0, "unknown", id="0"),
        pytest.param(1, "queued", id="1 Waiting"),
        pytest.param(2, "running", id="2 Processing"),
        pytest.param(3, "succeeded", id="3 Processed"),
        pytest.param(4, "failed", id="4 Error in file format"),
        pytest.param(5, "blocked", id="5 Configuration Pending"),
        pytest.param(6, "cancelled", id="6 Cancelled"),
        pytest.param(7, "unknown", id="7"),
    ],
)
def test_a_state_number_has_the_state(number: int, kind: type, state: str) -> None:
    assert poll(record(kind(number))).state is ImportState(state)


@pytest.mark.parametrize(
    ("key", "state"),
    [
        pytest.param("Canceled", "cancelled", id="a word"),
        pytest.param("import.state.processed", "succeeded", id="the end of a key"),
        pytest.param("import.state.3", "succeeded", id="a number"),
        pytest.param("import.processed.state", "unknown", id="the middle of a key"),
        pytest.param("", "unknown", id="nothing"),
        pytest.param(None, "unknown", id="null"),
        pytest.param(["Canceled"], "unknown", id="a list"),
    ],
)
def test_an_unknown_state_name_falls_back_to_its_key(key: Any, state: str) -> None:
    assert poll(record("SPENDING", stateInternationalizableKey=key)).state is ImportState(state)


def test_a_known_state_name_wins_over_its_key() -> None:
    assert poll(record("WAITING", stateInternationalizableKey="Processed")).state is ImportState.QUEUED


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize(
    ("rows", "state"),
    [
        pytest.param(0, "succeeded", id="none"),
        pytest.param("0", "succeeded", id="none, as text"),
        pytest.param(None, "succeeded", id="null"),
        pytest.param(1, "partial", id="one"),
        pytest.param("1", "partial", id="one, as text"),
        pytest.param(-1, "partial", id="no count"),
        pytest.param("some", "partial", id="word"),
    ],
)
def test_bad_rows_make_a_success_partial(counter: str, rows: Any, state: str) -> None:
    assert poll(record("PROCESSED", **{counter: rows})).state is ImportState(state)


@pytest.mark.parametrize("word", ["WAITING", "PROCESSING", "CONFIGURATION_PENDING", "ERROR", "CANCELED"])
def test_bad_rows_do_not_change_other_states(word: str) -> None:
    assert poll(record(word, rowsWithErrors=5)).state is poll(record(word)).state


def test_skipped_rows_are_not_bad_rows() -> None:
    assert poll(record("PROCESSED", rowsSkipped=5)).state is ImportState.SUCCEEDED


@pytest.mark.parametrize("percentage", [0, 50, 100])
@pytest.mark.parametrize("word", ["WAITING", "PROCESSING", "PROCESSED", "CANCELED"])
def test_a_percentage_does_not_decide_the_state(word: str, percentage: int) -> None:
    assert poll(record(word, percentageProcessed=percentage)).state is poll(record(word)).state


@pytest.mark.parametrize(
    ("percentage", "progress"),
    [
        pytest.param(0, None, id="0, which it says of ended imports too"),
        pytest.param(50, 0.5, id="50"),
        pytest.param(12.5, 0.125, id="12.5"),
        pytest.param(100, 1.0, id="100"),
        pytest.param(101, None, id="101"),
        pytest.param(-1, None, id="-1"),
        pytest.param(True, None, id="true"),
        pytest.param("50", None, id="text"),
        pytest.param(None, None, id="null"),
    ],
)
def test_a_percentage_is_progress(percentage: Any, progress: float | None) -> None:
    assert poll(record("PROCESSING", percentageProcessed=percentage)).progress == progress


def test_rows_are_counted() -> None:
    counted = record(
        "PROCESSED",
        rows=120,
        rowsOk=100,
        rowsSkipped=5,
        rowsWithErrors=7,
        rowsRollbacked=6,
        rowsRollbackedWithErrors=2,
    )
    assert poll(counted).rows == RowCounts(total=120, succeeded=100, failed=15, skipped=5)


@pytest.mark.parametrize("rows", [None, "some"])
def test_an_invalid_bad_row_count_is_none(rows: Any) -> None:
    assert poll(record("PROCESSED", rowsWithErrors=rows)).rows.failed is None


def test_the_documented_sample_is_a_cancelled_import() -> None:
    seen = poll(record("CANCELED", stateInternationalizableKey="Canceled", internationalizedState="Canceled"))
    assert (seen.state, seen.rows) == (ImportState.CANCELLED, RowCounts(576, 576, 0, 0))


def test_a_finished_import_has_start_and_end() -> None:
    seen = poll(record("CANCELED"))
    assert (seen.started_at, seen.finished_at) == (
        pendulum.datetime(2025, 9, 10, 12, 24, 56),
        pendulum.datetime(2025, 9, 10, 12, 26, 45),
    )


def test_a_running_import_has_no_end() -> None:
    assert poll(record("PROCESSING")).finished_at is None


def test_the_status_names_vendor_import_and_word() -> None:
    seen = poll(record("Canceled"))
    assert (seen.vendor, seen.import_id, seen.vendor_state) == ("thalamus", "274", "Canceled")


def test_a_state_number_is_the_vendor_state() -> None:
    assert poll(record(3)).vendor_state == "3"


def test_the_file_url_is_not_in_the_status() -> None:
    assert "s3.amazonaws.com" not in str(poll(record("CANCELED")).to_dict())


class TestTheRequest:
    def request(self, hook: ThalamusHook, import_id: str = "274") -> Request:
        return play(hook.poll(import_id), hook.static_credential(hook.settings), record("WAITING"))[0][1]

    def test_the_status_request_is_as_documented(self) -> None:
        request = self.request(thalamus())
        url = "https://t.example/thalamus/api/v4/import/status/274"
        assert (request.method, request.url, request.body) == ("GET", url, None)

    def test_the_status_request_has_the_api_path_once(self) -> None:
        assert (
            self.request(thalamus(host="t.example/api/v4/")).url
            == "https://t.example/api/v4/import/status/274"
        )

    def test_the_status_request_has_touchpoint_token_and_user(self) -> None:
        assert self.request(thalamus()).headers == {
            "Thalamus-Touchpoint": "shop",
            "Thalamus-Token": "api-token",
            "Authorization": "Basic " + base64.b64encode(b"me@x.example:pass:word").decode(),
        }

    def test_a_document_touchpoint_is_written_with_a_dollar_sign(self) -> None:
        """The login page: `type:number` in a body, but `type$number` in Basic authentication."""
        request = self.request(thalamus(login="DNI:30111222"))
        basic = request.headers["Authorization"].removeprefix("Basic ")
        assert base64.b64decode(basic) == b"DNI$30111222:pass:word"

    def test_the_status_url_contains_no_credential(self) -> None:
        assert not any(secret in self.request(thalamus()).url for secret in ("shop", "api-token", "word"))

    def test_the_import_id_is_quoted(self) -> None:
        assert self.request(thalamus(), "2/7?4").url.endswith("/import/status/2%2F7%3F4")

    def test_an_import_id_cannot_change_the_path(self) -> None:
        effects, error = play_to_error(thalamus().poll(".."))
        assert (effects, type(error)) == ([], ImportSettingsError)


def errors(http: int = 400, **codes: Any) -> Response:
    return answer(http, errors=codes)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(errors(ProcessorInfo="InvalidID"), ImportNotFoundError, id="400 InvalidID"),
        pytest.param(errors(id="InvalidId"), ImportNotFoundError, id="400 InvalidId"),
        pytest.param(errors(200, ProcessorInfo="InvalidID"), ImportNotFoundError, id="200 InvalidID"),
        pytest.param(raw("", 404), ImportProtocolError, id="404 without JSON"),
        pytest.param(answer(404, path="/api/v4"), ImportRequestError, id="404"),
        pytest.param(errors(type="Required"), ImportRequestError, id="400 of another code"),
        pytest.param(errors(200, type="Required"), ImportRequestError, id="200 of another code"),
        pytest.param(raw("<html>", 400), ImportRequestError, id="400 with a page"),
        pytest.param(answer(500, errors={"id": "InvalidID"}), ImportUnavailableError, id="HTTP before body"),
        pytest.param(raw("<html>Tomcat", 503), ImportUnavailableError, id="503 with a page"),
        pytest.param(raw("", 302), ImportProtocolError, id="redirect"),
        pytest.param(raw("<html>"), ImportProtocolError, id="200 with a page"),
        pytest.param(raw("true"), ImportProtocolError, id="200 with true"),
        pytest.param(answer(), ImportProtocolError, id="no state"),
        pytest.param(answer(state=None), ImportProtocolError, id="state null"),
        pytest.param(answer(state=" "), ImportProtocolError, id="blank state"),
        pytest.param(answer(state=True), ImportProtocolError, id="state true"),
        pytest.param(answer(state=["PROCESSED"]), ImportProtocolError, id="a list as state"),
    ],
)
def test_a_response_without_a_state_is_an_error(response: Response, error: type[ImportStatusError]) -> None:
    with pytest.raises(ImportStatusError) as caught:
        poll(response)
    assert type(caught.value) is error


@pytest.mark.parametrize("nothing", [False, None, {}, []], ids=repr)
def test_empty_errors_are_ignored(nothing: Any) -> None:
    assert poll(record("WAITING", errors=nothing)).state is ImportState.QUEUED


REPEATED = """{"errors": {
    "partnerDataSource": "TouchpointCodeRequired",
    "partnerDataSource": "InvalidTouchpointCode"
}}"""
REPEATED_THE_OTHER_WAY = """{"errors": {
    "partnerDataSource": "InvalidTouchpointCode",
    "partnerDataSource": "TouchpointCodeRequired"
}}"""


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(raw("", 401), id="401"),
        pytest.param(raw("", 403), id="403"),
        pytest.param(errors(partnerDataSource="InvalidTouchpointCode"), id="400 InvalidTouchpointCode"),
        pytest.param(errors(partnerDataSource="TouchpointCodeRequired"), id="400 TouchpointCodeRequired"),
        pytest.param(errors(200, partnerDataSource="InvalidTouchpointCode"), id="200 InvalidTouchpointCode"),
        pytest.param(raw(REPEATED, 400), id="the page's body, with one key twice"),
        pytest.param(raw(REPEATED_THE_OTHER_WAY, 400), id="with one key twice, the other way round"),
        pytest.param(errors(a="InvalidID", b="InvalidTouchpointCode"), id="with InvalidID beside it"),
    ],
)
def test_a_rejected_credential_is_replaced(response: Response) -> None:
    other = Credential("shop\nother\nother")
    effects, _ = play(thalamus().poll("274"), CREDENTIAL, response, other, record("WAITING"))
    assert effects[2] == NeedCredential(rejected=CREDENTIAL)


@pytest.mark.parametrize("code", ["TouchpointCodeRequired", "InvalidTouchpointCode"])
def test_an_error_with_a_repeated_key_has_all_codes(code: str) -> None:
    with pytest.raises(ImportAuthError, match=code):
        FakeClient(SETTINGS, lambda _: raw(REPEATED, 400)).run(thalamus(), thalamus().poll("274"))


@pytest.mark.parametrize("same", [274, "274", " 274", "0274", None, True, [275]], ids=repr)
def test_a_response_about_the_requested_import_is_accepted(same: Any) -> None:
    assert poll(record("PROCESSED", id=same)).state is ImportState.SUCCEEDED


LINK = "https://s3.amazonaws.com/thalamus-imports/mmorena/Hoy_d47e96d5.xlsx"


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(record(None, url=LINK), id="no state"),
        pytest.param(record(None, url=[LINK]), id="in a list"),
        pytest.param(raw(f'{{"url": "{LINK}", "rows": [[1, 2]]}}'.replace("/", "\\/")), id="escaped"),
        pytest.param(raw(f'{{"url": "{LINK}", "url": "{LINK}"}}'), id="twice"),
        pytest.param(answer(500, url=LINK), id="500"),
        pytest.param(raw(f'{{"url": "{LINK}", "rows'), id="cut short"),
        pytest.param(raw(f'{{"url": "{LINK[:50]}'), id="cut short in the link"),
    ],
)
def test_no_error_contains_the_file_url(response: Response) -> None:
    with pytest.raises(ImportStatusError) as caught:
        poll(response)
    assert "mmorena" not in str(caught.value)


def test_the_not_found_error_names_the_import() -> None:
    with pytest.raises(ImportNotFoundError, match="'274'"):
        poll(errors(ProcessorInfo="InvalidID"))


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        pytest.param({"login": ""}, "login", id="login"),
        pytest.param({"password": ""}, "password", id="password"),
        pytest.param({"extra": {"token": "t"}}, "touchpoint", id="touchpoint"),
        pytest.param({"extra": {"touchpoint": "t"}}, "token", id="token"),
        pytest.param(
            {"login": "", "password": "", "extra": {}}, "login, password, touchpoint, token", id="all"
        ),
    ],
)
def test_missing_fields_are_named(fields: dict[str, Any], missing: str) -> None:
    with pytest.raises(ImportSettingsError) as caught:
        thalamus().static_credential(replace(SETTINGS, **fields))
    assert str(caught.value).startswith(f"Connection 'thalamus_default' (thalamus) lacks {missing}.")


def test_a_changed_password_is_another_credential() -> None:
    assert thalamus().static_credential(replace(SETTINGS, password="other")) != CREDENTIAL


def test_the_same_connection_is_the_same_credential() -> None:
    assert thalamus().static_credential(replace(SETTINGS)) == CREDENTIAL


@pytest.mark.parametrize("secret", ["api-token", base64.b64encode(b"me@x.example:pass:word").decode()])
def test_the_parts_of_the_credential_are_secrets(secret: str) -> None:
    assert secret in CREDENTIAL.secrets


def test_a_response_about_another_import_adds_a_message() -> None:
    seen = poll(record("PROCESSED", id=275))
    assert (seen.state, seen.messages) == (
        ImportState.SUCCEEDED,
        ("The response names another id: id 275.",),
    )
