"""A connection to Clear, and its responses."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.hooks.clear import ClearHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .samples import PASSWORD, TOKEN, Contents, Vendor


def _clear(word: str, *activities: str, **changes: Any) -> dict[str, Any]:
    listed = [
        {
            "stage": "INGESTION",
            "ingestionTemplate": "PURCHASE",
            "status": activity,
            "errorReportPreSign": "https://s3.example/report.csv?X-Amz-Signature=5ig",
            "errorMessage": "3 rows are wrong",
            "activityId": "a-1",
        }
        for activity in activities
    ]
    result = {"workflowStatus": word, "taskId": "1", "activityStatusList": listed, "message": "NA"}
    return {
        "status": 200,
        "success": True,
        "message": "Status of taskId 1",
        "result": result,
        "error": None,
        "metadata": None,
        **changes,
    }


def _body(contents: Contents) -> dict[str, Any]:
    value = contents.value
    activity = {
        "stage": value("VALIDATE"),
        "ingestionTemplate": value("SALES"),
        "status": {"partial": "PARTIAL_SUCCESS", "failed": "FAILURE"}.get(contents.state, "SUCCESS"),
        "errorMessage": value(contents.text),
        "errorReportPreSign": value(contents.url),
    }
    return {
        "success": True,
        "result": {
            "taskId": value(None),
            "workflowStatus": contents.word,
            "message": value(contents.text),
            "activityStatusList": [activity],
        },
    }


VENDOR = Vendor(
    ClearHook,
    ConnectionSettings("c", "clear", host="clear.example", login="integration", password=PASSWORD),
    {"access_token": TOKEN, "valid_till": "2027-01-15T09:00:00+00:00"},
    (
        _clear("CREATED"),
        _clear("PROCESSING", "SUCCESS"),
        _clear("SUCCESS", "SUCCESS", "SUCCESS"),
        _clear("SUCCESS", "SUCCESS", "PARTIAL_SUCCESS", "FAILURE"),
        _clear("FAILED", "FAILURE"),
        _clear("SUCCESS", result=None),
        _clear("SUCCESS", status=403, success=False, result=None),
        _clear("SUCCESS", success=False, error={"code": "E1", "message": "no", "validationErrors": ["a"]}),
    ),
    lambda word: word.strip().upper() == "SUCCESS",
    (
        '{"success": true, "result": {"workflowStatus": "SUCCESS", "activityStatusList": %s}}',
        '{"success": true, "result": {"workflowStatus": "FAILED", "message": %s}}',
        '{"success": true, "result": {"workflowStatus": "SUCCESS", "taskId": %s}}',
        '{"success": false, "error": %s}',
    ),
    words={"running": "PROCESSING", "succeeded": "SUCCESS", "partial": "SUCCESS", "failed": "FAILED"},
    body=_body,
    target="/one-integration/workflow/status?taskId={}",
    id_name="taskId",
    submit_params={"template_type": "SALES"},
    ready={"access_token": TOKEN},
    not_found=(200, {"success": True, "result": None}),
    refusal=lambda text: {"status": 400, "success": False, "error": {"code": "400", "message": text}},
)
