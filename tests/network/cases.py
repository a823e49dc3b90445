"""Shared parts of the network tests: vendors, local stand-ins for them, and the types of fixtures."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ..conftest import VENDORS as VENDORS
from ..conftest import Connect as Connect
from ..conftest import Poll as Poll
from .servers import Server, answer

#: Vendors with a login that returns a token; Clear's token is in its connection, Thalamus has none.
WITH_LOGIN = ("tao_advance", "zilliant")

#: Poll an import repeatedly with the same hook and the same pool.
KeepPolling = Callable[[str, str], Any]
Serve = Callable[..., Server]

TOKEN_RESPONSE = {"access_token": "ready-access-token", "token_type": "Bearer", "signature": "c2ln"}
#: Extras with a static credential, with which a poll is one request.
READY: dict[str, dict[str, Any]] = {
    "clear": {"access_token": "ready-clear-token"},
    "zilliant": {"token_response": TOKEN_RESPONSE},
    "thalamus": {},
}
#: The header that presents the credential of the connection.
PRESENTED = {
    "clear": ("x-clear-auth-token", "ready-clear-token"),
    "zilliant": ("authorization", f"OAuth {base64.b64encode(json.dumps(TOKEN_RESPONSE).encode()).decode()}"),
    "thalamus": (
        "authorization",
        f"Basic {base64.b64encode(b'thalamus@sandbox.example:thalamus-sandbox-password').decode()}",
    ),
}
#: A body that is a valid response of each of these vendors for a running import.
GOING_ON = json.dumps(
    {
        "success": True,
        "result": {"workflowStatus": "PROCESSING", "status": "pending"},
        "status": "RUNNING",
        "state": "PROCESSING",
    }
)


def going_on(_: object) -> list[bytes | float]:
    """Respond like a vendor whose import is running."""
    return answer(GOING_ON)
