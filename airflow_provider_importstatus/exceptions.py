"""The errors of this package, split by what fixes them.

* ImportStatusError
    * ImportFailedError        the import failed, or the policy rejects its end: fix the import
    * ImportNotFoundError      the vendor knows no such import: fix the DAG
    * ImportRequestError       the vendor rejected the request: fix the DAG or the connection
    * ImportSettingsError      a connection, ``hook_params`` or ``import_id`` is unusable: fix it
    * ImportAuthError          the vendor rejected the credential: fix the connection
    * ImportUnavailableError   the vendor or the network is down: wait, or contact the vendor
    * ImportProtocolError      the response cannot be understood: report it to us or to the vendor
    * SubmissionUncertainError the vendor may have started an import whose id is unknown: look there
    * SubmittedImportError     as ImportFailedError, for an import that the same task has submitted

The first four and SubmissionUncertainError are also ``AirflowFailException``, so Airflow does not retry:
another try cannot change them, or might import the file twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_importstatus.redaction import clean_text

# Parsed with every DAG file: going through common.compat would load three more modules.
try:
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowRescheduleException,
        AirflowSensorTimeout,
        AirflowSkipException,
        AirflowTaskTimeout,
        TaskDeferralError,
    )
except ImportError:  # Airflow 2.11 to 3.1
    if not TYPE_CHECKING:
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowRescheduleException,
            AirflowSensorTimeout,
            AirflowSkipException,
            AirflowTaskTimeout,
            TaskDeferralError,
        )

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowRescheduleException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "ImportAuthError",
    "ImportFailedError",
    "ImportNotFoundError",
    "ImportProtocolError",
    "ImportRequestError",
    "ImportSettingsError",
    "ImportStatusError",
    "ImportUnavailableError",
    "SubmissionUncertainError",
    "SubmittedImportError",
    "TaskDeferralError",
    "error_from_event",
]


#: Maximum length of an error's text, in characters: room for a full status, whatever a vendor sends.
MAX_ERROR = 10_000


class ImportStatusError(AirflowException):
    """Base class of this package's errors. The text is safe to store and contains no signed URLs.

    :param message: human-readable description
    """

    #: Whether polling again later may succeed.
    retryable = False
    #: Start of an outage that other waits see too (Unix seconds).
    outage_since: float | None = None
    #: Seconds to the next poll when another wait is probing the vendor.
    postponed_for: float | None = None

    def __init__(self, message: str = "") -> None:
        # A single character that cannot be stored crashes the triggerer and every wait in it.
        super().__init__(clean_text(str(message), MAX_ERROR))


class ImportFailedError(ImportStatusError, AirflowFailException):
    """The import failed, was cancelled, or was partial and the policy does not accept that."""


class ImportNotFoundError(ImportStatusError, AirflowFailException):
    """The vendor does not know the import."""


class ImportRequestError(ImportStatusError, AirflowFailException):
    """The vendor rejected the request as invalid, or its certificate does not verify."""


class ImportSettingsError(ImportStatusError, AirflowFailException):
    """A connection, ``hook_params`` or ``import_id`` is unusable."""

    #: The dotted key of a description that it is about.
    key = ""


class ImportAuthError(ImportStatusError):
    """The vendor rejected the credential."""


class ImportUnavailableError(ImportStatusError):
    """The vendor is temporarily unavailable.

    :param retry_after: seconds to wait, as requested by the vendor
    """

    retryable = True
    #: Whether this is rate limiting rather than an outage.
    is_rate_limit = False
    #: Whether the vendor certainly has not received the complete request.
    is_unsent = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ImportProtocolError(ImportStatusError):
    """The vendor's response does not match its documentation.

    :param retryable: whether it may be a proxy's transient error page
    """

    def __init__(self, message: str, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class SubmissionUncertainError(ImportStatusError, AirflowFailException):
    """The vendor may have started an import whose id is unknown. Another try might import the file twice."""


class SubmittedImportError(ImportStatusError):
    """An import that this task has submitted has failed, was cancelled, or was partial and not accepted.

    In contrast to `ImportFailedError` it is retried: another try submits the file again.
    """


#: Errors that a trigger's event may carry, by class name.
_EVENT_ERRORS: dict[str, type[BaseException]] = {
    error_class.__name__: error_class
    for error_class in (
        ImportFailedError,
        ImportNotFoundError,
        ImportRequestError,
        ImportSettingsError,
        ImportAuthError,
        ImportUnavailableError,
        ImportProtocolError,
        AirflowSensorTimeout,
        AirflowTaskTimeout,
    )
}


def error_from_event(kind: str, message: str) -> BaseException:
    """Return the error that a trigger's event describes."""
    return _EVENT_ERRORS.get(kind, ImportStatusError)(clean_text(message, MAX_ERROR))
