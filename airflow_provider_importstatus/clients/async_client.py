"""The asynchronous client: one per connection and event loop, shared by all waits on that connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import aiohttp

from airflow_provider_importstatus.clients import metrics, token_store
from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.clients.readings import (
    MAX_READINGS,
    REREAD_AFTER,
    PolledVendor,
    edited_too_often,
    only_our_errors,
)
from airflow_provider_importstatus.clients.slots import FairSlots
from airflow_provider_importstatus.clients.threads import in_thread
from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.polling.outage import SharedOutage
from airflow_provider_importstatus.protocol.flow import ConnectionEdited
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Effect,
    LoadLoginRejection,
    LoadSharedToken,
    NeedCredential,
    ReloadConnection,
    Request,
    StoreLoginRejection,
    StoreSharedToken,
)
from airflow_provider_importstatus.status import ImportStatus
from airflow_provider_importstatus.transports.aiohttp_transport import RequestOptions, exchange, run_flow
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

__all__ = ["AsyncClient", "HookSource", "shared_client"]

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncClient]] = WeakKeyDictionary()


@asynccontextmanager
async def shared_client(conn_id: str) -> AsyncIterator[AsyncClient]:
    """Return the client for a connection. It is created for the first user and closed with the last."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    if conn_id not in clients:
        clients[conn_id] = AsyncClient(conn_id)
    client = clients[conn_id]
    client.users += 1
    metrics.gauge_waits(conn_id, client.users)
    try:
        yield client
    finally:
        client.users -= 1
        metrics.gauge_waits(conn_id, client.users)
        if not client.users:
            del clients[conn_id]
            await client.close()


class AsyncClient:
    """The connection pool and the state shared by all waits on one Airflow connection."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.users = 0
        self._sources: dict[str, HookSource] = {}
        #: Weak: lanes are kept alive by sources and polls.
        self._lanes: WeakSet[Lane] = WeakSet()
        self._session = aiohttp.ClientSession(
            # Slots limit the requests instead, since editing the connection may change the limit.
            connector=aiohttp.TCPConnector(limit=0),
            # The other transport keeps no cookies either.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
        )

    def source(
        self, hook_params: Mapping[str, Any] | None, open_hook: Callable[[], PolledVendor]
    ) -> HookSource:
        """Return the hook source for these parameters, shared by waits with equal parameters.

        :param open_hook: reads the connection from Airflow (blocking)
        """
        key = json.dumps(hook_params, sort_keys=True) if hook_params else ""
        return self._sources.setdefault(key, HookSource(open_hook))

    def own(self, hook: PolledVendor) -> HookSource:
        """Return a source of the caller's own hook, which keeps its credential between calls."""

        def read_again() -> PolledVendor:
            hook.read_again()
            return hook.bound()

        return HookSource(read_again, first=hook.bound)

    async def poll(
        self,
        source: HookSource,
        import_id: str,
        *,
        since: float = 0.0,
        conn_type: str = "",
        deadline: float | None = None,
        dag_id: str = "",
    ) -> ImportStatus:
        """Poll an import once and return its status.

        :param source: the source of the hook
        :param since: the minimum time of the connection's reading, on the monotonic clock
        :param conn_type: the expected connection type; empty for any
        :param deadline: when the wait ends (Unix seconds), and with it the time in a queue
        :param dag_id: the DAG whose queue to use
        """
        for _ in range(MAX_READINGS):
            hook = await source.hook(since)
            hook.check_conn_type(conn_type)
            lane = await self._lane(source, hook)
            try:
                return await lane.poll(Poll(hook, lane, source, deadline), import_id, self.users, dag_id)
            except ConnectionEdited:
                continue
        raise edited_too_often(self.conn_id)

    async def cancel(self, source: HookSource, import_id: str) -> None:
        """Cancel an import."""
        hook = await source.hook()
        poll = Poll(hook, await self._lane(source, hook), source, deadline=None)
        with only_our_errors(hook.hook_name):
            await run_flow(hook.cancel(import_id), poll.perform)

    async def close(self) -> None:
        """Close the connection pool."""
        await self._session.close()

    async def _lane(self, source: HookSource, hook: PolledVendor) -> Lane:
        if source.lane is None or source.lane.settings != hook.settings:
            source.lane = self._find_lane(hook) or await self._new_lane(hook)
        return source.lane

    async def _new_lane(self, hook: PolledVendor) -> Lane:
        options = await in_thread(RequestOptions, hook.settings)
        # Another wait may have created it meanwhile.
        lane = self._find_lane(hook) or Lane(hook, options, self._session)
        self._lanes.add(lane)
        return lane

    def _find_lane(self, hook: PolledVendor) -> Lane | None:
        return next((lane for lane in self._lanes if lane.settings == hook.settings), None)


class HookSource:
    """Provides a hook bound to one reading of the connection, and a new one when that is too old.

    :param open_hook: reads the connection from Airflow (blocking)
    :param first: replaces `open_hook` on the first call
    """

    def __init__(
        self,
        open_hook: Callable[[], PolledVendor],
        first: Callable[[], PolledVendor] | None = None,
    ) -> None:
        self.latest: PolledVendor | None = None
        self.lane: Lane | None = None
        self._open_hook = open_hook
        self._first = first or open_hook
        self._read_at = 0.0
        self._reading = asyncio.Lock()

    async def hook(self, since: float = 0.0) -> PolledVendor:
        """Return a hook whose reading began at `since` or later and is less than five minutes old."""
        if self.latest and self._is_new_enough(since):
            return self.latest
        async with self._reading:
            # Another wait may have read the connection meanwhile.
            if self.latest and self._is_new_enough(since):
                return self.latest
            return await self._read(or_keep=self._read_at >= since)

    def _is_new_enough(self, since: float) -> bool:
        return self._read_at >= since and time.monotonic() - self._read_at < REREAD_AFTER

    async def _read(self, or_keep: bool) -> PolledVendor:
        began = time.monotonic()
        try:
            hook = await in_thread(self._opened)
        except ImportUnavailableError:
            if self.latest is None or not or_keep:
                raise
            hook = self.latest
        previous = self.latest
        if previous and type(previous) is type(hook) and previous.settings == hook.settings:
            hook = previous
        self.latest, self._read_at = hook, began
        return hook

    def _opened(self) -> PolledVendor:
        hook = self._first() if self.latest is None else self._open_hook()
        # Read here, where blocking is allowed.
        hook.settings.base_url  # noqa: B018 - cached
        return hook


class Lane:
    """The state shared by polls with equal settings: slots, credential, refresh lock and outage."""

    def __init__(self, hook: PolledVendor, options: RequestOptions, session: aiohttp.ClientSession) -> None:
        self.settings = hook.settings
        self.options = options
        self.session = session
        self.credentials = hook.credentials
        self.refresh_lock = asyncio.Lock()
        self.failure: tuple[float, ImportStatusError] | None = None
        self._slots = FairSlots(hook.settings.max_concurrency)
        self._outage = SharedOutage()

    async def poll(self, poll: Poll, import_id: str, waits: int, dag_id: str) -> ImportStatus:
        """Poll an import once and return its status, unless another wait is probing an outage."""
        # Before the credential, which might be revoked while the poll waits for a slot.
        with metrics.slot_timer(poll.conn_id):
            await _until(poll.deadline, self._slots.acquire(dag_id))
        try:
            if postponed := self._outage.postpone(import_id, time.time(), waits):
                raise postponed
            with self._record_outage(poll, import_id, waits):
                return await poll.run(import_id)
        finally:
            self._slots.release()

    @contextmanager
    def _record_outage(self, poll: Poll, import_id: str, waits: int) -> Iterator[None]:
        try:
            yield
        except ImportStatusError as error:
            # Without a request, the error is Airflow's rather than the vendor's.
            if poll.has_sent and error.retryable:
                self._outage.failed(import_id, error, time.time(), waits)
            elif poll.has_sent:
                self._outage.answered()
            raise
        else:
            self._outage.answered()


class Poll:
    """One poll: performs the effects of the hook's flow.

    :param hook: bound to the same reading of the connection as the lane
    :param deadline: when the wait ends (Unix seconds)
    """

    def __init__(self, hook: PolledVendor, lane: Lane, source: HookSource, deadline: float | None) -> None:
        self.conn_id = hook.conn_id
        self.deadline = deadline
        self.has_sent = False
        self._hook = hook
        self._lane = lane
        self._source = source
        self._began = time.monotonic()

    async def run(self, import_id: str) -> ImportStatus:
        """Run the hook's flow for an import and return its status."""
        hook = self._hook
        with metrics.PollTimer(hook.conn_type, hook.conn_id) as poll, only_our_errors(hook.hook_name):
            return poll.record(await run_flow(hook.poll(import_id), self.perform))

    async def perform(self, effect: Effect) -> Any:
        """Perform an effect of a flow and return the reply."""
        match effect:
            case Request():
                self.has_sent = True
                return await exchange(effect, self._lane.session, self._lane.options)
            case NeedCredential():
                return await self._credential(effect)
            case ReloadConnection():
                return (await self._source.hook(since=time.monotonic())).settings
            case LoadSharedToken(name, after):
                await asyncio.sleep(after)
                return await in_thread(token_store.load_token, name)
            case StoreSharedToken(name, credential, expected):
                return await in_thread(token_store.store_token, name, credential, expected)
            case LoadLoginRejection(name):
                return await in_thread(token_store.load_login_rejection, name)
            case StoreLoginRejection(name, reason):
                return await in_thread(token_store.store_login_rejection, name, reason)

    async def _credential(self, need: NeedCredential) -> Credential:
        lane = self._lane
        if usable := lane.credentials.usable(need.rejected, time.time()):
            return usable
        await _until(self.deadline, lane.refresh_lock.acquire())
        try:
            # Polls that waited for a failed refresh share its error: a thousand waits try once.
            if lane.failure and lane.failure[0] >= self._began:
                raise copy(lane.failure[1])
            return await self._refresh(need)
        except ImportStatusError as error:
            lane.failure = time.monotonic(), error
            raise
        finally:
            lane.refresh_lock.release()

    async def _refresh(self, need: NeedCredential) -> Credential:
        cache = self._lane.credentials
        previous = cache.current
        credential = await run_flow(cache.credential(self._hook, need, time.time()), self.perform)
        if credential != previous:
            metrics.count_refresh(self._hook.conn_type)
            await in_thread(mask_credential, credential)
        return credential


async def _until(deadline: float | None, turn: Awaitable[Any]) -> None:
    """Wait for a slot or lock until the deadline at most.

    :param deadline: in Unix seconds
    """
    try:
        async with asyncio.timeout(None if deadline is None else max(deadline - time.time(), 0.0)):
            await turn
    except TimeoutError:
        raise ImportUnavailableError(
            "The wait's deadline passed while the poll was queued. Raise max_concurrency of the connection if"
            " the vendor accepts more concurrent requests."
        ) from None
