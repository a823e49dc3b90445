"""Bounds the time that a server may take for an answer's headers: `requests` starts anew at each byte."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter

__all__ = ["DeadlineAdapter"]

#: A server that sends nothing at all is for the read timeout to tell, which comes first; in seconds.
GRACE = 0.5


class DeadlineAdapter(HTTPAdapter):
    """Hangs up on a server whose headers are not there after the read timeout as a whole."""

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool for a request, its connections with a deadline."""
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _Deadline):
            pool.ConnectionCls = type("Connection", (_Deadline, pool.ConnectionCls), {})
        return pool


class _Deadline:
    """Mixed into a connection of urllib3."""

    timeout: Any
    sock: Any

    def getresponse(self) -> Any:
        if not isinstance(self.timeout, int | float):
            return super().getresponse()  # type: ignore[misc]
        timer = threading.Timer(self.timeout + GRACE, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        # The reading thread sees the end of the stream.
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)
