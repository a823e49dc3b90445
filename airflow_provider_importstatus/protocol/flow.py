"""How a vendor is spoken to: a script yields what it needs from outside, and is sent the answer.

The scripts are in `hooks`, one file a vendor. They hold no socket, no lock and no clock. Who owns a script
answers it: `hooks.base` on a worker, `triggers.client` in a triggerer, a list in a test.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol import json_body
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.redaction import MAX_TEXT, clean_text, redact_secrets
from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "ConnectionEdited",
    "Credential",
    "CredentialCache",
    "Effect",
    "Flow",
    "LoadLoginRejection",
    "LoadSharedToken",
    "LoginRejection",
    "NeedCredential",
    "ReloadConnection",
    "Request",
    "Response",
    "Returned",
    "StoreLoginRejection",
    "StoreSharedToken",
    "Vendor",
    "advance",
    "authenticate_once",
    "form_request",
    "login_rejection_name",
    "quote_path_segment",
    "refresh_at",
    "send_authenticated",
]

T = TypeVar("T")

#: An answer longer than this is none of a status endpoint's, in bytes. TAO may send a message for each faulty
#: line of a roster: there is room for 50,000 lines with a hundred characters each.
MAX_BODY = 5 * 1024 * 1024
#: Parsing JSON of this size stops an event loop for some ten milliseconds; more is parsed in a thread.
LARGE_BODY = 64 * 1024
#: Clear allows 288 logins a day, one in five minutes: who is refused sooner must not log in again.
MIN_TOKEN_AGE = 300.0
#: Salesforce locks a user after a few refused logins: none is repeated sooner, in seconds.
REJECTED_LOGIN_PAUSE = 60.0
#: A credential younger than this that was never accepted lacks rights: a new one would too, in seconds.
MIN_REFRESH_AGE = 30.0
#: The one in hand, those that other processes have stored meanwhile, our own.
MAX_CREDENTIALS = 5
#: After so many seconds a stored credential is read again: another process may have stored over it.
READ_BACK_DELAY = 2.0
#: And once more, after so many seconds, for a write that came later than that.
CONFIRM_DELAY = 10.0
#: Processes that are refused together pause for so long at most, so that one logs in and the others see it.
MAX_REFRESH_DELAY = 2.0
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


@dataclass(frozen=True, slots=True)
class Returned(Generic[T]):
    """What a conversation has returned."""

    result: T


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
#: A script: run by its owner, or by hand in a test.
Flow: TypeAlias = Generator[Effect, Any, T]


class Vendor(Protocol):
    """What is particular to a vendor, bound to one reading of its connection."""

    @property
    def settings(self) -> ConnectionSettings:
        """The connection as it was read."""

    @property
    def hook_name(self) -> str:
        """The vendor's name, for people."""

    def static_credential(self, settings: ConnectionSettings) -> Credential | None:
        """The credential that stands ready in the connection."""

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        """Get a credential."""

    def token_url(self, settings: ConnectionSettings) -> str:
        """Where `log_in` gets a credential."""

    def shared_token_name(self, settings: ConnectionSettings) -> str | None:
        """The name under which processes share one credential; None where each may have its own."""

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        """The request with the credential presented."""

    def effective_status(self, response: Response) -> int:
        """The HTTP status that an answer means, whatever it was sent with."""

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        """Ask once how an import is going."""


def advance(talk: Flow[T], answer: Any = None) -> Effect | Returned[T]:
    """Hand over the answer, or the error in its place; get the next wish, or the result."""
    try:
        if isinstance(answer, ImportStatusError):
            # Thrown in, so that the traceback names the line of the script that was waiting.
            return talk.throw(answer)
        return talk.send(answer)
    except StopIteration as stop:
        return Returned(stop.value)


class ConnectionEdited(Exception):
    """The connection was edited in mid-poll: the poll begins anew, with the new reading only."""


def send_authenticated(vendor: Vendor, request: Request) -> Flow[Response]:
    """The answer to `request`; a refused credential is replaced as long as there is another."""
    need = NeedCredential()
    for _ in range(MAX_CREDENTIALS):
        credential: Credential = yield need
        response = yield from _send(vendor, request, credential)
        if response.status not in (401, 403):
            credential.is_accepted = True
            return response
        need = NeedCredential(credential, f"HTTP {response.status} ({response.excerpt()})")
    raise ImportUnavailableError(
        f"{vendor.hook_name} rejected {MAX_CREDENTIALS} credentials in a row: {need.reason}."
        " Other processes replace them faster than they can be used."
    )


def _send(vendor: Vendor, request: Request, credential: Credential) -> Flow[Response]:
    url = vendor.settings.base_url + request.url if request.url.startswith("/") else request.url
    response: Response = yield vendor.apply_auth(replace(request, url=url), credential)
    return replace(
        response,
        status=vendor.effective_status(response),
        secrets=(credential.value, *credential.secrets, vendor.settings.password),
    )


class CredentialCache:
    """The credential of one reading of a connection, for all its polls, and how it is replaced."""

    def __init__(self) -> None:
        self.current: Credential | None = None
        #: Our own, while one that another process has stored is tried first.
        self._spare: Credential | None = None
        #: Under which name ours was stored, and when to read it back once more: a write may come late.
        self._stored: tuple[str, float] | None = None
        #: Whether the latest try brought none: somebody may have edited the connection since.
        self._has_failed = False

    def usable(self, refused: Credential | None, now: float) -> Credential | None:
        """The credential in hand, if it was not refused and has not expired."""
        held = self.current
        is_usable = held and held != refused and held.is_fresh(now)
        return held if is_usable and not self._is_to_be_confirmed(now) else None

    def credential(self, vendor: Vendor, need: NeedCredential, now: float) -> Flow[Credential]:
        """The credential in hand, or one in its place where it was refused or has expired.

        :raises ConnectionEdited: the connection is no longer what `vendor` is bound to
        :raises ImportAuthError: with the vendor's words, where there is no other credential to try
        """
        if ready := self.usable(need.refused, now):
            return ready
        if self._stored and self._is_to_be_confirmed(now):
            yield from self._confirm(self._stored[0])
            return (yield from self.credential(vendor, need, now))
        if (need.refused or self._has_failed) and (yield ReloadConnection()) != vendor.settings:
            raise ConnectionEdited
        self._has_failed = True
        self.current = yield from self._another(vendor, need, now)
        self._has_failed = False
        return self.current

    def _another(self, vendor: Vendor, need: NeedCredential, now: float) -> Flow[Credential]:
        settings, refused = vendor.settings, need.refused
        if given := vendor.static_credential(settings):
            if given == refused:
                raise ImportAuthError(
                    f"{vendor.hook_name} rejected the credential in connection {settings.conn_id!r}:"
                    f" {need.reason}. Replace it there: it is picked up without a restart."
                )
            return given
        if name := vendor.shared_token_name(settings):
            return (yield from self._shared(vendor, name, need, now))
        is_new = refused and not refused.is_accepted and now - refused.obtained_at < MIN_REFRESH_AGE
        if is_new and not need.insists:
            raise ImportAuthError(
                f"{vendor.hook_name} rejected a credential that it had just issued: {need.reason}."
                f" Check the rights and the fields of connection {settings.conn_id!r}."
            )
        return (yield from authenticate_once(vendor, now))

    def _shared(self, vendor: Vendor, name: str, need: NeedCredential, now: float) -> Flow[Credential]:
        refused = need.refused or self.current
        if self._spare and need.refused and not need.refused.is_accepted:
            # It was another process's that was rejected: ours is the newer one.
            return (yield from self._share(name, self._spare, instead_of=need.refused, now=now))
        self._spare = None
        for pause in (0.0, random.uniform(0.0, MAX_REFRESH_DELAY)):
            shared: Credential | None = yield LoadSharedToken(name, after=pause)
            if shared and shared.is_fresh(now) and shared != refused:
                return shared
            if refused and refused.is_fresh(now) and now - refused.obtained_at < MIN_TOKEN_AGE:
                # Whoever has revoked it stores another; and five minutes on, anybody may request one.
                raise ImportUnavailableError(
                    f"{vendor.hook_name} rejected a token that is younger than five minutes: {need.reason}."
                    " If that goes on, either a right is missing or somebody else gets tokens with the"
                    f" secret of connection {vendor.settings.conn_id!r}."
                )
        credential = yield from authenticate_once(vendor, now)
        return (yield from self._share(name, credential, instead_of=shared, now=now))

    def _is_to_be_confirmed(self, now: float) -> bool:
        return self._stored is not None and now >= self._stored[1]

    def _confirm(self, name: str) -> Flow[None]:
        """Take the credential that another process has stored over ours, late."""
        self._stored, mine = None, self.current
        other = (yield from _read_back(name, mine, None)) if mine else None
        if other:
            self.current, self._spare = other, mine

    def _share(
        self, name: str, mine: Credential, instead_of: Credential | None, now: float
    ) -> Flow[Credential]:
        """Store our own credential, unless another process has stored one meanwhile: that is tried first."""
        other: Credential | None = yield StoreSharedToken(name, mine, instead_of)
        if other is None:
            other = yield from _read_back(name, mine, instead_of, after=READ_BACK_DELAY)
        self._spare = mine if other else None
        self._stored = (name, now + CONFIRM_DELAY)
        return other or mine


def _read_back(
    name: str, mine: Credential, instead_of: Credential | None, after: float = 0.0
) -> Flow[Credential | None]:
    """What another process has stored over ours: reading and writing a Variable are two steps."""
    try:
        found: Credential | None = yield LoadSharedToken(name, after)
    except ImportUnavailableError:
        return None
    is_other = found is not None and found != mine and found != instead_of
    return found if is_other else None


def authenticate_once(vendor: Vendor, now: float) -> Flow[Credential]:
    """A new credential, unless the same login was rejected a moment ago, by whichever process."""
    settings = vendor.settings
    name = login_rejection_name(vendor)
    rejection: LoginRejection | None = yield LoadLoginRejection(name)
    if rejection and 0 <= now - rejection.rejected_at < REJECTED_LOGIN_PAUSE:
        left = REJECTED_LOGIN_PAUSE - (now - rejection.rejected_at)
        raise ImportAuthError(
            f"{rejection.reason} The login is not repeated within a minute, since vendors lock users:"
            f" it is tried again in {left:.0f} s at the earliest."
        )
    try:
        return (yield from vendor.authenticate(settings))
    except ImportAuthError as error:
        reason = f"{error} Check login, password and extras of connection {settings.conn_id!r}."
        yield StoreLoginRejection(name, reason)
        raise ImportAuthError(reason) from error


def login_rejection_name(vendor: Vendor) -> str:
    """The name under which processes share that a login was rejected. It holds no digest of a secret."""
    settings = vendor.settings
    login = settings.get_str("login") or f"connection {settings.conn_id}"
    fingerprint = sha256(f"{vendor.token_url(settings)}\n{login}".encode()).hexdigest()[:16]
    return f"importstatus_login_{settings.conn_type}_{fingerprint}"


def refresh_at(obtained_at: float, life: float) -> float:
    """When to get another credential: a little early, so that none dies on a request's way."""
    return obtained_at + life - min(60.0, life * 0.1)


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


def redact(text: str, secrets: tuple[str, ...]) -> str:
    """The text without the secrets."""
    return redact_secrets(text, secrets)
