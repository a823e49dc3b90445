from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from airflow_provider_importstatus.polling.schedule import (
    LAST_POLL_TIME,
    MIN_RESUME_DELAY,
    Finished,
    GaveUp,
    PollAgain,
    Wait,
    first_delay,
    on_this_clock,
    resume_delay,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..hooks.playing import NOW

DAY = 86_400.0

Answer = ImportStatus | ImportStatusError

#: A slow machine must not fail these tests.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TIMES = st.floats(NOW - 10 * DAY, NOW + 10 * DAY)
JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["", "1", "ü", (), (1,)])


def status(state: str = "running") -> ImportStatus:
    return ImportStatus("tao_advance", "42", ImportState(state), state.upper())


def make_wait(**changes: Any) -> Wait:
    return Wait(**{"first_poll_at": NOW, "deadline": NOW + 7 * DAY, **changes})


def live(wait: Wait, vendor: Callable[[float], Any]) -> tuple[list[float], Any]:
    """Simulate a whole wait; return the times of its polls, in seconds since the first, and how it ended."""
    polls, now = [], NOW
    while True:
        polls.append(now - NOW)
        said = vendor(now - NOW)
        end = wait.on_status(said, now) if isinstance(said, ImportStatus) else wait.on_error(said, now)
        if not isinstance(end, PollAgain):
            return polls, end
        assert end.delay > 0
        now += end.delay


def delays(polls: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(polls)]


def down(
    message: str = "down", retry_after: float | None = None, since: float | None = None
) -> ImportUnavailableError:
    error = ImportUnavailableError(message, retry_after)
    error.outage_since = since
    return error


class TestIntervals:
    def test_the_interval_is_a_tenth_of_the_elapsed_wait(self) -> None:
        polls, _ = live(make_wait(max_wait=DAY, deadline=NOW + DAY), lambda _: status())
        late = [(poll, delay) for poll, delay in zip(polls, delays(polls)[:-1], strict=False) if poll > 120]
        assert late
        assert all(0.09 * poll <= delay <= 0.11 * poll for poll, delay in late)

    def test_no_interval_is_shorter_than_poke_interval(self) -> None:
        polls, _ = live(make_wait(poke_interval=20.0, deadline=NOW + 3600), lambda _: status())
        assert min(delays(polls)[:-1]) >= 20.0

    def test_the_first_intervals_are_close_to_poke_interval(self) -> None:
        polls, _ = live(
            make_wait(poke_interval=20.0), lambda since: status("failed" if since > 100 else "running")
        )
        assert max(delays(polls)) <= 22.0

    def test_no_interval_is_longer_than_max_wait(self) -> None:
        polls, _ = live(make_wait(max_wait=120.0, deadline=NOW + DAY), lambda _: status())
        assert max(delays(polls)) <= 120.0

    def test_a_long_wait_polls_about_every_max_wait(self) -> None:
        polls, _ = live(make_wait(max_wait=120.0, deadline=NOW + DAY), lambda _: status())
        assert min(delays(polls)[-10:-1]) >= 108.0

    def test_intervals_of_waits_that_started_together_differ(self) -> None:
        chosen = {make_wait().next_interval(NOW + 1000) for _ in range(50)}
        assert len(chosen) > 40

    def test_jitter_shortens_and_lengthens_the_interval(self) -> None:
        chosen = [make_wait().next_interval(NOW + 1000) for _ in range(200)]
        assert 90 <= min(chosen) < 99 < 101 < max(chosen) <= 110

    def test_without_backoff_every_interval_is_poke_interval(self) -> None:
        wait = make_wait(poke_interval=30.0, max_wait=60.0, exponential_backoff=False, deadline=NOW + 3600)
        polls, _ = live(wait, lambda _: status())
        assert set(delays(polls)) == {30.0}

    def test_poke_interval_wins_over_a_shorter_max_wait(self) -> None:
        wait = make_wait(poke_interval=60.0, max_wait=10.0)
        assert wait.next_interval(NOW + DAY) == pytest.approx(60.0)

    def test_a_day_takes_fewer_than_400_polls(self) -> None:
        polls, _ = live(make_wait(deadline=NOW + DAY), lambda _: status())
        assert len(polls) < 400

    def test_the_end_of_an_import_is_seen_at_most_about_a_tenth_late(self) -> None:
        polls, _ = live(make_wait(), lambda since: status("succeeded" if since >= 1200 else "running"))
        assert polls[-1] <= 1200 * 1.11


class TestTheEndOfAWait:
    @pytest.mark.parametrize("state", ["succeeded", "partial", "failed", "cancelled"])
    def test_a_terminal_state_ends_the_wait(self, state: str) -> None:
        assert make_wait().on_status(status(state), NOW) == Finished(status(state))

    @pytest.mark.parametrize("state", ["queued", "running", "blocked", "unknown"])
    def test_a_non_terminal_state_continues_the_wait(self, state: str) -> None:
        assert isinstance(make_wait().on_status(status(state), NOW), PollAgain)

    def test_a_terminal_state_after_the_deadline_still_counts(self) -> None:
        assert isinstance(make_wait(deadline=NOW + 10).on_status(status("succeeded"), NOW + 11), Finished)

    def test_the_last_poll_is_at_the_deadline(self) -> None:
        polls, _ = live(make_wait(deadline=NOW + 1000), lambda _: status())
        assert polls[-1] == pytest.approx(1000)

    @pytest.mark.parametrize(("left", "lasts"), [(3600.0, 3600.0), (3.0, 3.0), (0.0, 0.0), (-500.0, 0.0)])
    def test_a_poll_may_last_a_little_longer_than_the_wait(self, left: float, lasts: float) -> None:
        wait = make_wait(deadline=NOW + left)
        limited = make_wait(deadline=NOW + DAY, execution_deadline=NOW + left)
        assert wait.time_for_poll(NOW) == limited.time_for_poll(NOW) == lasts + LAST_POLL_TIME

    def test_the_deadline_raises_the_sensor_timeout(self) -> None:
        _, end = live(make_wait(deadline=NOW + 1000), lambda _: status())
        assert type(end.error) is AirflowSensorTimeout

    def test_the_timeout_message_has_the_last_known_state(self) -> None:
        _, end = live(make_wait(deadline=NOW + 1000), lambda _: status("blocked"))
        assert "Import 42 (tao_advance) is blocked: vendor state 'BLOCKED'" in str(end.error)

    def test_the_timeout_message_has_the_last_known_state_after_failures(self) -> None:
        wait = make_wait(deadline=NOW + 1000, outage_tolerance=DAY)
        _, end = live(wait, lambda since: status("queued") if since < 100 else down())
        assert "is queued" in str(end.error)

    def test_the_timeout_message_says_when_no_state_was_seen(self) -> None:
        _, end = live(make_wait(deadline=NOW + 100, outage_tolerance=DAY), lambda _: down())
        assert "has not reported a state yet" in str(end.error)

    def test_the_timeout_message_has_the_latest_error(self) -> None:
        _, end = live(make_wait(deadline=NOW + 100, outage_tolerance=DAY), lambda _: down("HTTP 503"))
        assert "HTTP 503" in str(end.error)

    def test_the_timeout_message_omits_an_error_that_is_over(self) -> None:
        wait = make_wait(deadline=NOW + 100)
        _, end = live(wait, lambda since: status() if since else down("HTTP 503"))
        assert "HTTP 503" not in str(end.error)

    def test_the_timeout_message_says_that_the_import_may_continue(self) -> None:
        _, end = live(make_wait(deadline=NOW + 100), lambda _: status())
        assert "may still be running at the vendor" in str(end.error)

    def test_the_execution_deadline_raises_the_task_timeout(self) -> None:
        polls, end = live(make_wait(execution_deadline=NOW + 500), lambda _: status())
        assert type(end.error) is AirflowTaskTimeout
        assert polls[-1] == pytest.approx(500)

    def test_an_execution_deadline_after_the_deadline_has_no_effect(self) -> None:
        wait = make_wait(deadline=NOW + 500, execution_deadline=NOW + 900)
        polls, end = live(wait, lambda _: status())
        assert type(end.error) is AirflowSensorTimeout
        assert polls[-1] == pytest.approx(500)

    def test_check_deadlines_returns_none_before_the_deadline(self) -> None:
        assert make_wait(deadline=NOW + 1).check_deadlines(NOW) is None


class TestErrors:
    def test_an_outage_within_the_tolerance_does_not_end_the_wait(self) -> None:
        def vendor(since: float) -> Answer:
            return down() if 100 <= since < 900 else status("succeeded" if since > 1000 else "running")

        _, end = live(make_wait(), vendor)
        assert isinstance(end, Finished)

    def test_an_outage_ends_the_wait_after_outage_tolerance(self) -> None:
        polls, end = live(make_wait(max_wait=60.0), lambda _: down())
        assert (type(end.error), 900 <= polls[-1] <= 960) == (ImportUnavailableError, True)

    def test_an_outage_starts_with_its_first_failure(self) -> None:
        polls, _ = live(make_wait(max_wait=60.0), lambda since: status() if since < 5000 else down())
        assert 5900 <= polls[-1] <= 6020

    def test_one_successful_poll_ends_an_outage(self) -> None:
        seen = iter([down(), down(), status(), down(), down(), status("succeeded")])
        wait = make_wait(outage_tolerance=25.0, poke_interval=10.0, exponential_backoff=False)
        _, end = live(wait, lambda _: next(seen))
        assert isinstance(end, Finished)

    def test_a_not_found_answer_ends_an_outage(self) -> None:
        seen = iter([down(), down(), ImportNotFoundError(""), down(), down(), status("succeeded")])
        wait = make_wait(outage_tolerance=25.0, poke_interval=10.0, exponential_backoff=False)
        _, end = live(wait, lambda _: next(seen))
        assert isinstance(end, Finished)

    def test_without_tolerance_the_first_failure_ends_the_wait(self) -> None:
        assert isinstance(make_wait(outage_tolerance=0.0).on_error(down(), NOW), GaveUp)

    def test_an_outage_ends_the_wait_with_its_last_error(self) -> None:
        _, end = live(make_wait(), lambda since: down(f"after {since:.0f}"))
        assert str(end.error).startswith("after 9")

    @pytest.mark.parametrize(
        ("error", "is_tolerated"),
        [
            pytest.param(ImportAuthError("refused"), False, id="credential rejected"),
            pytest.param(down(), True, id="passing"),
            pytest.param(ImportRequestError("wrong"), False, id="our mistake"),
            pytest.param(ImportSettingsError("wrong"), False, id="settings"),
            pytest.param(ImportProtocolError("HTML"), True, id="broken"),
            pytest.param(ImportProtocolError("redirect", retryable=False), False, id="redirect"),
        ],
    )
    def test_an_error_in_the_first_poll_is_tolerated_if_transient(
        self, error: ImportStatusError, is_tolerated: bool
    ) -> None:
        assert isinstance(make_wait().on_error(error, NOW), PollAgain if is_tolerated else GaveUp)

    @pytest.mark.parametrize(
        ("error", "is_tolerated"),
        [
            pytest.param(ImportAuthError("refused"), True, id="credential rejected"),
            pytest.param(ImportSettingsError("no connection"), False, id="settings"),
            pytest.param(ImportRequestError("wrong"), False, id="our mistake"),
            pytest.param(ImportProtocolError("redirect", retryable=False), False, id="redirect"),
        ],
    )
    def test_an_error_in_a_later_poll_is_tolerated_if_transient_or_a_rejected_credential(
        self, error: ImportStatusError, is_tolerated: bool
    ) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW)
        assert isinstance(wait.on_error(error, NOW + 10), PollAgain if is_tolerated else GaveUp)

    def test_a_connection_that_vanishes_ends_the_wait_but_not_the_import(self) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW)
        end = wait.on_error(ImportSettingsError("There is no connection 'x'."), NOW + 10)
        assert isinstance(end, GaveUp)
        assert str(end.error).endswith(
            "'x'. Only this wait has ended: the import may still be running at the vendor."
        )

    def test_a_not_found_answer_proves_the_credential(self) -> None:
        wait = make_wait()
        wait.on_error(ImportNotFoundError(""), NOW)
        assert isinstance(wait.on_error(ImportAuthError(""), NOW + 10), PollAgain)

    def test_an_outage_does_not_prove_the_credential(self) -> None:
        wait = make_wait()
        wait.on_error(down(), NOW)
        assert isinstance(wait.on_error(ImportAuthError(""), NOW + 10), GaveUp)

    def test_a_credential_that_stays_rejected_ends_in_an_auth_error(self) -> None:
        polls, end = live(
            make_wait(max_wait=60.0), lambda since: ImportAuthError("refused") if since else status()
        )
        assert (type(end.error), 900 <= polls[-1] <= 980) == (ImportAuthError, True)
        assert "outage_tolerance is 900 s" in str(end.error)


class TestNotFound:
    def test_not_found_is_tolerated_within_the_grace(self) -> None:
        def vendor(since: float) -> Answer:
            return ImportNotFoundError("none") if since < 50 else status("succeeded")

        assert isinstance(live(make_wait(), vendor)[1], Finished)

    def test_not_found_ends_the_wait_after_the_grace(self) -> None:
        polls, end = live(make_wait(), lambda _: ImportNotFoundError("none"))
        assert (type(end.error), 60 <= polls[-1] <= 71) == (ImportNotFoundError, True)

    def test_the_not_found_error_names_the_grace(self) -> None:
        end: Any = make_wait().on_error(ImportNotFoundError("none"), NOW + 60)
        assert "not_found_grace (60 s)" in str(end.error)

    def test_an_import_that_vanishes_temporarily_is_waited_for(self) -> None:
        def vendor(since: float) -> Answer:
            if 3600 <= since < 4300:
                return ImportNotFoundError("none")
            return status("succeeded" if since > 4400 else "running")

        assert isinstance(live(make_wait(), vendor)[1], Finished)

    def test_an_import_that_vanishes_is_not_found_after_outage_tolerance(self) -> None:
        polls, end = live(
            make_wait(max_wait=60.0), lambda since: ImportNotFoundError("gone") if since >= 3600 else status()
        )
        assert (type(end.error), 4500 <= polls[-1] <= 4620) == (ImportNotFoundError, True)
        assert "found earlier in this wait" in str(end.error)
        assert "outage_tolerance is 900 s" in str(end.error)

    def test_an_import_that_vanishes_while_the_vendor_is_down_is_one_outage(self) -> None:
        errors = cycle([ImportNotFoundError("gone"), down()])
        polls, end = live(make_wait(max_wait=60.0), lambda since: next(errors) if since >= 3600 else status())
        assert isinstance(end, GaveUp)
        assert 4500 <= polls[-1] <= 4620

    def test_not_found_between_outages_is_bounded_by_the_grace(self) -> None:
        errors = cycle([down(), ImportNotFoundError("none")])
        polls, end = live(make_wait(), lambda _: next(errors))
        assert (type(end.error), polls[-1] < 100) == (ImportNotFoundError, True)

    def test_a_deserialized_wait_remembers_that_the_import_was_found(self) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW)
        wait = Wait.from_dict(json.loads(json.dumps(wait.to_dict())))
        assert isinstance(wait.on_error(ImportNotFoundError("gone"), NOW + 3600), PollAgain)

    def test_a_wait_with_a_status_from_an_earlier_release_counts_as_found(self) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW)
        earlier = wait.to_dict()
        del earlier["seen"], earlier["away_until"]
        assert isinstance(
            Wait.from_dict(earlier).on_error(ImportNotFoundError("gone"), NOW + 3600), PollAgain
        )

    def test_without_grace_the_first_not_found_ends_the_wait(self) -> None:
        assert isinstance(make_wait(not_found_grace=0.0).on_error(ImportNotFoundError("none"), NOW), GaveUp)


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("asked", "waited"),
        [
            pytest.param(300.0, 300.0, id="obeyed"),
            pytest.param(3600.0, 3600.0, id="an hour"),
            pytest.param(7200.0, 3600.0, id="more than an hour"),
        ],
    )
    def test_retry_after_is_respected_up_to_one_hour(self, asked: float, waited: float) -> None:
        assert make_wait().on_error(down(retry_after=asked), NOW) == PollAgain(waited)

    def test_retry_after_does_not_shorten_the_interval(self) -> None:
        again: Any = make_wait(poke_interval=30.0).on_error(down(retry_after=1.0), NOW)
        assert again.delay >= 30.0

    def test_retry_after_does_not_exceed_the_deadline(self) -> None:
        wait = make_wait(deadline=NOW + 100)
        assert wait.on_error(down(retry_after=3600.0), NOW) == PollAgain(100.0)

    def test_retry_after_does_not_exceed_the_execution_deadline(self) -> None:
        wait = make_wait(execution_deadline=NOW + 40)
        assert wait.on_error(down(retry_after=3600.0), NOW) == PollAgain(40.0)

    def test_a_huge_retry_after_is_capped_at_one_hour(self) -> None:
        polls, _ = live(make_wait(deadline=NOW + 2 * 3600), lambda _: down(retry_after=1e9))
        assert delays(polls) == [3600.0, 3600.0]

    def test_only_the_deadline_ends_a_wait_that_the_vendor_always_postpones(self) -> None:
        polls, end = live(make_wait(deadline=NOW + DAY), lambda _: down(retry_after=3600.0))
        assert (type(end.error), len(polls)) == (AirflowSensorTimeout, 25)

    def test_time_requested_by_retry_after_does_not_count_as_outage(self) -> None:
        """Three requested pauses of 15 minutes, each followed by half a minute of failures."""
        answers = iter([*[down(retry_after=900.0), down(), down(), down()] * 3, status("succeeded")])
        _, end = live(make_wait(poke_interval=10.0, max_wait=10.0), lambda _: next(answers))
        assert isinstance(end, Finished)

    def test_time_before_and_after_retry_after_counts_as_outage(self) -> None:
        polls, end = live(
            make_wait(max_wait=60.0),
            lambda since: down(retry_after=1800.0 if 400 <= since < 460 else None),
        )
        assert isinstance(end.error, ImportUnavailableError)
        assert 2640 <= polls[-1] <= 2780

    def test_a_poll_before_retry_after_has_passed_counts_as_outage(self) -> None:
        wait = make_wait()
        wait.on_error(down(), NOW)
        wait.on_error(down(retry_after=3600.0), NOW + 600)
        assert isinstance(wait.on_error(down(), NOW + 700), PollAgain)
        assert isinstance(wait.on_error(down(), NOW + 999), PollAgain)
        assert isinstance(wait.on_error(down(), NOW + 1001), GaveUp)

    @pytest.mark.parametrize("retry_after", [float("nan"), float("inf"), -1.0, 0.0, 10**400])
    def test_an_invalid_retry_after_is_capped_at_one_hour(self, retry_after: float) -> None:
        again: Any = make_wait().on_error(down(retry_after=retry_after), NOW)
        assert again.delay <= 3600.0


class TestASharedOutage:
    def test_a_shared_outage_starts_with_the_first_failure_of_any_wait(self) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW + 1000)
        assert isinstance(wait.on_error(down(since=NOW + 1001), NOW + 1900), PollAgain)
        assert isinstance(wait.on_error(down(since=NOW + 1001), NOW + 1902), GaveUp)

    def test_the_start_of_a_shared_outage_is_remembered(self) -> None:
        wait = make_wait()
        wait.on_status(status(), NOW + 1000)
        wait.on_error(down(since=NOW + 1001), NOW + 1900)
        assert isinstance(wait.on_error(down(), NOW + 1902), GaveUp)

    def test_a_shared_outage_that_started_later_has_no_effect(self) -> None:
        wait = make_wait()
        wait.on_error(down(), NOW)
        assert isinstance(wait.on_error(down(since=NOW + 600), NOW + 901), GaveUp)

    def test_a_wait_that_starts_during_an_outage_has_its_full_tolerance(self) -> None:
        wait = make_wait()
        assert isinstance(wait.on_error(down(since=NOW - DAY), NOW), PollAgain)
        assert isinstance(wait.on_error(down(since=NOW - DAY), NOW + 899), PollAgain)

    def test_a_shared_outage_from_the_future_starts_now(self) -> None:
        wait = make_wait()
        wait.on_error(down(since=NOW + DAY), NOW)
        assert wait.failing_since == NOW

    @pytest.mark.parametrize("since", [0.0, 50_000.0])
    def test_a_postponed_poll_is_made_after_the_postponement(self, since: float) -> None:
        error = down(retry_after=3600.0)
        error.postponed_for = 25.0
        wait = make_wait(poke_interval=60.0)
        wait.on_status(status(), NOW)
        assert wait.on_error(error, NOW + since) == PollAgain(25.0)


class TestDelaysInTheTriggerer:
    """How long a triggerer delays its first poll, and holds an event back."""

    def test_the_first_delay_after_a_poll_on_the_worker_is_one_interval(self) -> None:
        assert 10.0 <= first_delay(make_wait(), NOW, NOW) <= 11.0

    def test_a_wait_that_starts_in_the_triggerer_is_polled_at_once(self) -> None:
        assert first_delay(make_wait(), None, NOW + 1) == 0.0

    def test_first_delays_after_a_restart_are_spread_over_the_interval(self) -> None:
        old = make_wait(max_wait=300.0)
        restarted = [first_delay(old, NOW + 1, NOW + 5 * 3600) for _ in range(1250)]
        thirds = [sum(low <= delay < low + 100 for delay in restarted) for low in (0, 100, 200)]
        assert max(restarted) <= 300.0
        assert min(thirds) > 300

    def test_first_delays_of_waits_started_in_the_triggerer_are_spread_after_a_restart(self) -> None:
        restarted = [first_delay(make_wait(), None, NOW + 5 * 3600) for _ in range(300)]
        assert sum(delay > 100 for delay in restarted) > 100

    def test_retry_after_received_by_the_worker_is_respected_by_the_trigger(self) -> None:
        wait = make_wait()
        wait.on_error(down(retry_after=600.0), NOW)
        assert first_delay(Wait.from_dict(wait.to_dict()), NOW, NOW + 2) == pytest.approx(598.0)
        assert 300.0 <= first_delay(wait, NOW, NOW + 300) <= 310.0

    @patiently
    @given(TIMES, TIMES, st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.booleans())
    def test_no_clock_skew_delays_the_first_poll_beyond_the_limits(
        self, deferred: float, ends: float, poke_interval: float, max_wait: float, backoff: bool
    ) -> None:
        wait = Wait(
            first_poll_at=deferred,
            deadline=ends,
            poke_interval=poke_interval,
            max_wait=max_wait,
            exponential_backoff=backoff,
        )
        delay = first_delay(wait, deferred, NOW)
        assert 0.0 <= delay <= max(poke_interval, max_wait) * 1.1
        assert delay <= max(ends - NOW, 0.0)
        if deferred >= NOW:
            assert delay <= poke_interval * 1.1

    @patiently
    @given(TIMES)
    def test_no_clock_skew_holds_an_event_beyond_the_limit(self, deferred: float) -> None:
        held = resume_delay(deferred, NOW)
        assert 0.0 <= held <= MIN_RESUME_DELAY
        assert held == pytest.approx(min(max(deferred + MIN_RESUME_DELAY - NOW, 0.0), MIN_RESUME_DELAY))

    def test_an_event_of_a_wait_started_in_the_triggerer_is_not_held(self) -> None:
        assert resume_delay(None, NOW) == 0.0

    @patiently
    @given(st.floats(-DAY, DAY), st.floats(0.0, 3.0))
    def test_clock_skew_of_a_worker_is_corrected_within_the_hold(self, ahead: float, took: float) -> None:
        right = make_wait(execution_deadline=NOW + DAY, failing_since=NOW)
        wrong = replace(
            right,
            first_poll_at=right.first_poll_at + ahead,
            deadline=right.deadline + ahead,
            execution_deadline=NOW + DAY + ahead,
            failing_since=NOW + ahead,
        )
        ours, deferred_at = on_this_clock(wrong, NOW + ahead, right.ends + took)
        for name in ("first_poll_at", "deadline", "execution_deadline", "failing_since"):
            assert abs(getattr(ours, name) - getattr(right, name)) <= MIN_RESUME_DELAY + 0.01
        assert first_delay(ours, deferred_at, NOW + took) <= 11.0 + MIN_RESUME_DELAY
        assert resume_delay(deferred_at, NOW + 20) <= 0.01

    def test_a_wait_of_a_worker_an_hour_behind_starts_with_the_shortest_interval(self) -> None:
        behind = make_wait(first_poll_at=NOW - 3600, deadline=NOW - 3600 + DAY)
        ours, deferred_at = on_this_clock(behind, NOW - 3600, NOW + DAY + 0.3)
        assert 9.0 <= first_delay(ours, deferred_at, NOW + 1) <= 11.0
        assert ours.next_interval(NOW + 10) <= 11.0

    def test_a_correct_clock_changes_no_times(self) -> None:
        wait = make_wait()
        assert on_this_clock(wait, NOW, wait.ends + 1.5) == (wait, NOW)


class TestMemory:
    """What a poll in reschedule mode knows from earlier polls."""

    def test_an_outage_goes_on_in_the_next_process(self) -> None:
        earlier, later = make_wait(), make_wait()
        earlier.on_status(status(), NOW)
        earlier.on_error(down(retry_after=100.0), NOW + 10)
        later.recall(json.loads(json.dumps(earlier.memory())))
        assert later.memory() == earlier.memory()
        assert isinstance(later.on_error(ImportAuthError("rotated"), NOW + 110), PollAgain)
        assert isinstance(later.on_error(ImportNotFoundError("gone"), NOW + 1011), GaveUp)

    def test_the_timeout_message_says_that_the_import_was_found_by_an_earlier_process(self) -> None:
        wait = make_wait()
        wait.recall({"seen": True})
        ended = wait.check_deadlines(wait.deadline)
        assert ended
        assert "found earlier" in str(ended.error)

    @patiently
    @given(
        st.dictionaries(st.sampled_from(["seen", "credential_accepted", "failing_since", "away_until"]), JUNK)
    )
    def test_invalid_memory_is_ignored(self, memory: dict[str, Any]) -> None:
        wait = make_wait()
        wait.recall(memory)
        assert isinstance(wait.on_error(down(), NOW + 1), PollAgain | GaveUp)
        assert isinstance(wait.on_status(status(), NOW + 2), PollAgain)


class TestSerialization:
    def test_a_wait_round_trips_through_json(self) -> None:
        wait = make_wait(
            execution_deadline=NOW + DAY, poke_interval=5.0, failing_since=NOW, credential_accepted=True
        )
        wait.last = status("blocked")
        assert Wait.from_dict(json.loads(json.dumps(wait.to_dict()))) == wait

    def test_a_wait_from_an_earlier_release_may_lack_fields(self) -> None:
        assert Wait.from_dict({"first_poll_at": NOW, "deadline": NOW + 7 * DAY}) == make_wait()

    def test_a_wait_from_a_later_release_may_have_more_fields(self) -> None:
        assert Wait.from_dict({**make_wait().to_dict(), "patience": "endless"}) == make_wait()

    def test_an_outage_goes_on_in_the_next_process(self) -> None:
        wait = make_wait()
        wait.on_error(down(), NOW)
        assert isinstance(Wait.from_dict(wait.to_dict()).on_error(down(), NOW + 901), GaveUp)

    def test_the_serialized_last_status_has_a_maximum_size(self) -> None:
        wait = make_wait(
            last=ImportStatus("clear", "1", ImportState.RUNNING, "PROCESSING", messages=("ü" * 500,) * 20)
        )
        assert len(json.dumps(wait.to_dict())) < 9 * 1024
