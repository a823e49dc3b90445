"""A connection to Zilliant, and its responses."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.hooks.zilliant import ZilliantHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

from .samples import PASSWORD, SECRET, TOKEN, Contents, Vendor

_REPORTS = {"partial": "PARTIAL_SUCCESS", "failed": "FAILED"}


def _body(contents: Contents) -> dict[str, Any]:
    value = contents.value
    if contents.is_report:
        word = _REPORTS.get(contents.state, "SUCCESS") if isinstance(contents.word, str) else contents.word
        counts = {"processedRows": value(120), "failedRows": value(contents.failed)}
        return {"status": word, "message": value(contents.text), **counts}
    dates = {"startDate": value("2026-01-01T00:00:00Z"), "stopDate": value("2026-01-01T00:00:00Z")}
    return {"entityImportId": value(None), "status": contents.word, **dates}


VENDOR = Vendor(
    ZilliantHook,
    ConnectionSettings(
        "z",
        "zilliant",
        host="zilliant.example",
        login="user",
        password=PASSWORD,
        extra={"client_id": "app", "client_secret": SECRET},
    ),
    {"access_token": TOKEN, "instance_url": "https://i.example", "token_type": "Bearer"},
    (
        {"status": "RUNNING", "startDate": "2021-09-28T13:09:25Z", "stopDate": None},
        {
            "status": "SUCCEEDED",
            "startDate": "2021-09-28T13:09:25Z",
            "stopDate": "2021-09-28T13:16:06Z",
            "clientErrorCallingService": False,
            "entityImportId": "2587c81c",
        },
        {"status": "FAILED", "startDate": "2021-09-28T13:09:25Z", "stopDate": "2021-09-28T13:16:06Z"},
        {"status": "SUCCESS", "processedRows": 5, "message": "5 rows"},
        {"status": "PARTIAL_SUCCESS", "processedRows": 5, "failedRows": 2, "message": "2 of 5 rows"},
        {"status": "FAILED", "failedRows": 5, "message": "no rows"},
    ),
    lambda word: word.strip().upper() in ("SUCCEEDED", "PARTIAL_SUCCESS"),
    (
        '{"status": "FAILED", "message": %s}',
        '{"status": "RUNNING", "entityImportId": %s}',
    ),
    words={"running": "RUNNING", "succeeded": "SUCCEEDED", "partial": "SUCCEEDED", "failed": "FAILED"},
    body=_body,
    target="/v1/EntityImport/{}/status",
    id_name="importId",
    submit_params={"mapping_id": ZILLIANT.mapping_id},
    ready={"token_response": {"access_token": TOKEN, "token_type": "Bearer", "signature": SECRET}},
)
