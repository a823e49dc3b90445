"""The effects that a flow yields to its client, and the replies it gets."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol import json_body
from airflow_provider_importstatus.protocol.transfers import Sink, Upload
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
    "basic_credentials",
    "form_request",
    "json_request",
    "quote_path_segment",
]

#: Parsing JSON of this size stops an event loop for some ten milliseconds; more is parsed in a thread.
LARGE_BODY = 64 * 1024
EXCERPT = 200


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    :param url: absolute, or below the base URL if it begins with a slash
    :param body: encoded, or a file
    :param sink: stores the body of a 2xx response, which is empty in the `Response` then
    :param starts_import: whether sending it twice might import a file twice
    :param is_signed: whether the URL contains its own authorization, so that nobody may read it
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | Upload | None = field(default=None, repr=False)
    sink: Sink | None = field(default=None, repr=False)
    starts_import: bool = False
    is_signed: bool = False

    @property
    def label(self) -> str:
        """Method and URL for error texts: without the query, of signed URLs only the origin."""
        url = "/".join(self.url.split("/", 3)[:3]) if self.is_signed else self.url.partition("?")[0]
        return f"{self.method} {url}"

    @property
    def is_transfer(self) -> bool:
        """Whether the request transfers a file, which may take longer than other requests."""
        return self.sink is not None or isinstance(self.body, Upload)

    def with_headers(self, headers: Mapping[str, str]) -> Request:
        """Return the request with these headers added."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True, slots=True)
class Response:
    """A complete HTTP response.

    :param headers: with lower-case names
    :param received_at: Unix seconds
    :param secrets: secrets of ours that the vendor may have echoed; texts for users must go through `clean`
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    received_at: float = 0.0
    secrets: tuple[str, ...] = field(default=(), repr=False)

    #: The parsed body and its content. Copies of the response share it.
    _parsed: list[Any] = field(default_factory=list, repr=False, compare=False)

    @property
    def is_large(self) -> bool:
        """Whether the body should be parsed outside the event loop."""
        return len(self.body) > LARGE_BODY

    def parse(self) -> dict[str, Any] | None:
        """Return the JSON object in the body, or None. The result is cached."""
        data = self.parse_any()
        return data if isinstance(data, dict) else None

    def parse_any(self) -> dict[str, Any] | list[Any] | None:
        """Return the JSON object or list in the body, or None. The result is cached."""
        if not self._parsed or self._parsed[0] is not self.body:
            self._parsed[:] = self.body, json_body.parse(self.body)
        data: dict[str, Any] | list[Any] | None = self._parsed[1]
        return data

    def clean(self, text: str, length: int = MAX_TEXT) -> str:
        """Return the beginning of a vendor's text, storable and without secrets."""
        return clean_text(text, length, self.secrets)

    def excerpt(self) -> str:
        """Return the beginning of the body for error messages, without secrets and links."""
        # A character takes four bytes at most; an escaped one takes six characters.
        beginning = self.body.lstrip()[: 24 * (EXCERPT + max(map(len, self.secrets), default=0))]
        text = " ".join(beginning.decode("utf-8", "replace").split())
        is_cut = len(beginning) < len(self.body.rstrip())
        return clean_text(text, EXCERPT, self.secrets, is_cut=is_cut, host_only=True)

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, as requested by the vendor; None if absent, in the past or invalid."""
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
            # For some texts it raises undocumented exceptions.
            return 0.0


@dataclass(slots=True)
class Credential:
    """A credential and its expiry (Unix seconds).

    :param value: what `Vendor.apply_auth` sends
    :param obtained_at: when it was obtained
    :param expires_at: when it must be replaced; None if the vendor does not report it
    :param secrets: further secrets, such as parts of `value`
    :param is_accepted: whether the vendor has accepted a request with it
    """

    value: str = field(repr=False)
    obtained_at: float = field(default=0.0, compare=False)
    expires_at: float | None = field(default=None, compare=False)
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)
    is_accepted: bool = field(default=False, compare=False)

    @property
    def all_secrets(self) -> tuple[str, ...]:
        """All texts that nobody may read."""
        return (self.value, *self.secrets)

    def is_fresh(self, now: float) -> bool:
        """Return whether the credential has not expired."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class LoginRejection:
    """A rejected login: when (Unix seconds) and why, without secrets."""

    rejected_at: float
    reason: str


@dataclass(frozen=True, slots=True)
class NeedCredential:
    """Requests a Credential other than the rejected one.

    :param reason: the vendor's reason for the rejection
    :param insists: whether to replace even a credential that was just issued
    """

    rejected: Credential | None = None
    reason: str = field(default="", compare=False)
    insists: bool = False


@dataclass(frozen=True, slots=True)
class ReloadConnection:
    """Reads the connection again; the reply is its ConnectionSettings."""


@dataclass(frozen=True, slots=True)
class LoadSharedToken:
    """Loads the Credential that processes share as `name` after `after` seconds; the reply may be None."""

    name: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreSharedToken:
    """Stores `credential` as `name` in place of `expected`.

    The reply is None, or the Credential that another process has stored meanwhile.
    """

    name: str
    credential: Credential
    expected: Credential | None = None


@dataclass(frozen=True, slots=True)
class LoadLoginRejection:
    """Loads the LoginRejection that processes share as `name`; the reply may be None."""

    name: str


@dataclass(frozen=True, slots=True)
class StoreLoginRejection:
    """Stores a login rejection as `name` for other processes, with the current time."""

    name: str
    reason: str


#: Everything that a flow may yield.
Effect: TypeAlias = (
    Request
    | NeedCredential
    | ReloadConnection
    | LoadSharedToken
    | StoreSharedToken
    | LoadLoginRejection
    | StoreLoginRejection
)


def basic_credentials(user: str, password: str) -> str:
    """Return user and password as HTTP Basic authentication sends them (RFC 7617)."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def form_request(url: str, fields: Mapping[str, str]) -> Request:
    """Return a POST request with urlencoded fields."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request("POST", url, headers, urlencode(fields).encode())


def json_request(method: str, url: str, data: Mapping[str, Any]) -> Request:
    """Return a request with a JSON object as its body.

    :raises TypeError, ValueError: it cannot be written as JSON
    """
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    return Request(method, url, headers, json.dumps(data, allow_nan=False).encode())


def quote_path_segment(import_id: str) -> str:
    """Return the id quoted as a single path segment.

    :raises ImportSettingsError: the id would change the path
    """
    if import_id in (".", ".."):
        raise ImportSettingsError(
            f"import_id is {import_id!r}, which would change the path of the URL."
            " Give the id that the vendor's submit call returned. Nothing was sent."
        )
    return quote(import_id, safe="")
