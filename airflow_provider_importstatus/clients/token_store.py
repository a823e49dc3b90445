"""Tokens and login rejections shared between processes in Airflow Variables.

Clear revokes a token when another is requested with the same client secret, so all processes that use the
secret must share one; with the extra `share_token`, processes do so with other vendors, too. Variables are
encrypted, and the name of this one makes Airflow mask its value.
Salesforce locks a user after a few rejected logins, so a rejected login is not repeated by other processes.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.protocol.messages import Credential, LoginRejection
from airflow_provider_importstatus.version_compat import is_airflow

__all__ = [
    "load_login_rejection",
    "load_token",
    "store_login_rejection",
    "store_token",
]

log = logging.getLogger(__name__)

#: Maximum length of a rejection's reason, in characters.
MAX_REASON = 500

SHARED_DESCRIPTION = (
    "A token shared between processes, stored by airflow-provider-importstatus. Deleting it costs one login."
)
REJECTION_DESCRIPTION = (
    "A login that a vendor rejected, stored by airflow-provider-importstatus: not repeated for a minute."
    " It may be deleted."
)

_IS_AIRFLOW_3_0 = is_airflow(3, 0) and not is_airflow(3, 1)

#: The rejections of this process, in case the Variable cannot be written.
_own_rejections: dict[str, LoginRejection] = {}


def load_token(name: str) -> Credential | None:
    """Return the credential stored as `name`, if any. It calls Airflow: never use it on an event loop.

    :raises ImportUnavailableError: if the Variable cannot be read, which does not mean that there is none
    """
    text = _read(name)
    if text is None:
        return None
    credential = _credential(text)
    if credential is None:
        raise ImportUnavailableError(f"Variable {name} does not contain a valid token. Delete it.")
    mask_credential(credential)
    return credential


def store_token(name: str, credential: Credential, expected: Credential | None = None) -> Credential | None:
    """Store a credential as `name` for other processes, in place of `expected`.

    A credential that another process has stored meanwhile is returned, and not overwritten. A failed write is
    only logged: the token works here, and requesting another would revoke it. It calls Airflow: never use it
    on an event loop.
    """
    try:
        stored = load_token(name)
    except ImportUnavailableError:
        stored = None
    if stored is not None and stored != expected and stored != credential:
        return stored
    data = {
        "value": credential.value,
        "secrets": credential.secrets,
        "obtained_at": credential.obtained_at,
        "expires_at": credential.expires_at,
    }
    if problem := _write(name, data, SHARED_DESCRIPTION):
        log.warning(
            "Variable %s cannot be written (%s): other processes will not find this token.", name, problem
        )
    return None


def load_login_rejection(name: str) -> LoginRejection | None:
    """Return the latest rejection of the login `name` in any process, if any.

    An unreadable Variable counts as none, since this only avoids logins. It calls Airflow: never use it on an
    event loop.
    """
    own = _own_rejections.get(name)
    try:
        data = json.loads(_read(name) or "{}")
        shared = LoginRejection(float(data["rejected_at"]), str(data["reason"])[:MAX_REASON])
    except (ImportUnavailableError, ValueError, LookupError, TypeError):
        return own
    return shared if own is None or own.rejected_at < shared.rejected_at else own


def store_login_rejection(name: str, reason: str) -> None:
    """Store a login's rejection for other processes. It calls Airflow: never use it on an event loop."""
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
        secrets = tuple(data.get("secrets", ()))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return None
    is_valid = value and all(isinstance(text, str) for text in (value, *secrets))
    return Credential(value, obtained_at, expires_at, secrets) if is_valid else None


def _write(name: str, data: Mapping[str, Any], description: str) -> str | None:
    """Write a Variable; return the name of the error's class if it failed."""
    try:
        _variables().set(name, json.dumps(data), description=description)
    except Exception as error:
        return type(error).__name__
    return None


def _read(name: str) -> str | None:
    try:
        text: str | None = _read_from_backends(name) if _is_outside_of_tasks() else Variable.get(name)
    except KeyError:  # Airflow 2.11: no such Variable
        return None
    except Exception as error:
        # Airflow 3 raises one class for every API error; only this code means that there is no such Variable.
        if _error_type(error) == "VARIABLE_NOT_FOUND":
            return None
        raise ImportUnavailableError(
            f"Variable {name} cannot be read: {type(error).__name__}. Check Airflow's database or API."
        ) from error
    return text


def _variables() -> Any:
    """Return the class that can write Variables here."""
    if not _is_outside_of_tasks():
        return Variable
    from airflow.models import Variable as StoredVariable

    return StoredVariable


def _is_outside_of_tasks() -> bool:
    """Return whether this is a process with the metadata database, and not one of a task or triggerer.

    There the SDK cannot write Variables, and takes an unreachable database for "no such Variable" (seen on
    Airflow 3.3.2). Tasks may inherit the environment of a scheduler, but have a supervisor.
    On Airflow 3.0 the SDK cannot even read Variables without a supervisor.
    """
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    is_server = os.environ.get("_AIRFLOW_PROCESS_CONTEXT") == "server"
    return (is_server or _IS_AIRFLOW_3_0) and not hasattr(runner, "SUPERVISOR_COMMS")


def _read_from_backends(name: str) -> str | None:
    from airflow.configuration import ensure_secrets_loaded

    texts = (backend.get_variable(key=name) for backend in ensure_secrets_loaded())
    return next((text for text in texts if text is not None), None)


def _error_type(error: Exception) -> str | None:
    code = getattr(getattr(error, "error", None), "error", None)
    return getattr(code, "name", None)
