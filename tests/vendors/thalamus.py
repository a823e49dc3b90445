"""A connection to Thalamus, and its responses."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .samples import PASSWORD, SECRET, Contents, Vendor


def _thalamus(state: Any, **changes: Any) -> dict[str, Any]:
    sample = {
        "id": 1,
        "creationDate": 1757507096000,
        "modificationDate": 1757507205000,
        "rows": 576,
        "rowsOk": 576,
        "rowsWithErrors": 0,
        "rowsSkipped": 0,
        "rowsRollbacked": 0,
        "rowsRollbackedWithErrors": 0,
        "percentageProcessed": 0,
        "url": "https://s3.example/x.xlsx",
        "stateInternationalizableKey": None,
    }
    return {**sample, "state": state, **changes}


def _body(contents: Contents) -> dict[str, Any]:
    value = contents.value
    return {
        "id": value(None),
        "state": contents.word,
        "url": value(contents.url),
        "rows": value(120),
        "rowsWithErrors": contents.failed,
        "percentageProcessed": value(50),
        "creationDate": value(1757507096000),
        "modificationDate": value(1757507205000),
    }


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.rpartition(".")[2])).upper()


VENDOR = Vendor(
    ThalamusHook,
    ConnectionSettings(
        "th",
        "thalamus",
        host="thalamus.example",
        login="user",
        password=PASSWORD,
        extra={"touchpoint": "shop", "token": SECRET},
    ),
    {},
    (
        _thalamus("WAITING"),
        _thalamus("Processing", percentageProcessed=50),
        _thalamus("PROCESSED"),
        _thalamus(3, rowsWithErrors=2),
        _thalamus("PROCESSED", rowsRollbacked=1),
        _thalamus("X", stateInternationalizableKey="import.state.processed"),
        _thalamus("CONFIGURATION_PENDING"),
        _thalamus("CANCELED"),
        _thalamus(4),
        {"errors": {"ProcessorInfo": "InvalidID"}},
        {"errors": {"partnerDataSource": ["TouchpointCodeRequired", "InvalidTouchpointCode"]}},
    ),
    lambda word: _letters(word) == "PROCESSED" or word.rpartition(".")[2].strip() == "3",
    (
        '{"errors": %s}',
        '{"errors": {"ProcessorInfo": %s}}',
        '{"state": "PROCESSED", "url": %s}',
        '{"state": %s, "url": ""}',
    ),
    words={
        "running": "PROCESSING",
        "succeeded": "PROCESSED",
        "partial": "PROCESSED",
        "failed": "ERROR_IN_FILE_FORMAT",
        "cancelled": "CANCELED",
    },
    body=_body,
    target="/api/v4/import/status/{}",
    id_name="id",
    submit_params={"type": 25011},
    not_found=(400, {"errors": {"ProcessorInfo": "InvalidID"}}),
    refusal=lambda text: {"errors": {"import": [text]}},
)
