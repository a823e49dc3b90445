from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

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
from airflow_provider_importstatus.hooks.clear import ClearHook
from airflow_provider_importstatus.protocol.messages import Credential, NeedCredential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportState, ImportStatus, StageStatus

from .playing import NOW, FakeClient, answer, play, play_to_error, raw

SETTINGS = ConnectionSettings(
    "clear_default", "clear", host="https://api.clear.in", login="integration-1", password="client-secret"
)
TOKEN = Credential("token-1", obtained_at=NOW - 900)


def clear(integration_id: str | None = None, **fields: Any) -> ClearHook:
    hook = ClearHook(integration_id=integration_id)
    hook.settings = replace(SETTINGS, **fields)
    return hook


def workflow(word: Any = "SUCCESS", *activities: dict[str, Any], **result: Any) -> Response:
    """Return the response for a known workflow."""
    result = {
        "workflowStatus": word,
        "taskId": "task-1",
        "activityStatusList": list(activities),
        "message": None,
        "urlsToNotify": [],
        "preSignedUrls": [],
        "generatedURLs": [],
        **result,
    }
    return envelope(result=result)


def envelope(http: int = 200, **changes: Any) -> Response:
    usual = {"success": True, "message": "taskId task-1", "result": None, "error": None, "metadata": None}
    return answer(http, **{"status": 200, **usual, **changes})


def activity(status: str | None = "SUCCESS", stage: str = "INGESTION", **changes: Any) -> dict[str, Any]:
    usual = {"ingestionTemplate": "PURCHASE", "errorReportPreSign": None, "errorMessage": None}
    return {"stage": stage, "status": status, **usual, **changes}


def poll(*answers: Any, task_id: str = "task-1") -> ImportStatus:
    return play(clear().poll(task_id), TOKEN, *answers)[1]


@pytest.mark.parametrize(
    ("response", "state"),
    [
        pytest.param(workflow("CREATED"), "queued", id="CREATED"),
        pytest.param(workflow("PROCESSING"), "running", id="PROCESSING"),
        pytest.param(workflow("SUCCESS"), "succeeded", id="SUCCESS, no activities"),
        pytest.param(workflow("SUCCESS", activity(), activity()), "succeeded", id="SUCCESS, all SUCCESS"),
        pytest.param(
            workflow("SUCCESS", activity(), activity("PARTIAL_SUCCESS")), "partial", id="SUCCESS, one PARTIAL"
        ),
        pytest.param(workflow("SUCCESS", activity("FAILURE")), "partial", id="SUCCESS, one FAILURE"),
        pytest.param(workflow("SUCCESS", activity("ODD")), "partial", id="SUCCESS, one of another word"),
        pytest.param(workflow("SUCCESS", activity(None)), "partial", id="SUCCESS, one without a word"),
        pytest.param(workflow("FAILED"), "failed", id="FAILED"),
        pytest.param(workflow("FAILED", activity("PARTIAL_SUCCESS")), "failed", id="FAILED, one PARTIAL"),
        pytest.param(workflow("PARTIAL_SUCCESS"), "unknown", id="a word of activities"),
        pytest.param(workflow("ARCHIVED"), "unknown", id="another word"),
        pytest.param(workflow("processing"), "running", id="lower case"),
        pytest.param(workflow(" Success ", activity("success")), "succeeded", id="mixed case, spaces"),
    ],
)
def test_a_workflow_has_the_state(response: Response, state: str) -> None:
    assert poll(response).state is ImportState(state)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        pytest.param("SUCCESS", "succeeded", id="SUCCESS"),
        pytest.param("PARTIAL_SUCCESS", "partial", id="PARTIAL_SUCCESS"),
        pytest.param("FAILURE", "failed", id="FAILURE"),
        pytest.param("FAILED", "unknown", id="a word of workflows"),
    ],
)
def test_an_activity_has_the_state(word: str, state: str) -> None:
    assert poll(workflow("PROCESSING", activity(word))).stages[0].state is ImportState(state)


def test_activities_are_stages() -> None:
    failed = activity("FAILURE", "SYSTEM", ingestionTemplate=None, errorMessage="disk full")
    assert poll(workflow("FAILED", activity(), failed)).stages == (
        StageStatus("INGESTION", ImportState.SUCCEEDED, "PURCHASE"),
        StageStatus("SYSTEM", ImportState.FAILED, None, "disk full"),
    )


def test_the_status_names_vendor_task_and_word() -> None:
    status = poll(workflow("Created"))
    assert (status.vendor, status.import_id, status.vendor_state) == ("clear", "task-1", "Created")


def test_messages_come_from_the_activities_and_then_the_workflow() -> None:
    """`error` stays null when the workflow failed: these are all that tells why."""
    response = workflow("FAILED", activity("FAILURE", errorMessage="b"), activity(), message="a")
    assert poll(response).messages == ("b", "a")


@pytest.mark.parametrize("nothing", ["NA", "n/a", " Null "])
def test_placeholder_texts_are_not_messages(nothing: str) -> None:
    status = poll(workflow("FAILED", activity(errorMessage=nothing), message=nothing))
    assert (status.messages, status.stages[0].message) == ((), None)


@pytest.mark.parametrize("same", ["task-1", "TASK-1", "task1", "", None, 5.5], ids=repr)
def test_a_response_about_the_requested_task_adds_no_message(same: Any) -> None:
    assert poll(workflow("CREATED", taskId=same)).messages == ()


def test_a_response_about_another_task_adds_a_message() -> None:
    seen = poll(workflow("CREATED", taskId="task-2"))
    assert (seen.state, seen.messages) == (
        ImportState.QUEUED,
        ("The response names another id: taskId task-2.",),
    )


def test_error_report_urls_are_kept_separately() -> None:
    status = poll(workflow("SUCCESS", activity("PARTIAL_SUCCESS", errorReportPreSign="https://s/r?sig=1")))
    assert (status.error_report_urls, "sig" in str(status.to_dict())) == (("https://s/r?sig=1",), False)


def test_an_error_report_without_a_url_is_ignored() -> None:
    activities = [activity(errorReportPreSign=value) for value in (None, "", 5)]
    assert poll(workflow("SUCCESS", *activities)).error_report_urls == ()


@pytest.mark.parametrize("activities", [None, []])
def test_a_workflow_that_was_just_created_has_no_activities(activities: Any) -> None:
    assert poll(workflow("CREATED", activityStatusList=activities)).stages == ()


class TestTheRequest:
    def request(self, hook: ClearHook, task_id: str = "task-1") -> Request:
        return play(hook.poll(task_id), TOKEN, workflow(taskId=task_id))[0][1]

    def test_the_status_request_is_as_documented(self) -> None:
        request = self.request(clear())
        url = "https://api.clear.in/one-integration/workflow/status?taskId=task-1"
        assert (request.method, request.url, request.body) == ("GET", url, None)

    def test_the_status_request_has_token_and_integration(self) -> None:
        headers = {"x-clear-auth-token": "token-1", "x-integration-id": "integration-1"}
        assert self.request(clear()).headers == headers

    def test_the_integration_may_be_in_the_extra(self) -> None:
        hook = clear(login="", extra={"integration_id": "integration-2"})
        assert self.request(hook).headers["x-integration-id"] == "integration-2"

    def test_the_integration_of_the_hook_wins(self) -> None:
        hook = clear("integration-3", extra={"integration_id": "integration-2"})
        assert self.request(hook).headers["x-integration-id"] == "integration-3"

    def test_the_task_id_is_quoted(self) -> None:
        query = urlsplit(self.request(clear(), "a&b=c d/ü").url).query
        assert parse_qs(query) == {"taskId": ["a&b=c d/ü"]}

    @pytest.mark.parametrize("task_id", [".", ".."])
    def test_a_task_id_of_dots_is_sent(self, task_id: str) -> None:
        assert self.request(clear(), task_id).url.endswith(f"?taskId={task_id}")


ERROR = {"code": "400", "message": "taskId is wrong", "validationErrors": ["too long"]}


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(envelope(status=400, success=False, error=ERROR), ImportRequestError, id="status 400"),
        pytest.param(envelope(status=404), ImportRequestError, id="status 404, result null"),
        pytest.param(envelope(status=429, error=ERROR), ImportUnavailableError, id="status 429"),
        pytest.param(envelope(status=500, error=ERROR), ImportUnavailableError, id="status 500 and an error"),
        pytest.param(envelope(status="500"), ImportUnavailableError, id="status 500 as a text"),
        pytest.param(envelope(status=999), ImportUnavailableError, id="status 999"),
        pytest.param(envelope(status=503, success=False), ImportUnavailableError, id="status 503"),
        pytest.param(envelope(success=False, error=ERROR), ImportRequestError, id="success false, error"),
        pytest.param(envelope(error=ERROR), ImportRequestError, id="success true, error"),
        pytest.param(envelope(error="no"), ImportRequestError, id="error that is a text"),
        pytest.param(envelope(), ImportNotFoundError, id="result null"),
        pytest.param(envelope(success=False), ImportNotFoundError, id="success false, result null"),
        pytest.param(envelope(error={}), ImportNotFoundError, id="empty error, result null"),
        pytest.param(raw('{"success": true}'), ImportNotFoundError, id="no result"),
        pytest.param(raw("{}"), ImportProtocolError, id="nothing at all"),
        pytest.param(raw('{"message": "ok"}'), ImportProtocolError, id="somebody else's JSON"),
        pytest.param(raw("<html>", 404), ImportProtocolError, id="HTTP 404 with a page"),
        pytest.param(envelope(success=False, result={}), ImportProtocolError, id="success false, a result"),
        pytest.param(envelope(result={}), ImportProtocolError, id="no workflowStatus"),
        pytest.param(envelope(result=[]), ImportProtocolError, id="a list as result"),
        pytest.param(workflow(""), ImportProtocolError, id="blank workflowStatus"),
        pytest.param(workflow(["SUCCESS"]), ImportProtocolError, id="a list as workflowStatus"),
        pytest.param(workflow(activityStatusList={"a": 1}), ImportProtocolError, id="activities no list"),
        pytest.param(
            workflow(activityStatusList=["SUCCESS"]), ImportProtocolError, id="activities no objects"
        ),
        pytest.param(envelope(500, status=400, error=ERROR), ImportUnavailableError, id="HTTP before body"),
        pytest.param(envelope(400, error=ERROR), ImportRequestError, id="HTTP 400"),
        pytest.param(raw("<html>", 502), ImportUnavailableError, id="HTTP 502 with a page"),
        pytest.param(raw("", 302), ImportProtocolError, id="redirect"),
        pytest.param(raw("<html>"), ImportProtocolError, id="HTTP 200 with a page"),
    ],
)
def test_the_envelope_decides_the_error(response: Response, error: type[ImportStatusError]) -> None:
    with pytest.raises(ImportStatusError) as caught:
        poll(response)
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [True, "odd", 200.0, None, [400]], ids=repr)
def test_an_envelope_status_that_is_not_an_error_code_is_ignored(status: Any) -> None:
    response = envelope(status=status, result={"workflowStatus": "CREATED"})
    assert poll(response).state is ImportState.QUEUED


def test_an_error_quotes_the_vendor() -> None:
    with pytest.raises(ImportRequestError, match=r"taskId is wrong.*too long"):
        poll(envelope(success=False, error=ERROR))


def test_an_error_contains_no_signed_url() -> None:
    with pytest.raises(ImportRequestError) as caught:
        poll(envelope(success=False, error={"message": "see https://s3.example/r?X-Amz-Signature=1"}))
    assert "Signature" not in str(caught.value)


def test_the_not_found_error_names_the_task() -> None:
    with pytest.raises(ImportNotFoundError, match=r"'task-1'.*taskId of the ingest call"):
        poll(envelope())


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(envelope(403, status=403), id="HTTP 403"),
        pytest.param(envelope(401, status=401), id="HTTP 401"),
        pytest.param(envelope(200, status=403, success=False, error=ERROR), id="status 403"),
        pytest.param(envelope(200, status=401), id="status 401"),
        pytest.param(raw("Forbidden", 403), id="HTTP 403 without an envelope"),
    ],
)
def test_a_rejected_token_is_replaced(response: Response) -> None:
    effects, _ = play(clear().poll("task-1"), TOKEN, response, Credential("token-2"), workflow())
    assert effects[2] == NeedCredential(rejected=TOKEN)


class TestTheToken:
    def authenticate(self, *answers: Any, **fields: Any) -> Credential:
        return play(clear().authenticate(replace(SETTINGS, **fields)), *answers)[1]

    def test_the_token_request_is_as_documented(self) -> None:
        (request,), _ = play(clear().authenticate(SETTINGS), answer(access_token="t"))
        assert (request.method, request.url, request.headers["x-clear-client-secret"], request.body) == (
            "GET",
            "https://api.clear.in/integration/v1/authz/token",
            "client-secret",
            None,
        )

    def test_the_token_field_may_be_spelled_with_a_hyphen(self) -> None:
        """So does the Belgian copy of the page."""
        assert self.authenticate(raw('{"access-token": "t"}')).value == "t"

    def test_a_token_is_refreshed_a_minute_early(self) -> None:
        credential = self.authenticate(answer(access_token="t", valid_till="2027-01-15T09:00:00+00:00"))
        assert credential == Credential("t", obtained_at=NOW, expires_at=NOW + 3600 - 60)

    def test_a_short_lived_token_is_refreshed_a_tenth_early(self) -> None:
        credential = self.authenticate(answer(access_token="t", valid_till="2027-01-15T08:00:30+00:00"))
        assert credential.expires_at == NOW + 27

    def test_a_token_that_seems_expired_on_arrival_is_used_until_rejected(self) -> None:
        """Otherwise each poll would request a token, and only 288 a day are allowed."""
        assert (
            self.authenticate(answer(access_token="t", valid_till="2027-01-15T07:00:00+00:00")).expires_at
            is None
        )

    @pytest.mark.parametrize("body", [{}, {"valid_till": None}, {"valid_till": "soon"}], ids=repr)
    def test_a_token_without_an_expiry_never_expires(self, body: dict[str, Any]) -> None:
        assert self.authenticate(answer(access_token="t", **body)).expires_at is None

    @pytest.mark.parametrize(
        "body", [{}, {"access_token": None}, {"access_token": 5}, {"access_token": "", "access-token": ""}]
    )
    def test_a_missing_token_is_a_protocol_error(self, body: dict[str, Any]) -> None:
        with pytest.raises(ImportProtocolError, match="without an access_token"):
            self.authenticate(answer(**body))

    @pytest.mark.parametrize(
        ("response", "error"),
        [
            pytest.param(answer(401, errors=[{"error_code": "E1"}]), ImportAuthError, id="401"),
            pytest.param(answer(400), ImportAuthError, id="400"),
            pytest.param(answer(429), ImportUnavailableError, id="429"),
            pytest.param(answer(500), ImportUnavailableError, id="500"),
        ],
    )
    def test_a_rejected_token_request_is_an_error(
        self, response: Response, error: type[ImportStatusError]
    ) -> None:
        with pytest.raises(error):
            self.authenticate(response)

    def test_a_static_token_needs_no_secret(self) -> None:
        ready = replace(SETTINGS, password="", extra={"access_token": "ready"})
        assert clear().static_credential(ready) == Credential("ready")

    def test_there_is_no_static_token_by_default(self) -> None:
        assert clear().static_credential(SETTINGS) is None


class TestTheSharedName:
    def name(self, **fields: Any) -> str:
        return clear().shared_token_name(replace(SETTINGS, **fields))

    def test_the_shared_name_has_the_documented_prefix(self) -> None:
        assert self.name().startswith("importstatus_token_clear_")

    def test_the_shared_name_reveals_neither_host_nor_secret(self) -> None:
        assert not any(word in self.name() for word in ("client-secret", "api.clear.in"))

    def test_the_shared_name_is_the_same_for_all_users_of_the_secret(self) -> None:
        others = self.name(conn_id="another", login="integration-2", extra={"timeout": 5})
        assert others == self.name()

    def test_the_shared_name_is_the_same_for_equivalent_hosts(self) -> None:
        assert self.name(host="API.clear.in/") == self.name()

    @pytest.mark.parametrize("field", [{"password": "another"}, {"host": "api-sandbox.clear.in"}], ids=repr)
    def test_the_shared_name_differs_for_another_secret_or_host(self, field: dict[str, str]) -> None:
        assert self.name(**field) != self.name()


@pytest.mark.parametrize("extra", [{}, {"access_token": "ready"}], ids=["secret", "ready token"])
def test_without_an_integration_nothing_is_sent(extra: dict[str, str]) -> None:
    """Otherwise a token would be requested, and another revoked, for nothing."""
    effects, error = play_to_error(clear(login="", extra=extra).poll("task-1"))
    assert (effects, type(error), "'clear_default'" in str(error)) == ([], ImportSettingsError, True)


@pytest.mark.parametrize("integration_id", ["", "  ", "two\nlines", 5], ids=repr)
def test_an_invalid_integration_of_the_hook_does_not_fall_back_to_the_connection(integration_id: Any) -> None:
    effects, error = play_to_error(clear(integration_id).poll("task-1"))
    assert (effects, type(error), "integration_id" in str(error)) == ([], ImportSettingsError, True)


def test_without_a_secret_nothing_is_sent() -> None:
    effects, error = play_to_error(clear().authenticate(replace(SETTINGS, password="")))
    assert (effects, str(error)) == (
        [],
        "Connection 'clear_default' (clear) lacks password. Fill in what is missing; nothing was sent.",
    )


class Clear:
    """Mints tokens, of which only the last is good."""

    def __init__(self) -> None:
        self.issued: list[str] = []

    def __call__(self, request: Request) -> Response:
        if request.url.endswith("/authz/token"):
            self.issued.append(f"token-{len(self.issued) + 1}")
            return answer(access_token=self.issued[-1])
        good = self.issued and request.headers["x-clear-auth-token"] == self.issued[-1]
        return workflow("PROCESSING") if good else envelope(403, status=403, success=False)


class TestProcessesThatShareASecret:
    @pytest.fixture
    def vendor(self) -> Clear:
        return Clear()

    @pytest.fixture
    def processes(self, vendor: Clear) -> list[FakeClient]:
        """Five processes, each with its own memory, and one set of Variables."""
        clients = [FakeClient(SETTINGS, vendor) for _ in range(5)]
        for client in clients:
            client.variables = clients[0].variables
        return clients

    def test_processes_request_one_token(self, vendor: Clear, processes: list[FakeClient]) -> None:
        for client in processes * 3:
            client.run(clear(), clear().poll("task-1"))
        assert vendor.issued == ["token-1"]

    def test_processes_request_one_more_token_when_an_old_one_is_revoked(
        self, vendor: Clear, processes: list[FakeClient]
    ) -> None:
        for client in processes:
            client.run(clear(), clear().poll("task-1"))
        vendor.issued.append("somebody else's")
        for client in processes * 2:
            client.now = NOW + 600
            client.run(clear(), clear().poll("task-1"))
        assert len(vendor.issued) == 3

    def test_processes_request_no_token_when_a_new_one_is_revoked(
        self, vendor: Clear, processes: list[FakeClient]
    ) -> None:
        for client in processes:
            client.run(clear(), clear().poll("task-1"))
        vendor.issued.append("somebody else's")
        for client in processes:
            client.now = NOW + 200
            with pytest.raises(ImportUnavailableError, match="younger than five minutes"):
                client.run(clear(), clear().poll("task-1"))
        assert len(vendor.issued) == 2
