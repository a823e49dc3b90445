"""Errors for each kind of response: not found, unavailable, rejected request, invalid response."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.sandbox import Sandbox

from .cases import READY, VENDORS, WITH_LOGIN, Connect, Poll, Serve
from .servers import answer

NO_IMPORT = dict.fromkeys(VENDORS, "no-such-import") | {"thalamus": "999"}


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_an_unknown_import_is_not_found(poll: Poll, vendor: str) -> None:
    with pytest.raises(ImportNotFoundError, match=NO_IMPORT[vendor]):
        poll(f"{vendor}_default", NO_IMPORT[vendor])


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [(vendor, kind) for vendor in VENDORS for kind in ("429", "503", "drop", "cut")]
    + [("thalamus", kind) for kind in ("408", "425", "500", "502", "504", "599")],
)
@pytest.mark.usefixtures("connections")
def test_a_transient_error_is_unavailable(sandbox: Sandbox, poll: Poll, vendor: str, kind: str) -> None:
    import_id = sandbox.submit(vendor)
    # Always, since aiohttp repeats a request once if the connection was dropped.
    sandbox.fault(vendor, "status", kind, times=None)
    with pytest.raises(ImportUnavailableError) as error:
        poll(f"{vendor}_default", import_id)
    assert error.value.retry_after is None


@pytest.mark.parametrize("kind", ["503", "drop", "cut"])
@pytest.mark.usefixtures("connections")
def test_an_unavailable_report_is_not_a_success(sandbox: Sandbox, poll: Poll, kind: str) -> None:
    import_id = sandbox.submit("zilliant", ends="partial", seconds=0)
    sandbox.fault("zilliant", "report", kind, times=None)
    with pytest.raises(ImportUnavailableError):
        poll("zilliant_default", import_id)


@pytest.mark.parametrize("kind", ["429", "500", "drop"])
@pytest.mark.parametrize("vendor", [*WITH_LOGIN, "clear"])
def test_a_transient_login_error_is_unavailable(
    sandbox: Sandbox, connect: Connect, poll: Poll, vendor: str, kind: str
) -> None:
    sandbox.fault(vendor, "token", kind, times=None)
    with pytest.raises(ImportUnavailableError):
        poll(connect(vendor), sandbox.submit(vendor))


@pytest.mark.parametrize("vendor", ["clear", "thalamus"])
def test_a_timeout_is_unavailable(
    sandbox: Sandbox, connections: Connect, request_token: Any, poll: Poll, vendor: str
) -> None:
    ready = {"access_token": request_token()} if vendor == "clear" else {}
    connections(vendor, extra={"timeout": 0.2, **ready})
    sandbox.fault(vendor, "status", "slow", seconds=2)
    with pytest.raises(ImportUnavailableError):
        poll(f"{vendor}_default", sandbox.submit(vendor))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-5", None),
        ("0", None),
        ("soon", None),
        ("inf", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
    ],
)
@pytest.mark.usefixtures("connections")
def test_retry_after_is_read_as_seconds(
    sandbox: Sandbox, poll: Poll, header: str, seconds: float | None
) -> None:
    import_id = sandbox.submit("thalamus")
    sandbox.fault("thalamus", "status", "429", retry_after=header)
    with pytest.raises(ImportUnavailableError) as error:
        poll("thalamus_default", import_id)
    assert error.value.retry_after == seconds


@pytest.mark.usefixtures("connections")
def test_retry_after_is_read_as_a_date(sandbox: Sandbox, poll: Poll) -> None:
    import_id = sandbox.submit("thalamus")
    date = email.utils.formatdate(time.time() + 60, usegmt=True)
    sandbox.fault("thalamus", "status", "503", retry_after=date)
    with pytest.raises(ImportUnavailableError) as error:
        poll("thalamus_default", import_id)
    assert error.value.retry_after == pytest.approx(60, abs=3)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_retry_after_is_read_for_every_vendor(sandbox: Sandbox, poll: Poll, vendor: str) -> None:
    import_id = sandbox.submit(vendor)
    sandbox.fault(vendor, "status", "429", retry_after="11")
    with pytest.raises(ImportUnavailableError) as error:
        poll(f"{vendor}_default", import_id)
    assert error.value.retry_after == 11


@pytest.mark.parametrize("vendor", WITH_LOGIN)
@pytest.mark.usefixtures("connections")
def test_retry_after_is_read_from_a_login(sandbox: Sandbox, poll: Poll, vendor: str) -> None:
    sandbox.fault(vendor, "token", "429", retry_after="11")
    with pytest.raises(ImportUnavailableError) as error:
        poll(f"{vendor}_default", "any")
    assert error.value.retry_after == 11


@pytest.mark.parametrize("status", [500, 502])
@pytest.mark.parametrize("vendor", READY)
def test_the_http_status_decides_for_an_html_page(
    connect: Connect, serve: Serve, poll: Poll, vendor: str, status: int
) -> None:
    page = answer("<h1>Bad gateway</h1>", status, content_type="text/html", retry_after="3")
    conn_id = connect(vendor, host=serve(lambda _: page).url, extra=READY[vendor])
    with pytest.raises(ImportUnavailableError) as error:
        poll(conn_id, "7")
    assert error.value.retry_after == 3


@pytest.mark.parametrize(
    ("vendor", "status"),
    [(vendor, 400) for vendor in VENDORS] + [("zilliant", status) for status in (405, 409, 410, 422)],
)
@pytest.mark.usefixtures("connections")
def test_a_rejected_request_is_a_request_error(
    sandbox: Sandbox, poll: Poll, vendor: str, status: int
) -> None:
    import_id = sandbox.submit(vendor)
    sandbox.fault(vendor, "status", status)
    with pytest.raises(ImportRequestError, match=str(status)):
        poll(f"{vendor}_default", import_id)


def test_a_request_error_quotes_the_vendor(connect: Connect, serve: Serve, poll: Poll) -> None:
    refusal = answer('{"message": "Only on weekdays."}', 422)
    conn_id = connect("zilliant", host=serve(lambda _: refusal).url, extra=READY["zilliant"])
    with pytest.raises(ImportRequestError, match=r"Only on weekdays\."):
        poll(conn_id, "7")


CLEAR_ENVELOPES: list[tuple[str, dict[str, Any], type[Exception]]] = [
    ("503-inside", {"status": 503, "success": False, "error": {"code": "503"}}, ImportUnavailableError),
    ("429-inside", {"status": 429, "success": False, "error": None}, ImportUnavailableError),
    ("403-inside", {"status": 403, "success": False, "error": {"code": "403"}}, ImportAuthError),
    ("400-inside", {"status": 400, "success": False, "error": {"code": "400"}}, ImportRequestError),
    ("error", {"success": False, "error": {"message": "no such template"}}, ImportRequestError),
    ("error-in-a-success", {"success": True, "error": {"message": "x"}, "result": {}}, ImportRequestError),
    ("null", {"status": 200, "success": True, "error": None, "result": None}, ImportNotFoundError),
    ("no-state", {"status": 200, "success": True, "result": {"taskId": "7"}}, ImportProtocolError),
]


@pytest.mark.parametrize(
    ("envelope", "error"), [case[1:] for case in CLEAR_ENVELOPES], ids=[case[0] for case in CLEAR_ENVELOPES]
)
def test_clears_envelope_is_read_before_its_result(
    connect: Connect, serve: Serve, poll: Poll, envelope: dict[str, Any], error: type[Exception]
) -> None:
    vendor = serve(lambda _: answer(json.dumps(envelope)))
    with pytest.raises(error):
        poll(connect("clear", host=vendor.url, extra=READY["clear"]), "7")


@pytest.mark.parametrize("kind", ["garbage", "huge"])
@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_an_unreadable_response_is_retryable(sandbox: Sandbox, poll: Poll, vendor: str, kind: str) -> None:
    import_id = sandbox.submit(vendor)
    sandbox.fault(vendor, "status", kind)
    with pytest.raises(ImportProtocolError) as error:
        poll(f"{vendor}_default", import_id)
    assert error.value.retryable


BROKEN = {
    "empty": "",
    "list": "[]",
    "null": "null",
    "text": '"RUNNING"',
    "no-state": "{}",
    "state-null": '{"state": null, "status": null, "result": {"workflowStatus": null}}',
    "state-list": '{"state": [], "status": [], "result": {"workflowStatus": []}}',
    "state-blank": '{"state": " ", "status": " ", "result": {"workflowStatus": " "}}',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize(
    ("vendor", "kind"),
    [("zilliant", kind) for kind in BROKEN]
    + [(vendor, kind) for vendor in ("clear", "thalamus") for kind in ("list", "no-state", "state-list")],
)
def test_a_response_without_a_state_is_a_protocol_error(
    connect: Connect, serve: Serve, poll: Poll, vendor: str, kind: str
) -> None:
    conn_id = connect(vendor, host=serve(lambda _: answer(BROKEN[kind])).url, extra=READY[vendor])
    with pytest.raises(ImportProtocolError):
        poll(conn_id, "7")


@pytest.mark.parametrize("vendor", READY)
def test_invalid_http_is_retryable(connect: Connect, serve: Serve, poll: Poll, vendor: str) -> None:
    conn_id = connect(vendor, host=serve(lambda _: [b"\x00\x01SSH-2.0-x\r\n\r\n"]).url, extra=READY[vendor])
    with pytest.raises(ImportUnavailableError):
        poll(conn_id, "7")


@pytest.mark.parametrize(
    ("vendor", "route"),
    [(vendor, "status") for vendor in VENDORS] + [(vendor, "token") for vendor in ("clear", *WITH_LOGIN)],
)
def test_a_redirect_is_a_permanent_error(
    sandbox: Sandbox, connect: Connect, request_token: Any, poll: Poll, vendor: str, route: str
) -> None:
    ready = {"access_token": request_token()} if (vendor, route) == ("clear", "status") else {}
    sandbox.fault(vendor, route, "redirect")
    with pytest.raises(ImportProtocolError) as error:
        poll(connect(vendor, extra=ready), sandbox.submit(vendor))
    assert not error.value.retryable
    # The target of the redirect.
    assert sandbox.requests(vendor)["storage"] == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(connect: Connect, serve: Serve, poll: Poll, status: int) -> None:
    elsewhere = serve(lambda _: answer("{}"))
    vendor = serve(lambda _: answer("", status, location=f"{elsewhere.url}/"))
    with pytest.raises(ImportProtocolError):
        poll(connect("thalamus", host=vendor.url), "7")
    assert (len(vendor.seen), elsewhere.seen) == (1, [])
