"""A connection to TAO Advance, and responses to its polls."""

from __future__ import annotations

from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

from .samples import PASSWORD, TOKEN, Vendor

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
)
