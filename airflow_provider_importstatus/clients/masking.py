"""Keeps credentials out of Airflow's logs."""

from __future__ import annotations

# The oldest common.compat that we support does not have it.
try:
    from airflow.sdk.log import mask_secret
except ImportError:  # Airflow 2.11 and 3.0
    from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[no-redef,import-not-found]

from airflow_provider_importstatus.protocol.messages import Credential

__all__ = ["mask_credential"]


def mask_credential(credential: Credential) -> None:
    """Mask a credential from here on. Talks to Airflow: never on an event loop."""
    for secret in (credential.value, *credential.secrets):
        mask_secret(secret)
