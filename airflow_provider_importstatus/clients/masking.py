"""Masking of credentials in Airflow's logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

# Not in the oldest supported common.compat.
try:
    from airflow.sdk.log import mask_secret
except ImportError:  # Airflow 2.11 and 3.0
    if not TYPE_CHECKING:
        from airflow.utils.log.secrets_masker import mask_secret

from airflow_provider_importstatus.protocol.messages import Credential

__all__ = ["mask_credential"]


def mask_credential(credential: Credential) -> None:
    """Mask a credential in all further log messages. It calls Airflow: never use it on an event loop."""
    for secret in credential.all_secrets:
        mask_secret(secret)
