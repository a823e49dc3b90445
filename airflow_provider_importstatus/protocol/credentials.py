"""How a credential is obtained, kept, shared with other processes and replaced."""

from __future__ import annotations

import random
from hashlib import sha256

from airflow_provider_importstatus.exceptions import ImportAuthError, ImportUnavailableError
from airflow_provider_importstatus.protocol.flow import ConnectionEdited, Flow, Vendor
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    LoadLoginRejection,
    LoadSharedToken,
    LoginRejection,
    NeedCredential,
    ReloadConnection,
    StoreLoginRejection,
    StoreSharedToken,
)

__all__ = [
    "CredentialCache",
    "authenticate_once",
    "login_rejection_name",
    "refresh_at",
    "token_variable_name",
]

#: Clear allows 288 logins a day, one in five minutes: who is refused sooner must not log in again.
MIN_TOKEN_AGE = 300.0
#: Salesforce locks a user after a few refused logins: none is repeated sooner, in seconds.
REJECTED_LOGIN_PAUSE = 60.0
#: A credential younger than this that was never accepted lacks rights: a new one would too, in seconds.
MIN_REFRESH_AGE = 30.0
#: After so many seconds a stored credential is read again: another process may have stored over it.
READ_BACK_DELAY = 2.0
#: And once more, after so many seconds, for a write that came later than that.
CONFIRM_DELAY = 10.0
#: Processes that are refused together pause for so long at most, so that one logs in and the others see it.
MAX_REFRESH_DELAY = 2.0


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


def token_variable_name(vendor: str, base_url: str, secret: str) -> str:
    """The name of the Variable for one secret at one address; it tells neither."""
    fingerprint = sha256(f"{base_url}\n{secret}".encode()).hexdigest()[:16]
    return f"importstatus_token_{vendor}_{fingerprint}"


def refresh_at(obtained_at: float, life: float) -> float:
    """When to get another credential: a little early, so that none dies on a request's way."""
    return obtained_at + life - min(60.0, life * 0.1)
