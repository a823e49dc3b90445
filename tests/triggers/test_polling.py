"""When a trigger polls, which errors it tolerates, and when it gives up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from airflow.providers.common.compat.sdk import BaseHook

from airflow_provider_importstatus.hooks.thalamus import ThalamusHook
from airflow_provider_importstatus.protocol import credentials
from airflow_provider_importstatus.sandbox import Sandbox

from ..conftest import VENDORS
from .waits import ENDLESS, SOON, Connect, Fire, waiting

pytestmark = pytest.mark.usefixtures("connections")


def test_an_import_that_is_not_found_at_first_is_waited_for(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("tao_advance", appears=0.15, seconds=0)
    assert fire(waiting("tao_advance", import_id))["status"]["state"] == "succeeded"


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_import_that_never_appears_is_not_found(
    fire: Fire, stopwatch: Callable[[], float], vendor: str
) -> None:
    event = fire(waiting(vendor, "999", not_found_grace=0.1))
    assert event["error"]["type"] == "ImportNotFoundError"
    assert stopwatch() >= 0.1


@pytest.mark.parametrize("kind", ["503", "429", "drop", "cut", "garbage", "huge"])
def test_a_transient_error_does_not_end_the_wait(sandbox: Sandbox, fire: Fire, kind: str) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    sandbox.fault("thalamus", "status", kind, times=3)
    assert fire(waiting("thalamus", import_id))["status"]["state"] == "succeeded"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("503", "ImportUnavailableError"),
        ("drop", "ImportUnavailableError"),
        ("garbage", "ImportProtocolError"),
    ],
)
def test_a_persistent_error_ends_the_wait(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float], kind: str, error: str
) -> None:
    import_id = sandbox.submit("thalamus")
    sandbox.fault("thalamus", "status", kind, times=None)
    assert fire(waiting("thalamus", import_id, outage_tolerance=0.2))["error"]["type"] == error
    assert 0.2 <= stopwatch() < 3


@pytest.mark.parametrize(
    ("kind", "error"),
    [("422", "ImportRequestError"), ("redirect", "ImportProtocolError"), ("401", "ImportAuthError")],
)
def test_a_permanent_error_ends_the_wait_at_once(sandbox: Sandbox, fire: Fire, kind: str, error: str) -> None:
    import_id = sandbox.submit("thalamus")
    sandbox.fault("thalamus", "status", kind, times=None)
    assert fire(waiting("thalamus", import_id))["error"]["type"] == error
    assert sandbox.requests("thalamus")["status"] == 1


def test_retry_after_is_respected(sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]) -> None:
    import_id = sandbox.submit("thalamus", seconds=0)
    sandbox.fault("thalamus", "status", "429", retry_after="0.5")
    assert fire(waiting("thalamus", import_id))["status"]["state"] == "succeeded"
    assert stopwatch() >= 0.5
    assert sandbox.requests("thalamus")["status"] == 2


def test_retry_after_does_not_exceed_the_deadline(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]
) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    sandbox.fault("thalamus", "status", "429", retry_after="3000")
    assert fire(waiting("thalamus", import_id, lasts=0.2))["error"]["type"] == "AirflowSensorTimeout"
    assert stopwatch() < 3


@pytest.mark.parametrize(("kind", "route"), [("slow", "status"), ("dribble", "status"), ("slow", "token")])
@pytest.mark.usefixtures("short_last_poll")
def test_a_slow_answer_does_not_outlast_the_deadline(
    sandbox: Sandbox, connect: Connect, fire: Fire, stopwatch: Callable[[], float], kind: str, route: str
) -> None:
    connect("tao_advance", extra={"timeout": 3600})
    import_id = sandbox.submit("tao_advance", **ENDLESS)
    sandbox.fault("tao_advance", route, kind, times=None, seconds=1000)
    error = fire(waiting("tao_advance", import_id, lasts=0.5))["error"]
    assert error["type"] == "AirflowSensorTimeout"
    assert "There was no complete answer when the wait's deadline passed." in error["message"]
    assert 0.5 <= stopwatch() < 5


@pytest.mark.usefixtures("short_last_poll")
def test_a_poll_that_is_given_up_is_counted_by_the_class_of_its_error(
    sandbox: Sandbox, fire: Fire, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []

    def count(stat: str, *, tags: dict[str, str]) -> None:
        if stat == "importstatus.polls":
            results.append(tags["result"])

    import_id = sandbox.submit("thalamus", **ENDLESS)
    # Reading the first connection of a process takes a while on Airflow 2.11.
    ThalamusHook().get_import_status(import_id)
    monkeypatch.setattr("airflow_provider_importstatus.clients.metrics.Stats.incr", count, raising=False)
    sandbox.fault("thalamus", "status", "slow", times=None, seconds=1000)
    fire(waiting("thalamus", import_id, lasts=0.5))
    assert results == ["CancelledError"]


@pytest.mark.usefixtures("short_last_poll")
def test_a_connection_that_airflow_does_not_return_does_not_outlast_the_deadline(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    returned = threading.Event()
    monkeypatch.setattr(BaseHook, "get_connection", lambda _: returned.wait(20))
    error = fire(waiting("thalamus", sandbox.submit("thalamus", **ENDLESS), lasts=0.3))["error"]
    returned.set()
    assert error["type"] == "AirflowSensorTimeout"
    assert stopwatch() < 5


def test_polls_follow_the_interval(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    fire(waiting("thalamus", import_id, lasts=0.6, poke_interval=0.2))
    assert sandbox.requests("thalamus")["status"] in (3, 4)


def test_the_timeout_message_has_the_last_known_state(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    error = fire(waiting("thalamus", import_id, lasts=0.2))["error"]
    assert error["type"] == "AirflowSensorTimeout"
    assert f"Import {import_id} (thalamus) is running" in error["message"]
    assert "at the vendor" in error["message"]


def test_the_timeout_message_has_the_state_last_seen_by_the_worker(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    sandbox.fault("thalamus", "status", "503", times=None)
    last = {"vendor": "thalamus", "import_id": import_id, "state": "queued", "vendor_state": "WAITING"}
    error = fire(waiting("thalamus", import_id, lasts=0.2, last=last))["error"]
    assert error["type"] == "AirflowSensorTimeout"
    assert "is queued" in error["message"]


def test_the_execution_deadline_raises_the_task_timeout(sandbox: Sandbox, fire: Fire) -> None:
    import_id = sandbox.submit("thalamus", **ENDLESS)
    error = fire(waiting("thalamus", import_id, execution_deadline=time.time() + 0.2))["error"]
    assert error["type"] == "AirflowTaskTimeout"
    assert "is running" in error["message"]


def test_no_event_is_fired_within_ten_seconds_of_the_deferral(sandbox: Sandbox, fire: Fire) -> None:
    deferred_at = time.time() - 9.7
    fire(waiting("thalamus", sandbox.submit("thalamus", seconds=0), deferred_at=deferred_at))
    assert time.time() - deferred_at >= 10


def test_the_hold_takes_precedence_over_a_deadline(sandbox: Sandbox, fire: Fire) -> None:
    deferred_at = time.time() - 9.7
    event = fire(
        waiting("thalamus", sandbox.submit("thalamus", **ENDLESS), deferred_at=deferred_at, lasts=0.1)
    )
    assert event["error"]["type"] == "AirflowSensorTimeout"
    assert time.time() - deferred_at >= 10


def test_an_event_after_the_hold_is_fired_at_once(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]
) -> None:
    deferred_at = time.time() - 60
    fire(waiting("thalamus", sandbox.submit("thalamus", seconds=0), deferred_at=deferred_at))
    assert stopwatch() < 3


def test_the_first_poll_is_one_interval_after_the_deferral(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]
) -> None:
    # Deferred ten seconds ago, so that the hold has passed; the interval is half a second longer.
    import_id = sandbox.submit("thalamus", seconds=0)
    fire(waiting("thalamus", import_id, deferred_at=time.time() - 10, poke_interval=10.5, lasts=60))
    assert 0.4 <= stopwatch() < 3
    assert sandbox.requests("thalamus")["status"] == 1


def test_without_a_deferral_the_first_poll_is_immediate(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]
) -> None:
    fire(waiting("thalamus", sandbox.submit("thalamus", seconds=0), poke_interval=10))
    assert stopwatch() < 3


def test_a_running_wait_uses_a_rotated_token(
    sandbox: Sandbox, connect: Connect, request_token: Callable[[], str], fire: Fire
) -> None:
    """The vendor revokes the token of the connection, and the new one is entered a little later."""

    def rotate() -> None:
        token = request_token()
        threading.Event().wait(0.2)
        connect("clear", extra={"access_token": token})

    trigger = waiting("clear", sandbox.submit("clear", seconds=0.8, queued=0))
    timer = threading.Timer(0.2, rotate)
    timer.start()
    event = fire(trigger)
    timer.join()
    assert event["status"]["state"] == "succeeded"


def test_a_running_wait_uses_a_corrected_password(
    sandbox: Sandbox, connect: Connect, fire: Fire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "REJECTED_LOGIN_PAUSE", 0.4)

    def break_it() -> None:
        connect("tao_advance", password="wrong")
        sandbox.revoke("tao_advance")

    timers = [threading.Timer(0.2, break_it), threading.Timer(0.5, lambda: connect("tao_advance"))]
    for timer in timers:
        timer.start()
    event = fire(waiting("tao_advance", sandbox.submit("tao_advance", seconds=0.9, queued=0)))
    for timer in timers:
        timer.join()
    assert event["status"]["state"] == "succeeded"
    # The first login, the rejected one that is not repeated, and the correct one.
    assert sandbox.requests("tao_advance")["token"] == 3


def test_a_password_that_stays_wrong_ends_a_running_wait(
    sandbox: Sandbox, connect: Connect, fire: Fire
) -> None:
    def break_it() -> None:
        connect("tao_advance", password="wrong")
        sandbox.revoke("tao_advance")

    timer = threading.Timer(0.2, break_it)
    timer.start()
    event = fire(waiting("tao_advance", sandbox.submit("tao_advance", **ENDLESS), outage_tolerance=0.4))
    timer.join()
    assert event["error"]["type"] == "ImportAuthError"
    assert sandbox.requests("tao_advance")["token"] == 2


def test_a_wait_that_ends_soon_is_seen_soon(
    sandbox: Sandbox, fire: Fire, stopwatch: Callable[[], float]
) -> None:
    fire(waiting("thalamus", sandbox.submit("thalamus", **SOON)))
    assert 0.2 <= stopwatch() < 2
