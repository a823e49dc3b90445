"""How a vendor is spoken to: a script yields what it needs from outside, and is sent the answer.

The scripts are in `hooks`, one file a vendor. They hold no socket, no lock and no clock. Who owns a script
answers it: `hooks.base` on a worker, `triggers.client` in a triggerer, a list in a test.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_importstatus import json_body
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportSettingsError,
    ImportStatusError,
)
from airflow_provider_importstatus.redaction import MAX_TEXT, clean_text, redact_secrets
from airflow_provider_importstatus.settings import Settings
from airflow_provider_importstatus.status import ImportStatus

__all__ = [
    "Conversation",
    "Credential",
    "Finished",
    "NeedCredential",
    "Purse",
    "Recall",
    "Request",
    "Reread",
    "Response",
    "Share",
    "Step",
    "Vendor",
    "ask",
    "expiry",
    "form",
    "renew",
    "segment",
    "step",
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
LOGIN_PAUSE = 60.0
#: Processes that are refused together pause for so long at most, so that one logs in and the others see it.
MAX_PAUSE = 2.0
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


@dataclass(frozen=True, slots=True)
class Credential:
    """What opens the vendor's door, and until when, in seconds since 1970.

    :param value: what `Vendor.sign` presents
    :param minted_at: when it was got
    :param expires_at: when it must not be used any more; None where the vendor does not say
    :param secrets: the parts of it that nobody may read, where `value` as a whole is not all
    """

    value: str = field(repr=False)
    minted_at: float = 0.0
    expires_at: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False, compare=False)

    def is_fresh(self, now: float) -> bool:
        """Whether it may still be used."""
        return self.expires_at is None or now < self.expires_at


@dataclass(frozen=True, slots=True)
class NeedCredential:
    """Wants a Credential; never the one that was refused."""

    refused: Credential | None = None


@dataclass(frozen=True, slots=True)
class Reread:
    """Wants the Settings of the connection as it is now."""


@dataclass(frozen=True, slots=True)
class Recall:
    """Wants the Credential that processes share under `name`, or None, after so many seconds."""

    name: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Share:
    """Wants `credential` kept under `name`, for other processes."""

    name: str
    credential: Credential


@dataclass(frozen=True, slots=True)
class Finished(Generic[T]):
    """What a conversation has returned."""

    result: T


#: What a script may ask of its owner.
Step: TypeAlias = Request | NeedCredential | Reread | Recall | Share
#: A script: run by its owner, or by hand in a test.
Conversation: TypeAlias = Generator[Step, Any, T]


class Vendor(Protocol):
    """What is particular to a vendor. `settings` is kept current by the owner."""

    settings: Settings

    @property
    def hook_name(self) -> str:
        """The vendor's name, for people."""

    def given(self, settings: Settings) -> Credential | None:
        """The credential that stands ready in the connection."""

    def log_in(self, settings: Settings) -> Conversation[Credential]:
        """Get a credential."""

    def shared_as(self, settings: Settings) -> str | None:
        """The name under which processes share one credential; None where each may have its own."""

    def sign(self, request: Request, credential: Credential) -> Request:
        """The request with the credential presented."""

    def meant_status(self, response: Response) -> int:
        """The HTTP status that an answer means, whatever it was sent with."""

    def look(self, import_id: str) -> Conversation[ImportStatus]:
        """Ask once how an import is going."""


def step(talk: Conversation[T], answer: Any = None) -> Step | Finished[T]:
    """Hand over the answer, or the error in its place; get the next wish, or the result."""
    try:
        if isinstance(answer, ImportStatusError):
            # Thrown in, so that the traceback names the line of the script that was waiting.
            return talk.throw(answer)
        return talk.send(answer)
    except StopIteration as stop:
        return Finished(stop.value)


def ask(vendor: Vendor, request: Request) -> Conversation[Response]:
    """The answer to `request`; a refused credential is replaced once."""
    credential: Credential = yield NeedCredential()
    response = yield from _send(vendor, request, credential)
    if response.status in (401, 403):
        credential = yield NeedCredential(refused=credential)
        response = yield from _send(vendor, request, credential)
    if response.status in (401, 403):
        conn_id = vendor.settings.conn_id
        raise ImportAuthError(
            f"{vendor.hook_name} refused the credential, and a renewed one too: HTTP {response.status}"
            f" ({response.excerpt()}). Check the rights and the fields of connection {conn_id!r}."
        )
    return response


def _send(vendor: Vendor, request: Request, credential: Credential) -> Conversation[Response]:
    # The base is taken late: a connection that was read again may have another.
    url = vendor.settings.base_url + request.url if request.url.startswith("/") else request.url
    response: Response = yield vendor.sign(replace(request, url=url), credential)
    return replace(
        response,
        status=vendor.meant_status(response),
        secrets=(credential.value, *credential.secrets, vendor.settings.password),
    )


def renew(
    vendor: Vendor,
    refused: Credential | None,
    now: float,
    log_in: Callable[[Settings], Conversation[Credential]] | None = None,
) -> Conversation[Credential]:
    """A credential that is not the refused one: the connection's, another process's, or a new one."""
    settings: Settings = yield Reread()
    vendor.settings = settings
    if given := vendor.given(settings):
        if given == refused:
            raise ImportAuthError(
                f"{vendor.hook_name} refused the credential in connection {settings.conn_id!r}."
                " Replace it there: it is picked up without a restart."
            )
        return given
    log_in = log_in or vendor.log_in
    name = vendor.shared_as(settings)
    if name is None:
        return (yield from log_in(settings))
    for pause in (0.0, random.uniform(0.0, MAX_PAUSE)):
        shared: Credential | None = yield Recall(name, after=pause)
        if shared and shared.is_fresh(now) and (refused is None or shared.value != refused.value):
            return shared
        if refused and refused.is_fresh(now) and now - refused.minted_at < MIN_TOKEN_AGE:
            raise ImportAuthError(
                f"{vendor.hook_name} refused a token that is younger than five minutes. Either the right is"
                f" missing, or somebody else gets tokens with the secret of connection {settings.conn_id!r}."
            )
    credential = yield from log_in(settings)
    yield Share(name, credential)
    return credential


class Purse:
    """The credential that an owner holds for all its scripts, and how it is replaced."""

    def __init__(self) -> None:
        self.held: Credential | None = None
        self._refusal: tuple[Settings, float, str] | None = None

    def ready(self, refused: Credential | None, now: float) -> Credential | None:
        """The credential in hand, if it was not refused and has not expired."""
        held = self.held
        return held if held and held != refused and held.is_fresh(now) else None

    def credential(self, vendor: Vendor, refused: Credential | None, now: float) -> Conversation[Credential]:
        """The credential in hand, or one in its place where it was refused or has expired."""
        if ready := self.ready(refused, now):
            return ready
        log_in = partial(self._log_in, vendor, now)
        self.held = yield from renew(vendor, refused or self.held, now, log_in)
        return self.held

    def _log_in(self, vendor: Vendor, now: float, settings: Settings) -> Conversation[Credential]:
        if self._refusal:
            with_settings, refused_at, said = self._refusal
            if settings == with_settings and now - refused_at < LOGIN_PAUSE:
                raise ImportAuthError(f"{said} The login is not repeated within a minute.")
        try:
            credential = yield from vendor.log_in(settings)
        except ImportAuthError as error:
            said = f"{error} Check login, password and extras of connection {settings.conn_id!r}."
            self._refusal = settings, now, said
            raise ImportAuthError(said) from error
        self._refusal = None
        return credential


def expiry(minted_at: float, life: float) -> float:
    """When to get another credential: a little early, so that none dies on a request's way."""
    return minted_at + life - min(60.0, life * 0.1)


def form(url: str, fields: Mapping[str, str]) -> Request:
    """A urlencoded POST."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return Request("POST", url, headers, urlencode(fields).encode())


def segment(import_id: str) -> str:
    """The id as one segment of a path."""
    if import_id in (".", ".."):
        raise ImportSettingsError(
            f"import_id is {import_id!r}, which would change the address. Nothing was sent."
        )
    return quote(import_id, safe="")


def scrub(text: str, secrets: tuple[str, ...]) -> str:
    """The text without the secrets."""
    return redact_secrets(text, secrets)
