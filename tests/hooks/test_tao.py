from __future__ import annotations

import json
from dataclasses import replace
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs

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
from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.protocol.credentials import CredentialCache
from airflow_provider_importstatus.protocol.messages import Credential, NeedCredential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.status import ImportState, ImportStatus

from .playing import NOW, FakeClient, answer, play, play_to_error, raw

SETTINGS = ConnectionSettings(
    "tao_advance_default", "tao_advance", host="tao.example", login="client-1", password="client-secret"
)
TOKEN = Credential("token-1", obtained_at=NOW)
#: Sent as the page's curl line sends them: curl strips the inner quotes.
GRANT = {"grant_type": "client_credentials", "client_id": "client-1", "client_secret": "client-secret"}


def tao(**fields: Any) -> TaoAdvanceHook:
    hook = TaoAdvanceHook()
    hook.settings = replace(SETTINGS, **fields)
    return hook


def upload(word: Any = "processed", **result: Any) -> Response:
    return answer(result={"status": word, "fileLine": 2, "messages": [], **result})


def poll(*answers: Any) -> ImportStatus:
    return play(tao().poll("12345"), TOKEN, *answers)[1]


@pytest.mark.parametrize(
    ("response", "state"),
    [
        pytest.param(upload("pending"), "running", id="pending"),
        pytest.param(upload("pending", messages=["line 2: bad"]), "running", id="pending, messages"),
        pytest.param(upload("processed"), "succeeded", id="processed"),
        pytest.param(upload("processed", messages=None), "succeeded", id="processed, messages null"),
        pytest.param(upload("processed", messages=["line 2: bad"]), "partial", id="processed, messages"),
        pytest.param(upload("processed", messages="line 2: bad"), "partial", id="processed, one text"),
        pytest.param(upload("processed", messages=[{"line": 2}]), "partial", id="processed, an object"),
        pytest.param(upload("processed", messages=[""]), "partial", id="processed, an empty text"),
        pytest.param(upload("processed", messages=["NA", "null"]), "succeeded", id="processed, NA"),
        pytest.param(upload("processed", messages={}), "succeeded", id="processed, an empty object"),
        pytest.param(upload("processed", messages="n/a"), "succeeded", id="processed, N/A"),
        pytest.param(upload("failed"), "failed", id="failed"),
        pytest.param(upload("failed", messages=["no header"]), "failed", id="failed, messages"),
        pytest.param(upload("paused"), "unknown", id="another word"),
        pytest.param(upload(" Processed "), "succeeded", id="mixed case, spaces"),
    ],
)
def test_an_upload_has_the_state(response: Response, state: str) -> None:
    assert poll(response).state is ImportState(state)


def test_the_documented_sample_is_a_success_with_two_lines() -> None:
    sample = raw('{"result": {"status": "processed", "fileLine": 2, "messages": []}}')
    status = poll(sample)
    assert (status.state, status.rows.total, status.messages) == (ImportState.SUCCEEDED, 2, ())


def test_the_status_names_vendor_upload_and_word() -> None:
    status = poll(upload("Pending"))
    assert (status.vendor, status.import_id, status.vendor_state) == ("tao_advance", "12345", "Pending")


@pytest.mark.parametrize(("lines", "total"), [(0, 0), ("7", 7), (None, None), (-1, None), ([], None)])
def test_lines_are_the_total(lines: Any, total: int | None) -> None:
    assert poll(upload(fileLine=lines)).rows.total == total


def test_lines_are_not_progress() -> None:
    """No page says of how many."""
    assert poll(upload("pending", fileLine=5)).progress is None


def test_messages_of_any_type_become_texts() -> None:
    said = ["line 2: bad", {}, {"line": 3, "message": "worse"}, 4]
    assert poll(upload(messages=said)).messages == ("line 2: bad", '{"line": 3, "message": "worse"}', "4")


class TestTheRequest:
    def request(self, hook: TaoAdvanceHook, reference_id: str = "12345") -> Request:
        return play(hook.poll(reference_id), TOKEN, upload())[0][1]

    def test_the_status_request_is_as_documented(self) -> None:
        """The doubled path is a gateway's prefix in front of the service's own."""
        request = self.request(tao())
        url = "https://tao.example/api/v1/upload/api/v1/status/12345"
        assert (request.method, request.url, request.body) == ("GET", url, None)

    def test_the_status_request_has_the_token(self) -> None:
        assert self.request(tao()).headers == {"Authorization": "Bearer token-1"}

    @pytest.mark.parametrize(
        ("prefix", "path"),
        [
            pytest.param("", "/api/v1/status/12345", id="empty"),
            pytest.param("/", "/api/v1/status/12345", id="slash"),
            pytest.param(None, "/api/v1/upload/api/v1/status/12345", id="null, as forms save what is empty"),
            pytest.param("/gateway", "/gateway/api/v1/status/12345", id="another"),
            pytest.param("gateway/", "/gateway/api/v1/status/12345", id="slashes elsewhere"),
        ],
    )
    def test_the_status_request_has_the_configured_prefix(self, prefix: str | None, path: str) -> None:
        assert self.request(tao(extra={"api_prefix": prefix})).url == f"https://tao.example{path}"

    def test_the_reference_id_is_quoted(self) -> None:
        assert self.request(tao(), "a/b?c").url.endswith("/api/v1/status/a%2Fb%3Fc")

    def test_a_reference_id_cannot_change_the_path(self) -> None:
        effects, error = play_to_error(tao().poll(".."))
        assert (effects, type(error)) == ([], ImportSettingsError)


@pytest.mark.parametrize(
    ("response", "error"),
    [
        pytest.param(
            answer(404, message="Reference ID not found. File not found in pending bucket."),
            ImportNotFoundError,
            id="404",
        ),
        pytest.param(raw("gone", 404), ImportProtocolError, id="404 without JSON"),
        pytest.param(answer(500, message="details"), ImportUnavailableError, id="500"),
        pytest.param(raw("<html>", 502), ImportUnavailableError, id="502 with a page"),
        pytest.param(answer(400, message="no"), ImportRequestError, id="400"),
        pytest.param(raw("", 301), ImportProtocolError, id="redirect"),
        pytest.param(raw("<html>"), ImportProtocolError, id="200 with a page"),
        pytest.param(answer(), ImportProtocolError, id="no result"),
        pytest.param(answer(result=None), ImportProtocolError, id="result null"),
        pytest.param(answer(result="processed"), ImportProtocolError, id="a text as result"),
        pytest.param(answer(result={}), ImportProtocolError, id="no status"),
        pytest.param(upload(""), ImportProtocolError, id="blank status"),
        pytest.param(upload(["processed"]), ImportProtocolError, id="a list as status"),
    ],
)
def test_a_response_without_a_status_is_an_error(response: Response, error: type[ImportStatusError]) -> None:
    with pytest.raises(ImportStatusError) as caught:
        poll(response)
    assert type(caught.value) is error


def test_the_not_found_error_names_the_upload() -> None:
    with pytest.raises(ImportNotFoundError, match=r"'12345'.*referenceId of the upload call"):
        poll(answer(404))


def test_a_404_with_a_json_list_is_not_found() -> None:
    with pytest.raises(ImportNotFoundError):
        poll(raw('[{"message": "Upload not found"}]', 404))


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(raw("Access Denied", 401, content_type="text/plain"), id="401 in plain text"),
        pytest.param(answer(403, message="Insufficient scope"), id="403"),
    ],
)
def test_a_rejected_token_is_replaced(response: Response) -> None:
    effects, _ = play(tao().poll("12345"), TOKEN, response, Credential("token-2"), upload())
    assert effects[2] == NeedCredential(rejected=TOKEN)


def test_a_missing_scope_error_quotes_the_vendor() -> None:
    refusal = answer(403, message="Insufficient scope")
    client = FakeClient(SETTINGS, lambda sent: answer(access_token="t") if sent.method == "POST" else refusal)
    with pytest.raises(ImportAuthError, match="Insufficient scope"):
        client.run(tao(), tao().poll("12345"))


class TestTheToken:
    def request(self, **extra: str) -> Any:
        return play(tao().authenticate(replace(SETTINGS, extra=extra)), answer(access_token="t"))[0][0]

    def authenticate(self, response: Response) -> Credential:
        return play(tao().authenticate(SETTINGS), response)[1]

    def test_the_token_url_is_as_documented(self) -> None:
        request = self.request()
        url = "https://tao.example/api/v1/upload/v1/oauth2/tokens"
        assert (request.method, request.url) == ("POST", url)

    def test_the_token_url_has_the_configured_prefix(self) -> None:
        assert self.request(api_prefix="").url == "https://tao.example/v1/oauth2/tokens"

    def test_the_token_url_can_be_configured(self) -> None:
        assert self.request(token_url="https://auth.example/t").url == "https://auth.example/t"

    @pytest.mark.parametrize("extra", [{}, {"token_request_encoding": "multipart"}], ids=repr)
    def test_the_token_request_is_multipart_by_default(self, extra: dict[str, str]) -> None:
        request = self.request(**extra)
        head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
        parts: Any = message_from_bytes(head + request.body).get_payload()
        sent = {part.get_param("name", header="content-disposition"): part.get_payload() for part in parts}
        assert sent == GRANT

    def test_the_token_request_can_be_a_form(self) -> None:
        request = self.request(token_request_encoding="urlencoded")
        sent = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        assert (request.headers["Content-Type"], sent) == ("application/x-www-form-urlencoded", GRANT)

    def test_another_token_request_encoding_is_rejected_by_name(self) -> None:
        settings = replace(SETTINGS, extra={"token_request_encoding": "json"})
        effects, error = play_to_error(tao().authenticate(settings))
        assert (effects, "token_request_encoding is neither" in str(error)) == ([], True)

    @pytest.mark.parametrize(
        ("stated", "life"),
        [
            pytest.param({"expires_in": 3600}, 3540, id="an hour"),
            pytest.param({"expires_in": "3600"}, 3540, id="text"),
            pytest.param({"expires_in": 100}, 90, id="short"),
            pytest.param({"expires_in": 0}, 0, id="none"),
            pytest.param({}, 3540, id="absent"),
            pytest.param({"expires_in": None}, 3540, id="null"),
            pytest.param({"expires_in": "soon"}, 3540, id="word"),
            pytest.param({"expires_in": -5}, 3540, id="negative"),
            pytest.param({"expires_in": 10**400}, 3540, id="endless"),
        ],
    )
    def test_a_token_expires_a_little_early(self, stated: dict[str, Any], life: float) -> None:
        assert self.authenticate(answer(access_token="t", **stated)).expires_at == NOW + life

    def test_a_token_is_used_until_it_expires(self) -> None:
        cache = CredentialCache()
        play(cache.credential(tao(), NeedCredential(), NOW), None, answer(access_token="t", expires_in=3600))
        assert play(cache.credential(tao(), NeedCredential(), NOW + 3539))[0] == []

    def test_an_expired_token_is_refreshed(self) -> None:
        cache = CredentialCache()
        for since, token in ((0, "t"), (3540, "u")):
            flow = cache.credential(tao(), NeedCredential(), NOW + since)
            play(flow, None, answer(access_token=token, expires_in=3600))
        assert cache.current is not None
        assert cache.current.value == "u"

    @pytest.mark.parametrize("body", [{}, {"access_token": None}, {"access_token": ""}, {"access_token": 5}])
    def test_a_missing_token_is_a_protocol_error(self, body: dict[str, Any]) -> None:
        with pytest.raises(ImportProtocolError, match="without an access_token"):
            self.authenticate(answer(**body))

    @pytest.mark.parametrize("status", [400, 401])
    def test_a_rejected_token_request_is_an_auth_error(self, status: int) -> None:
        with pytest.raises(ImportAuthError, match="invalid_client"):
            self.authenticate(raw(json.dumps({"error": "invalid_client"}), status))


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        pytest.param({"login": ""}, "login", id="login"),
        pytest.param({"password": ""}, "password", id="password"),
        pytest.param({"login": "", "password": ""}, "login, password", id="both"),
    ],
)
def test_without_its_fields_nothing_is_sent(fields: dict[str, Any], missing: str) -> None:
    effects, error = play_to_error(tao().authenticate(replace(SETTINGS, **fields)))
    assert effects == []
    assert str(error).startswith(f"Connection 'tao_advance_default' (tao_advance) lacks {missing}.")


def test_without_a_host_nothing_is_sent() -> None:
    effects, error = play_to_error(tao(host="").authenticate(replace(SETTINGS, host="")))
    assert (effects, "'tao_advance_default' (tao_advance): host is empty" in str(error)) == ([], True)
