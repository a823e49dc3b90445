"""Code as users write it, for type checkers: a DAG, a hook in a task, and what a result says."""

from __future__ import annotations

import logging

from airflow_provider_importstatus.exceptions import ImportFailedError, ImportStatusError
from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.operators.import_file import (
    ClearImportOperator,
    ImportFileOperator,
    TaoAdvanceImportOperator,
)
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor, ThalamusImportSensor
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts

log = logging.getLogger(__name__)

load = TaoAdvanceImportOperator(task_id="load", file="/data/users.csv", deferrable=True, timeout=6 * 3600)
sales = ClearImportOperator(task_id="sales", file="s3://bucket/sales.csv", template_type="SALES")
other = ImportFileOperator(task_id="other", file="/data/x.csv", conn_id="acme", submit_params={"kind": 1})
wait = ImportStatusSensor(task_id="wait", conn_id="acme", import_id="7", on_partial="skip")
zero_worker = ThalamusImportSensor(
    task_id="zero", import_id=274, start_from_trigger=True, end_from_trigger=True, max_failed_rows=5
)


def rejected_rows(import_id: str) -> int:
    """Return how many rows the vendor has rejected so far."""
    hook = TaoAdvanceHook(conn_id="tao_advance_default")
    try:
        status: ImportStatus = hook.get_import_status(import_id)
    except ImportFailedError:
        raise
    except ImportStatusError as error:
        log.info("No status yet: %s", error)
        return 0
    rows: RowCounts = status.rows
    if status.state is ImportState.PARTIAL and status.messages:
        log.warning(status.messages[0].upper())
    return rows.failed or 0


async def is_over(import_id: str) -> bool:
    """Return whether an import has ended."""
    status = await TaoAdvanceHook().aget_import_status(import_id)
    return status.state.is_terminal


def submit_and_keep_reports(path: str, folder: str) -> list[str]:
    """Submit a file; return the paths of the error reports so far."""
    hook = TaoAdvanceHook()
    import_id: str = hook.submit_import(path)
    with hook.get_conn() as session:
        session.get("/status", timeout=30).raise_for_status()
    works, text = hook.test_connection()
    log.info(text if works else hook.base_url)
    return hook.download_error_reports(import_id, folder)


def misspelt(error: ImportFailedError) -> None:
    """Use names that do not exist: type checkers must say so."""
    log.info(TaoAdvanceHook().base_ulr)  # type: ignore[attr-defined]
    log.info(wait.import_di)  # type: ignore[attr-defined]
    log.info(load.fiel)  # type: ignore[attr-defined]
    log.info(error.statsu)  # type: ignore[attr-defined]
