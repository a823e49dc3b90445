"""Credential handling: obtaining, caching, sharing between processes, and replacing credentials.

A poll takes the first of these that was neither rejected nor has expired: the cached credential, the one in
the connection, the one that other processes share, and a new one, for which it logs in.
"""

from __future__ import annotations

import math
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
    "login_rejection_name",
    "refresh_at",
    "token_variable_name",
]

#: Minimum age of a shared token before another is requested, in seconds: Clear allows one in five minutes.
#: With any vendor, it limits the logins of processes whose tokens are all rejected.
MIN_TOKEN_AGE = 300.0
#: Pause after a rejected login, in seconds: Salesforce locks users after a few rejected logins.
REJECTED_LOGIN_PAUSE = 60.0
#: A younger credential that was never accepted lacks rights, as would a new one. In seconds.
MIN_REFRESH_AGE = 30.0
#: Seconds until a stored credential is read back: another process may have overwritten it.
READ_BACK_DELAY = 2.0
#: Seconds until it is read back once more, to detect later writes.
CONFIRM_DELAY = 10.0
#: Maximum random pause before a refresh, in seconds: one process logs in, the others find its token.
MAX_REFRESH_DELAY = 2.0


class CredentialCache:
    """The credential of one reading of a connection, shared by all its polls."""

    def __init__(self) -> None:
        self.current: Credential | None = None
        #: Our own credential, while one that another process stored is tried first.
        self._spare: Credential | None = None
        #: When to read our stored credential back once more.
        self._confirm_at = math.inf
        #: Whether the latest attempt failed: the connection may have been edited since.
        self._has_failed = False

    def usable(self, rejected: Credential | None, now: float) -> Credential | None:
        """Return the current credential if it is neither rejected nor expired."""
        current = self.current
        is_usable = current and current != rejected and current.is_fresh(now) and now < self._confirm_at
        return current if is_usable else None

    def credential(self, vendor: Vendor, need: NeedCredential, now: float) -> Flow[Credential]:
        """Return the current credential, or its replacement if it was rejected or has expired.

        :raises ConnectionEdited: the connection differs from the one that `vendor` is bound to
        :raises ImportAuthError: with the vendor's message, if there is no other credential to try
        """
        if now >= self._confirm_at:
            yield from self._confirm(vendor)
        if usable := self.usable(need.rejected, now):
            return usable
        if (need.rejected or self._has_failed) and (yield ReloadConnection()) != vendor.settings:
            raise ConnectionEdited
        self._has_failed = True
        self.current = yield from self._replacement(vendor, need, now)
        self._has_failed = False
        return self.current

    def _replacement(self, vendor: Vendor, need: NeedCredential, now: float) -> Flow[Credential]:
        settings, rejected = vendor.settings, need.rejected
        if static := vendor.static_credential(settings):
            if static == rejected:
                raise ImportAuthError(
                    f"{vendor.hook_name} rejected the credential in connection {settings.conn_id!r}:"
                    f" {need.reason}. Replace it there; no restart is needed."
                )
            return static
        if name := vendor.shared_token_name(settings):
            return (yield from self._shared(vendor, name, need, now))
        is_new = rejected and not rejected.is_accepted and now - rejected.obtained_at < MIN_REFRESH_AGE
        if is_new and not need.insists:
            raise ImportAuthError(
                f"{vendor.hook_name} rejected a credential that it had just issued: {need.reason}."
                f" Check the permissions and the fields of connection {settings.conn_id!r}."
            )
        return (yield from _authenticate_once(vendor, now))

    def _shared(self, vendor: Vendor, name: str, need: NeedCredential, now: float) -> Flow[Credential]:
        rejected = need.rejected or self.current
        if self._spare and need.rejected and not need.rejected.is_accepted:
            # The rejected credential was another process's: ours is newer.
            return (yield from self._share(name, self._spare, expected=need.rejected, now=now))
        self._spare = None
        is_young = rejected and rejected.is_fresh(now) and now - rejected.obtained_at < MIN_TOKEN_AGE
        # The process that revoked a young token stores its own again when it finds ours in its place.
        longest = 2 * MAX_REFRESH_DELAY
        for pause in (0.0, longest if is_young else random.uniform(0.0, MAX_REFRESH_DELAY)):
            shared: Credential | None = yield LoadSharedToken(name, after=pause)
            if shared and shared.is_fresh(now) and shared != rejected:
                return shared
        if is_young:
            # After five minutes, any process may request another.
            raise ImportUnavailableError(
                f"{vendor.hook_name} rejected a token that is younger than five minutes: {need.reason}."
                " If this persists, either a permission is missing or another application revokes"
                f" the tokens of connection {vendor.settings.conn_id!r}."
            )
        credential = yield from _authenticate_once(vendor, now)
        return (yield from self._share(name, credential, expected=shared, now=now))

    def _confirm(self, vendor: Vendor) -> Flow[None]:
        """Switch to a credential that another process stored over ours."""
        self._confirm_at, own, name = math.inf, self.current, vendor.shared_token_name(vendor.settings)
        if own and name and (other := (yield from _read_back(name, own))):
            self.current, self._spare = other, own

    def _share(self, name: str, own: Credential, expected: Credential | None, now: float) -> Flow[Credential]:
        """Store our own credential and return it, or return the one that another process stored meanwhile."""
        other: Credential | None = yield StoreSharedToken(name, own, expected)
        if other is None:
            other = yield from _read_back(name, own, expected, after=READ_BACK_DELAY)
        self._spare = own if other else None
        self._confirm_at = now + CONFIRM_DELAY
        return other or own


def _read_back(
    name: str, own: Credential, expected: Credential | None = None, after: float = 0.0
) -> Flow[Credential | None]:
    """Return the credential that another process stored over ours: Variables have no compare-and-set."""
    try:
        found: Credential | None = yield LoadSharedToken(name, after)
    except ImportUnavailableError:
        return None
    return None if found in (own, expected) else found


def _authenticate_once(vendor: Vendor, now: float) -> Flow[Credential]:
    """Return a new credential, unless the same login was rejected within the last minute in any process."""
    settings = vendor.settings
    name = login_rejection_name(vendor)
    rejection: LoginRejection | None = yield LoadLoginRejection(name)
    if rejection and 0 <= now - rejection.rejected_at < REJECTED_LOGIN_PAUSE:
        left = REJECTED_LOGIN_PAUSE - (now - rejection.rejected_at)
        raise ImportAuthError(
            f"{rejection.reason} The login is not repeated within a minute, through no connection and with no"
            " other password, since vendors lock users;"
            f" the next attempt is possible in {left:.0f} s."
        )
    try:
        return (yield from vendor.authenticate(settings))
    except ImportAuthError as error:
        reason = f"{error} Check login, password and extras of connection {settings.conn_id!r}."
        yield StoreLoginRejection(name, reason)
        raise ImportAuthError(reason) from error


def login_rejection_name(vendor: Vendor) -> str:
    """Return the name under which processes share a login's rejection. It contains no digest of a secret."""
    settings = vendor.settings
    login = settings.get_str("login") or f"connection {settings.conn_id}"
    fingerprint = sha256(f"{vendor.token_url(settings)}\n{login}".encode()).hexdigest()[:16]
    return f"importstatus_login_{settings.conn_type}_{fingerprint}"


def token_variable_name(vendor: str, base_url: str, *owner: str) -> str:
    """Return the name of the Variable for a token, derived from these texts but revealing none of them.

    :param vendor: the connection type
    :param base_url: where the token is sent: a token for one host must not reach another
    :param owner: whose token it is; no password that a person chose, which could be guessed from the digest
    """
    fingerprint = sha256("\n".join((base_url, *owner)).encode()).hexdigest()[:16]
    return f"importstatus_token_{vendor}_{fingerprint}"


def refresh_at(obtained_at: float, lifetime: float) -> float:
    """Return when to replace a credential: slightly early, so that none expires during a request."""
    return obtained_at + lifetime - min(60.0, lifetime * 0.1)
