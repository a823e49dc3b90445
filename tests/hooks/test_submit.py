"""Submissions, cancellations and lists of error reports, played by hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_provider_importstatus.exceptions import (
    AirflowFailException,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
    SubmissionUncertainError,
)
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.protocol.flow import Flow
from airflow_provider_importstatus.protocol.messages import Credential, NeedCredential, Request, Response
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.status import MAX_ID

from ..fifth_vendor.acme_importstatus import AcmeHook
from ..vendors import HOOKS, SAMPLES
from .playing import answer, play, play_to_error, raw

CREDENTIAL, OTHER = Credential("touchpoint\ntoken\nbasic"), Credential("another\ntoken\nbasic")
SIGNED = "https://storage.example/bucket/sales.csv?X-Amz-Signature=s1gned"
CREDENTIAL_HEADERS = {"authorization", "x-clear-auth-token", "x-integration-id", "thalamus-token"}


@dataclass(frozen=True)
class File:
    """A file to submit."""

    name: str = "sales.csv"
    content: bytes = b"code,quantity\n"

    @property
    def size(self) -> int:
        return len(self.content)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content)


FILE = File()


@dataclass(frozen=True)
class Submission:
    """How a vendor is submitted to.

    :param params: parameters of `submit`
    :param earlier: replies to the effects before the request that starts the import
    :param id_field: the field with the import's id in the response to that request
    :param more_id_fields: other names that this field may have
    """

    params: Mapping[str, Any]
    earlier: tuple[Any, ...]
    id_field: str
    more_id_fields: tuple[str, ...] = ()

    @property
    def started(self) -> Response:
        """The response to the request that starts the import."""
        return answer(**{self.id_field: "7f"})


SUBMISSIONS = {
    "clear": Submission(
        {"template_type": "SALES"},
        (CREDENTIAL, answer(result={"preSignedUrl": SIGNED}), raw(b""), CREDENTIAL),
        "taskId",
        ("workflowId", "activityId", "task_id"),
    ),
    "tao_advance": Submission({}, (CREDENTIAL,), "referenceId", ("id", "reference-id")),
    "zilliant": Submission(
        {"mapping_id": "m 1"},
        (CREDENTIAL, answer(201, uploadId="u/1"), CREDENTIAL),
        "importId",
        ("entityImportId", "ImportID"),
    ),
    "thalamus": Submission({"type": 25012}, (CREDENTIAL,), "id"),
}
#: Vendors whose submission takes more than one request.
LONGER = ("clear", "zilliant")


def hook_of(vendor: str) -> ImportStatusHook:
    hook = HOOKS[vendor]()
    hook.settings = SAMPLES[vendor].settings
    return hook


def submit(vendor: str, file: File = FILE, **params: Any) -> Flow[str]:
    return hook_of(vendor).submit(file, **{**SUBMISSIONS[vendor].params, **params})


def start(vendor: str, reply: Any, **params: Any) -> tuple[list[Any], ImportStatusError]:
    """Submit, with this reply to the request that starts the import, which must end in an error."""
    return play_to_error(submit(vendor, **params), *SUBMISSIONS[vendor].earlier, reply)


def requests_in(effects: list[Any]) -> list[Request]:
    return [effect for effect in effects if isinstance(effect, Request)]


def sent(vendor: str, *replies: Any, **params: Any) -> tuple[list[Request], str]:
    """Submit, and return the requests and the id of the import."""
    effects, import_id = play(submit(vendor, **params), *replies)
    return requests_in(effects), import_id


every_vendor = pytest.mark.parametrize("vendor", SUBMISSIONS)


# The requests.


def test_clear_gets_a_url_uploads_to_it_and_starts_the_ingestion() -> None:
    presign, upload, ingest = sent("clear", *SUBMISSIONS["clear"].earlier, answer(result={"taskId": "7f"}))[0]
    assert (presign.method, presign.url) == (
        "GET",
        "https://clear.example/one-integration/action/pre-sign?filename=sales.csv",
    )
    assert (upload.method, upload.url, upload.is_signed) == ("PUT", SIGNED, True)
    assert upload.body == Upload(FILE, "text/csv")
    assert (ingest.method, ingest.url) == ("POST", "https://clear.example/one-integration/api/v1/ingest")
    assert isinstance(ingest.body, bytes)
    assert json.loads(ingest.body) == {
        "fileInfo": [{"uploadUrl": SIGNED, "filename": "sales.csv", "fileType": "CSV"}],
        "templateType": "SALES",
    }


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.csv", "text/csv"),
        ("a.b.CSV", "text/csv"),
        ("a.xls", "application/vnd.ms-excel"),
        ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.zip", "application/zip"),
    ],
)
def test_clears_upload_has_the_content_type_of_its_extension(name: str, content_type: str) -> None:
    replies = (*SUBMISSIONS["clear"].earlier, SUBMISSIONS["clear"].started)
    presign, upload, _ = sent("clear", *replies, file=File(name))[0]
    assert isinstance(upload.body, Upload)
    assert upload.body.content_type == content_type
    assert parse_qs(urlsplit(presign.url).query) == {"filename": [name]}


def test_tao_gets_a_form_with_the_file() -> None:
    ((upload,), _) = sent("tao_advance", CREDENTIAL, answer(result={"referenceId": "7f"}))
    assert (upload.method, upload.url) == ("POST", "https://tao.example/api/v1/upload/api/v1/upload")
    assert (upload.body, upload.starts_import) == (Upload(FILE, "text/csv", field="file"), True)


def test_zilliant_gets_the_file_of_a_mapping_and_a_request_for_its_import() -> None:
    upload, importing = sent("zilliant", *SUBMISSIONS["zilliant"].earlier, answer(201, importId="7f"))[0]
    base = "https://zilliant.example/v1/EntityImport"
    assert (upload.method, upload.url) == ("POST", f"{base}/m%201/upload")
    assert upload.body == Upload(FILE, "text/csv", field="file")
    assert (importing.method, importing.url, importing.body) == ("POST", f"{base}/u%2F1/import", None)


def test_zilliant_gets_a_new_mapping_if_one_is_given() -> None:
    mapping = {"entitySystemName": "customer", "definition": {"fields": []}}
    replies = (CREDENTIAL, answer(201, mappingId="m2"), *SUBMISSIONS["zilliant"].earlier)
    flow = hook_of("zilliant").submit(FILE, mapping=mapping)
    effects, _ = play(flow, *replies, SUBMISSIONS["zilliant"].started)
    creation, upload, _ = requests_in(effects)
    assert (creation.method, creation.url) == ("POST", "https://zilliant.example/v1/EntityImport/")
    assert isinstance(creation.body, bytes)
    assert json.loads(creation.body) == mapping
    assert upload.url.endswith("/m2/upload")


@pytest.mark.parametrize(("params", "name"), [({}, "sales.csv"), ({"name": " May & June "}, "May & June")])
@pytest.mark.parametrize("data_type", [25012, "25012"])
def test_thalamus_gets_name_and_type_in_the_query(
    params: dict[str, str], name: str, data_type: str | int
) -> None:
    ((upload,), import_id) = sent("thalamus", CREDENTIAL, answer(id=277), type=data_type, **params)
    url = urlsplit(upload.url)
    assert (upload.method, url.path) == ("POST", "/api/v4/import/file")
    assert parse_qs(url.query) == {"name": [name], "type": ["25012"]}
    assert upload.body == Upload(FILE, "application/octet-stream", field="file")
    assert import_id == "277"


@every_vendor
def test_only_the_last_request_starts_the_import(vendor: str) -> None:
    requests, _ = sent(vendor, *SUBMISSIONS[vendor].earlier, SUBMISSIONS[vendor].started)
    assert [request.starts_import for request in requests] == [*[False] * (len(requests) - 1), True]


@every_vendor
def test_only_signed_urls_get_no_credential(vendor: str) -> None:
    requests, _ = sent(vendor, *SUBMISSIONS[vendor].earlier, SUBMISSIONS[vendor].started)
    for request in requests:
        carried = CREDENTIAL_HEADERS & {name.lower() for name in request.headers}
        assert bool(carried) is not request.is_signed


@every_vendor
def test_the_file_is_not_read_by_the_flow(vendor: str) -> None:
    """The transport reads it, in blocks."""

    class Unreadable(File):
        def open(self) -> BinaryIO:
            raise AssertionError("the flow has read the file")

    _, import_id = sent(vendor, *SUBMISSIONS[vendor].earlier, SUBMISSIONS[vendor].started, file=Unreadable())
    assert import_id == "7f"


# The id.


@every_vendor
@pytest.mark.parametrize(
    "nested",
    [
        lambda field: field,
        lambda field: {"result": field},
        lambda field: {"data": {"entity": field}},
        lambda field: {"result": [{"name": "x"}, field]},
        lambda field: {"message": "ok", "result": {"files": [{"name": "sales.csv"}], **field}},
    ],
)
def test_the_id_is_found_wherever_it_stands(
    vendor: str, nested: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    submission = SUBMISSIONS[vendor]
    for name in (submission.id_field, *submission.more_id_fields):
        _, import_id = sent(vendor, *submission.earlier, answer(201, **nested({name: "7f"})))
        assert import_id == "7f"


@every_vendor
@pytest.mark.parametrize(("value", "import_id"), [(7, "7"), (" 7f ", "7f"), ("x" * MAX_ID, "x" * MAX_ID)])
def test_the_id_is_a_text_or_a_number(vendor: str, value: Any, import_id: str) -> None:
    submission = SUBMISSIONS[vendor]
    assert sent(vendor, *submission.earlier, answer(**{submission.id_field: value}))[1] == import_id


def test_the_likeliest_field_counts_even_if_another_stands_further_outside() -> None:
    body = answer(id="of the request", result={"referenceId": "7f"})
    assert sent("tao_advance", CREDENTIAL, body)[1] == "7f"


@every_vendor
@pytest.mark.parametrize(
    "value",
    ["", "  ", None, True, 1.5, [], {}, "x" * (MAX_ID + 1), "null", "N/A", "7\x00f", "7\ud800f"],
    ids=lambda value: ascii(value)[:20],
)
def test_an_invalid_id_is_no_id(vendor: str, value: Any) -> None:
    _, error = start(vendor, answer(**{SUBMISSIONS[vendor].id_field: value}))
    assert isinstance(error, SubmissionUncertainError)


@every_vendor
def test_without_an_id_the_error_names_the_keys_but_no_values(vendor: str) -> None:
    _, error = start(vendor, answer(status="S3CRET", result={"note": "S3CRET", "more": [{"deep": "S3CRET"}]}))
    assert isinstance(error, SubmissionUncertainError)
    for key in ("status", "result", "note", "more", "deep"):
        assert key in str(error)
    assert "S3CRET" not in str(error)


@every_vendor
def test_an_error_without_an_id_does_not_grow_with_the_response(vendor: str) -> None:
    _, error = start(vendor, answer(**{f"{number}" * 1000: 1 for number in range(100)}))
    assert len(str(error)) < 2000


# Rejected credentials.


@every_vendor
@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_credential_is_replaced_once_and_the_request_sent_again(vendor: str, status: int) -> None:
    submission = SUBMISSIONS[vendor]
    effects, import_id = play(submit(vendor), *submission.earlier, answer(status), OTHER, submission.started)
    first, again = requests_in(effects)[-2:]
    assert import_id == "7f"
    assert (first.url, first.body) == (again.url, again.body)
    assert first.headers != again.headers
    needs = [effect for effect in effects if isinstance(effect, NeedCredential) and effect.rejected]
    assert [need.rejected for need in needs] == [CREDENTIAL]


def test_a_credential_that_is_rejected_for_the_upload_is_replaced_and_the_file_sent_again() -> None:
    replies = (CREDENTIAL, answer(401), OTHER, *SUBMISSIONS["zilliant"].earlier[1:])
    requests, _ = sent("zilliant", *replies, SUBMISSIONS["zilliant"].started)
    assert [request.body for request in requests[:2]] == [Upload(FILE, "text/csv", field="file")] * 2


# The request that starts the import.


def timed_out() -> ImportUnavailableError:
    return ImportUnavailableError("POST https://vendor.example got no response: timed out.")


def unsent() -> ImportUnavailableError:
    error = ImportUnavailableError("POST https://vendor.example got no response: refused.")
    error.is_unsent = True
    return error


UNCERTAIN = {
    "500": answer(500, message="NullPointerException"),
    "502": raw("<h1>Bad Gateway</h1>", 502),
    "504": raw("<h1>Gateway Timeout</h1>", 504),
    "520": raw("<h1>Web server returns an unknown error</h1>", 520),
    "524": raw("<h1>A timeout occurred</h1>", 524),
    "599": raw("", 599),
    "a timeout or a broken connection": timed_out(),
    "a response that cannot be read": ImportProtocolError("The response is larger than 5 bytes."),
    "2xx without a body": raw(b"", 201),
    "2xx in HTML": raw("<h1>Welcome</h1>", content_type="text/html"),
    "2xx with a list": raw("[7]"),
    "2xx without an id": answer(accepted=True),
}


@every_vendor
@pytest.mark.parametrize("case", UNCERTAIN)
def test_it_is_uncertain_whether_the_import_was_started(vendor: str, case: str) -> None:
    effects, error = start(vendor, UNCERTAIN[case])
    assert isinstance(error, SubmissionUncertainError)
    assert isinstance(error, AirflowFailException)
    assert "may have started the import" in str(error)
    assert effects[-1].starts_import


@every_vendor
@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_a_busy_vendor_has_not_started_the_import(vendor: str, status: int) -> None:
    reply = replace(answer(status, message="busy"), headers={"retry-after": "30"})
    _, error = start(vendor, reply)
    assert isinstance(error, ImportUnavailableError)
    assert (error.retry_after, error.retryable) == (30, True)


@every_vendor
def test_without_a_complete_request_the_import_was_not_started(vendor: str) -> None:
    _, error = start(vendor, unsent())
    assert isinstance(error, ImportUnavailableError)
    assert error.retryable


@every_vendor
@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422])
def test_a_rejected_request_has_not_started_the_import(vendor: str, status: int) -> None:
    _, error = start(vendor, answer(status, message="no such column"))
    assert isinstance(error, ImportRequestError)
    assert "no such column" in str(error)
    assert "import_id" not in str(error)


def test_errors_of_thalamus_with_http_200_are_a_rejection() -> None:
    _, error = start("thalamus", answer(errors={"ProcessFile": "UnknownFormat"}))
    assert isinstance(error, ImportRequestError)
    assert "UnknownFormat" in str(error)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, ImportRequestError), (500, SubmissionUncertainError)], ids=str
)
def test_the_status_in_clears_envelope_counts(status: int, kind: type[ImportStatusError]) -> None:
    _, error = start("clear", answer(status=status, success=False, result=None, error={"message": "no"}))
    assert type(error) is kind


def test_an_ingestion_that_clear_refuses_under_200_was_not_started() -> None:
    reason = {"code": "E1", "message": "templateType is unknown"}
    _, error = start("clear", answer(success=False, error=reason, result=None))
    assert type(error) is ImportRequestError
    assert "templateType is unknown" in str(error)


def test_an_id_beside_an_error_of_clear_is_not_lost() -> None:
    reply = answer(success=False, error={"message": "a warning"}, result={"taskId": "7f"})
    _, import_id = play(submit("clear"), CREDENTIAL, *SUBMISSIONS["clear"].earlier[1:], reply)
    assert import_id == "7f"


# Earlier requests.


@pytest.mark.parametrize("vendor", LONGER)
@pytest.mark.parametrize(
    "reply",
    [answer(500), answer(502), raw("", 503), answer(504), raw("", 524), answer(429), timed_out(), unsent()],
    ids=lambda reply: str(getattr(reply, "status", "no response")),
)
def test_before_the_starting_request_an_outage_is_one(vendor: str, reply: Any) -> None:
    effects, error = play_to_error(submit(vendor), CREDENTIAL, reply)
    assert isinstance(error, ImportUnavailableError)
    assert not effects[-1].starts_import


@pytest.mark.parametrize("reply", [raw("", 500), raw("", 503), timed_out(), unsent()], ids=str)
def test_an_outage_of_clears_storage_is_one(reply: Any) -> None:
    _, error = play_to_error(submit("clear"), *SUBMISSIONS["clear"].earlier[:2], reply)
    assert isinstance(error, ImportUnavailableError)


@pytest.mark.parametrize("status", [400, 403, 404, 411])
def test_an_error_of_clears_storage_does_not_quote_its_response(status: int) -> None:
    """It may repeat the signed URL."""
    page = raw(f"<Error><Code>AccessDenied</Code><Resource>/bucket/sales.csv {SIGNED}</Resource>", status)
    _, error = play_to_error(submit("clear"), *SUBMISSIONS["clear"].earlier[:2], page)
    assert f"HTTP {status}" in str(error)
    assert not isinstance(error, SubmissionUncertainError)
    for part in ("/bucket", "s1gned", "import_id"):
        assert part not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        answer(result={"status": "OK", "preSignedUrl": SIGNED}),
        answer(result=SIGNED),
        answer(data=[{"fileUrl": SIGNED, "docs": "see https://docs.example/"}]),
        answer(docs="https://docs.example/", result={"url": SIGNED}),
    ],
    ids=lambda body: body.body.decode()[:50],
)
def test_clears_signed_url_is_found_wherever_it_stands(body: Response) -> None:
    replies = (CREDENTIAL, body, *SUBMISSIONS["clear"].earlier[2:], SUBMISSIONS["clear"].started)
    assert sent("clear", *replies)[0][1].url == SIGNED


@pytest.mark.parametrize(
    "result",
    [{"status": "BAD_REQUEST"}, {"url": "ftp://x.example/"}, {"url": "/path"}, {"url": "https://[x"}, None],
    ids=str,
)
def test_without_a_signed_url_nothing_is_uploaded(result: Any) -> None:
    effects, error = play_to_error(submit("clear"), CREDENTIAL, answer(result=result))
    assert isinstance(error, ImportProtocolError)
    assert len(requests_in(effects)) == 1


def test_an_unknown_mapping_is_a_rejection_that_names_it() -> None:
    _, error = play_to_error(submit("zilliant"), CREDENTIAL, answer(404, message="Mapping ID not found."))
    assert isinstance(error, ImportRequestError)
    assert "'m 1'" in str(error)


@pytest.mark.parametrize("body", [answer(201, mappingId="m"), answer(201), raw(b"", 201)], ids=str)
def test_an_upload_without_an_id_has_not_started_an_import(body: Response) -> None:
    _, error = play_to_error(submit("zilliant"), CREDENTIAL, body)
    assert isinstance(error, ImportProtocolError)


# Parameters.


@pytest.mark.parametrize(
    ("vendor", "params", "words"),
    [
        ("clear", {"template_type": None}, "template_type is missing"),
        ("clear", {"template_type": " "}, "template_type is empty"),
        ("clear", {"template_type": ["SALES"]}, "template_type is of type list"),
        ("clear", {"template_type": True}, "template_type is of type bool"),
        ("clear", {"file": File("sales.pdf")}, "'sales.pdf' has no extension that Clear accepts"),
        ("clear", {"file": File("csv.")}, "has no extension"),
        ("clear", {"file": File("csv")}, "has no extension"),
        ("zilliant", {"mapping_id": None}, "mapping_id is missing"),
        ("zilliant", {"mapping_id": ""}, "mapping_id is empty"),
        ("zilliant", {"mapping_id": 1.5}, "mapping_id is of type float"),
        ("zilliant", {"mapping": {"entitySystemName": "x"}}, "mapping is given with mapping_id"),
        ("zilliant", {"mapping_id": None, "mapping": "{}"}, "is not a dictionary"),
        ("zilliant", {"mapping_id": None, "mapping": {}}, "mapping is empty"),
        ("zilliant", {"mapping_id": None, "mapping": {"fields": {1, 2}}}, "mapping cannot be sent as JSON"),
        ("zilliant", {"mapping_id": None, "mapping": {("a", 1): 2}}, "mapping cannot be sent as JSON"),
        ("zilliant", {"mapping_id": None, "mapping": {"x": float("nan")}}, "mapping cannot be sent as JSON"),
        ("thalamus", {"type": None}, "type is missing"),
        ("thalamus", {"type": ""}, "type is empty"),
        ("thalamus", {"type": {}}, "type is of type dict"),
        ("thalamus", {"name": ""}, "name is empty"),
        ("thalamus", {"name": b"x"}, "name is of type bytes"),
    ],
    ids=str,
)
def test_an_invalid_parameter_is_refused_before_anything_is_sent(
    vendor: str, params: dict[str, Any], words: str
) -> None:
    effects, error = play_to_error(submit(vendor, **params))
    assert isinstance(error, ImportSettingsError)
    assert words in str(error)
    assert "Nothing was sent" in str(error)
    assert effects == []


@every_vendor
@pytest.mark.parametrize("name", ["file", "path", "conn_id", "self", "templateType"])
def test_an_unknown_parameter_is_refused_by_name(vendor: str, name: str) -> None:
    with pytest.raises(ImportSettingsError, match=f"has no parameter '{name}'"):
        HOOKS[vendor].check_submit_params({name: "x", **SUBMISSIONS[vendor].params})


@every_vendor
def test_the_parameters_are_known(vendor: str) -> None:
    assert HOOKS[vendor].check_submit_params(SUBMISSIONS[vendor].params) is None


def test_a_vendor_without_submissions_refuses_them() -> None:
    hook = AcmeHook()
    assert hook.check_submit_params({"anything": 1}) is None
    effects, error = play_to_error(hook.submit(FILE, anything=1))
    assert (type(error), effects) == (ImportSettingsError, [])
    assert "Acme cannot submit files" in str(error)


# Cancellations.


def test_thalamus_is_asked_to_cancel_an_import() -> None:
    effects, _ = play(hook_of("thalamus").cancel("2/7"), CREDENTIAL, answer(id=27))
    assert [(effect.method, effect.url) for effect in effects[1:]] == [
        ("POST", "https://thalamus.example/api/v4/import/cancel/2%2F7")
    ]


@pytest.mark.parametrize("body", [raw(b""), raw("true"), answer(state="CANCELED")], ids=str)
def test_any_successful_response_means_cancelled(body: Response) -> None:
    """The page does not show it."""
    assert play(hook_of("thalamus").cancel("7"), CREDENTIAL, body)[1] is None


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (answer(400, errors={"ProcessorInfo": "InvalidID"}), ImportNotFoundError),
        (answer(200, errors={"ProcessorInfo": "InvalidID"}), ImportNotFoundError),
        (answer(400, errors={"ProcessorInfo": "Ended"}), ImportRequestError),
        (answer(503), ImportUnavailableError),
    ],
)
def test_a_failed_cancellation_is_an_error(reply: Response, kind: type[ImportStatusError]) -> None:
    _, error = play_to_error(hook_of("thalamus").cancel("7"), CREDENTIAL, reply)
    assert type(error) is kind


@pytest.mark.parametrize(
    "vendor", [name for name, hook in HOOKS.items() if hook.cancel is ImportStatusHook.cancel]
)
def test_another_vendor_cannot_cancel(vendor: str) -> None:
    effects, error = play_to_error(hook_of(vendor).cancel("7"))
    assert isinstance(error, ImportSettingsError)
    assert (effects, hook_of(vendor).can_cancel) == ([], False)


# Error reports.


def test_thalamus_has_no_error_reports() -> None:
    assert play(hook_of("thalamus").error_reports("7"))[1] == ()


def test_clears_error_reports_are_those_of_its_activities() -> None:
    url = "https://s3.example/report.csv?X-Amz-Signature=5ig"
    activities = [
        {"stage": "TRANSFORMATION", "errorReportPreSign": url},
        {"stage": "INGESTION", "errorReportPreSign": None},
        {"errorReportPreSign": url},
    ]
    body = answer(success=True, result={"workflowStatus": "SUCCESS", "activityStatusList": activities})
    _, reports = play(hook_of("clear").error_reports("7"), CREDENTIAL, body)
    assert [(report.stage, report.request.url, report.request.is_signed) for report in reports] == [
        ("TRANSFORMATION", url, True),
        ("?", url, True),
    ]


@pytest.mark.parametrize("body", [answer(result={"url": SIGNED}), answer(downloadUrl=SIGNED)], ids=str)
def test_taos_error_report_is_its_result_file(body: Response) -> None:
    effects, (report,) = play(hook_of("tao_advance").error_reports("7/"), CREDENTIAL, body)
    assert effects[1].url == "https://tao.example/api/v1/upload/api/v1/download/7%2F"
    assert (report.request.url, report.request.is_signed) == (SIGNED, True)


def test_an_upload_without_a_result_file_has_no_error_report() -> None:
    reply = answer(404, message="Reference ID not found.")
    assert play(hook_of("tao_advance").error_reports("7"), CREDENTIAL, reply)[1] == ()


def test_a_gateways_404_is_not_the_absence_of_a_result_file() -> None:
    reply = raw("<h1>default backend - 404</h1>", 404)
    _, error = play_to_error(hook_of("tao_advance").error_reports("7"), CREDENTIAL, reply)
    assert isinstance(error, ImportProtocolError)


def test_zilliants_error_report_is_its_error_file() -> None:
    effects, (report,) = play(hook_of("zilliant").error_reports("7/"))
    assert (report.request.url, report.request.is_signed, effects) == (
        "/v1/EntityImport/7%2F/errorFile",
        False,
        [],
    )
