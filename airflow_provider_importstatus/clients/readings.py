"""Readings of a connection, and helpers shared by both clients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self

from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.credentials import CredentialCache
from airflow_provider_importstatus.protocol.flow import ConnectionEdited, Flow, Vendor
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

__all__ = ["MAX_READINGS", "PolledVendor", "Reading", "edited_too_often", "only_our_errors"]

#: Interval at which waits read their connection again, in seconds: secrets backends bill each reading.
REREAD_AFTER = 300.0
#: Maximum number of readings in one poll whose connection is being edited.
MAX_READINGS = 3


class PolledVendor(Vendor, Protocol):
    """The interface of a hook that clients use."""

    conn_type: ClassVar[str]
    conn_id: str

    @property
    def min_interval(self) -> float:
        """Return the vendor's minimum time between two polls of one import, in seconds."""

    @property
    def credentials(self) -> CredentialCache:
        """Return the cache of the credential that belongs to `settings`."""

    def bound(self) -> Self:
        """Return a copy that is bound to one reading of the connection."""

    def read_again(self) -> Reading:
        """Read the connection again and return the reading."""

    def check_conn_type(self, wanted: str) -> None:
        """Raise an error if the connection has another type."""

    def check_can_cancel(self) -> None:
        """Raise an error if the vendor cannot cancel imports."""

    def cancel(self, import_id: str) -> Flow[None]:
        """Cancel an import."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a connection, and the credential that belongs to it.

    :param read_at: time of the reading, on the monotonic clock
    """

    settings: ConnectionSettings
    credentials: CredentialCache = field(default_factory=CredentialCache)
    read_at: float = field(default_factory=time.monotonic)

    @property
    def is_old(self) -> bool:
        """Whether the connection should be read again."""
        return time.monotonic() - self.read_at >= REREAD_AFTER

    def again(self, settings: ConnectionSettings) -> Reading:
        """Return the next reading, which keeps the credential if the settings are equal."""
        is_same = settings == self.settings
        return Reading(self.settings, self.credentials) if is_same else Reading(settings)


@contextmanager
def only_our_errors(vendor: str) -> Iterator[None]:
    """Turn any other exception of a poll into an `ImportProtocolError`: no response may crash a wait."""
    try:
        yield
    except (ImportStatusError, ConnectionEdited):
        raise
    except Exception as error:
        raise ImportProtocolError(
            f"{vendor}: the response could not be read ({type(error).__name__}). Please report this as a bug."
        ) from _without_text(error)


def _without_text(error: Exception) -> Exception:
    """Return an exception that shows where another was raised, without its text, which may quote secrets."""
    hidden = RuntimeError(f"{type(error).__name__} (its text, which may quote secrets, is not shown)")
    return hidden.with_traceback(error.__traceback__)


def edited_too_often(conn_id: str) -> ImportUnavailableError:
    """Return the error for a connection that changed on every reading."""
    return ImportUnavailableError(f"Connection {conn_id!r} was edited {MAX_READINGS} times within one poll.")
