"""One client per connection and event loop, shared by every wait on that connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from copy import copy
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp
from asgiref.sync import sync_to_async

from airflow_provider_importstatus import metrics, shared_token
from airflow_provider_importstatus.conversation import (
    Credential,
    NeedCredential,
    Purse,
    Recall,
    Request,
    Reread,
    Share,
    Step,
)
from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.hooks.base import USER_AGENT, ImportStatusHook, hook_for
from airflow_provider_importstatus.masking import mask
from airflow_provider_importstatus.settings import Settings
from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.transports.asynchronous import Route, converse, exchange

__all__ = ["Client", "connected"]

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Client]] = WeakKeyDictionary()


@asynccontextmanager
async def connected(conn_id: str) -> AsyncIterator[Client]:
    """The client for a connection: it appears with the first user and closes with the last."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in clients:
        clients[conn_id] = Client(conn_id)
    client = clients[conn_id]
    client.users += 1
    metrics.waiting(conn_id, client.users)
    try:
        yield client
    finally:
        client.users -= 1
        metrics.waiting(conn_id, client.users)
        if not client.users:
            del clients[conn_id]
            await client.close()


class Client:
    """One pool of connections, one credential, one renewal at a time, one limit on looks under way."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.users = 0
        self._hooks: dict[str, ImportStatusHook] = {}
        self._purse = Purse()
        self._opening = asyncio.Lock()
        self._renewal = asyncio.Lock()
        self._failure: tuple[float, ImportStatusError] | None = None
        self._settings: Settings | None = None
        self._route: Route
        self._limit = 0
        self._slots: asyncio.Semaphore
        self._session = aiohttp.ClientSession(
            # The slots limit it, which a connection that is read again may change.
            connector=aiohttp.TCPConnector(limit=0),
            # Cookies are state that no other transport has.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
        )

    async def hook(self, hook_params: Mapping[str, Any] | None) -> ImportStatusHook:
        """The hook that the connection's type chooses."""
        key = json.dumps(hook_params, sort_keys=True) if hook_params else ""
        if key in self._hooks:
            return self._hooks[key]
        async with self._opening:
            if key not in self._hooks:
                self._hooks[key] = await sync_to_async(hook_for)(self.conn_id, hook_params)
        return self._hooks[key]

    async def look(self, hook: ImportStatusHook, import_id: str) -> ImportStatus:
        """Look at an import once."""
        answer = partial(self._answer, hook, time.monotonic())
        await self._current(hook)
        # Taken before the credential is: who stands in line here does not go out with a revoked one.
        async with self._slots:
            with metrics.Poll(hook.conn_type) as poll:
                hook.settings = await self._current(hook)
                return poll.answered(await converse(hook.look(import_id), answer))

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()

    async def _current(self, hook: ImportStatusHook) -> Settings:
        if self._settings is None:
            async with self._opening:
                if self._settings is None:
                    return await self._read(hook)
        return self._settings

    async def _read(self, hook: ImportStatusHook) -> Settings:
        def read() -> tuple[Settings, Route]:
            settings = hook.read_settings()
            return settings, Route(settings)

        settings, self._route = await sync_to_async(read)()
        self._settings = settings
        if settings.max_concurrency != self._limit:
            self._limit = settings.max_concurrency
            # Looks under way keep their slots in the old one.
            self._slots = asyncio.Semaphore(self._limit)
        return settings

    async def _answer(self, hook: ImportStatusHook, asked_at: float, step: Step) -> Any:
        match step:
            case Request():
                return await exchange(step, self._session, self._route)
            case NeedCredential(refused):
                return await self._credential(hook, asked_at, refused)
            case Reread():
                return await self._read(hook)
            case Recall(name, after):
                await asyncio.sleep(after)
                return await sync_to_async(shared_token.recall)(name)
            case Share(name, credential):
                return await sync_to_async(shared_token.share)(name, credential)

    async def _credential(
        self, hook: ImportStatusHook, asked_at: float, refused: Credential | None
    ) -> Credential:
        if ready := self._purse.ready(refused, time.time()):
            return ready
        async with self._renewal:
            # Who stood in line behind a renewal that failed shares its end: a thousand waits try once.
            if self._failure and self._failure[0] >= asked_at:
                raise copy(self._failure[1])
            before = self._purse.held
            talk = self._purse.credential(hook, refused, time.time())
            try:
                credential = await converse(talk, partial(self._answer, hook, asked_at))
            except ImportStatusError as error:
                self._failure = time.monotonic(), error
                raise
            if credential != before:
                metrics.refreshed(hook.conn_type)
                await sync_to_async(mask)(credential)
        # Another wait may have read the connection again.
        hook.settings = await self._current(hook)
        return credential
