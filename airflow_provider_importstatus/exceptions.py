"""What can go wrong with a wait, split by who can mend it.

* ImportStatusError
    * ImportFailedError        the import ended badly, or not as the policy wants it: look at the import
    * ImportNotFoundError      the vendor knows no such import: mend the DAG
    * ImportRequestError       the vendor refused the question itself: mend the DAG or the connection
    * ImportSettingsError      a connection, ``hook_params`` or ``import_id`` is unusable; nothing was sent
    * ImportAuthError          the credential was refused: mend the connection
    * ImportUnavailableError   the vendor or the network is down: wait, or ask the vendor
    * ImportProtocolError      the answer makes no sense: tell us, or the vendor

The first four are ``AirflowFailException`` too: asking again cannot change them, so Airflow does not retry.
"""

from __future__ import annotations

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
    from airflow.exceptions import (  # type: ignore[no-redef,attr-defined]
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
    "TaskDeferralError",
    "error_from_event",
]


#: An error's text, in characters: room for a status in words, and an end to what a vendor can make us do.
MAX_ERROR = 10_000


class ImportStatusError(AirflowException):
    """The base of all errors of this package. Its text can be stored anywhere, and holds no signed URL.

    :param message: what happened, for people
    """

    #: Whether the same question may well be answered a little later.
    retryable = False
    #: When the outage began that other waits see too, in seconds since 1970.
    outage_since: float | None = None
    #: In so many seconds the next poll is due, because another wait is probing the vendor.
    postponed_for: float | None = None

    def __init__(self, message: str = "") -> None:
        # One character that cannot be stored ends a triggerer and every wait in it.
        super().__init__(clean_text(str(message), MAX_ERROR))


class ImportFailedError(ImportStatusError, AirflowFailException):
    """The import ended failed, cancelled, or partial where the policy does not accept that."""


class ImportNotFoundError(ImportStatusError, AirflowFailException):
    """The vendor does not know the import."""


class ImportRequestError(ImportStatusError, AirflowFailException):
    """The vendor refused the question as wrong, or its certificate does not verify."""


class ImportSettingsError(ImportStatusError, AirflowFailException):
    """A connection, ``hook_params`` or ``import_id`` cannot be used."""


class ImportAuthError(ImportStatusError):
    """The vendor refused the credential."""


class ImportUnavailableError(ImportStatusError):
    """The vendor could not be asked just now.

    :param retry_after: seconds that the vendor asked us to stay away
    """

    retryable = True
    #: Whether the vendor wants fewer requests, and is not down.
    is_rate_limit = False

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ImportProtocolError(ImportStatusError):
    """The vendor's answer is none that its documents know.

    :param passing: whether it may be a proxy's error page that will go away
    """

    def __init__(self, message: str, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


#: What may travel in a trigger's event, by the name that travels.
_REVIVABLE: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (
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
    """The error that a trigger's event tells of."""
    return _REVIVABLE.get(kind, ImportStatusError)(clean_text(message, MAX_ERROR))
