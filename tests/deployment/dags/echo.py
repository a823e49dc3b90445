"""A DAG that returns the conf of its run, in one task and in mapped ones."""

from __future__ import annotations

import logging
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import DAG, task

with DAG("echo", schedule=None, start_date=pendulum.datetime(2026, 1, 1), catchup=False):

    @task
    def words(dag_run: Any = None) -> list[str]:
        return dag_run.conf["words"]

    @task
    def shout(word: str) -> dict[str, str]:
        logging.getLogger(__name__).info("shouting %s", word)
        return {"loud": word.upper()}

    shout.expand(word=words())
