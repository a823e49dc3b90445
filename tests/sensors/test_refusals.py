"""Errors at run time that fail the task without a retry, before any request."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from http import HTTPStatus
from typing import Any

import pytest
from jinja2 import Undefined

from airflow_provider_importstatus.exceptions import AirflowFailException, ImportSettingsError
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import NOT_OBJECTS
from .tasks import Connect, requests_of, run, sensor

NO_IDS: list[Any] = [None, "", "   ", "None", " None ", "{{ ti.xcom_pull() }}", "{% if x %}1{% endif %}"]
NO_IDS += [True, False, 7.0, ["7"], {"id": "7"}, b"7", "x" * 501]
NO_IDS += [10**5000, -(10**5000), "a\0b", "\ud83d", "7\n8", Undefined(), object(), ("7",)]
NO_IDS += ["7\u20288", "7\u202e8", "\u20677"]


def _short(value: Any) -> str:
    # Python does not convert very large integers to text.
    return "huge" if isinstance(value, int) and abs(value) > 1000 else ascii(value)[:20]


class Id(str, Enum):  # noqa: UP042 - as in DAGs for older Pythons
    """An id that is a member of an enum."""

    SEVEN = "7"


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("import_id", NO_IDS, ids=_short)
def test_an_invalid_id_is_rejected(
    sandbox: Sandbox, connect: Connect, import_id: Any, deferrable: bool
) -> None:
    connect("thalamus")
    with pytest.raises(ImportSettingsError, match="import_id") as error:
        run(sensor(import_id=import_id, deferrable=deferrable))
    assert isinstance(error.value, AirflowFailException)
    assert requests_of(sandbox) == 0


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize(("extra", "kind"), NOT_OBJECTS)
def test_extras_that_are_no_object_are_rejected(
    sandbox: Sandbox,
    connect_with_text: Callable[[str, str], None],
    extra: str,
    kind: str,
    deferrable: bool,
) -> None:
    connect_with_text("thalamus", extra)
    with pytest.raises(ImportSettingsError, match=f"'thalamus_default'.*extra is of type {kind}.*object"):
        run(sensor(deferrable=deferrable))
    assert requests_of(sandbox) == 0


def test_null_as_extras_is_like_none(connect_with_text: Callable[[str, str], None]) -> None:
    connect_with_text("thalamus", "null")
    with pytest.raises(ImportSettingsError, match="lacks touchpoint"):
        run(sensor())


@pytest.mark.parametrize("import_id", [7, "7", " 7 ", Id.SEVEN, HTTPStatus(200)])
def test_an_id_may_be_a_number_or_have_surrounding_spaces(
    sandbox: Sandbox, connect: Connect, import_id: Any
) -> None:
    connect("thalamus")
    expected = "200" if import_id == 200 else "7"
    sandbox.submit("thalamus", import_id=expected, seconds=0)
    assert run(sensor(import_id=import_id))["import_id"] == expected


@pytest.mark.parametrize(
    ("vendor", "connection", "parameters", "sentence"),
    [
        ("thalamus", {}, {"hook_params": {"integration_id": "x"}}, "no parameter 'integration_id'"),
        ("clear", {}, {"hook_params": {"integration": "x"}}, "Valid parameters: integration_id"),
        ("thalamus", {}, {"hook_params": "no object"}, "hook_params"),
        ("thalamus", {}, {"conn_id": "unknown"}, "There is no connection 'unknown'"),
        ("tao_advance", {"host": ""}, {}, "host is empty"),
        ("tao_advance", {"host": "ftp://x"}, {}, "scheme 'ftp'"),
        ("tao_advance", {"password": ""}, {}, "password"),
        ("tao_advance", {"extra": {"token_request_encoding": "xml"}}, {}, "token_request_encoding"),
        ("zilliant", {"extra": {"client_secret": ""}}, {}, "client_secret"),
        ("zilliant", {"extra": {"token_response": "no JSON"}}, {}, "token_response"),
        ("thalamus", {"extra": {"token": ""}}, {}, "token"),
        ("thalamus", {"extra": {"timeout": "soon"}}, {}, "timeout is not a number"),
        ("thalamus", {"extra": {"timeout": -1}}, {}, "timeout is out of range"),
        ("thalamus", {"extra": {"transfer_timeout": "long"}}, {}, "transfer_timeout is not a number"),
        ("thalamus", {"extra": {"max_concurrency": 1001}}, {}, "max_concurrency is out of range"),
        ("thalamus", {"extra": {"verify": "/no/such/file"}}, {}, "verify is not a file"),
        ("clear", {"login": ""}, {}, "login is empty"),
    ],
)
def test_a_task_with_an_unusable_connection_fails_before_any_request(
    sandbox: Sandbox,
    connect: Connect,
    vendor: str,
    connection: dict[str, Any],
    parameters: dict[str, Any],
    sentence: str,
) -> None:
    conn_id = connect(vendor, **connection)
    with pytest.raises(ImportSettingsError, match=sentence):
        run(sensor(**{"conn_id": conn_id, **parameters}))
    assert requests_of(sandbox) == 0


@pytest.mark.parametrize("conn_type", ["http", "generic", "no_such_type"])
def test_a_connection_of_another_type_is_rejected(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, conn_type: str
) -> None:
    connection = {"conn_type": conn_type, "host": sandbox.url}
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(connection))
    with pytest.raises(ImportSettingsError, match=f"'other' is of type '{conn_type}'"):
        run(sensor("other"))
    assert requests_of(sandbox) == 0
