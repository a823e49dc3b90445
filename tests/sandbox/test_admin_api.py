from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox, UsageError

from ..conftest import VENDORS
from .clients import Client

TAO_STATUS = "/api/v1/upload/api/v1/status/"
EVERY_VENDOR = ", ".join(VENDORS)


def test_the_sandbox_imports_nothing_else_of_the_package() -> None:
    code = """
import sys, airflow_provider_importstatus.sandbox.__main__
package = "airflow_provider_importstatus."
print([name for name in sys.modules if name.startswith(package) and not name.startswith(package + "sandbox")])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_there_is_a_connection_for_each_vendor(sandbox: Sandbox) -> None:
    kinds = {conn_id: connection["conn_type"] for conn_id, connection in sandbox.connections.items()}
    assert kinds == {f"{vendor}_default": vendor for vendor in VENDORS}


def test_connections_are_json_with_the_base_url_as_host(sandbox: Sandbox) -> None:
    for connection in json.loads(json.dumps(sandbox.connections)).values():
        assert connection["host"] == sandbox.url
        fields = [*("conn_type", "host"), *(name for name in ("login", "password") if name in connection)]
        assert list(connection) == [*fields, "extra"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_import_can_be_submitted_at_every_vendor(anyone: Client, sandbox: Sandbox, vendor: str) -> None:
    answer = anyone.post("/_sandbox/imports", json={"vendor": vendor, "seconds": 5})
    assert answer.status_code == 200
    assert answer.json()["import_id"] != sandbox.submit(vendor)


def test_an_import_id_can_be_chosen(tao: Client, sandbox: Sandbox) -> None:
    assert sandbox.submit("tao_advance", import_id="12345") == "12345"
    assert tao.get(f"{TAO_STATUS}12345").status_code == 200


def test_a_chosen_import_id_is_not_issued_again(sandbox: Sandbox) -> None:
    sandbox.submit("thalamus", import_id="274")
    assert sandbox.submit("thalamus") == "275"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, f"vendor is missing. Add one of {EVERY_VENDOR}."),
        (
            {"vendor": "x"},
            f"vendor must be one of {EVERY_VENDOR}, not 'x'. Example: vendor=clear.",
        ),
        (
            {"vendor": "clear", "rows": "many"},
            "rows must be a whole number, 0 or more, not 'many'. Example: rows=3.",
        ),
        (
            {"vendor": "thalamus", "import_id": "x"},
            "import_id must be a number, or null, not 'x'. Example: import_id=274.",
        ),
        ({"vendor": "clear", "import_id": ["x"]}, "import_id must be a text, or null, not ['x']."),
    ],
)
def test_an_invalid_submission_over_http_is_a_400_with_an_explanation(
    anyone: Client, fields: dict[str, Any], sentence: str
) -> None:
    answer = anyone.post("/_sandbox/imports", json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


def test_an_invalid_submission_in_python_is_a_usage_error_with_the_same_explanation(sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match="ends must be one of succeeded"):
        sandbox.submit("clear", ends="well")


def test_an_import_id_in_use_is_rejected(sandbox: Sandbox) -> None:
    sandbox.submit("clear", import_id="7")
    with pytest.raises(UsageError, match="import_id '7' is already in use"):
        sandbox.submit("clear", import_id="7")


@pytest.mark.parametrize("body", ["[]", "{", "7"])
def test_a_body_that_is_not_a_json_object_is_rejected(anyone: Client, body: str) -> None:
    answer = anyone.post("/_sandbox/faults", data=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("The body must be a JSON object")


def test_faults_can_be_ordered_and_cleared_over_http(tao: Client, sandbox: Sandbox) -> None:
    fault = {"vendor": "tao_advance", "route": "status", "kind": "503", "times": None}
    path = TAO_STATUS + sandbox.submit("tao_advance")
    assert tao.post("/_sandbox/faults", json=fault).status_code == 204
    assert tao.get(path).status_code == 503
    assert tao.delete("/_sandbox/faults").status_code == 204
    assert tao.get(path).status_code == 200


def test_a_revoked_token_is_rejected(tao: Client, sandbox: Sandbox) -> None:
    sandbox.revoke("tao_advance")
    assert tao.get(f"{TAO_STATUS}1").status_code == 401


def test_tokens_can_be_revoked_over_http(tao: Client) -> None:
    assert tao.post("/_sandbox/revoke", json={"vendor": "tao_advance"}).status_code == 204
    assert tao.get(f"{TAO_STATUS}1").status_code == 401


def test_requests_are_counted_by_route(tao: Client, sandbox: Sandbox) -> None:
    tao.get(f"{TAO_STATUS}1")
    tao.get(f"{TAO_STATUS}2")
    assert sandbox.requests("tao_advance") == {
        "token": 1,
        "submit": 0,
        "status": 2,
        "download": 0,
        "storage": 0,
    }


def test_a_request_with_a_fault_is_counted_too(anyone: Client, sandbox: Sandbox) -> None:
    sandbox.fault("tao_advance", "status", "503")
    anyone.get(f"{TAO_STATUS}1")
    assert sandbox.requests("tao_advance")["status"] == 1


def test_request_counts_can_be_read_over_http(tao: Client, sandbox: Sandbox) -> None:
    every = tao.get("/_sandbox/requests").json()
    assert every == {vendor: sandbox.requests(vendor) for vendor in VENDORS}
    assert tao.get("/_sandbox/requests", params={"vendor": "tao_advance"}).json() == every["tao_advance"]


def test_a_reset_forgets_imports(thalamus: Client, sandbox: Sandbox) -> None:
    path = f"/api/v4/import/status/{sandbox.submit('thalamus')}"
    assert thalamus.get(path).status_code == 200
    thalamus.post("/_sandbox/reset")
    assert thalamus.get(path).status_code == 400


def test_a_reset_forgets_tokens_counts_and_faults(tao: Client, sandbox: Sandbox) -> None:
    sandbox.fault("tao_advance", "*", "503", times=None)
    sandbox.reset()
    assert tao.get(f"{TAO_STATUS}1").status_code == 401
    assert sandbox.requests("tao_advance")["token"] == 0


def test_the_sandbox_is_thread_safe(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(lambda _: sandbox.submit("thalamus"), range(200)))
    assert len(set(ids)) == 200


def test_two_sandboxes_are_independent(sandbox: Sandbox) -> None:
    with Sandbox() as other:
        assert other.url != sandbox.url
        assert other.submit("thalamus") == sandbox.submit("thalamus") == "274"


def test_a_sandbox_can_be_restarted() -> None:
    again = Sandbox()
    for _ in range(2):
        with again:
            assert Client(again.url).get("/api/v4/me").status_code == 400


def test_a_sandbox_that_is_not_running_raises_an_error() -> None:
    with pytest.raises(RuntimeError, match="The sandbox is not running"):
        Sandbox().submit("clear")


def test_token_seconds_is_the_lifetime_of_tokens() -> None:
    with Sandbox(token_seconds=60) as brief:
        form = {"grant_type": "client_credentials"}
        form.update(client_id="tao-sandbox-client", client_secret="tao-sandbox-secret")
        answer = Client(brief.url).post("/api/v1/upload/v1/oauth2/tokens", data=form)
    assert answer.json()["expires_in"] == 60
