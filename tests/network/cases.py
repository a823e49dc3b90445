"""What the network tests have in common: the vendors, local stand-ins for them, and their fixtures' types."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ..conftest import VENDORS as VENDORS
from .servers import Server, answer

#: Vendors that a login gives a token to; Clear's is in its connection, Thalamus has none.
WITH_LOGIN = ("tao_advance", "zilliant")

Connect = Callable[..., str]
Poll = Callable[..., Any]
#: Look at an import, and again, with the same hook and the same pool.
KeepPolling = Callable[[str, str], Any]
Serve = Callable[..., Server]

TOKEN_RESPONSE = {"access_token": "ready-access-token", "token_type": "Bearer", "signature": "c2ln"}
#: Extras with which a look is one request: the credential stands in the connection.
READY: dict[str, dict[str, Any]] = {
    "clear": {"access_token": "ready-clear-token"},
    "zilliant": {"token_response": TOKEN_RESPONSE},
    "thalamus": {},
}
#: What shows that it is the connection's credential that came over the socket.
PRESENTED = {
    "clear": ("x-clear-auth-token", "ready-clear-token"),
    "zilliant": ("authorization", f"OAuth {base64.b64encode(json.dumps(TOKEN_RESPONSE).encode()).decode()}"),
    "thalamus": (
        "authorization",
        f"Basic {base64.b64encode(b'thalamus@sandbox.example:thalamus-sandbox-password').decode()}",
    ),
}
#: A body that every one of these vendors could have sent of an import that is going on.
GOING_ON = json.dumps(
    {
        "success": True,
        "result": {"workflowStatus": "PROCESSING", "status": "pending"},
        "status": "RUNNING",
        "state": "PROCESSING",
    }
)


def going_on(_: object) -> list[bytes | float]:
    """The script of a vendor whose import is going on."""
    return answer(GOING_ON)
