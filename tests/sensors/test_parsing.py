"""Errors in a DAG file that are reported when it is parsed."""

from __future__ import annotations

import copy
import pickle
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_importstatus.exceptions import AirflowException
from airflow_provider_importstatus.sensors.import_status import (
    ClearImportSensor,
    ImportStatusSensor,
    TaoAdvanceImportSensor,
    ThalamusImportSensor,
    ZilliantImportSensor,
)

from .tasks import sensor

CIRCULAR: dict[str, Any] = {}
CIRCULAR["a"] = [CIRCULAR]


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"on_partial": "ignore"}, "on_partial is 'ignore'. Give one of 'succeed', 'fail', 'skip'"),
        ({"on_partial": None}, "on_partial is None"),
        ({"max_failed_rows": -1}, "max_failed_rows is -1"),
        ({"max_failed_rows": "3"}, "max_failed_rows is '3'"),
        ({"max_failed_rows": True}, "max_failed_rows is True"),
        ({"max_failed_rows": 0.5}, "max_failed_rows is 0.5"),
        ({"poke_interval": 0}, "poke_interval"),
        ({"poke_interval": timedelta(0)}, "poke_interval"),
        ({"not_found_grace": -1}, "not_found_grace"),
        ({"not_found_grace": "1m"}, "not_found_grace"),
        ({"outage_tolerance": timedelta(seconds=-1)}, "outage_tolerance"),
        ({"hook_params": ["a"]}, "hook_params"),
        ({"hook_params": {"a": ...}}, "hook_params is not plain JSON"),
        ({"hook_params": {"a": {1, 2}}}, "hook_params is not plain JSON"),
        ({"hook_params": {"password": "hunter2"}}, "looks like a secret"),
        ({"hook_params": {"client_secret": "hunter2"}}, "looks like a secret"),
        ({"hook_params": {"Access_Token": "hunter2"}}, "looks like a secret"),
        ({"hook_params": {"a": float("nan")}}, "hook_params is not plain JSON"),
        ({"hook_params": {"a": [{"b": float("inf")}]}}, "hook_params is not plain JSON"),
        ({"hook_params": {5: "x"}}, "hook_params has a key of type int. Give texts as keys."),
        ({"hook_params": {"a": [{None: 1}]}}, r"hook_params\['a'\] has a key of type NoneType"),
        ({"hook_params": CIRCULAR}, "hook_params is not plain JSON"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_an_invalid_parameter_is_rejected_by_name(parameters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as error:
        sensor(**parameters)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"poke_intervall": 5}, "Write poke_interval instead of poke_intervall."),
        ({"poll_interval": 5}, "Write poke_interval instead of poll_interval."),
        ({"retrys": 5}, "Write retries instead of retrys."),
        ({"time_out": 5, "mod": "poke"}, "Write timeout instead of time_out. Write mode instead of mod."),
    ],
)
def test_a_misspelt_parameter_is_rejected_with_the_nearest_name(
    parameters: dict[str, Any], remedy: str
) -> None:
    # Airflow 2.11 raises an AirflowException.
    with pytest.raises((TypeError, AirflowException), match="Invalid arguments were passed") as error:
        sensor(**parameters)
    assert str(error.value).endswith(remedy)


def test_an_unknown_parameter_that_is_near_to_none_is_rejected_without_advice() -> None:
    with pytest.raises((TypeError, AirflowException), match="Invalid arguments were passed") as error:
        sensor(zzz=5)
    assert "Write" not in str(error.value)


@pytest.mark.parametrize(
    ("hook_params", "place"),
    [
        ({"a": {"password": "hunter2"}}, "['a']['password']"),
        ({"a": [{"b": {"Client-Secret": "hunter2"}}]}, "['a']['b']['Client-Secret']"),
        ({"token": ["hunter2"]}, "['token']"),
        ({"token": {"value": {"hunter2": "x"}}}, "['token']"),
        ({"secret": 1234567}, "['secret']"),
        ({"api-key": "hunter2"}, "['api-key']"),
        ({"APIKey": "hunter2"}, "['APIKey']"),
        ({"X-API-Key": "hunter2"}, "['X-API-Key']"),
        ({"headers": {"Authorization": "Bearer hunter2"}}, "['headers']['Authorization']"),
        ({"proxy-authorization": "hunter2"}, "['proxy-authorization']"),
        ({"Private Key": "hunter2"}, "['Private Key']"),
        ({"aws_secret_access_key": "hunter2"}, "['aws_secret_access_key']"),
        ({"passphrase": "hunter2"}, "['passphrase']"),
        ({"credentials": {"user": "me"}}, "['credentials']"),
        ({"db_pwd": "hunter2"}, "['db_pwd']"),
        ({"pin": 1234}, "['pin']"),
        ({"body": {"pass": "hunter2"}}, "['body']['pass']"),
        ({"secret_id": "hunter2"}, "['secret_id']"),
        ({"nextcloud_token": "hunter2"}, "['nextcloud_token']"),
        (
            {
                "description": {
                    "version": "{{ params.version }}",
                    "status": {"headers": {"X-Token": "hunter2"}},
                }
            },
            "['description']['status']['headers']['X-Token']",
        ),
    ],
    ids=str,
)
def test_a_literal_secret_in_hook_params_is_rejected_at_any_depth(
    hook_params: dict[str, Any], place: str
) -> None:
    with pytest.raises(ValueError, match="looks like a secret") as error:
        sensor(hook_params=hook_params)
    assert str(error.value) == f"hook_params{place} looks like a secret. Put it into the connection."


@pytest.mark.parametrize(
    "hook_params",
    [
        {"token_url": "https://login.example/token", "token_type": "Bearer", "token_lifetime": 3600},
        {"id_token_path": "data.id_token", "password_field": "pwd", "secret_name": "vault/acme"},
        {"auth": {"type": "bearer", "scope": "jobs.read"}},
        {"next_page_token": "paging.next", "nextPageToken": "x", "page_token": "x", "max_output_tokens": 500},
        {"secretary": "Ada", "tokenizer": "words", "passed": 5, "spinner": "x", "compass": "north"},
        {"access_key_id": "AKIA", "credential_id": 5, "secrets_backend": "vault", "secretKeyRef": "a"},
        {"password": None, "token": "", "secret": False, "api_key": {}, "tokens": [], "passwords": [None]},
        {"token": " ", "secret": "{{ conn.acme.password }}", "password": "{% if x %}{% endif %}"},
        {"headers": {"Authorization": "{extra.header}"}, "job_token": "{import_id}"},
    ],
    ids=str,
)
def test_what_is_no_secret_for_certain_is_accepted(hook_params: dict[str, Any]) -> None:
    assert sensor(hook_params=hook_params).hook_params == hook_params


def test_deep_hook_params_are_rejected_by_name() -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValueError, match="hook_params is nested too deeply"):
        sensor(hook_params={"a": deep})


ABSURD = [1e10, 1e300, 10**400, float("nan"), float("inf"), -1, timedelta.max]
DURATIONS = (
    "execution_timeout",
    "max_wait",
    "not_found_grace",
    "outage_tolerance",
    "poke_interval",
    "timeout",
)


@pytest.mark.parametrize("value", ABSURD, ids=lambda value: repr(value)[:20])
# Airflow accepts only a timedelta as execution_timeout.
@pytest.mark.parametrize("name", [name for name in DURATIONS if name != "execution_timeout"])
def test_a_duration_that_would_overflow_is_rejected_by_name_and_value(name: str, value: Any) -> None:
    remedy = re.escape(f"{name} is {value!r}. Give a timedelta or seconds, 0 or more, and at most ")
    with pytest.raises(ValueError, match=remedy):
        sensor(**{name: value})
    with pytest.raises(ValueError, match=remedy):
        ImportStatusSensor.partial(task_id="wait", conn_id="a", **{name: value})
    with DAG("another", schedule=None, default_args={name: value}), pytest.raises(ValueError, match=remedy):
        ImportStatusSensor(task_id="wait", conn_id="a", import_id="7")


@pytest.mark.parametrize("value", [timedelta.max, timedelta(seconds=-1)])
def test_an_execution_timeout_that_would_overflow_is_rejected_by_name_and_value(value: timedelta) -> None:
    remedy = re.escape(f"execution_timeout is {value!r}. Give")
    with pytest.raises(ValueError, match=remedy):
        sensor(execution_timeout=value)
    default_args = {"execution_timeout": value}
    with DAG("x", schedule=None, default_args=default_args), pytest.raises(ValueError, match=remedy):
        ImportStatusSensor(task_id="wait", conn_id="a", import_id="7")


@pytest.mark.parametrize("name", DURATIONS)
def test_a_duration_of_a_hundred_years_is_accepted(name: str) -> None:
    century = timedelta(days=36_500)
    durations: dict[str, Any] = {"timeout": 10, "poke_interval": 10, name: century}
    task = sensor(**durations)
    assert datetime.now(UTC) + 2 * century
    assert task.start_trigger_args is None


def test_a_sensor_can_be_copied_and_pickled() -> None:
    task = ClearImportSensor(task_id="wait", import_id="7", start_from_trigger=True, end_from_trigger=True)
    for copied in (copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        assert (copied.import_id, copied.conn_id) == ("7", "clear_default")


def test_a_mapped_sensor_can_be_copied_and_pickled() -> None:
    with DAG("a_dag", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)):
        task = ClearImportSensor.partial(task_id="wait").expand(import_id=["7", "8"])
    for copied in (copy.deepcopy(task), pickle.loads(pickle.dumps(task))):
        assert copied.task_id == "wait"
        assert copied.operator_class is ClearImportSensor
    assert pickle.loads(pickle.dumps(task.dag)).task_ids == ["wait"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"hook_params": {"integration_id": "x", "nested": {"a": [1, None]}}},
        {"hook_params": {"token": "{{ var.value.token }}"}},
        {"hook_params": "{{ params.hook }}"},
        {"not_found_grace": timedelta(seconds=5), "outage_tolerance": 0, "max_wait": timedelta(minutes=1)},
        {"poke_interval": timedelta(seconds=30), "max_failed_rows": 5, "on_partial": "succeed"},
        {"import_id": None},
    ],
)
def test_valid_parameters_are_accepted(parameters: dict[str, Any]) -> None:
    sensor(**parameters)


@pytest.mark.parametrize("missing", ["conn_id", "import_id"])
def test_connection_and_import_are_required(missing: str) -> None:
    given: dict[str, Any] = {"conn_id": "a", "import_id": "b"}
    del given[missing]
    with pytest.raises(Exception, match=missing):
        ImportStatusSensor(task_id="wait", **given)


@pytest.mark.parametrize(
    ("kind", "conn_id"),
    [
        (ClearImportSensor, "clear_default"),
        (TaoAdvanceImportSensor, "tao_advance_default"),
        (ZilliantImportSensor, "zilliant_default"),
        (ThalamusImportSensor, "thalamus_default"),
    ],
)
def test_each_vendor_has_its_default_connection(kind: type[ImportStatusSensor], conn_id: str) -> None:
    assert kind(task_id="wait", import_id="7").conn_id == conn_id  # type: ignore[call-arg]


def test_templated_fields_are_rendered() -> None:
    task = sensor("{{ conn }}", "{{ 7 }}", hook_params={"integration_id": "{{ integration }}"})
    task.render_template_fields({"conn": "c", "integration": "i"})  # type: ignore[typeddict-unknown-key]
    assert (task.conn_id, task.import_id, task.hook_params) == ("c", "7", {"integration_id": "i"})
