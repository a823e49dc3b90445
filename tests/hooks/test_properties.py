"""What holds whatever a vendor answers."""

from __future__ import annotations

import json
import traceback
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import ImportStatusError, ImportUnavailableError
from airflow_provider_importstatus.polling.schedule import PollAgain, Wait
from airflow_provider_importstatus.protocol.messages import Credential, Request, Response
from airflow_provider_importstatus.status import ImportState, ImportStatus

from ..vendors import SAMPLES
from ..vendors.samples import PASSWORD, SECRET, Vendor
from .playing import NOW, FakeClient, raw
from .strategies import echoes, encoded, import_statuses, places, responses, secrets, with_other

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    max_examples=120,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
steadily = settings(settings.get_profile("steady"))
often = settings(steadily, max_examples=250)

every_vendor = pytest.mark.parametrize("vendor", SAMPLES.values(), ids=SAMPLES)
_WITH_LOGIN = {name: vendor for name, vendor in SAMPLES.items() if vendor.login}
every_vendor_with_a_login = pytest.mark.parametrize("vendor", _WITH_LOGIN.values(), ids=_WITH_LOGIN)


def poll(vendor: Vendor, answers: list[Response], **fields: Any) -> ImportStatus:
    """Poll once with a cached credential; the last response is repeated."""
    client = FakeClient(replace(vendor.settings, **fields), _in_turn(answers))
    client.credentials.current = Credential("Zq-held-token")
    return _run(vendor, client)


def log_in_and_poll(vendor: Vendor, connection: Any, answers: list[Response]) -> ImportStatus:
    """Poll once; the first response is that to a login if the vendor has one."""
    return _run(vendor, FakeClient(connection, _in_turn(answers)))


def _run(vendor: Vendor, client: FakeClient) -> ImportStatus:
    hook = vendor.hook()
    hook.settings = client.settings
    if vendor.settings.conn_type == "thalamus":
        client.credentials.current = hook.static_credential(client.settings)
    return client.run(hook, hook.poll("1"))


def _in_turn(answers: list[Response]) -> Any:
    remaining = list(answers)

    def vendor(_: Request) -> Response:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return vendor


@pytest.mark.parametrize(
    ("vendor", "state"),
    [
        pytest.param(vendor, state, id=f"{name}-{state}")
        for name, vendor in SAMPLES.items()
        for state in (*vendor.words, "unknown")
    ],
)
def test_a_sample_is_read_as_its_state(vendor: Vendor, state: str) -> None:
    """Other tests take it for an answer of the vendor."""
    answers = [raw(json.dumps(vendor.answer(state, is_report=is_report))) for is_report in (False, True)]
    assert poll(vendor, answers).state == state, (
        "check `words` and `body` in the vendor's module in tests/vendors"
    )


@every_vendor
@often
@given(data=st.data())
def test_a_poll_ends_in_a_status_or_one_of_our_errors(vendor: Vendor, data: st.DataObject) -> None:
    answers = data.draw(responses(vendor.answers))
    try:
        end: Any = poll(vendor, answers)
    except ImportStatusError as error:
        end = error
    assert isinstance(end, ImportStatus | ImportStatusError)


@every_vendor
@often
@given(data=st.data())
def test_the_outcome_of_any_response_can_be_stored(vendor: Vendor, data: st.DataObject) -> None:
    """One NUL, half a surrogate pair, NaN or number beyond 64 bits ends a triggerer or its event."""
    try:
        outcome = poll(vendor, data.draw(responses(vendor.answers))).to_dict()
    except ImportStatusError as error:
        outcome = {"error": str(error)}
    json.dumps(outcome, allow_nan=False, ensure_ascii=False).encode()
    for value in _leaves(outcome):
        assert not isinstance(value, int) or abs(value) < 2**63
        is_text = isinstance(value, str)
        assert not is_text or "Cc" not in map(unicodedata.category, value)


@every_vendor
def test_a_subclass_with_another_connection_type_reports_that_type(vendor: Vendor) -> None:
    """Folders of error reports are named after it, too."""

    class Own(vendor.hook):  # type: ignore[name-defined, misc]
        conn_type = "own"

    hook = Own()
    hook.settings = vendor.settings
    client = FakeClient(vendor.settings, _in_turn([raw(json.dumps(vendor.answers[1]))]))
    client.credentials.current = hook.static_credential(vendor.settings) or Credential("Zq-held-token")
    status: ImportStatus = client.run(hook, hook.poll("1"))
    described = {"import_api": "acme"}
    assert status.vendor == hook.vendor == described.get(vendor.settings.conn_type, "own")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    else:
        yield value


@every_vendor_with_a_login
@steadily
@given(data=st.data())
def test_a_login_ends_in_a_credential_or_one_of_our_errors(vendor: Vendor, data: st.DataObject) -> None:
    client = FakeClient(vendor.settings, _in_turn(data.draw(responses((vendor.login,)))))
    try:
        end: Any = client.run(vendor.hook(), vendor.hook().authenticate(vendor.settings))
    except ImportStatusError as error:
        end = error
    assert isinstance(end, Credential | ImportStatusError)


@every_vendor
@often
@given(data=st.data())
def test_success_needs_the_vendors_success_state(vendor: Vendor, data: st.DataObject) -> None:
    answers = data.draw(responses(vendor.answers))
    try:
        state = poll(vendor, answers).state
    except ImportStatusError:
        return
    if state in (ImportState.SUCCEEDED, ImportState.PARTIAL):
        good = [answer.body for answer in answers if 200 <= answer.status < 300]
        assert any(vendor.is_success(word) for body in good for word in _words(body))


def _words(body: bytes) -> Iterator[str]:
    """Return all texts and numbers in a JSON text, including all values of repeated keys."""
    waiting = [json.loads(body, object_pairs_hook=lambda pairs: [value for _, value in pairs])]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, str | int):
            yield str(value)


@every_vendor
@steadily
@given(data=st.data())
def test_any_status_round_trips_through_its_dictionary(vendor: Vendor, data: st.DataObject) -> None:
    try:
        status = poll(vendor, data.draw(responses(vendor.answers)))
    except ImportStatusError:
        return
    assert ImportStatus.from_dict(json.loads(json.dumps(status.to_dict()))) == status


@every_vendor
@pytest.mark.parametrize("status", [200, 400, 401, 500])
def test_a_secret_echoed_anywhere_in_a_real_response_is_redacted(vendor: Vendor, status: int) -> None:
    for answer in vendor.answers:
        for path in places(answer):
            body = encoded(with_other(answer, path, f"you said {PASSWORD}"))
            outcome = _outcome_text(lambda body=body: poll(vendor, [Response(status, {}, body)]))
            assert PASSWORD not in outcome, path


@every_vendor
@often
@given(data=st.data())
def test_an_echoed_secret_is_redacted(vendor: Vendor, data: st.DataObject) -> None:
    password, token, extra = (data.draw(secrets) for _ in range(3))
    connection = _with_secrets(vendor, password, extra)
    login = [Response(200, {}, encoded({**vendor.login, "access_token": token}), received_at=NOW)]
    has_extra = SECRET in vendor.settings.extra.values()
    planted = [password, token] if vendor.login else [password, extra] if has_extra else [password]
    answers = data.draw(echoes(vendor.answers, planted))
    outcome = _outcome_text(lambda: log_in_and_poll(vendor, connection, login * bool(vendor.login) + answers))
    assert not [secret for secret in planted if secret in outcome]


@every_vendor_with_a_login
@steadily
@given(data=st.data())
def test_a_secret_echoed_by_a_token_endpoint_is_redacted(vendor: Vendor, data: st.DataObject) -> None:
    planted = [data.draw(secrets), data.draw(secrets)]
    connection = _with_secrets(vendor, *planted)
    answer = data.draw(echoes((vendor.login, {"error": "invalid_grant"}), planted))[0]
    outcome = _outcome_text(lambda: log_in_and_poll(vendor, connection, [answer, Response(404)]))
    assert not [secret for secret in planted if secret in outcome]


def _with_secrets(vendor: Vendor, password: str, extra: str) -> Any:
    extras = {name: extra if value == SECRET else value for name, value in vendor.settings.extra.items()}
    return replace(vendor.settings, password=password, extra=extras)


def _outcome_text(act: Any) -> str:
    """All that anybody sees of a status, or of an error and what led to it; escapes undone."""
    try:
        status = act()
    except ImportStatusError as error:
        outcome = "".join(traceback.format_exception(error))
    else:
        outcome = repr(status) + json.dumps(status.to_dict(), ensure_ascii=False)
    return outcome + outcome.replace("\\/", "/") + outcome.replace("\\\\", "\\").replace('\\"', '"')


@every_vendor
@pytest.mark.parametrize("depth", [30, 60, 980, 1200, 1400])
@pytest.mark.parametrize("brackets", ["[]", '{"a":}'], ids=["lists", "objects"])
def test_deeply_nested_parts_are_handled(vendor: Vendor, brackets: str, depth: int) -> None:
    nested = f"{brackets[:-1] * depth}1{brackets[-1] * depth}".encode()
    answer = vendor.answers[2]
    for path in places(answer):
        body = encoded(with_other(answer, path, "HOLE")).replace(b'"HOLE"', nested)
        end: Any = None
        try:
            end = poll(vendor, [Response(200, {}, body)])
        except ImportStatusError as error:
            end = error
        assert end


@steadily
@given(status=import_statuses)
def test_a_status_is_read_back_from_its_dictionary(status: ImportStatus) -> None:
    assert ImportStatus.from_dict(json.loads(json.dumps(status.to_dict()))) == status


@steadily
@given(status=import_statuses)
def test_a_bounded_status_fits_into_an_event(status: ImportStatus) -> None:
    assert len(json.dumps({"v": 1, "status": status.within().to_dict()})) <= 8 * 1024


@steadily
@given(status=import_statuses)
def test_omitted_messages_and_stages_are_counted(status: ImportStatus) -> None:
    bounded = status.within()
    assert len(bounded.messages) + bounded.more_messages == len(status.messages) + status.more_messages
    assert len(bounded.stages) + bounded.more_stages == len(status.stages) + status.more_stages


@steadily
@given(status=import_statuses)
def test_a_status_can_be_stored(status: ImportStatus) -> None:
    said = [status.vendor_state, *status.messages, *(stage.message or "" for stage in status.stages)]
    assert not [text for text in said if "\x00" in text or text.encode("utf-8").decode() != text]


seconds = st.floats(min_value=0.5, max_value=7 * 86_400.0)


@often
@given(
    data=st.data(),
    timeout=seconds,
    execution_timeout=st.none() | seconds,
    poke_interval=st.floats(min_value=0.1, max_value=3600.0),
    max_wait=st.floats(min_value=0.0, max_value=7200.0),
    exponential_backoff=st.booleans(),
)
def test_every_delay_is_within_its_limits(
    data: st.DataObject, timeout: float, execution_timeout: float | None, **initial_state: Any
) -> None:
    ends = NOW + min(timeout, execution_timeout or timeout)
    wait = Wait(
        first_poll_at=NOW,
        deadline=NOW + timeout,
        execution_deadline=execution_timeout and NOW + execution_timeout,
        **initial_state,
    )
    now = data.draw(st.floats(min_value=NOW, max_value=ends + 10))
    retry_after = data.draw(st.none() | st.floats(min_value=0.001, max_value=1e6))
    running = ImportStatus("clear", "1", ImportState.RUNNING, "PROCESSING")
    is_trouble = data.draw(st.booleans())
    end = (
        wait.on_error(ImportUnavailableError("", retry_after), now)
        if is_trouble
        else wait.on_status(running, now)
    )
    assert isinstance(end, PollAgain) == (now < ends)
    if isinstance(end, PollAgain):
        shortest = min(wait.poke_interval, ends - now)
        longest = max(wait.max_wait, wait.poke_interval, min((is_trouble and retry_after) or 0.0, 3600.0))
        assert shortest <= end.delay <= min(longest, ends - now)
