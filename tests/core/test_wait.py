from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus
from airflow_provider_importstatus.wait import GaveUp, LookAgain, Over, Wait

from .playing import NOW

DAY = 86_400.0

Answer = ImportStatus | ImportStatusError


def status(state: str = "running") -> ImportStatus:
    return ImportStatus("tao_advance", "42", ImportState(state), state.upper())


def wait(**changes: Any) -> Wait:
    return Wait(**{"first_look_at": NOW, "deadline": NOW + 7 * DAY, **changes})


def live(course: Wait, vendor: Callable[[float], Answer]) -> tuple[list[float], Over | GaveUp]:
    """Live through a whole wait: when it looked, in seconds since the first look, and how it ended."""
    looks, now = [], NOW
    while True:
        looks.append(now - NOW)
        said = vendor(now - NOW)
        end = course.saw(said, now) if isinstance(said, ImportStatus) else course.failed(said, now)
        if not isinstance(end, LookAgain):
            return looks, end
        assert end.delay > 0
        now += end.delay


def delays(looks: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(looks)]


def down(message: str = "down", retry_after: float | None = None) -> ImportUnavailableError:
    return ImportUnavailableError(message, retry_after)


class TestTheSchedule:
    def test_the_next_look_comes_after_a_tenth_of_the_wait_so_far(self) -> None:
        looks, _ = live(wait(max_wait=DAY, deadline=NOW + DAY), lambda _: status())
        late = [(look, delay) for look, delay in zip(looks, delays(looks)[:-1], strict=False) if look > 120]
        assert late
        assert all(0.09 * look <= delay <= 0.11 * look for look, delay in late)

    def test_no_look_comes_sooner_than_poke_interval(self) -> None:
        looks, _ = live(wait(poke_interval=20.0, deadline=NOW + 3600), lambda _: status())
        assert min(delays(looks)[:-1]) >= 20.0

    def test_the_first_looks_come_near_poke_interval(self) -> None:
        looks, _ = live(
            wait(poke_interval=20.0), lambda since: status("failed" if since > 100 else "running")
        )
        assert max(delays(looks)) <= 22.0

    def test_no_look_comes_later_than_max_wait(self) -> None:
        looks, _ = live(wait(max_wait=120.0, deadline=NOW + DAY), lambda _: status())
        assert max(delays(looks)) <= 120.0

    def test_a_long_wait_looks_about_every_max_wait(self) -> None:
        looks, _ = live(wait(max_wait=120.0, deadline=NOW + DAY), lambda _: status())
        assert min(delays(looks)[-10:-1]) >= 108.0

    def test_waits_that_began_together_spread(self) -> None:
        chosen = {wait().next_interval(NOW + 1000) for _ in range(50)}
        assert len(chosen) > 40

    def test_a_tenth_is_spread_to_both_sides(self) -> None:
        chosen = [wait().next_interval(NOW + 1000) for _ in range(200)]
        assert 90 <= min(chosen) < 99 < 101 < max(chosen) <= 110

    def test_without_backoff_looks_come_every_poke_interval(self) -> None:
        course = wait(poke_interval=30.0, max_wait=60.0, exponential_backoff=False, deadline=NOW + 3600)
        looks, _ = live(course, lambda _: status())
        assert set(delays(looks)) == {30.0}

    def test_a_max_wait_below_poke_interval_gives_way(self) -> None:
        course = wait(poke_interval=60.0, max_wait=10.0)
        assert course.next_interval(NOW + DAY) == pytest.approx(60.0)

    def test_a_day_takes_few_looks(self) -> None:
        looks, _ = live(wait(deadline=NOW + DAY), lambda _: status())
        assert len(looks) < 400

    def test_an_import_is_found_over_at_most_about_a_tenth_late(self) -> None:
        looks, _ = live(wait(), lambda since: status("succeeded" if since >= 1200 else "running"))
        assert looks[-1] <= 1200 * 1.11


class TestTheEnd:
    @pytest.mark.parametrize("state", ["succeeded", "partial", "failed", "cancelled"])
    def test_a_terminal_state_ends_the_wait(self, state: str) -> None:
        assert wait().saw(status(state), NOW) == Over(status(state))

    @pytest.mark.parametrize("state", ["queued", "running", "blocked", "unknown"])
    def test_any_other_state_does_not(self, state: str) -> None:
        assert isinstance(wait().saw(status(state), NOW), LookAgain)

    def test_an_end_seen_late_is_still_the_end(self) -> None:
        assert isinstance(wait(deadline=NOW + 10).saw(status("succeeded"), NOW + 11), Over)

    def test_the_last_look_comes_at_the_deadline(self) -> None:
        looks, _ = live(wait(deadline=NOW + 1000), lambda _: status())
        assert looks[-1] == pytest.approx(1000)

    def test_time_that_is_up_is_a_sensors_timeout(self) -> None:
        _, end = live(wait(deadline=NOW + 1000), lambda _: status())
        assert type(end.error) is AirflowSensorTimeout

    def test_a_timeout_tells_the_last_known_state(self) -> None:
        _, end = live(wait(deadline=NOW + 1000), lambda _: status("blocked"))
        assert "Import 42 (tao_advance) is blocked: the vendor says 'BLOCKED'" in str(end.error)

    def test_a_timeout_tells_the_last_known_state_after_trouble_too(self) -> None:
        course = wait(deadline=NOW + 1000, outage_tolerance=DAY)
        _, end = live(course, lambda since: status("queued") if since < 100 else down())
        assert "is queued" in str(end.error)

    def test_a_timeout_tells_that_no_state_was_ever_told(self) -> None:
        _, end = live(wait(deadline=NOW + 100, outage_tolerance=DAY), lambda _: down())
        assert "has not told a state yet" in str(end.error)

    def test_a_timeout_tells_why_the_latest_look_failed(self) -> None:
        _, end = live(wait(deadline=NOW + 100, outage_tolerance=DAY), lambda _: down("HTTP 503"))
        assert "HTTP 503" in str(end.error)

    def test_a_timeout_tells_no_trouble_that_is_over(self) -> None:
        course = wait(deadline=NOW + 100)
        _, end = live(course, lambda since: status() if since else down("HTTP 503"))
        assert "HTTP 503" not in str(end.error)

    def test_a_timeout_tells_that_the_import_goes_on(self) -> None:
        _, end = live(wait(deadline=NOW + 100), lambda _: status())
        assert "may still be going on at the vendor" in str(end.error)

    def test_an_execution_timeout_ends_as_airflows_own(self) -> None:
        looks, end = live(wait(execution_deadline=NOW + 500), lambda _: status())
        assert (type(end.error), looks[-1]) == (AirflowTaskTimeout, pytest.approx(500))

    def test_an_execution_timeout_after_the_deadline_changes_nothing(self) -> None:
        course = wait(deadline=NOW + 500, execution_deadline=NOW + 900)
        looks, end = live(course, lambda _: status())
        assert (type(end.error), looks[-1]) == (AirflowSensorTimeout, pytest.approx(500))

    def test_there_is_no_end_while_there_is_time(self) -> None:
        assert wait(deadline=NOW + 1).time_is_up(NOW) is None


class TestTrouble:
    def test_an_outage_is_tolerated(self) -> None:
        def vendor(since: float) -> Answer:
            return down() if 100 <= since < 900 else status("succeeded" if since > 1000 else "running")

        _, end = live(wait(), vendor)
        assert isinstance(end, Over)

    def test_an_outage_ends_the_wait_after_outage_tolerance(self) -> None:
        looks, end = live(wait(max_wait=60.0), lambda _: down())
        assert (type(end.error), 900 <= looks[-1] <= 960) == (ImportUnavailableError, True)

    def test_an_outage_is_counted_from_its_first_failure(self) -> None:
        looks, _ = live(wait(max_wait=60.0), lambda since: status() if since < 5000 else down())
        assert 5900 <= looks[-1] <= 6020

    def test_one_good_look_ends_an_outage(self) -> None:
        seen = iter([down(), down(), status(), down(), down(), status("succeeded")])
        course = wait(outage_tolerance=25.0, poke_interval=10.0, exponential_backoff=False)
        _, end = live(course, lambda _: next(seen))
        assert isinstance(end, Over)

    def test_no_such_import_is_an_answer_that_ends_an_outage(self) -> None:
        seen = iter([down(), down(), ImportNotFoundError(""), down(), down(), status("succeeded")])
        course = wait(outage_tolerance=25.0, poke_interval=10.0, exponential_backoff=False)
        _, end = live(course, lambda _: next(seen))
        assert isinstance(end, Over)

    def test_without_tolerance_the_first_failure_ends_the_wait(self) -> None:
        assert isinstance(wait(outage_tolerance=0.0).failed(down(), NOW), GaveUp)

    def test_the_last_error_of_an_outage_is_the_waits(self) -> None:
        _, end = live(wait(), lambda since: down(f"after {since:.0f}"))
        assert str(end.error).startswith("after 9")

    @pytest.mark.parametrize(
        ("error", "is_tolerated"),
        [
            pytest.param(ImportAuthError("refused"), False, id="credential refused"),
            pytest.param(down(), True, id="passing"),
            pytest.param(ImportRequestError("wrong"), False, id="our mistake"),
            pytest.param(ImportSettingsError("wrong"), False, id="settings"),
            pytest.param(ImportProtocolError("HTML"), True, id="broken"),
            pytest.param(ImportProtocolError("redirect", passing=False), False, id="redirect"),
        ],
    )
    def test_a_first_look_that_fails(self, error: ImportStatusError, is_tolerated: bool) -> None:
        assert isinstance(wait().failed(error, NOW), LookAgain if is_tolerated else GaveUp)

    @pytest.mark.parametrize(
        ("error", "is_tolerated"),
        [
            pytest.param(ImportAuthError("refused"), True, id="credential refused"),
            pytest.param(ImportRequestError("wrong"), False, id="our mistake"),
            pytest.param(ImportProtocolError("redirect", passing=False), False, id="redirect"),
        ],
    )
    def test_a_later_look_that_fails(self, error: ImportStatusError, is_tolerated: bool) -> None:
        course = wait()
        course.saw(status(), NOW)
        assert isinstance(course.failed(error, NOW + 10), LookAgain if is_tolerated else GaveUp)

    def test_a_credential_with_which_no_import_was_found_worked(self) -> None:
        course = wait()
        course.failed(ImportNotFoundError(""), NOW)
        assert isinstance(course.failed(ImportAuthError(""), NOW + 10), LookAgain)

    def test_an_outage_does_not_prove_the_credential(self) -> None:
        course = wait()
        course.failed(down(), NOW)
        assert isinstance(course.failed(ImportAuthError(""), NOW + 10), GaveUp)

    def test_a_credential_that_stays_refused_is_an_auth_error_in_the_end(self) -> None:
        looks, end = live(
            wait(max_wait=60.0), lambda since: ImportAuthError("refused") if since else status()
        )
        assert (type(end.error), 900 <= looks[-1] <= 980) == (ImportAuthError, True)
        assert "outage_tolerance is 900 s" in str(end.error)


class TestNotFound:
    def test_no_such_import_is_not_yet_within_the_grace(self) -> None:
        def vendor(since: float) -> Answer:
            return ImportNotFoundError("none") if since < 50 else status("succeeded")

        assert isinstance(live(wait(), vendor)[1], Over)

    def test_no_such_import_ends_the_wait_after_the_grace(self) -> None:
        looks, end = live(wait(), lambda _: ImportNotFoundError("none"))
        assert (type(end.error), 60 <= looks[-1] <= 71) == (ImportNotFoundError, True)

    def test_the_end_of_the_grace_is_named(self) -> None:
        assert "not_found_grace (60 s)" in str(wait().failed(ImportNotFoundError("none"), NOW + 60).error)

    def test_an_import_that_vanishes_ends_the_wait(self) -> None:
        course = wait()
        course.saw(status(), NOW)
        assert isinstance(course.failed(ImportNotFoundError("gone"), NOW + 61), GaveUp)

    def test_without_grace_the_first_answer_decides(self) -> None:
        assert isinstance(wait(not_found_grace=0.0).failed(ImportNotFoundError("none"), NOW), GaveUp)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("asked", "waited"),
        [
            pytest.param(300.0, 300.0, id="obeyed"),
            pytest.param(3600.0, 3600.0, id="an hour"),
            pytest.param(7200.0, 3600.0, id="more than an hour"),
        ],
    )
    def test_the_vendor_may_keep_us_away_for_an_hour(self, asked: float, waited: float) -> None:
        assert wait().failed(down(retry_after=asked), NOW) == LookAgain(waited)

    def test_the_vendor_cannot_call_us_back_sooner_than_the_schedule(self) -> None:
        again = wait(poke_interval=30.0).failed(down(retry_after=1.0), NOW)
        assert again.delay >= 30.0

    def test_the_vendor_cannot_keep_us_away_past_the_deadline(self) -> None:
        course = wait(deadline=NOW + 100)
        assert course.failed(down(retry_after=3600.0), NOW) == LookAgain(100.0)

    def test_the_vendor_cannot_keep_us_away_past_the_execution_deadline(self) -> None:
        course = wait(execution_deadline=NOW + 40)
        assert course.failed(down(retry_after=3600.0), NOW) == LookAgain(40.0)

    def test_an_unlimited_call_back_is_looked_after_within_the_hour(self) -> None:
        looks, _ = live(wait(outage_tolerance=2 * 3600), lambda _: down(retry_after=1e9))
        assert delays(looks) == [3600.0, 3600.0]


class TestTravelling:
    def test_a_course_is_read_back_from_its_json(self) -> None:
        course = wait(execution_deadline=NOW + DAY, poke_interval=5.0, failing_since=NOW, has_answered=True)
        course.last = status("blocked")
        assert Wait.from_dict(json.loads(json.dumps(course.to_dict()))) == course

    def test_a_course_of_an_earlier_release_may_lack_what_came_later(self) -> None:
        assert Wait.from_dict({"first_look_at": NOW, "deadline": NOW + 7 * DAY}) == wait()

    def test_a_course_of_a_later_release_may_hold_more(self) -> None:
        assert Wait.from_dict({**wait().to_dict(), "patience": "endless"}) == wait()

    def test_an_outage_goes_on_in_the_next_process(self) -> None:
        course = wait()
        course.failed(down(), NOW)
        assert isinstance(Wait.from_dict(course.to_dict()).failed(down(), NOW + 901), GaveUp)

    def test_the_last_status_travels_bounded(self) -> None:
        course = wait(
            last=ImportStatus("clear", "1", ImportState.RUNNING, "PROCESSING", messages=("ü" * 500,) * 20)
        )
        assert len(json.dumps(course.to_dict())) < 9 * 1024
