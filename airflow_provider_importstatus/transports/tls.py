"""What both transports say and do alike about certificates, and about what went wrong underneath."""

from __future__ import annotations

import ssl
from pathlib import Path

from airflow_provider_importstatus.exceptions import ImportRequestError, ImportSettingsError

__all__ = ["ca_context", "certificate_error", "environment_error", "root_cause", "underlying_error"]


def root_cause(error: BaseException) -> str:
    """What went wrong at the bottom, in words that quote nothing of ours."""
    bottom = error
    while cause := underlying_error(bottom):
        bottom = cause
    # A URL or a header may stand in an error's text; the operating system's words hold neither.
    told = (
        getattr(bottom, "reason", None)
        if isinstance(bottom, ssl.SSLError)
        else getattr(bottom, "strerror", None)
    )
    return f"{type(error).__name__}, {told or type(bottom).__name__}"


def underlying_error(error: BaseException) -> BaseException | None:
    """The error that led to this one, as each library hands it on."""
    reason = getattr(error, "reason", None)
    candidates = (reason, *error.args, error.__cause__, error.__context__)
    return next((one for one in candidates if isinstance(one, BaseException)), None)


def certificate_error(where: str, error: ssl.SSLCertVerificationError) -> ImportRequestError:
    """The error for a certificate that does not verify."""
    return ImportRequestError(
        f"{where}: the certificate does not verify ({error.verify_message}); nothing was sent."
        " Put the path of your CA's file into the connection's extra `verify`."
    )


def ca_context(path: str) -> ssl.SSLContext:
    """Trust in the certificates of a file or directory.

    :raises OSError: where it holds none
    """
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def environment_error(error: OSError) -> ImportSettingsError:
    """The error for a CA file that the environment names and that cannot be used."""
    return ImportSettingsError(
        "The CA file that REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names cannot be used"
        f" ({type(error).__name__}); nothing was sent."
    )
