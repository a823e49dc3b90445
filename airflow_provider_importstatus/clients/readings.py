"""A reading of a connection, and what polls have in common whichever client runs them."""

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
from airflow_provider_importstatus.status import ImportStatus

__all__ = ["MAX_READINGS", "PolledVendor", "Reading", "edited_too_often", "only_our_errors"]

#: Running waits read their connection again this often, in seconds: secrets backends bill each reading.
REREAD_AFTER = 300.0
#: How often a poll begins anew because its connection was edited.
MAX_READINGS = 3


class PolledVendor(Vendor, Protocol):
    """A hook, as clients see it."""

    conn_type: ClassVar[str]
    conn_id: str

    @property
    def credentials(self) -> CredentialCache:
        """The credential that belongs to `settings`."""

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask once for an import's status."""

    def bound(self) -> Self:
        """Return a copy that keeps to one reading of the connection."""

    def read_again(self) -> Reading:
        """Read the connection now."""

    def check_conn_type(self, wanted: str) -> None:
        """Refuse a connection of another type."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a connection, and the credential that belongs to it. It is replaced as a whole.

    :param read_at: when, on the monotonic clock
    """

    settings: ConnectionSettings
    credentials: CredentialCache = field(default_factory=CredentialCache)
    read_at: float = field(default_factory=time.monotonic)

    @property
    def is_old(self) -> bool:
        """Whether the connection should be read again."""
        return time.monotonic() - self.read_at >= REREAD_AFTER

    def again(self, settings: ConnectionSettings) -> Reading:
        """The reading that follows; it keeps the credential where the connection is the same."""
        is_same = settings == self.settings
        return Reading(self.settings, self.credentials) if is_same else Reading(settings)


@contextmanager
def only_our_errors(vendor: str) -> Iterator[None]:
    """Turn whatever else a poll raises into an error of ours: no answer may end a wait."""
    try:
        yield
    except (ImportStatusError, ConnectionEdited):
        raise
    except Exception as error:
        raise ImportProtocolError(
            f"{vendor}: the answer could not be read ({type(error).__name__}). Please report this as a bug."
        ) from error


def edited_too_often(conn_id: str) -> ImportUnavailableError:
    """The error for a connection that changes whenever it is read."""
    return ImportUnavailableError(f"Connection {conn_id!r} was edited {MAX_READINGS} times within one poll.")
