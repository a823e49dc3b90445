"""A server for Acme on localhost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

LOGIN, PIN, KEY = "ada", "acme-pin-0000", "acme-key-1111"


class Acme(BaseHTTPRequestHandler):
    """Acme's API. An import `loaf-N` is baking during the first N polls, then done."""

    polls: dict[str, int]

    def do_POST(self) -> None:
        """Issue a key."""
        fields = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        is_known = self.path == "/keys" and fields == {"baker": [LOGIN], "pin": [PIN]}
        self._answer(200 if is_known else 401, {"key": KEY} if is_known else {"error": "who_are_you"})

    def do_GET(self) -> None:
        """Return the crust or the slices."""
        *_, oven, _, loaf = self.path.removesuffix("/slices").split("/")
        if self.headers["X-Acme-Key"] != KEY:
            return self._answer(401, {"error": "no key"})
        if oven != "2" or not loaf.startswith("loaf-"):
            return self._answer(404, {})
        if self.path.endswith("/slices"):
            return self._answer(200, {"all": 12, "crumbs": 0, "notes": ["smells good"]})
        self.polls[loaf] = self.polls.get(loaf, 0) + 1
        is_done = self.polls[loaf] > int(loaf.removeprefix("loaf-"))
        return self._answer(200, {"crust": "done" if is_done else "baking"})

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int, data: object) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def acme() -> Iterator[str]:
    """Run a server for a `with` block; return its URL."""
    Acme.polls = {}
    server = ThreadingHTTPServer(("127.0.0.1", 0), Acme)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
