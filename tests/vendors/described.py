"""A described vendor, a connection to it, and its responses."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.hooks.described import DescribedHook, DescribedSettings
from airflow_provider_importstatus.protocol.description import parse_description

from .samples import PASSWORD, TOKEN, Contents, Vendor

#: A description that uses most of the format.
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "name": "acme",
    "title": "Acme Loader",
    "auth": {"type": "oauth2_client_credentials", "scope": "jobs.read"},
    "extras": {"tenant": {"default": "main", "help": "the tenant's short name"}},
    "import_id": {"help": "the jobId that POST /jobs returned"},
    "status": {
        "path": "/tenants/{extra.tenant}/jobs/{import_id}",
        "query": {"view": "full"},
        "headers": {"Revision": "2025-01-15"},
    },
    "state": {
        "path": "job.state",
        "map": {
            "queued": ["waiting"],
            "running": ["loading", 2],
            "succeeded": ["done", True],
            "failed": ["broken"],
            "cancelled": ["stopped"],
        },
    },
    "rows": {"total": "job.rows", "succeeded": "job.good", "failed": "sum([job.bad, job.worse][?@])"},
    "progress": {"path": "job.percent", "of": 100},
    "messages": "job.errors[].text",
    "started_at": "job.began",
    "finished_at": "job.ended",
    "ok": "job || state",
    "not_found": {"when": "code == 'NO_SUCH_JOB'"},
    "unauthorized": {"when": "code == 'EXPIRED'"},
    "unavailable": {"status": [409], "when": "code == 'BUSY'"},
    "report": {"url": "job.links[].href"},
    "cancel": {"method": "DELETE", "path": "/tenants/{extra.tenant}/jobs/{import_id}"},
    "pace": {"min_interval": 15},
}

#: TAO Advance, described, which the sandbox plays.
TAO: dict[str, Any] = {
    "version": 1,
    "name": "described_tao",
    "auth": {"type": "oauth2_client_credentials"},
    "status": {"path": "/api/v1/upload/api/v1/status/{import_id}"},
    "state": {
        "path": "result.status",
        "map": {"running": ["pending"], "succeeded": ["processed"], "failed": ["failed"]},
    },
    "rows": {"total": "result.fileLine"},
    "partial_if": "result.messages",
    "messages": "result.messages",
}
#: As an Airflow connection; the host is the test's.
CONNECTION: dict[str, Any] = {
    "conn_type": "import_api",
    "login": "client",
    "password": PASSWORD,
    "extra": {"description": DOCUMENT, "token_url": "/oauth/token"},
}


def _body(contents: Contents) -> dict[str, Any]:
    value = contents.value
    return {
        "job": {
            "state": contents.word,
            "rows": value(120),
            "bad": contents.failed,
            "errors": value([{"text": contents.text}]),
            "links": value([{"href": contents.url}]),
        }
    }


VENDOR = Vendor(
    DescribedHook,
    DescribedSettings(
        conn_id="i",
        conn_type="import_api",
        host="acme.example",
        login="client",
        password=PASSWORD,
        extra={"token_url": "https://acme.example/oauth/token", "description": "acme"},
        description=parse_description(DOCUMENT),
    ),
    {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600},
    (
        {"job": {"state": "loading", "percent": 40, "rows": 10, "good": 4, "bad": 0, "errors": []}},
        {"job": {"state": "DONE", "percent": 100, "rows": 10, "good": 10, "bad": 0, "began": 1767225600}},
        {
            "job": {
                "state": "done",
                "rows": 10,
                "good": 8,
                "bad": 1,
                "worse": 1,
                "errors": [{"text": "line 2: bad"}, {"text": "line 3: worse"}],
                "links": [{"href": "https://files.example/7.csv?sig=abc"}],
                "ended": "2026-01-01T00:00:00Z",
            }
        },
        {"job": {"state": "broken", "errors": [{"text": "no header"}]}},
        {"code": "NO_SUCH_JOB", "message": "There is no such job."},
    ),
    lambda word: word.strip().casefold() in ("done", "true"),
    (
        '{"job": {"state": "done", "errors": %s}}',
        '{"job": {"state": %s}}',
        '{"job": {"state": "done", "links": %s}}',
    ),
    words={
        "running": "loading",
        "succeeded": "done",
        "partial": "done",
        "failed": "broken",
        "cancelled": "stopped",
    },
    body=_body,
    target="/tenants/main/jobs/{}?view=full",
    ready=None,
)
