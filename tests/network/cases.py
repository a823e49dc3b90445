"""Shared parts of the network tests: vendors, local stand-ins for them, and the types of fixtures."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ..conftest import VENDORS as VENDORS
from ..conftest import Connect as Connect
from ..conftest import Poll as Poll
from ..vendors import HOOKS, SAMPLES
from ..vendors.samples import TOKEN
from .servers import Script, Server, answer

#: Vendors with a login that returns a token, but Clear, which revokes the earlier ones.
WITH_LOGIN = tuple(
    vendor for vendor in VENDORS if SAMPLES[vendor].login and not HOOKS[vendor].login_revokes_tokens
)

#: Poll an import repeatedly with the same hook and the same pool.
KeepPolling = Callable[[str, str], Any]
Serve = Callable[..., Server]

#: Extras with a static credential, with which a poll is one request.
READY: dict[str, dict[str, Any]] = {
    vendor: ready for vendor in VENDORS if (ready := SAMPLES[vendor].ready) is not None
}
#: The header that presents the credential of the connection.
PRESENTED = {
    "clear": ("x-clear-auth-token", TOKEN),
    "zilliant": (
        "authorization",
        f"OAuth {base64.b64encode(json.dumps(READY['zilliant']['token_response']).encode()).decode()}",
    ),
    "thalamus": (
        "authorization",
        f"Basic {base64.b64encode(b'thalamus@sandbox.example:thalamus-sandbox-password').decode()}",
    ),
}
#: A response of Thalamus about a running import.
GOING_ON = json.dumps(SAMPLES["thalamus"].answer("running"))


def going_on(_: object) -> list[bytes | float]:
    """Respond like Thalamus about a running import."""
    return answer(GOING_ON)


def running(vendor: str, **headers: str) -> Script:
    """Return a script that responds like a vendor whose import is running, also to a login."""
    body = json.dumps({"access_token": TOKEN, **SAMPLES[vendor].answer("running")})
    return lambda _: answer(body, 200, **headers)
