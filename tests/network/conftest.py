"""Fixtures of the network tests: local servers, and hooks that poll more than once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_importstatus.clients.async_client import shared_client
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.lookup import hook_for

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2.11
    from airflow.io.store import attach  # type: ignore[no-redef,import-not-found]

from .cases import KeepPolling, Serve
from .servers import Script, Server


@pytest.fixture(autouse=True)
def _no_refresh_delays(no_refresh_delays: None) -> None:
    """Refresh credentials without delays in all tests of this folder."""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start local servers that follow a script."""
    with ExitStack() as servers:

        def serve(script: Script, **more: Any) -> Server:
            return servers.enter_context(Server(script, **more))

        yield serve


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """Return an object storage that Airflow knows by the scheme memory://."""
    storage = MemoryFileSystem()
    attach("memory", fs=storage)
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


@pytest.fixture(params=["requests", "aiohttp"])
def keep_polling(request: pytest.FixtureRequest) -> Iterator[KeepPolling]:
    """Poll like one wait, which keeps its credential between polls."""
    hooks: dict[str, ImportStatusHook] = {}

    def hook(conn_id: str) -> ImportStatusHook:
        return hooks.setdefault(conn_id, hook_for(conn_id))

    if request.param == "requests":
        yield lambda conn_id, import_id: hook(conn_id).get_import_status(import_id)
        return
    with asyncio.Runner() as runner:
        clients = AsyncExitStack()

        async def poll(conn_id: str, import_id: str) -> Any:
            if conn_id not in hooks:
                await clients.enter_async_context(shared_client(conn_id))
            return await hook(conn_id).aget_import_status(import_id)

        yield lambda conn_id, import_id: runner.run(poll(conn_id, import_id))
        runner.run(clients.aclose())
