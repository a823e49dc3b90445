"""Submitting files and cancelling imports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_importstatus.sandbox import Sandbox

from .conftest import Shell

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "sales.csv"
    path.write_text("sku;amount\n1;2\n")
    return str(path)


def test_submit_prints_the_id(shell: Shell, file: str) -> None:
    ended = shell("submit", "thalamus_default", file, "--param", "type=25011")
    assert (ended.status, ended.err) == (0, "")
    assert shell("poll", "thalamus_default", ended.out.strip()).status == 4


def test_submit_prints_the_id_as_json(shell: Shell, file: str) -> None:
    ended = shell("submit", "tao_advance_default", file, "-o", "json")
    result = json.loads(ended.out)
    assert (ended.status, result["vendor"], list(result)) == (0, "tao_advance", ["vendor", "import_id"])
    assert shell("poll", "tao_advance_default", result["import_id"]).status == 4


def test_a_parameter_may_be_a_json_object(shell: Shell, sandbox: Sandbox, file: str) -> None:
    mapping = json.dumps({"entitySystemName": "sales", "definition": {}})
    ended = shell("submit", "zilliant_default", file, "--param", f"mapping={mapping}")
    assert (ended.status, ended.err) == (0, "")
    assert sandbox.requests("zilliant")["mapping"] == 1


def test_submit_and_wait_prints_the_status(shell: Shell, file: str) -> None:
    words = ("submit", "thalamus_default", file, "--param", "type=25011", "--wait", "--timeout", "3")
    ended = shell(*words, "-o", "json")
    status = json.loads(ended.out)
    assert (ended.status, status["state"]) == (0, "succeeded")
    assert ended.err.startswith(f"import-status: Submitted as import {status['import_id']}.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--param", "type"], "--param is not NAME=VALUE"),
        (["--param", "type=1", "--param", "type=2"], "repeats a name"),
        (["--param", "type={1}"], "--param type is not a JSON object"),
        (["--param", "color=red"], "has no parameter 'color'. Valid parameters: type, name"),
        ([], "type is missing"),
    ],
)
def test_wrong_parameters_are_an_error_before_anything_is_sent(
    shell: Shell, sandbox: Sandbox, file: str, words: list[str], message: str
) -> None:
    ended = shell("submit", "thalamus_default", file, *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert message in ended.err
    assert sandbox.requests("thalamus").get("submit", 0) == 0


def test_a_missing_file_is_an_error(shell: Shell) -> None:
    ended = shell("submit", "thalamus_default", "nowhere.csv", "--param", "type=25011")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "nowhere.csv" in ended.err


def test_cancel_cancels(shell: Shell, sandbox: Sandbox) -> None:
    import_id = sandbox.submit("thalamus", seconds=60)
    ended = shell("cancel", "thalamus_default", import_id)
    assert (ended.status, ended.out, ended.err) == (
        0,
        f"Thalamus accepted the cancellation of import {import_id}.\n",
        "",
    )
    assert shell("poll", "thalamus_default", import_id).status == 1


@pytest.mark.parametrize(
    ("vendor", "message"), [("tao_advance", "cannot cancel import '5'"), ("thalamus", "knows no import '5'")]
)
def test_an_import_that_cannot_be_cancelled_is_an_error(shell: Shell, vendor: str, message: str) -> None:
    ended = shell("cancel", f"{vendor}_default", "5")
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert message in ended.err
