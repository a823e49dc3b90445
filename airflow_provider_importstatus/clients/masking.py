"""Masking of credentials in Airflow's logs."""

from __future__ import annotations

from contextlib import suppress

from requests import Request
from urllib3.util import parse_url

# Not in the oldest supported common.compat.
try:
    from airflow.sdk.log import mask_secret
except ImportError:  # Airflow 2.11 and 3.0
    from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[no-redef,import-not-found]

from airflow_provider_importstatus.protocol.messages import Credential

__all__ = ["mask_credential", "mask_url"]


def mask_credential(credential: Credential) -> None:
    """Mask a credential in all further log messages. It calls Airflow: never use it on an event loop."""
    for secret in credential.all_secrets:
        mask_secret(secret)


def mask_url(url: str) -> None:
    """Mask path and query of a signed URL: urllib3 logs them at level DEBUG. It calls Airflow, too."""
    mask_secret("/" + url.partition("://")[2].partition("/")[2])
    # An invalid URL is not sent.
    with suppress(ValueError):
        # As they are sent: requests and urllib3 escape some characters, and others no longer.
        mask_secret(parse_url(str(Request("GET", url).prepare().url)).request_uri)
