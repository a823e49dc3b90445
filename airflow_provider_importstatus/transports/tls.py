"""TLS contexts and error causes, shared by both transports."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_importstatus.exceptions import ImportRequestError, ImportSettingsError

__all__ = ["ca_context", "causes", "certificate_error", "environment_error", "root_cause"]


def root_cause(error: BaseException) -> str:
    """Return a description of the root cause that contains no URLs or headers."""
    *_, bottom = causes(error)
    # An error's own text may contain URLs and headers; the operating system's texts do not.
    reason = (
        getattr(bottom, "reason", None)
        if isinstance(bottom, ssl.SSLError)
        else getattr(bottom, "strerror", None)
    )
    return f"{type(error).__name__}, {reason or type(bottom).__name__}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """Return the error, the one that led to it, and so on, wherever the libraries keep them."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        candidates = (getattr(cause, "reason", None), *cause.args, cause.__cause__, cause.__context__)
        cause = next((one for one in candidates if isinstance(one, BaseException)), None)


def certificate_error(where: str, error: ssl.SSLCertVerificationError) -> ImportRequestError:
    """Return the error for a certificate that does not verify."""
    return ImportRequestError(
        f"{where}: the certificate does not verify ({error.verify_message}); nothing was sent."
        " Set the connection's extra `verify` to the path of your CA file."
    )


def ca_context(path: str) -> ssl.SSLContext:
    """Return a TLS context that uses the CA certificates of a file or directory.

    :raises OSError: if it contains none
    """
    if Path(path).is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)


def environment_error(error: OSError) -> ImportSettingsError:
    """Return the error for an unusable CA file of the environment."""
    return ImportSettingsError(
        f"The CA file in REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE cannot be used ({type(error).__name__});"
        " nothing was sent. Fix the environment variable or the file."
    )
