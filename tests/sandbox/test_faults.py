from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox, UsageError
from airflow_provider_importstatus.sandbox.faults import Fault, Faults, read_fault

from ..conftest import VENDORS
from .clients import Client

STATUS = "/api/v1/upload/api/v1/status/"
ROUTES = {"clear": {"token", "status"}}


def test_a_fault_applies_to_the_ordered_number_of_requests() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500", times=2))
    assert [bool(faults.take("clear", "status", None)) for _ in range(3)] == [True, True, False]


def test_a_fault_without_a_number_applies_until_it_is_cleared() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500", times=None))
    assert all(faults.take("clear", "status", None) for _ in range(100))
    faults.clear()
    assert faults.take("clear", "status", None) is None


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        (Fault("clear", "status", "500"), True),
        (Fault("clear", "*", "500"), True),
        (Fault("clear", "token", "500"), False),
        (Fault("zilliant", "*", "500"), False),
        (Fault("clear", "status", "500", import_id="7"), True),
        (Fault("clear", "status", "500", import_id="8"), False),
    ],
)
def test_a_fault_matches_its_vendor_route_and_import(fault: Fault, matches: bool) -> None:
    assert fault.matches("clear", "status", "7") is matches


def test_faults_apply_in_the_order_in_which_they_were_added() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500"))
    faults.add(Fault("clear", "*", "drop"))
    taken = [faults.take("clear", "status", None) for _ in range(2)]
    assert [fault.kind for fault in taken if fault] == ["500", "drop"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"vendor": "clear", "route": "status"}, "kind is missing"),
        ({"vendor": "clare"}, "route is missing"),
        ({"vendor": "clare", "route": "status", "kind": "500"}, "vendor must be one of clear, not 'clare'."),
        (
            {"vendor": "clear", "route": "stats", "kind": "500"},
            "route must be a route of clear, not 'stats'.",
        ),
        (
            {"vendor": "clear", "route": "*", "kind": "200"},
            "kind must be an HTTP status from 400 to 599",
        ),
        ({"vendor": "clear", "route": "*", "kind": "explode"}, "kind must be an HTTP status"),
        ({"vendor": "clear", "route": "*", "kind": "500", "times": 0}, "times must be a number of requests"),
        ({"vendor": "clear", "route": "*", "kind": "500", "often": 3}, "often is not a field."),
    ],
)
def test_an_invalid_fault_is_rejected_with_the_name_of_the_field(
    fields: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError) as rejected:
        read_fault(fields, ROUTES)
    assert str(rejected.value).startswith(sentence)


@pytest.fixture
def path(sandbox: Sandbox) -> str:
    return STATUS + sandbox.submit("tao_advance", rows=2, seconds=0)


def test_a_status_can_have_a_retry_after_header(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "429", retry_after="7")
    answer = tao.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


#: A key that only the vendor's own errors have, by path.
ERRORS = [
    ("clear", "/one-integration/workflow/status", "metadata"),
    ("clear", "/integration/v1/authz/token", "errors"),
    ("tao_advance", f"{STATUS}1", "message"),
    ("zilliant", "/v1/EntityImport/1/status", "message"),
    ("thalamus", "/api/v4/import/status/1", "errors"),
]


@pytest.mark.parametrize(("vendor", "path", "key"), ERRORS)
def test_a_server_error_has_the_format_of_its_vendor(
    anyone: Client, sandbox: Sandbox, vendor: str, path: str, key: str
) -> None:
    sandbox.fault(vendor, "*", 500)
    answer = anyone.get(path)
    assert answer.status_code == 500
    assert key in answer.json()


def test_the_request_after_a_fault_succeeds(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "503")
    assert [tao.get(path).status_code for _ in range(2)] == [503, 200]


def test_a_fault_can_be_limited_to_one_import(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "503", import_id="another", times=None)
    assert tao.get(path).status_code == 200


def test_a_fault_can_be_limited_to_one_task_id_of_clear(clear: Client, sandbox: Sandbox) -> None:
    sandbox.fault("clear", "status", "503", import_id="7")
    assert clear.get("/one-integration/workflow/status", params={"taskId": "7"}).status_code == 503


def test_drop_closes_the_connection_without_a_response(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "drop")
    with pytest.raises(requests.ConnectionError):
        tao.get(path)


def test_cut_sends_less_than_the_announced_body(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "cut")
    with tao.get(path, stream=True) as answer, pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert answer.content


def test_slow_delays_the_response(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "slow", seconds=0.2)
    started = time.monotonic()
    assert tao.get(path).json()["result"]["fileLine"] == 2
    assert time.monotonic() - started >= 0.2


def test_dribble_sends_a_complete_response_slowly(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "dribble", seconds=0.2)
    started = time.monotonic()
    assert tao.get(path).json()["result"]["fileLine"] == 2
    assert time.monotonic() - started >= 0.2


def test_dribble_never_exceeds_a_timeout_between_two_bytes(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "dribble", seconds=0.4)
    assert tao.get(path, timeout=0.2).status_code == 200


def test_garbage_is_an_html_page_with_status_200(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "garbage")
    answer = tao.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_redirect_leads_to_another_origin(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "redirect")
    answer = tao.get(path, allow_redirects=False)
    assert answer.status_code == 302
    assert not answer.headers["Location"].startswith(sandbox.url)


def test_a_followed_redirect_is_counted_as_a_storage_request(
    tao: Client, sandbox: Sandbox, path: str
) -> None:
    sandbox.fault("tao_advance", "status", "redirect")
    tao.get(path)
    assert sandbox.requests("tao_advance")["storage"] == 1


def test_huge_is_a_valid_response_of_more_than_five_mebibytes(
    tao: Client, sandbox: Sandbox, path: str
) -> None:
    sandbox.fault("tao_advance", "status", "huge")
    answer = tao.get(path)
    assert len(answer.content) > 5 * 1024 * 1024
    assert answer.json()["result"]["status"] == "processed"


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_kind_of_fault_can_be_ordered_for_every_vendor(sandbox: Sandbox, vendor: str) -> None:
    for kind in ("400", "599", "drop", "cut", "slow", "dribble", "garbage", "redirect", "huge"):
        sandbox.fault(vendor, "status", kind)
    sandbox.clear_faults()
    assert sandbox.requests(vendor)["status"] == 0


@pytest.mark.parametrize("kind", ["dribble", "huge"])
def test_a_fault_can_apply_to_a_response_without_a_body(clear: Client, sandbox: Sandbox, kind: str) -> None:
    answer = clear.get("/one-integration/action/pre-sign", params={"filename": "x.csv"})
    url, headers = answer.json()["result"]["preSignedUrl"], {"Content-Type": "text/csv"}
    sandbox.fault("clear", "storage", kind)
    assert requests.put(url, data=b"x", headers=headers, timeout=5).status_code == 200


def test_an_error_of_the_storage_has_its_own_format(thalamus: Client, sandbox: Sandbox) -> None:
    url = thalamus.get(f"/api/v4/import/status/{sandbox.submit('thalamus')}").json()["url"]
    sandbox.fault("thalamus", "storage", "503", import_id="274")
    answer = requests.get(url, timeout=5)
    assert (answer.status_code, answer.text.startswith("<?xml")) == (503, True)
