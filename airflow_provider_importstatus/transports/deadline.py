"""A time limit for a whole blocking request: connecting, TLS, a proxy's CONNECT, headers and body.

The timeout of `requests` only bounds silence: it restarts with each byte. Here a watchdog shuts down the
socket at the deadline, so that pending reads and writes fail. Only the operating system's name resolution
cannot be interrupted; the request ends right after it.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

__all__ = ["Deadline", "DeadlineAdapter", "DeadlinePassedError", "all_within"]

_running: ContextVar[Deadline | None] = ContextVar("running_deadline", default=None)
#: When the deadlines of all requests pass at the latest, on the monotonic clock.
_latest_end: ContextVar[float] = ContextVar("latest_end", default=math.inf)
#: Minimum timeout of a socket, in seconds: 0 would make it non-blocking.
MIN_SOCKET_TIMEOUT = 0.01


class DeadlinePassedError(requests.exceptions.ReadTimeout):
    """A request exceeded its deadline."""


@contextmanager
def all_within(seconds: float) -> Iterator[None]:
    """Limit the time that all requests of a block take together, whatever their own deadlines."""
    token = _latest_end.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _latest_end.reset(token)


class Deadline:
    """Shuts down the connections of the requests in its `with` block at the deadline.

    :param seconds: maximum duration of the block, which raises `DeadlinePassedError` otherwise
    :param owner: what the block sends requests for
    """

    def __init__(self, seconds: float, owner: object = None) -> None:
        now = time.monotonic()
        self.owner = owner
        self.seconds = seconds = max(min(seconds, _latest_end.get() - now), 0.0)
        self.has_passed = False
        self._ends = now + seconds
        # Reentrant: the garbage collector may stop a deadline at any point.
        self._lock = threading.RLock()
        self._sockets: dict[object, socket.socket] = {}
        self._body: weakref.ref[Any] | None = None
        self._watchdog = threading.Timer(seconds, self._pass)
        self._watchdog.daemon = True
        self._token: Token[Deadline | None]

    @staticmethod
    def running() -> Deadline | None:
        """Return the deadline of the enclosing block, if any."""
        return _running.get()

    @property
    def left(self) -> float:
        """Seconds left."""
        return self._ends - time.monotonic()

    def __enter__(self) -> Deadline:
        if not self.seconds:
            # Nothing may be sent: a login, for example, revokes the previous token of some vendors.
            raise DeadlinePassedError("There is no time left for the request.")
        # First, because it takes a while, in which the signal of `execution_timeout` may arrive.
        self._watchdog.start()
        self._token = _running.set(self)
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        _running.reset(self._token)
        if error is not None or self._body is None:
            self.stop()
        # Checked without an error, too: a body without a length seems complete when its connection is shut.
        if self.has_passed and (error is None or isinstance(error, Exception)):
            raise DeadlinePassedError(f"The request took longer than {self.seconds:g} seconds.") from error

    def check(self) -> None:
        """Raise an error if the deadline has passed: a body without a length seems complete then."""
        if self.has_passed:
            raise DeadlinePassedError(f"The request took longer than {self.seconds:g} seconds.")

    def stop(self) -> None:
        """Stop the watchdog. Connections remain usable."""
        self._watchdog.cancel()
        with self._lock:
            sockets, self._sockets = self._sockets, {}
        for sock in sockets.values():
            sock.close()

    def stop_with(self, body: Any) -> None:
        """Keep the deadline running after the block, until the streamed body is discarded."""
        self._body = weakref.ref(body)
        weakref.finalize(body, self.stop)

    def watch(self, connection: object, fileno: int) -> None:
        """Shut down this socket at the deadline."""
        # A duplicate: TLS takes over the socket itself, and unpooled connections release it.
        duplicate = socket.socket(fileno=os.dup(fileno))
        with self._lock:
            previous = self._sockets.pop(connection, None)
            self._sockets[connection] = duplicate
            if self.has_passed:
                _shut_down(duplicate)
        if previous:
            previous.close()

    def forget(self, connection: object) -> None:
        """Stop watching a connection that another request now uses."""
        with self._lock:
            duplicate = self._sockets.pop(connection, None)
        if duplicate:
            duplicate.close()

    def _pass(self) -> None:
        with self._lock:
            self.has_passed = True
            if (body := self._body and self._body()) and body.length_remaining is None:
                # Otherwise readers of a body without a length would not notice that it is truncated.
                body.length_remaining = 1
            for sock in self._sockets.values():
                _shut_down(sock)


def _shut_down(sock: socket.socket) -> None:
    # The peer may have closed the connection already.
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose connections observe the running deadline."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool for a request, with connections that observe the deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _Watched):
            pool.ConnectionCls = type("Connection", (_Watched, pool.ConnectionCls), {})
        return pool


class _Watched:
    """A mixin for urllib3's connection classes."""

    timeout: Any
    sock: Any
    host: str
    port: int
    _dns_host: str
    _deadline: Deadline | None = None

    def request(self, *args: Any, **kwargs: Any) -> Any:
        if self.sock is not None:
            self._watch(self.sock)
        return super().request(*args, **kwargs)  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        sock = self._dial()
        self._watch(sock)
        return sock

    def _watch(self, sock: Any) -> None:
        deadline = Deadline.running()
        if self._deadline and self._deadline is not deadline:
            self._deadline.forget(self)
        self._deadline = deadline
        if deadline:
            deadline.watch(self, sock.fileno())

    def _dial(self) -> socket.socket:
        """Connect to the host's addresses in turn, sharing the time; urllib3 would give each all of it."""
        deadline = Deadline.running()
        if deadline is None or hasattr(self, "_socks_options"):
            return super()._new_conn()  # type: ignore[misc,no-any-return]
        name, timeout = self._dns_host, self.timeout
        addresses = self._addresses()
        try:
            for number, self._dns_host in enumerate(addresses, 1):
                share = deadline.left / (len(addresses) - number + 1)
                self.timeout = max(min(share, timeout or share), MIN_SOCKET_TIMEOUT)
                try:
                    sock: socket.socket = super()._new_conn()  # type: ignore[misc]
                    sock.settimeout(timeout)
                    return sock
                except (ConnectTimeoutError, NewConnectionError):
                    if number == len(addresses):
                        raise
        finally:
            self._dns_host, self.timeout = name, timeout
        raise AssertionError("A resolved name has at least one address.")

    def _addresses(self) -> list[str]:
        name = self._dns_host.strip("[]")
        try:
            found = socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        except UnicodeError:
            return [name]
        return list(dict.fromkeys(str(address[0]) for *_, address in found))
