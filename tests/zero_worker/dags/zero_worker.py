"""Waits that need no worker or fewer workers, and waits that need one."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, task, task_group

from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

ZERO: dict[str, Any] = {
    "conn_id": "tao_advance_default",
    "start_from_trigger": True,
    "end_from_trigger": True,
    "poke_interval": 1,
    "retry_delay": pendulum.duration(seconds=1),
}
#: Template of an import id in the conf of the run, by task id.
CONF = "{{{{ dag_run.conf['{}'] }}}}"


def leave_a_word(context: Any) -> None:
    context["ti"].xcom_push(key="callback", value=context["ti"].state)


@task
def submit(name: str, dag_run: Any = None) -> Any:
    return dag_run.conf[name]


@task
def submit_again(import_id: str) -> str:
    return import_id


@task(multiple_outputs=True)
def submit_in_full(name: str, dag_run: Any = None) -> dict[str, str]:
    return {"import": dag_run.conf[name], "note": "none"}


@task
def use(status: Any) -> dict[str, str]:
    return {"kind": type(status).__name__, "import_id": status["import_id"]}


@task
def use_each(pair: Any) -> list[Any]:
    return list(pair)


def wait(name: str, import_id: Any = None, **more: Any) -> Any:
    return ImportStatusSensor(task_id=name, import_id=import_id or CONF.format(name), **{**ZERO, **more})


with DAG("zero_worker", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):
    use.override(task_id="use_upstream")(
        wait("upstream", submit.override(task_id="submit_upstream")("upstream")).output
    )
    wait("keyed", submit_in_full("keyed")["import"])  # type: ignore[index]
    wait("failed", submit.override(task_id="submit_failed")("failed"), on_failure_callback=leave_a_word)
    wait("partial_accepted", conn_id="thalamus_default", max_failed_rows=5)
    wait("outage", outage_tolerance=1, retries=1)
    wait("with_outlets", outlets=[Asset("imported")])
    wait("with_callback", on_success_callback=leave_a_word)
    wait("unpushed", do_xcom_push=False)
    # Long enough for a first poll on a slow machine.
    wait("timeout", timeout=50)
    wait("execution_timeout", execution_timeout=pendulum.duration(seconds=40), retries=1)
    wait("nothing", submit.override(task_id="submit_nothing")("nothing"))
    wait("no_text", submit.override(task_id="submit_no_text")("no_text"))
    wait("ended_only", start_from_trigger=False)
    use_each.expand(pair=wait("mapped_over").output)
    ImportStatusSensor.partial(task_id="mapped", **ZERO).expand(
        import_id=submit.override(task_id="submit_mapped")("mapped")
    )

    @task_group
    def each(import_id: str) -> None:
        wait("in_group", submit_again(import_id))

    each.expand(import_id=submit.override(task_id="submit_grouped")("grouped"))

with DAG("restarted", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):
    wait("survivor")
    wait("out_of_time", timeout=60)
