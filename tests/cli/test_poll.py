"""One poll: its exit status, its output and its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportStatus

from ..conftest import VENDORS, Connect
from .conftest import Shell

pytestmark = pytest.mark.usefixtures("connections")


@pytest.mark.parametrize(
    ("scenario", "state", "status"),
    [
        ({"ends": "succeeded", "seconds": 0}, "succeeded", 0),
        ({"ends": "failed", "seconds": 0}, "failed", 1),
        ({"ends": "cancelled", "seconds": 0}, "cancelled", 1),
        ({"ends": "partial", "seconds": 0}, "partial", 3),
        ({"seconds": 60, "queued": 60}, "queued", 4),
        ({"seconds": 60, "queued": 0}, "running", 4),
        ({"seconds": 60, "queued": 0, "blocked": 60}, "blocked", 4),
        ({"seconds": 60, "queued": 0, "unknown": 60}, "unknown", 4),
    ],
)
def test_the_exit_status_says_how_the_import_stands(
    shell: Shell, sandbox: Sandbox, scenario: dict[str, Any], state: str, status: int
) -> None:
    import_id = sandbox.submit("thalamus", **scenario)
    ended = shell("poll", "thalamus_default", import_id)
    assert ended.status == status
    assert ended.state == state
    assert ended.err == ""


@pytest.mark.parametrize("vendor", VENDORS)
def test_json_is_the_dictionary_of_the_status(shell: Shell, sandbox: Sandbox, vendor: str) -> None:
    import_id = sandbox.submit(vendor, ends="partial", seconds=0)
    ended = shell("poll", f"{vendor}_default", import_id, "--output", "json")
    assert json.loads(ended.out) == hook_for(f"{vendor}_default").get_import_status(import_id).to_dict()
    assert (ended.status, ended.err) == (3, "")


def test_hook_params_configure_the_hook(
    shell: Shell, connect: Connect, sandbox: Sandbox, request_token: Callable[[], str]
) -> None:
    import_id = sandbox.submit("clear", seconds=0)
    connect("clear", extra={"access_token": request_token()}, login="another")
    integration = sandbox.connections["clear_default"]["login"]
    assert shell("poll", "clear_default", import_id).status == 2
    params = json.dumps({"integration_id": integration})
    assert shell("poll", "clear_default", import_id, "--hook-params", params).status == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere", "1"), "There is no connection 'nowhere'. Create it"),
        (("thalamus_default", " "), "import_id is empty. Give the str or int"),
        (("thalamus_default", "999999"), "Thalamus knows no import '999999'"),
        (("thalamus_default", "1", "--timeout", "5"), "--timeout needs --wait"),
        (("thalamus_default", "1", "--wait", "--timeout", "soon"), "--timeout is not a number of seconds"),
        (("thalamus_default", "1", "--wait", "--timeout", "nan"), "--timeout is not a number of seconds"),
        (("thalamus_default", "1", "--hook-params", "{'a': 1}"), "--hook-params is not a JSON object"),
        (("thalamus_default", "1", "--hook-params", "[" * 100_000), "--hook-params is not a JSON object"),
        (("thalamus_default", "1", "--hook-params", '{"password": "hunter2"}'), "looks like a secret"),
        (("thalamus_default", "1", "--hook-params", '{"color": "red"}'), "has no parameter 'color'"),
    ],
)
def test_an_error_is_one_line_with_advice_and_without_secrets(
    shell: Shell, words: tuple[str, ...], message: str
) -> None:
    ended = shell("poll", *words)
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert ended.err.startswith("import-status: ")
    assert message in ended.err
    assert "hunter2" not in ended.err


def test_a_rejected_credential_is_an_error_without_it(
    shell: Shell, connect: Connect, sandbox: Sandbox
) -> None:
    connect("thalamus", password="wrong-horse-battery")
    ended = shell("poll", "thalamus_default", sandbox.submit("thalamus"))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "rejected" in ended.err
    assert "wrong-horse-battery" not in ended.err


def test_an_unavailable_vendor_is_an_error(shell: Shell, sandbox: Sandbox) -> None:
    sandbox.fault("thalamus", "status", "503", times=None)
    ended = shell("poll", "thalamus_default", sandbox.submit("thalamus"))
    assert (ended.status, ended.out, ended.err.count("\n")) == (2, "", 1)
    assert "503" in ended.err


@pytest.mark.parametrize("words", [[], ["poll"], ["poll", "x", "1", "--output", "xml"], ["pull", "x", "1"]])
def test_wrong_usage_ends_with_status_2(shell: Shell, words: list[str]) -> None:
    ended = shell(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "error: " in ended.err


def test_a_bug_is_reported_without_its_text(
    shell: Shell, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(_: ImportStatus) -> str:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr("airflow_provider_importstatus.commands.run.format_status", explode)
    ended = shell("poll", "thalamus_default", sandbox.submit("thalamus"))
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        "import-status: ZeroDivisionError. Please report this as a bug; --verbose shows where.\n"
    )
    with pytest.raises(ZeroDivisionError):
        shell("poll", "thalamus_default", sandbox.submit("thalamus"), "--verbose")
