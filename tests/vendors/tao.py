"""A connection to TAO Advance, and its responses."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .samples import PASSWORD, TOKEN, Contents, Vendor


def _body(contents: Contents) -> dict[str, Any]:
    # Messages make an import partial, even of a wrong type.
    messages = contents.value(contents.messages) if contents.messages else []
    return {"result": {"status": contents.word, "messages": messages, "fileLine": contents.value(120)}}


VENDOR = Vendor(
    TaoAdvanceHook,
    ConnectionSettings("t", "tao_advance", host="tao.example", login="client", password=PASSWORD),
    {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600},
    (
        {"result": {"status": "pending", "fileLine": 1, "messages": []}},
        {"result": {"status": "processed", "fileLine": 2, "messages": []}},
        {"result": {"status": "processed", "fileLine": 2, "messages": ["line 2: bad", {"line": 3}]}},
        {"result": {"status": "failed", "fileLine": 0, "messages": ["no header"]}},
        {"message": "Reference ID not found. File not found in pending bucket."},
    ),
    lambda word: word.strip().lower() == "processed",
    (
        '{"result": {"status": "processed", "messages": %s}}',
        '{"result": {"status": %s, "messages": []}}',
    ),
    words={"running": "pending", "succeeded": "processed", "partial": "processed", "failed": "failed"},
    body=_body,
    target="/api/v1/upload/api/v1/status/{}",
    id_name="referenceId",
    ready=None,
)
