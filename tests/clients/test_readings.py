"""Edited connections: a poll never mixes two versions, and the next wait uses the new one."""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_importstatus.clients import readings
from airflow_provider_importstatus.clients.async_client import HookSource, shared_client
from airflow_provider_importstatus.exceptions import ImportProtocolError
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.tao import TaoAdvanceHook
from airflow_provider_importstatus.protocol.flow import Flow, send_authenticated
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response
from airflow_provider_importstatus.protocol.settings import ConnectionSettings
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..network.servers import Server, answer
from ..triggers.waits import ENDLESS, Connect, events_of, waiting


@contextmanager
def tao(name: str, status: str = "pending", token_status: int = 200) -> Iterator[Server]:
    """A TAO Advance server that accepts only its own tokens."""

    def script(seen: Any) -> list[bytes | float]:
        if seen.method == "POST":
            return answer(f'{{"access_token": "{name}-token", "expires_in": 3600}}', status=token_status)
        if seen.headers["authorization"] != f"Bearer {name}-token":
            return answer('{"message": "not mine"}', status=401)
        return answer(f'{{"result": {{"status": "{status}"}}}}')

    with Server(script) as server:
        yield server


def tokens_seen(server: Server) -> set[str]:
    return {seen.headers["authorization"] for seen in server.seen if "authorization" in seen.headers}


async def until(is_so: Callable[[], bool]) -> None:
    def watch() -> None:
        while not is_so():
            time.sleep(0.01)

    await asyncio.to_thread(watch)


def run(test: Awaitable[Any]) -> Any:
    async def in_time() -> Any:
        return await asyncio.wait_for(test, 20)

    return asyncio.run(in_time())


@pytest.mark.usefixtures("sandbox")
def test_a_new_wait_uses_an_edited_connection_while_an_earlier_wait_still_runs(connect: Connect) -> None:
    """It must not send requests to the old host, which may have an import with the same id."""

    async def edited_between() -> list[dict[str, Any]]:
        connect("tao_advance", host=old.url)
        first = asyncio.create_task(events_of(waiting("tao_advance", "1")))
        await until(lambda: len(old.seen) >= 2)
        connect("tao_advance", host=new.url)
        second = await events_of(waiting("tao_advance", "2"))
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        return second

    with tao("old") as old, tao("new", status="failed") as new:
        (event,) = run(edited_between())
    assert event["status"]["state"] == "failed"
    assert not [seen for seen in old.seen if seen.target.endswith("/2")]


@pytest.mark.usefixtures("sandbox")
def test_running_waits_use_an_edited_connection_after_five_minutes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def edited_midway() -> dict[str, Any]:
        connect("tao_advance", host=old.url)
        wait = asyncio.create_task(events_of(waiting("tao_advance", "1")))
        await until(lambda: len(old.seen) >= 2)
        connect("tao_advance", host=new.url)
        (event,) = await wait
        return event

    monkeypatch.setattr("airflow_provider_importstatus.clients.async_client.REREAD_AFTER", 0.3)
    with tao("old") as old, tao("new", status="processed") as new:
        assert run(edited_midway())["status"]["state"] == "succeeded"
    assert tokens_seen(new) == {"Bearer new-token"}
    assert tokens_seen(old) == {"Bearer old-token"}


@pytest.mark.usefixtures("sandbox")
def test_a_worker_uses_an_edited_connection_after_five_minutes(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tao("old") as old, tao("new", status="processed") as new:
        hook = TaoAdvanceHook(connect("tao_advance", host=old.url))
        assert hook.get_import_status("1").state is ImportState.RUNNING
        connect("tao_advance", host=new.url)
        assert hook.get_import_status("1").state is ImportState.RUNNING
        monkeypatch.setattr(readings, "REREAD_AFTER", 0.0)
        assert hook.get_import_status("1").state is ImportState.SUCCEEDED
    assert tokens_seen(new) == {"Bearer new-token"}


@pytest.mark.parametrize("mode", ["blocking", "async"])
@pytest.mark.usefixtures("sandbox")
def test_a_poll_restarts_when_its_connection_is_edited(connect: Connect, mode: str) -> None:
    """A token obtained from the new host is never sent to the old host."""

    def poll() -> ImportStatus:
        if mode == "blocking":
            return hook.get_import_status("1")
        return asyncio.run(hook.aget_import_status("1"))

    with tao("old") as old, tao("new", status="processed") as new:
        hook = TaoAdvanceHook(connect("tao_advance", host=old.url))
        assert poll().state is ImportState.RUNNING
        connect("tao_advance", host=new.url)
        hook.credentials.current = Credential("revoked", obtained_at=time.time() - 100, is_accepted=True)
        assert poll().state is ImportState.SUCCEEDED
        assert "Bearer new-token" not in tokens_seen(old)
        assert tokens_seen(new) == {"Bearer new-token"}


class RegionalHook(ImportStatusHook):
    """A vendor whose host depends on a parameter of the hook."""

    conn_type, default_conn_name, hook_name = "regional", "regional_default", "Regional"

    def __init__(self, conn_id: str | None = None, region: str = "") -> None:
        super().__init__(conn_id)
        self.region = region

    def read_settings(self) -> ConnectionSettings:
        settings = super().read_settings()
        return ConnectionSettings(
            settings.conn_id,
            self.conn_type,
            host=settings.get_str(self.region),
            extra={"verify": False},
        )

    def authenticate(self, settings: ConnectionSettings) -> Flow[Credential]:
        response: Response = yield Request("POST", f"{settings.base_url}/token")
        return Credential(response.body.decode(), response.received_at)

    def apply_auth(self, request: Request, credential: Credential) -> Request:
        return Request(request.method, request.url, {"Authorization": credential.value})

    def poll(self, import_id: str) -> Flow[ImportStatus]:
        response = yield from send_authenticated(self, Request("GET", f"/{import_id}"))
        return ImportStatus("regional", import_id, ImportState.SUCCEEDED, response.body.decode())


@pytest.mark.usefixtures("sandbox")
def test_hooks_with_different_hosts_on_one_connection_share_no_credential(connect: Connect) -> None:
    def region(name: str) -> Server:
        def script(seen: Any) -> list[bytes | float]:
            if seen.method == "POST":
                return answer(f"{name}-token")
            # The first token of each is rejected, so that both refresh at once.
            is_mine = seen.headers["authorization"] == f"{name}-token"
            return answer("ok", status=200 if is_mine else 401)

        return Server(script)

    async def both() -> None:
        async with shared_client("tao_advance_default") as client:
            sources = [HookSource(partial(RegionalHook, "tao_advance_default", region=name)) for name in "ab"]
            polls = [client.poll(source, str(n)) for n in range(10) for source in sources]
            await asyncio.gather(*polls)

    with region("a") as a, region("b") as b:
        connect("tao_advance", extra={"a": a.url, "b": b.url})
        run(both())
        assert (tokens_seen(a), tokens_seen(b)) == ({"a-token"}, {"b-token"})
        assert [seen.method for seen in a.seen].count("POST") == 1


@pytest.mark.usefixtures("sandbox")
def test_a_host_that_changes_between_status_and_report_does_not_mix_responses(connect: Connect) -> None:
    """Zilliant's SUCCEEDED from one host and the other host's "no report" are not a success."""

    def script(seen: Any) -> list[bytes | float]:
        if seen.target.endswith("/status"):
            connect("zilliant", host=new.url, extra={"token_response": {"access_token": "other"}})
            return answer('{"status": "SUCCEEDED"}')
        return answer('{"status": "PARTIAL_SUCCESS", "failedRows": 3}')

    def moved(_: Any) -> list[bytes | float]:
        return answer('{"message": "no report"}', status=404)

    with Server(script) as old, Server(moved) as new:
        connect("zilliant", host=old.url, extra={"token_response": {"access_token": "ready"}})
        (event,) = run(events_of(waiting("zilliant", "1")))
    assert event["status"]["state"] == "partial"
    assert new.seen == []


@pytest.mark.usefixtures("connections")
def test_a_thousand_new_waits_read_the_connection_a_few_times(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, original = [], BaseHook.get_connection

    def counted(conn_id: str) -> Any:
        read.append(conn_id)
        return original(conn_id)

    async def many() -> None:
        waits = [asyncio.create_task(events_of(waiting("thalamus", import_id))) for _ in range(1000)]
        await asyncio.gather(*waits)

    import_id = sandbox.submit("thalamus", seconds=0)
    monkeypatch.setattr(BaseHook, "get_connection", counted)
    run(many())
    assert 1 <= len(read) <= 10


@pytest.mark.usefixtures("sandbox")
def test_a_connection_that_cannot_be_read_again_is_used_as_it_was(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: str) -> Any:
        raise RuntimeError("Airflow's database")

    with tao("old", status="pending") as server:
        hook = TaoAdvanceHook(connect("tao_advance", host=server.url))
        hook.get_import_status("1")
        monkeypatch.setattr(readings, "REREAD_AFTER", 0.0)
        monkeypatch.setattr(BaseHook, "get_connection", down)
        assert hook.get_import_status("1").state is ImportState.RUNNING


@pytest.mark.usefixtures("connections")
def test_a_wait_queued_for_a_slot_times_out_on_time(sandbox: Sandbox, connect: Connect) -> None:
    async def two() -> list[list[dict[str, Any]]]:
        slow = asyncio.create_task(events_of(waiting("tao_advance", import_id)))
        await until(lambda: sandbox.requests("tao_advance")["status"] >= 1)
        began = time.monotonic()
        short = await events_of(waiting("tao_advance", import_id, lasts=0.3))
        assert time.monotonic() - began < 4
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        return [short]

    connect("tao_advance", extra={"max_concurrency": 1})
    import_id = sandbox.submit("tao_advance", **ENDLESS)
    sandbox.fault("tao_advance", "status", "slow", times=None, seconds=5.0)
    ((event,),) = run(two())
    assert event["error"]["type"] == "AirflowSensorTimeout"


@pytest.mark.usefixtures("connections")
def test_an_outage_is_probed_by_one_of_many_waits(sandbox: Sandbox) -> None:
    async def many() -> None:
        waits = [
            asyncio.create_task(events_of(waiting("thalamus", import_id, poke_interval=0.2, lasts=3)))
            for import_id in import_ids
        ]
        await asyncio.gather(*waits)

    import_ids = [sandbox.submit("thalamus", **ENDLESS) for _ in range(100)]
    sandbox.fault("thalamus", "status", "503", times=None)
    run(many())
    # Polls in flight when it started, and one or two probes; without sharing there would be about 1,500.
    assert sandbox.requests("thalamus")["status"] <= 30


def test_the_text_of_a_bug_is_hidden_and_its_place_is_shown() -> None:
    """It may quote a response, with signed URLs, or a credential."""

    def buggy() -> None:
        raise KeyError("hunter2")

    with pytest.raises(ImportProtocolError, match="KeyError") as error, readings.only_our_errors("Acme"):
        buggy()
    shown = "".join(traceback.format_exception(error.value))
    assert "in buggy" in shown
    assert "KeyError" in shown
    assert "'hunter2'" not in shown.replace('raise KeyError("hunter2")', "")
