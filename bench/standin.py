"""A minimal server in its own process with three APIs: TAO Advance, Databricks, and one that sends 404.

The package's own sandbox is truer, but slow enough to be what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import time
from collections import Counter
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Self

from aiohttp import web

from bench.processes import allow_many_sockets

__all__ = ["LOGIN", "STATUS", "StandIn"]

LOGIN = "/api/v1/upload/v1/oauth2/tokens"
STATUS = "/api/v1/upload/api/v1/status/"


class StandIn:
    """Handle of the server in the process of its clients."""

    def __enter__(self) -> Self:
        self._pipe, theirs = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_serve, args=(theirs,))
        self._process.start()
        self.url = self._pipe.recv()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def reset(self, **behavior: float) -> None:
        """Reset tokens, imports and counts; `behavior` takes the arguments of `Vendors`."""
        self._pipe.send(behavior)
        self._pipe.recv()

    @property
    def counts(self) -> Counter[str]:
        """Return the number of `polls`, `imports`, `logins` and TCP `connections` since the last reset."""
        self._pipe.send(None)
        return self._pipe.recv()


class Vendors:
    """The three APIs.

    :param polls: the poll at which an import ends
    :param seconds: seconds after the last reset before which no import ends
    :param revoke_after: number of polls after which all tokens are revoked once; 0 for never
    :param refusal: HTTP status of every response about an import; 0 to respond normally
    :param apart: seconds between the ends of two imports, whose ids are numbers from 0
    :param moving: whether TAO's row count is another with each poll
    """

    def __init__(
        self,
        polls: int = 1,
        seconds: float = 0.0,
        revoke_after: int = 0,
        refusal: int = 0,
        apart: float = 0.0,
        moving: bool = False,
    ) -> None:
        self.polls, self.revoke_after, self.refusal = polls, revoke_after, refusal
        self.over_at, self.apart, self.moving = time.monotonic() + seconds, apart, moving
        self.counts: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()
        self.tokens: set[str] = set()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """Respond to one request."""
        if request.path == LOGIN:
            await request.read()
            return self._log_in()
        self.counts["polls"] += 1
        if self.refusal:
            return web.Response(status=self.refusal)
        if request.path.startswith(STATUS):
            return self._tao(request)
        if request.path.startswith("/api/2.2/jobs/"):
            return self._databricks((await request.json())["run_id"])
        return web.Response(status=200 if self._is_over(request.path) else 404)

    def _log_in(self) -> web.Response:
        self.counts["logins"] += 1
        token = f"token-{self.counts['logins']}"
        self.tokens.add(token)
        return _json({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    def _tao(self, request: web.BaseRequest) -> web.Response:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens:
            return web.Response(status=401)
        if self.counts["polls"] == self.revoke_after:
            self.tokens.clear()
        word = "processed" if self._is_over(request.path) else "pending"
        lines = 120 + (self.seen[request.path] if self.moving else 0)
        return _json({"result": {"status": word, "fileLine": lines, "messages": []}})

    def _databricks(self, run_id: int) -> web.Response:
        is_over = self._is_over(str(run_id))
        word = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
        return _json({"state": word if is_over else {"life_cycle_state": "RUNNING"}})

    def _is_over(self, name: str) -> bool:
        self.seen[name] += 1
        self.counts["imports"] = len(self.seen)
        over_at = self.over_at + self.apart * int(name.rpartition("/")[2])
        return self.seen[name] >= self.polls and time.monotonic() >= over_at


def _json(data: dict[str, Any]) -> web.Response:
    return web.Response(body=json.dumps(data).encode(), content_type="application/json")


class _Server(web.Server):
    vendors = Vendors()

    async def answer(self, request: web.BaseRequest) -> web.Response:
        return await self.vendors.answer(request)

    def connection_made(self, *arguments: Any) -> None:
        self.vendors.counts["connections"] += 1
        super().connection_made(*arguments)


def _serve(pipe: Connection) -> None:
    allow_many_sockets()
    asyncio.run(_listen(pipe))


async def _listen(pipe: Connection) -> None:
    # It handles the bare request, without router or middleware.
    server = _Server(lambda request: server.answer(request), access_log=None)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(os.environ["SSL_CERT_FILE"], os.environ["BENCH_KEY"])
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, "127.0.0.1", 0, ssl=tls, backlog=2048)

    def obey() -> None:
        behavior = pipe.recv()
        if behavior is not None:
            server.vendors = Vendors(**behavior)
        pipe.send(server.vendors.counts)

    loop.add_reader(pipe.fileno(), obey)
    host, port = listening.sockets[0].getsockname()
    pipe.send(f"https://{host}:{port}")
    await listening.serve_forever()
