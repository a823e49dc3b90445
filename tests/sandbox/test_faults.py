from __future__ import annotations

import time

import pytest
import requests

from airflow_provider_importstatus.sandbox import Sandbox, UsageError
from airflow_provider_importstatus.sandbox.faults import Fault, Faults, read_fault

from .clients import VENDORS, Client

STATUS = "/api/v1/upload/api/v1/status/"
ROUTES = {"clear": {"token", "status"}}


def test_a_fault_happens_as_often_as_it_was_ordered() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500", times=2))
    assert [bool(faults.take("clear", "status", None)) for _ in range(3)] == [True, True, False]


def test_a_fault_without_a_number_happens_until_it_is_cleared() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500", times=None))
    assert all(faults.take("clear", "status", None) for _ in range(100))
    faults.clear()
    assert faults.take("clear", "status", None) is None


@pytest.mark.parametrize(
    ("fault", "is_hit"),
    [
        (Fault("clear", "status", "500"), True),
        (Fault("clear", "*", "500"), True),
        (Fault("clear", "token", "500"), False),
        (Fault("zilliant", "*", "500"), False),
        (Fault("clear", "status", "500", import_id="7"), True),
        (Fault("clear", "status", "500", import_id="8"), False),
    ],
)
def test_a_fault_hits_its_vendor_route_and_import(fault: Fault, is_hit: bool) -> None:
    assert fault.hits("clear", "status", "7") is is_hit


def test_faults_happen_in_the_order_in_which_they_were_ordered() -> None:
    faults = Faults()
    faults.add(Fault("clear", "status", "500"))
    faults.add(Fault("clear", "*", "drop"))
    happened = [faults.take("clear", "status", None) for _ in range(2)]
    assert [fault.kind for fault in happened if fault] == ["500", "drop"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"vendor": "clear", "route": "status"}, "kind is missing"),
        ({"vendor": "clare"}, "route is missing"),
        ({"vendor": "clare", "route": "status", "kind": "500"}, "vendor takes one of clear, not 'clare'."),
        ({"vendor": "clear", "route": "stats", "kind": "500"}, "route takes a route of clear, not 'stats'."),
        (
            {"vendor": "clear", "route": "*", "kind": "200"},
            "kind takes an HTTP status from 400 to 599",
        ),
        ({"vendor": "clear", "route": "*", "kind": "explode"}, "kind takes an HTTP status"),
        ({"vendor": "clear", "route": "*", "kind": "500", "times": 0}, "times takes a number of requests"),
        ({"vendor": "clear", "route": "*", "kind": "500", "often": 3}, "often: there is no such field."),
    ],
)
def test_a_mistake_is_refused_by_the_name_of_its_field(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_fault(fields, ROUTES)
    assert str(refused.value).startswith(sentence)


@pytest.fixture
def path(sandbox: Sandbox) -> str:
    return STATUS + sandbox.submit("tao_advance", rows=2, seconds=0)


def test_a_status_may_bring_a_retry_after(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "429", retry_after="7")
    answer = tao.get(path)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")


@pytest.mark.parametrize(
    ("vendor", "path", "shape"),
    [
        ("clear", "/one-integration/workflow/status", "metadata"),
        ("clear", "/integration/v1/authz/token", "errors"),
        ("tao_advance", f"{STATUS}1", "message"),
        ("zilliant", "/v1/EntityImport/1/status", "message"),
        ("thalamus", "/api/v4/import/status/1", "errors"),
    ],
)
def test_a_server_error_has_the_vendors_own_shape(
    anyone: Client, sandbox: Sandbox, vendor: str, path: str, shape: str
) -> None:
    sandbox.fault(vendor, "*", 500)
    answer = anyone.get(path)
    assert answer.status_code == 500
    assert shape in answer.json()


def test_after_the_fault_all_is_well(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "503")
    assert [tao.get(path).status_code for _ in range(2)] == [503, 200]


def test_a_fault_may_concern_one_import_only(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "503", import_id="another", times=None)
    assert tao.get(path).status_code == 200


def test_clears_task_id_is_an_import_id_too(clear: Client, sandbox: Sandbox) -> None:
    sandbox.fault("clear", "status", "503", import_id="7")
    assert clear.get("/one-integration/workflow/status", params={"taskId": "7"}).status_code == 503


def test_a_drop_is_a_connection_without_an_answer(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "drop")
    with pytest.raises(requests.ConnectionError):
        tao.get(path)


def test_a_cut_body_is_shorter_than_announced(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "cut")
    with tao.get(path, stream=True) as answer, pytest.raises(requests.exceptions.ChunkedEncodingError):
        assert answer.content


def test_a_slow_answer_takes_its_time(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "slow", seconds=0.2)
    started = time.monotonic()
    assert tao.get(path).json()["result"]["fileLine"] == 2
    assert time.monotonic() - started >= 0.2


def test_a_dribbled_answer_is_whole_in_the_end(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "dribble", seconds=0.2)
    started = time.monotonic()
    assert tao.get(path).json()["result"]["fileLine"] == 2
    assert time.monotonic() - started >= 0.2


def test_a_dribbled_answer_outlasts_a_timeout_between_two_bytes(
    tao: Client, sandbox: Sandbox, path: str
) -> None:
    sandbox.fault("tao_advance", "status", "dribble", seconds=0.4)
    assert tao.get(path, timeout=0.2).status_code == 200


def test_garbage_is_a_page_under_a_200(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "garbage")
    answer = tao.get(path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_redirect_leads_to_another_origin(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "redirect")
    answer = tao.get(path, allow_redirects=False)
    assert answer.status_code == 302
    assert not answer.headers["Location"].startswith(sandbox.url)


def test_who_follows_a_redirect_is_counted_there(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "redirect")
    tao.get(path)
    assert sandbox.requests("tao_advance")["storage"] == 1


def test_a_huge_answer_is_true_but_over_five_mebibytes(tao: Client, sandbox: Sandbox, path: str) -> None:
    sandbox.fault("tao_advance", "status", "huge")
    answer = tao.get(path)
    assert len(answer.content) > 5 * 1024 * 1024
    assert answer.json()["result"]["status"] == "processed"


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_kind_can_be_ordered_for_every_vendor(sandbox: Sandbox, vendor: str) -> None:
    for kind in ("400", "599", "drop", "cut", "slow", "dribble", "garbage", "redirect", "huge"):
        sandbox.fault(vendor, "status", kind)
    sandbox.clear_faults()
    assert sandbox.requests(vendor)["status"] == 0


@pytest.mark.parametrize("kind", ["dribble", "huge"])
def test_an_answer_without_a_body_can_be_spoilt_too(clear: Client, sandbox: Sandbox, kind: str) -> None:
    answer = clear.get("/one-integration/action/pre-sign", params={"filename": "x.csv"})
    sandbox.fault("clear", "storage", kind)
    assert requests.put(answer.json()["result"]["preSignedUrl"], data=b"x", timeout=5).status_code == 200


def test_the_storage_errs_in_its_own_shape(thalamus: Client, sandbox: Sandbox) -> None:
    url = thalamus.get(f"/api/v4/import/status/{sandbox.submit('thalamus')}").json()["url"]
    sandbox.fault("thalamus", "storage", "503", import_id="274")
    answer = requests.get(url, timeout=5)
    assert (answer.status_code, answer.text.startswith("<?xml")) == (503, True)
