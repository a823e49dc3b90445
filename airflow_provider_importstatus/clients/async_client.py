"""One client per connection and event loop, shared by every wait on that connection."""

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
from asgiref.sync import sync_to_async

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
    """The client for a connection: it appears with the first user and closes with the last."""
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
    """The pool of connections, and what else the waits on one Airflow connection share."""

    def __init__(self, conn_id: str) -> None:
        self.conn_id = conn_id
        self.users = 0
        self._sources: dict[str, HookSource] = {}
        #: Sources and polls hold them.
        self._lanes: WeakSet[Lane] = WeakSet()
        self._session = aiohttp.ClientSession(
            # The slots limit it, which a connection that is read again may change.
            connector=aiohttp.TCPConnector(limit=0),
            # Cookies are state that no other transport has.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
        )

    def source(
        self, hook_params: Mapping[str, Any] | None, open_hook: Callable[[], PolledVendor]
    ) -> HookSource:
        """What gives the hook for these parameters; waits with equal parameters share it.

        :param open_hook: reads the connection; talks to Airflow
        """
        key = json.dumps(hook_params, sort_keys=True) if hook_params else ""
        return self._sources.setdefault(key, HookSource(open_hook))

    def own(self, hook: PolledVendor) -> HookSource:
        """What gives a caller's own hook, which keeps its credential from call to call."""

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
        """Look at an import once.

        :param source: what gives the hook
        :param since: an earlier reading of the connection than this will not do, on the monotonic clock
        :param conn_type: the only connection type that will do; empty for any
        :param deadline: when the wait ends, in seconds since 1970: nobody stands in line for longer
        :param dag_id: whose line to stand in
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

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()

    async def _lane(self, source: HookSource, hook: PolledVendor) -> Lane:
        if source.lane is None or source.lane.settings != hook.settings:
            source.lane = self._find_lane(hook) or await self._new_lane(hook)
        return source.lane

    async def _new_lane(self, hook: PolledVendor) -> Lane:
        route = await sync_to_async(RequestOptions)(hook.settings)
        # Another wait may have opened it meanwhile.
        lane = self._find_lane(hook) or Lane(hook, route, self._session)
        self._lanes.add(lane)
        return lane

    def _find_lane(self, hook: PolledVendor) -> Lane | None:
        return next((lane for lane in self._lanes if lane.settings == hook.settings), None)


class HookSource:
    """Gives a hook that keeps to one reading of the connection, and another one when that is too old.

    :param open_hook: reads the connection; talks to Airflow
    :param first: in its place for the first time
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
        """The hook as of a reading that began at `since` or later, and less than five minutes ago."""
        if self.latest and self._is_new_enough(since):
            return self.latest
        async with self._reading:
            # Whoever stood in line takes the reading that began meanwhile.
            if self.latest and self._is_new_enough(since):
                return self.latest
            return await self._read(or_keep=self._read_at >= since)

    def _is_new_enough(self, since: float) -> bool:
        return self._read_at >= since and time.monotonic() - self._read_at < REREAD_AFTER

    async def _read(self, or_keep: bool) -> PolledVendor:
        began = time.monotonic()
        try:
            hook = await sync_to_async(self._opened)()
        except ImportUnavailableError:
            if self.latest is None or not or_keep:
                raise
            hook = self.latest
        before = self.latest
        if before and type(before) is type(hook) and before.settings == hook.settings:
            hook = before
        self.latest, self._read_at = hook, began
        return hook

    def _opened(self) -> PolledVendor:
        hook = self._first() if self.latest is None else self._open_hook()
        # Read here, where it may block.
        hook.settings.base_url  # noqa: B018 - cached from here on
        return hook


class Lane:
    """What the polls with one reading of the connection share: slots, credential, renewal, outage."""

    def __init__(self, hook: PolledVendor, route: RequestOptions, session: aiohttp.ClientSession) -> None:
        self.settings = hook.settings
        self.route = route
        self.session = session
        self.credentials = hook.credentials
        self.renewal = asyncio.Lock()
        self.failure: tuple[float, ImportStatusError] | None = None
        self._slots = FairSlots(hook.settings.max_concurrency)
        self._outage = SharedOutage()

    async def poll(self, poll: Poll, import_id: str, waits: int, dag_id: str) -> ImportStatus:
        """Look at an import once, unless there is an outage that another wait is probing."""
        # Taken before the credential is: who stands in line here does not go out with a revoked one.
        await _until(poll.deadline, self._slots.acquire(dag_id))
        try:
            if postponed := self._outage.postpone(import_id, time.time(), waits):
                raise postponed
            with self._outage_noted(poll, import_id, waits):
                return await poll.run(import_id)
        finally:
            self._slots.release()

    @contextmanager
    def _outage_noted(self, poll: Poll, import_id: str, waits: int) -> Iterator[None]:
        try:
            yield
        except ImportStatusError as error:
            # Otherwise it was Airflow that was out of reach.
            if poll.has_sent and error.retryable:
                self._outage.failed(import_id, error, time.time(), waits)
            elif poll.has_sent:
                self._outage.answered()
            raise
        else:
            self._outage.answered()


class Poll:
    """One poll: answers what the hook's script asks for.

    :param hook: keeps to one reading of the connection, as the lane does
    :param deadline: when the wait ends, in seconds since 1970
    """

    def __init__(self, hook: PolledVendor, lane: Lane, source: HookSource, deadline: float | None) -> None:
        self.deadline = deadline
        self.has_sent = False
        self._hook = hook
        self._lane = lane
        self._source = source
        self._began = time.monotonic()

    async def run(self, import_id: str) -> ImportStatus:
        """Run the script that looks at an import."""
        with metrics.PollTimer(self._hook.conn_type) as poll, only_our_errors(self._hook.hook_name):
            return poll.answered(await run_flow(self._hook.poll(import_id), self._answer))

    async def _answer(self, effect: Effect) -> Any:
        match effect:
            case Request():
                self.has_sent = True
                return await exchange(effect, self._lane.session, self._lane.route)
            case NeedCredential():
                return await self._credential(effect)
            case ReloadConnection():
                return (await self._source.hook(since=time.monotonic())).settings
            case LoadSharedToken(name, after):
                await asyncio.sleep(after)
                return await sync_to_async(token_store.load_token)(name)
            case StoreSharedToken(name, credential, instead_of):
                return await sync_to_async(token_store.store_token)(name, credential, instead_of)
            case LoadLoginRejection(name):
                return await sync_to_async(token_store.load_login_rejection)(name)
            case StoreLoginRejection(name, reason):
                return await sync_to_async(token_store.store_login_rejection)(name, reason)

    async def _credential(self, need: NeedCredential) -> Credential:
        lane = self._lane
        if ready := lane.credentials.usable(need.refused, time.time()):
            return ready
        await _until(self.deadline, lane.renewal.acquire())
        try:
            # Who stood in line behind a renewal that failed shares its end: a thousand waits try once.
            if lane.failure and lane.failure[0] >= self._began:
                raise copy(lane.failure[1])
            return await self._renewed(need)
        except ImportStatusError as error:
            lane.failure = time.monotonic(), error
            raise
        finally:
            lane.renewal.release()

    async def _renewed(self, need: NeedCredential) -> Credential:
        purse = self._lane.credentials
        before = purse.current
        credential = await run_flow(purse.credential(self._hook, need, time.time()), self._answer)
        if credential != before:
            metrics.count_refresh(self._hook.conn_type)
            await sync_to_async(mask_credential)(credential)
        return credential


async def _until(deadline: float | None, turn: Awaitable[Any]) -> None:
    """Wait for one's turn, but not beyond the end of the wait.

    :param deadline: in seconds since 1970
    """
    try:
        async with asyncio.timeout(None if deadline is None else max(deadline - time.time(), 0.0)):
            await turn
    except TimeoutError:
        raise ImportUnavailableError(
            "The time was up while the poll stood in line. Raise max_concurrency of the connection if the"
            " vendor takes more requests at once."
        ) from None
