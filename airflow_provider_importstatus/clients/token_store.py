"""What processes share in Airflow Variables: tokens, and logins that were rejected.

Clear revokes a token when another is obtained with the same client secret, so whoever uses that secret must
share one. It is kept encrypted, and masked by the name of its Variable. Salesforce locks a user after a few
rejected logins, so a login that one process was refused is not repeated by the others.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.protocol.messages import Credential, LoginRejection

__all__ = [
    "load_login_rejection",
    "load_token",
    "store_login_rejection",
    "store_token",
]

log = logging.getLogger(__name__)

#: Characters of the vendor's words about a rejected login.
MAX_REASON = 500

SHARED_DESCRIPTION = (
    "A token that processes share, kept by airflow-provider-importstatus. Deleting it costs one login."
)
REJECTION_DESCRIPTION = (
    "A login that a vendor rejected, kept by airflow-provider-importstatus for a minute, in which it is not"
    " repeated. It may be deleted."
)

#: The rejections that this process has met, for where the Variable cannot be written.
_own_rejections: dict[str, LoginRejection] = {}


def load_token(name: str) -> Credential | None:
    """The credential kept under `name`, if there is one. Talks to Airflow: never on an event loop.

    :raises ImportUnavailableError: when the Variable is there but cannot be read: that is not "none"
    """
    text = _read(name)
    if text is None:
        return None
    credential = _credential(text)
    if credential is None:
        raise ImportUnavailableError(f"Variable {name} holds no token of ours. Delete it.")
    mask_credential(credential)
    return credential


def store_token(name: str, credential: Credential, instead_of: Credential | None = None) -> Credential | None:
    """Keep a credential under `name` for other processes, in place of `instead_of`.

    Talks to Airflow: never on an event loop. What is there is read first: a credential that another process
    has stored meanwhile is returned, and not overwritten. A failure to write is only logged: the token is
    obtained, works here, and obtaining another would revoke it.
    """
    try:
        there = load_token(name)
    except ImportUnavailableError:
        there = None
    if there is not None and there != instead_of and there != credential:
        return there
    data = {
        "value": credential.value,
        "obtained_at": credential.obtained_at,
        "expires_at": credential.expires_at,
    }
    if problem := _write(name, data, SHARED_DESCRIPTION):
        log.warning(
            "Variable %s cannot be written (%s): other processes will not find this token.", name, problem
        )
    return None


def load_login_rejection(name: str) -> LoginRejection | None:
    """The latest rejection of the login with this `name`, this process's or another's.

    Talks to Airflow: never on an event loop. Nothing depends on it but sparing the vendor a login: what
    cannot be read counts as none.
    """
    own = _own_rejections.get(name)
    try:
        data = json.loads(_read(name) or "{}")
        shared = LoginRejection(float(data["rejected_at"]), str(data["reason"])[:MAX_REASON])
    except (ImportUnavailableError, ValueError, LookupError, TypeError):
        return own
    return shared if own is None or own.rejected_at < shared.rejected_at else own


def store_login_rejection(name: str, reason: str) -> None:
    """Tell other processes that a login was rejected now. Talks to Airflow: never on an event loop."""
    rejection = LoginRejection(time.time(), reason[:MAX_REASON])
    _own_rejections[name] = rejection
    data = {"rejected_at": rejection.rejected_at, "reason": rejection.reason}
    if problem := _write(name, data, REJECTION_DESCRIPTION):
        log.warning(
            "Variable %s cannot be written (%s): other processes may repeat the login.", name, problem
        )


def _credential(text: str) -> Credential | None:
    try:
        data = json.loads(text)
        value, obtained_at, expires_at = data["value"], float(data["obtained_at"]), data.get("expires_at")
        expires_at = None if expires_at is None else float(expires_at)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None
    return Credential(value, obtained_at, expires_at) if isinstance(value, str) and value else None


def _write(name: str, data: Mapping[str, Any], description: str) -> str | None:
    """Write a Variable; return the class of what went wrong, if anything did."""
    try:
        Variable.set(name, json.dumps(data), description=description)
    except Exception as error:
        return type(error).__name__
    return None


def _read(name: str) -> str | None:
    try:
        text: str = Variable.get(name)
    except KeyError:  # Airflow 2.11: no such Variable
        return None
    except Exception as error:
        # Airflow 3 wraps every answer of its API in one error; only this one means that there is none.
        if _error_type(error) == "VARIABLE_NOT_FOUND":
            return None
        raise ImportUnavailableError(f"Variable {name} cannot be read: {type(error).__name__}.") from error
    return text


def _error_type(error: Exception) -> str | None:
    kind = getattr(getattr(error, "error", None), "error", None)
    return getattr(kind, "name", None)
