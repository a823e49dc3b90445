"""What a flow yields to the client that runs it, and what it gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol import json_body
from airflow_provider_importstatus.redaction import MAX_TEXT, clean_text

__all__ = [
    "Credential",
    "Effect",
    "LoadLoginRejection",
    "LoadSharedToken",
    "LoginRejection",
    "NeedCredential",
    "ReloadConnection",
    "Request",
    "Response",
    "StoreLoginRejection",
    "StoreSharedToken",
    "form_request",
    "quote_path_segment",
]

#: Parsing JSON of this size stops an event loop for some ten milliseconds; more is parsed in a thread.
LARGE_BODY = 64 * 1024
EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body encoded. A URL that begins with a slash is below the connection's base."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer, read to its end; header names in lower case; received at seconds since 1970."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    received_at: float = 0.0
    #: What of us the vendor may have echoed.
    secrets: tuple[str, ...] = field(default=(), repr=False)

    #: The body that was parsed, and what is in it. It goes along when the answer is copied.
    _parsed: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_large(self) -> bool:
        """Whether an event loop should leave parsing to a thread."""
        return len(self.body) > LARGE_BODY

    def parse(self) -> dict[str, Any] | None:
        """Return the JSON object in the body, or None; the work is done once."""
        if not self._parsed or self._parsed[0] is not self.body:
            self._parsed[:] = self.body, json_body.parse(self.body)
        data: dict[str, Any] | None = self._parsed[1]
        return data

    def clean(self, text: str, length: int = MAX_TEXT) -> str:
        """Return the beginning of the vendor's text, storable and without secrets."""
        return clean_text(text, length, self.secrets)

    def excerpt(self) -> str:
        """The beginning of the body, for people, without secrets and links."""
        # A character takes four bytes at most; an escaped one takes six characters.
        beginning = self.body.lstrip()[: 24 * (EXCERPT + max(map(len, self.secrets), default=0))]
        text = " ".join(beginning.decode("utf-8", "replace").split())
        is_cut = len(beginning) < len(self.body.rstrip())
        return clean_text(text, EXCERPT, self.secrets, is_cut=is_cut, host_only=True)

    @property
    def retry_after(self) -> float | None:
        """Seconds that the vendor asks us to stay away; None where that is absent, past or unreadable."""
        text = self.headers.get("retry-after", "").strip()
        try:
            seconds = float(text)
        except ValueError:
            seconds = self._seconds_until(text)
        return seconds if 0 < seconds < float("inf") else None

    def _seconds_until(self, date: str) -> float:
        try:
            return parsedate_to_datetime(date).timestamp() - self.received_at
        except Exception:
            # For some texts it raises what its documentation does not name.
            return 0.0


@dataclass(slots=True)
class Credential:
    """A credential, when it was obtained and when it expires, in seconds since 1970.

    :param value: what `Vendor.apply_auth` presents
    :param obtained_at: when it was obtained
    :param expires_at: when it must not be used any more; None where the vendor does not say
    :param secrets: the parts of it that nobody may read, where `value` as a whole is not all
    :param is_accepted: whether the vendor has answered a request that carried it
    """

    value: str = field(repr=False)
    obtained_at: float = field(default=0.0, compare=False)
    expires_at: float | None = field(default=None, compare=False)
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)
    is_accepted: bool = field(default=False, compare=False)

    def is_fresh(self, now: float) -> bool:
        """Whether it may still be used."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class LoginRejection:
    """A login that the vendor rejected, at seconds since 1970, and why, without secrets."""

    rejected_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class NeedCredential:
    """Wants a Credential; never the one that was refused.

    :param reason: what the vendor said of the refused one
    :param insists: whether one that was just issued is replaced too
    """

    refused: Credential | None = None
    reason: str = field(default="", compare=False)
    insists: bool = False


@dataclass(frozen=True, slots=True)
class ReloadConnection:
    """Wants the Settings of the connection as it is now."""


@dataclass(frozen=True, slots=True)
class LoadSharedToken:
    """Wants the Credential that processes share under `name`, or None, after so many seconds."""

    name: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreSharedToken:
    """Wants `credential` kept under `name` where `instead_of` is kept now.

    The answer is None, or the Credential that another process has stored there meanwhile.
    """

    name: str
    credential: Credential
    instead_of: Credential | None = None


@dataclass(frozen=True, slots=True)
class LoadLoginRejection:
    """Wants the LoginRejection that processes share under `name`, or None."""

    name: str


@dataclass(frozen=True, slots=True)
class StoreLoginRejection:
    """Wants a rejection that happens now kept under `name`, for other processes."""

    name: str
    reason: str


#: What a script may ask of its owner.
Effect: TypeAlias = (
    Request
    | NeedCredential
    | ReloadConnection
    | LoadSharedToken
    | StoreSharedToken
    | LoadLoginRejection
    | StoreLoginRejection
)


def form_request(url: str, fields: Mapping[str, str]) -> Request:
    """A urlencoded POST."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request("POST", url, headers, urlencode(fields).encode())


def quote_path_segment(import_id: str) -> str:
    """The id as one segment of a path."""
    if import_id in (".", ".."):
        raise ImportSettingsError(
            f"import_id is {import_id!r}, which would change the address. Nothing was sent."
        )
    return quote(import_id, safe="")
