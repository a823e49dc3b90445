"""The running sandbox: its sockets and its event loop, in a thread of their own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

from aiohttp import web
from yarl import URL

from airflow_provider_importstatus.sandbox.admin_api import AdminApi
from airflow_provider_importstatus.sandbox.applications import storage_application, vendors_application
from airflow_provider_importstatus.sandbox.description_loader import load_vendor
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS

__all__ = ["Sandbox"]

T = TypeVar("T")


class Sandbox:
    """The simulated vendors on one port, and their file storage on another. Thread-safe.

    :param host: address to listen on
    :param port: port of the vendors; 0 chooses any free one
    :param token_seconds: lifetime of the tokens that vendors issue
    :param clock: returns the time in seconds since 1970, for imports and tokens
    :param descriptions: further vendors: names of bundled descriptions, paths of files, or documents
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        token_seconds: float = 3600,
        clock: Callable[[], float] = time.time,
        descriptions: Sequence[str | Mapping[str, Any]] = (),
    ) -> None:
        self.url = ""
        self._host, self._port = host, port
        vendors = (*VENDORS, *(load_vendor(given) for given in descriptions))
        self._admin_api = AdminApi(vendors, clock, token_seconds)
        self._runners: list[web.AppRunner] = []

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start to listen. Raise OSError if that fails, for example because the port is in use."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        try:
            self._wait_for(self._listen())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Close the sockets and stop the thread."""
        self.url = ""
        self._wait_for(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> dict[str, dict[str, Any]]:
        """Airflow connections to all vendors by connection id, in Airflow's JSON form."""
        return self._admin_api.connections(self.url)

    def submit(self, vendor: str, *, import_id: str | None = None, **scenario: Any) -> str:
        """Start an import and return its id; `scenario` holds fields of `Scenario`, as texts or numbers."""
        fields = {"vendor": vendor, "import_id": import_id, **scenario}
        return self._on_loop(lambda: self._admin_api.submit(fields))

    def imports(self, vendor: str) -> list[dict[str, str]]:
        """Return `import_id`, `file` (its name) and `phase` of each import, in the order of submission."""
        return self._on_loop(lambda: self._admin_api.imports({"vendor": vendor}))

    def fault(self, vendor: str, route: str, kind: str | int, **more: Any) -> None:
        """Make requests to a route fail (`*`: to any route); `more` holds further fields of `Fault`."""
        fields = {"vendor": vendor, "route": route, "kind": kind, **more}
        self._on_loop(lambda: self._admin_api.fault(fields))

    def clear_faults(self) -> None:
        """Cancel all faults."""
        self._on_loop(self._admin_api.clear_faults)

    def revoke(self, vendor: str) -> None:
        """Revoke all tokens that a vendor has issued."""
        self._on_loop(lambda: self._admin_api.revoke({"vendor": vendor}))

    def requests(self, vendor: str) -> dict[str, int]:
        """Return the number of requests to each route of a vendor."""
        return self._on_loop(lambda: self._admin_api.requests({"vendor": vendor}))

    def reset(self) -> None:
        """Forget all imports, tokens, faults and request counts."""
        self._on_loop(self._admin_api.reset)

    async def _listen(self) -> None:
        # The storage first: vendors sign URLs of its origin.
        self._admin_api.state.storage.origin = await self._serve(storage_application(self._admin_api), 0)
        self.url = await self._serve(vendors_application(self._admin_api), self._port)

    async def _serve(self, app: web.Application, port: int) -> str:
        # A response that is still being dribbled must not delay the end of the sandbox.
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, self._host, port).start()
        return str(URL.build(scheme="http", host=self._host, port=runner.addresses[0][1]))

    async def _close(self) -> None:
        while self._runners:
            await self._runners.pop().cleanup()
        # The cleanup leaves the tasks of slow responses running.
        unfinished = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)

    def _on_loop(self, action: Callable[[], T]) -> T:
        """Run an action on the event loop, so that it never runs at the same time as a request."""
        if not self.url:
            raise RuntimeError(
                "The sandbox is not running. Use it in a with statement, or call start() first."
            )

        async def run() -> T:
            return action()

        return self._wait_for(run())

    def _wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
