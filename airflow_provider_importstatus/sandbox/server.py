"""The sandbox as a running thing: its sockets and event loop, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web
from yarl import URL

from airflow_provider_importstatus.sandbox import credentials
from airflow_provider_importstatus.sandbox.applications import storage_application, vendors_application
from airflow_provider_importstatus.sandbox.controls import Controls
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["Sandbox"]

T = TypeVar("T")


class Sandbox:
    """The four vendors on one port, and their storage on another. Any thread may use it.

    :param host: the address to listen on
    :param port: the vendors' port; 0 takes any that is free
    :param token_seconds: how long the tokens live that the vendors issue
    :param clock: returns the time in seconds since 1970; imports and tokens go by it
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        token_seconds: float = 3600,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = ""
        self._host, self._port = host, port
        self._controls = Controls(World(clock, token_seconds))
        self._runners: list[web.AppRunner] = []

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen. Raises OSError where that is impossible, as on a port that is taken."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._listen())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the sockets and end the thread."""
        self.url = ""
        self._wait_for(self._hang_up())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """An Airflow connection for each vendor, by its id, in Airflow's JSON form."""
        return credentials.connections(self.url)

    def submit(self, vendor: str, *, import_id: str | None = None, **course: Any) -> str:
        """Start an import and return its id; `course` takes the fields of `Course`, as texts or numbers."""
        fields = {"vendor": vendor, "import_id": import_id, **course}
        return self._on_loop(lambda: self._controls.submit(fields))

    def fault(self, vendor: str, route: str, kind: str | int, **more: Any) -> None:
        """Let requests to a route go wrong (`*`: to any); `more` takes the other fields of `Fault`."""
        fields = {"vendor": vendor, "route": route, "kind": kind, **more}
        self._on_loop(lambda: self._controls.fault(fields))

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._on_loop(self._controls.clear_faults)

    def revoke(self, vendor: str) -> None:
        """Forget every token that a vendor has issued. Thalamus issues none."""
        self._on_loop(lambda: self._controls.revoke({"vendor": vendor}))

    def requests(self, vendor: str) -> dict[str, int]:
        """Return how many requests each route of a vendor has had."""
        return self._on_loop(lambda: self._controls.requests({"vendor": vendor}))

    def reset(self) -> None:
        """Start anew: no imports, tokens, faults or counts."""
        self._on_loop(self._controls.reset)

    async def _listen(self) -> None:
        # The storage first: the vendors sign URLs of it.
        self._controls.world.storage.origin = await self._serve(storage_application(self._controls), 0)
        self.url = await self._serve(vendors_application(self._controls), self._port)

    async def _serve(self, app: web.Application, port: int) -> str:
        # Nobody waits for an answer that is still being dribbled when the sandbox ends.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._host, port).start()
        return str(URL.build(scheme="http", host=self._host, port=runner.addresses[0][1]))

    async def _hang_up(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()
        # Answers that are still slow are not finished by the cleanup, only left alone.
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def _on_loop(self, control: Callable[[], T]) -> T:
        """Run a control where the vendors run, so that nothing happens at the same time as a request."""
        if not self.url:
            raise RuntimeError(
                "The sandbox is not running. Use it in a with statement, or call start() first."
            )

        async def run() -> T:
            return control()

        return self._wait_for(run())

    def _wait_for(self, talk: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(talk, self._loop).result()
