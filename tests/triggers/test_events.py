"""The event of a trigger: exactly one, whatever happens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import NOT_OBJECTS, VENDORS
from .waits import ENDLESS, SOON, Connect, Fire, events_of, waiting


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.usefixtures("connections")
def test_an_import_that_ends_is_one_event(sandbox: Sandbox, vendor: str) -> None:
    import_id = sandbox.submit(vendor, **SOON)
    events = asyncio.run(events_of(waiting(vendor, import_id)))
    assert [(event["v"], event["status"]["state"]) for event in events] == [(1, "succeeded")]


@pytest.mark.parametrize("end", ["succeeded", "partial", "failed", "cancelled"])
@pytest.mark.usefixtures("connections")
def test_every_terminal_state_is_a_status_event(sandbox: Sandbox, fire: Fire, end: str) -> None:
    event = fire(waiting("thalamus", sandbox.submit("thalamus", ends=end, seconds=0)))
    assert (set(event), event["status"]["state"]) == ({"v", "status"}, end)


@pytest.mark.usefixtures("connections")
def test_the_event_has_the_status_the_hook_returns(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=0)
    event = fire(waiting("thalamus", import_id))
    assert event["status"] == ThalamusHook().get_import_status(import_id).to_dict()


@pytest.mark.usefixtures("connections")
def test_an_error_is_one_event_with_its_bare_class_name(sandbox: Sandbox) -> None:
    sandbox.fault("thalamus", "status", "422")
    (event,) = asyncio.run(events_of(waiting("thalamus", sandbox.submit("thalamus"))))
    assert (set(event), event["v"], event["error"]["type"]) == ({"v", "error"}, 1, "ImportRequestError")


@pytest.mark.parametrize(
    ("conn_id", "hook_params"),
    [("unknown", None), ("thalamus_default", {"unknown": "x"})],
)
@pytest.mark.usefixtures("connections")
def test_an_unusable_connection_is_an_error_event(
    sandbox: Sandbox, fire: Fire, conn_id: str, hook_params: Any
) -> None:
    trigger = waiting("thalamus", "7", hook_params=hook_params)
    trigger.conn_id = conn_id
    assert fire(trigger)["error"]["type"] == "ImportSettingsError"
    assert not any(sandbox.requests("thalamus").values())


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(("extra", "kind"), NOT_OBJECTS)
def test_extras_that_are_no_object_are_an_error_event(
    sandbox: Sandbox, connect_with_text: Callable[[str, str], None], vendor: str, extra: str, kind: str
) -> None:
    connect_with_text(vendor, extra)
    (event,) = asyncio.run(events_of(waiting(vendor, "7")))
    assert event["error"]["type"] == "ImportSettingsError"
    assert f"Connection '{vendor}_default' ({vendor}): extra is of type {kind}." in event["error"]["message"]
    assert not any(sandbox.requests(vendor).values())


@pytest.mark.usefixtures("connections")
def test_hook_params_reach_the_hook(
    sandbox: Sandbox, connect: Connect, request_token: Any, fire: Fire
) -> None:
    connect("clear", login="unknown-integration", extra={"access_token": request_token()})
    integration = sandbox.connections["clear_default"]["login"]
    trigger = waiting("clear", sandbox.submit("clear", **SOON), hook_params={"integration_id": integration})
    assert fire(trigger)["status"]["state"] == "succeeded"


# Airflow's own size limit is generous, but that of a database column is not.


@pytest.fixture
def clear_says(connect: Connect) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Make Clear respond to each poll with this result."""
    results: list[dict[str, Any]] = []

    class Vendor(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"success": True, "result": results[-1]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Vendor) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        connect("clear", host=f"http://127.0.0.1:{server.server_port}", extra={"access_token": "ready"})
        yield results.append
        server.shutdown()


@pytest.mark.parametrize("letter", ["a", "漢", "😀", '"'])
def test_a_status_event_is_smaller_than_8_kib(
    clear_says: Callable[[dict[str, Any]], None], fire: Fire, letter: str
) -> None:
    activity = {"stage": letter * 600, "status": "FAILURE", "errorMessage": letter * 600}
    clear_says({"workflowStatus": "SUCCESS", "activityStatusList": [activity] * 70})
    event = fire(waiting("clear", "7"))
    assert len(json.dumps(event)) <= 8 * 1024
    assert event["status"]["state"] == "partial"


@pytest.mark.parametrize("letter", ["a", "漢", "😀", '"'])
def test_an_error_event_is_smaller_than_8_kib(
    clear_says: Callable[[dict[str, Any]], None], fire: Fire, letter: str
) -> None:
    activity = {"stage": "S", "status": "PROCESSING", "errorMessage": letter * 600}
    clear_says(
        {"workflowStatus": letter * 600, "message": letter * 600, "activityStatusList": [activity] * 3}
    )
    event = fire(waiting("clear", "7", lasts=0.1))
    assert event["error"]["type"] == "AirflowSensorTimeout"
    assert len(json.dumps(event)) <= 8 * 1024


@pytest.mark.usefixtures("connections")
def test_a_cancelled_wait_fires_nothing(sandbox: Sandbox) -> None:
    async def cancel() -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []

        async def collect() -> None:
            async for event in waiting("thalamus", sandbox.submit("thalamus", **ENDLESS)).run():
                events.append(event.payload)

        task = asyncio.create_task(collect())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return events

    assert asyncio.run(cancel()) == []
