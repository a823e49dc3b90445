"""A connection to Zilliant, and responses to its polls."""

from __future__ import annotations

from airflow_provider_importstatus.hooks.zilliant import ZilliantHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .samples import PASSWORD, SECRET, TOKEN, Vendor

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
)
