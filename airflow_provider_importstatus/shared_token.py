"""A credential that processes share: the one file that knows Airflow Variables.

Clear revokes a token when another is got with the same client secret, so whoever uses that secret must share
one. It is kept encrypted, and masked by the name of its Variable.
"""

from __future__ import annotations

import hashlib
import json
import logging

from airflow.providers.common.compat.sdk import Variable

from airflow_provider_importstatus.conversation import Credential
from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.masking import mask

__all__ = ["name_for", "recall", "share"]

log = logging.getLogger(__name__)

DESCRIPTION = (
    "A token that processes share, kept by airflow-provider-importstatus. Deleting it costs one login."
)


def name_for(vendor: str, base_url: str, secret: str) -> str:
    """The name of the Variable for one secret at one address; it tells neither."""
    fingerprint = hashlib.sha256(f"{base_url}\n{secret}".encode()).hexdigest()[:16]
    return f"importstatus_token_{vendor}_{fingerprint}"


def recall(name: str) -> Credential | None:
    """The credential kept under `name`, if there is one. Talks to Airflow: never on an event loop.

    :raises ImportUnavailableError: when the Variable is there but cannot be read: that is not "none"
    """
    text = _read(name)
    if text is None:
        return None
    try:
        data = json.loads(text)
        credential = Credential(str(data["value"]), float(data["minted_at"]), data.get("expires_at"))
    except (ValueError, LookupError, TypeError):
        raise ImportUnavailableError(f"Variable {name} holds no token of ours. Delete it.") from None
    mask(credential)
    return credential


def share(name: str, credential: Credential) -> None:
    """Keep a credential under `name` for other processes. Talks to Airflow: never on an event loop.

    A failure is only logged: the token is got, works here, and getting another would revoke it.
    """
    data = {
        "value": credential.value,
        "minted_at": credential.minted_at,
        "expires_at": credential.expires_at,
    }
    try:
        Variable.set(name, json.dumps(data), description=DESCRIPTION)
    except Exception as error:
        log.warning(
            "Variable %s cannot be written (%s): other processes will not find this token.",
            name,
            type(error).__name__,
        )


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
