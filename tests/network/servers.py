"""Local servers for what the sandbox does not support: broken HTTP, TLS, proxies, recorded requests."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Script", "Seen", "Server", "answer", "trickled"]


@dataclass(frozen=True)
class Seen:
    """A request as received; header names are in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


#: Returns the response to a request: bytes to send, and seconds to wait between them.
Script = Callable[[Seen], Iterable[bytes | float]]


def answer(body: str = "", status: int = 200, **headers: str) -> list[bytes | float]:
    """Return a complete HTTP response; `content_type="text/html"` sets that header."""
    content = body.encode()
    given = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    given |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in given.items())]
    return ["\r\n".join([*lines, "", ""]).encode() + content]


def trickled(parts: Iterable[bytes | float], pause: float) -> Iterable[bytes | float]:
    """Yield the same bytes one at a time, with pauses."""
    for byte in b"".join(part for part in parts if isinstance(part, bytes)):
        yield bytes([byte])
        yield pause


class Server(socketserver.ThreadingTCPServer):
    """Responds to one request per connection with its script, and records the requests."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script, self.tls = script, tls
        self.seen: list[Seen] = []
        self.closing = threading.Event()
        self.address = f"127.0.0.1:{self.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"

    def __enter__(self) -> Server:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.tls is None:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: tests provoke disconnects and TLS errors."""


class _Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while line := self.rfile.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        seen = Seen(method, target, headers, body)
        self.server.seen.append(seen)
        for part in self.server.script(seen):
            if isinstance(part, bytes):
                self.wfile.write(part)
            elif self.server.closing.wait(part):
                return
