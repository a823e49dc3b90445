"""Connection settings: lenient parsing of fields and extras, with errors that name the field."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from airflow_provider_importstatus.exceptions import ImportSettingsError

__all__ = ["ConnectionSettings", "origin"]

DEFAULT_PORTS = {"http": 80, "https": 443}
DEFAULT_REQUEST_TIMEOUT, MAX_TIMEOUT = 30.0, 3600.0
DEFAULT_TRANSFER_TIMEOUT, MAX_TRANSFER_TIMEOUT = 3600.0, 86400.0
#: Enough for a thousand waits at one poll a minute; more requests would only queue at the vendor.
DEFAULT_MAX_CONCURRENCY, MAX_CONCURRENCY = 16, 1000
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True)
class ConnectionSettings:
    """The settings of one Airflow connection. Extras may be text, as in connection URIs."""

    conn_id: str
    conn_type: str
    host: str = ""
    schema: str = ""
    port: int | None = None
    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def base_url(self) -> str:
        """The vendor's base URL without a trailing slash: scheme, host, port and path."""
        host = self.host.strip()
        if not host:
            raise self.error("host", "is empty", "give the vendor's base URL")
        if "://" not in host:
            host = host.rstrip("/")
            host = f"[{host}]" if host.count(":") > 1 and "[" not in host else host
            host = f"{self.schema.strip().lower() or 'https'}://{host}"
        try:
            parts = urlsplit(host)
            port = parts.port or self.port
        except ValueError:
            raise self.error("host", "is not a valid URL", "use https://host:port/path") from None
        if parts.scheme not in DEFAULT_PORTS:
            raise self.error("host", f"has the scheme {parts.scheme!r}", "use https or http")
        is_plain = host.isprintable() and not set(host) & set(" \\")
        if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment or not is_plain:
            raise self.error("host", "is not a plain URL", "use https://host:port/path")
        name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        is_default = not port or port == DEFAULT_PORTS[parts.scheme]
        return f"{parts.scheme}://{name}{'' if is_default else f':{port}'}{parts.path.rstrip('/')}"

    @property
    def timeout(self) -> float:
        """Maximum duration of one request, in seconds; for file bodies, the longest silence."""
        return self._number("timeout", DEFAULT_REQUEST_TIMEOUT, MAX_TIMEOUT)

    @property
    def transfer_timeout(self) -> float:
        """Maximum duration of one request with a file, in seconds."""
        return self._number("transfer_timeout", DEFAULT_TRANSFER_TIMEOUT, MAX_TRANSFER_TIMEOUT)

    @property
    def max_concurrency(self) -> int:
        """Maximum number of concurrent requests per process."""
        return max(1, int(self._number("max_concurrency", DEFAULT_MAX_CONCURRENCY, MAX_CONCURRENCY)))

    @property
    def proxy(self) -> str | None:
        """URL of the proxy; None for the environment's."""
        return self.get_str("proxy") or None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a response may quote besides its credential: the password, and what the proxy is sent."""
        proxy = self.proxy or ""
        user, at, _ = (proxy.partition("//")[2] or proxy).rpartition("@")
        if not at:
            return (self.password,)
        name, _, password = user.partition(":")
        sent = f"{unquote(name)}:{unquote(password)}".encode("latin-1", "replace")
        return (self.password, unquote(password), base64.b64encode(sent).decode())

    @property
    def verify(self) -> bool | str:
        """True, False, or the path of a CA file."""
        value = self.extra.get("verify", True)
        if value is None or isinstance(value, bool):
            return value is not False
        text = str(value).strip()
        if text.lower() in _TRUE | {""}:
            return True
        return False if text.lower() in _FALSE else text

    @property
    def share_token(self) -> bool:
        """Whether processes share one token, where that is a choice."""
        text = str(self.extra.get("share_token") or "").strip().lower()
        if text not in _TRUE | _FALSE | {""}:
            raise self.error("share_token", "is neither true nor false", "give one of them")
        return text in _TRUE

    def check(self) -> None:
        """Check the limits and the proxy, some of which only a triggerer needs.

        :raises ImportSettingsError: one has an invalid value
        """
        for name in ("timeout", "transfer_timeout", "max_concurrency", "proxy"):
            getattr(self, name)

    def get_str(self, name: str, default: str = "") -> str:
        """Return a field or an extra as stripped text; `default` if it is empty.

        :raises ImportSettingsError: it is neither a text nor a number
        """
        value = getattr(self, name) if name in ("login", "password") else self.extra.get(name)
        if isinstance(value, Mapping | list):
            value = json.dumps(value)
        if isinstance(value, bool) or not isinstance(value, str | int | float | None):
            raise self.error(name, f"is of type {type(value).__name__}", "give a text")
        # Only passwords may begin or end with a space.
        text = "" if value is None else str(value)
        return (text if name == "password" else text.strip()) or default

    def get_header(self, name: str, default: str = "") -> str:
        """Return a field or an extra that is valid in an HTTP header.

        :raises ImportSettingsError: it is not
        """
        text = self.get_str(name, default)
        if not (text.isascii() and text.isprintable()):
            raise self.error(
                name, "contains characters not allowed in an HTTP header", "paste it as one line"
            )
        return text

    def require(self, *names: str) -> None:
        """Check that none of these fields is empty.

        :raises ImportSettingsError: with the names of those that are
        """
        if missing := [name for name in names if not self.get_str(name)]:
            where = f"Connection {self.conn_id!r} ({self.conn_type})"
            raise ImportSettingsError(
                f"{where} lacks {', '.join(missing)}. Fill in what is missing; nothing was sent."
            )

    def error(self, name: str, fact: str, remedy: str) -> ImportSettingsError:
        """Return an error that names the field, the problem and the remedy, but never the value.

        :param fact: what is wrong, such as "is empty"
        :param remedy: how to fix it, as an imperative
        """
        return ImportSettingsError(
            f"Connection {self.conn_id!r} ({self.conn_type}): {name} {fact}. To fix it, {remedy}."
        )

    def _number(self, name: str, default: float, maximum: float) -> float:
        value, remedy = self.get_str(name), f"give a number above 0 and up to {maximum:g}"
        try:
            number = float(value) if value else default
        except ValueError:
            fact = f"is not a number (type {type(self.extra[name]).__name__})"
            raise self.error(name, fact, remedy) from None
        # NaN must be out of range, too.
        if not 0 < number <= maximum:
            raise self.error(name, "is out of range", remedy)
        return number


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL; empty ones if HTTP libraries may read another host in it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", 0
    # A backslash ends the host for urllib3, but not for urlsplit, which also ignores tabs and line breaks.
    if "\\" in parts.netloc or not url.isprintable():
        return "", "", 0
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    return scheme, host, port or DEFAULT_PORTS.get(scheme, 0)
