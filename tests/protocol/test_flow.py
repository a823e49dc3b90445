"""Flows: how a request gets its credential, and how clients run a flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import (
    ImportUnavailableError,
)
from airflow_provider_importstatus.protocol.flow import (
    MAX_CREDENTIALS,
    Flow,
    Returned,
    advance,
    send_authenticated,
)
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    NeedCredential,
    Request,
)
from airflow_provider_importstatus.transports import aiohttp_transport, requests_transport

from ..hooks.playing import answer, play, raw
from .acme import NEW, OLD, QUESTION, Acme


def test_advance_sends_the_reply_into_the_flow() -> None:
    def flow() -> Any:
        return (yield "first") + (yield "second")

    running = flow()
    assert [advance(running), advance(running, "a"), advance(running, "b")] == [
        "first",
        "second",
        Returned("ab"),
    ]


def test_an_error_is_thrown_into_the_flow() -> None:
    def flow() -> Any:
        try:
            return (yield "question")
        except ImportUnavailableError as error:
            return f"noticed {error}"

    running = flow()
    advance(running)
    assert advance(running, ImportUnavailableError("rain")) == Returned("noticed rain")


def test_advance_returns_the_next_effect_after_a_handled_error() -> None:
    """`throw()` returns what the flow yields next, as `send()` does."""

    def flow() -> Any:
        try:
            yield "question"
        except ImportUnavailableError:
            return (yield "another")
        return ""

    running = flow()
    advance(running)
    reply: Any = advance(running, ImportUnavailableError("rain"))
    assert reply == "another"


def test_none_is_sent_as_a_reply() -> None:
    running = send_authenticated(Acme(), QUESTION)
    assert isinstance(advance(running), NeedCredential)
    with pytest.raises(AttributeError):
        advance(running, None)


RunFlow = Callable[[Flow[Any], Callable[[Any], Any]], Any]


@pytest.fixture(params=["requests", "aiohttp"])
def run_flow(request: pytest.FixtureRequest) -> RunFlow:
    """Run a flow with one of the two transports; `answer` is a plain function."""
    if request.param == "requests":
        return requests_transport.run_flow

    def run(flow: Flow[Any], answer: Callable[[Any], Any]) -> Any:
        async def answered(effect: Any) -> Any:
            return answer(effect)

        return asyncio.run(aiohttp_transport.run_flow(flow, answered))

    return run


def test_run_flow_returns_the_result(run_flow: RunFlow) -> None:
    def flow() -> Any:
        return (yield 1) + (yield 2)

    assert run_flow(flow(), lambda effect: effect * 10) == 30


def test_run_flow_continues_after_a_handled_error(run_flow: RunFlow) -> None:
    def flow() -> Any:
        try:
            yield "down"
        except ImportUnavailableError:
            return (yield "up")
        return ""

    def answer(effect: str) -> str:
        if effect == "down":
            raise ImportUnavailableError("rain")
        return f"{effect} again"

    assert run_flow(flow(), answer) == "up again"


def test_run_flow_does_not_mistake_a_leaked_stopiteration_for_a_result(run_flow: RunFlow) -> None:
    def answer(_: Any) -> Any:
        raise StopIteration("leaked")

    with pytest.raises((StopIteration, RuntimeError), match=r"leaked|StopIteration"):
        run_flow(send_authenticated(Acme(), QUESTION), answer)


def test_run_flow_closes_an_interrupted_flow(run_flow: RunFlow) -> None:
    ended = []

    def flow() -> Any:
        try:
            yield "question"
        finally:
            ended.append(True)

    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_flow(flow(), interrupted)
    assert ended


class TestSendAuthenticated:
    def test_a_relative_request_is_authenticated_and_sent_to_the_base_url(self) -> None:
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, answer())
        signed = Request("GET", "https://acme.example/status/42", {"Authorization": "old-token"})
        assert effects == [NeedCredential(), signed]

    def test_an_absolute_url_is_not_changed(self) -> None:
        effects, _ = play(
            send_authenticated(Acme(), Request("GET", "https://other.example/x")), OLD, answer()
        )
        assert effects[1].url == "https://other.example/x"

    def test_the_response_is_the_result(self) -> None:
        _, response = play(send_authenticated(Acme(), QUESTION), OLD, raw("hello", 404))
        assert (response.status, response.body) == (404, b"hello")

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_rejected_credential_is_replaced(self, status: int) -> None:
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, raw("", status), NEW, answer())
        assert effects[2] == NeedCredential(rejected=OLD)

    @pytest.mark.parametrize("status", [401, 403])
    def test_the_request_is_repeated_with_the_new_credential(self, status: int) -> None:
        effects, response = play(send_authenticated(Acme(), QUESTION), OLD, raw("", status), NEW, answer())
        assert (effects[3].headers, response.status) == ({"Authorization": "new-token"}, 200)

    def test_the_reason_of_a_rejection_quotes_the_vendor(self) -> None:
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, raw("no right", 403), NEW, answer())
        assert effects[2].reason == "HTTP 403 (no right)"

    def test_rejected_credentials_are_replaced_repeatedly(self) -> None:
        third = Credential("third")
        effects, response = play(
            send_authenticated(Acme(), QUESTION), OLD, raw("", 401), NEW, raw("", 401), third, answer()
        )
        assert (effects[4], response.status) == (NeedCredential(rejected=NEW), 200)

    def test_too_many_rejected_credentials_are_an_outage(self) -> None:
        tried = [reply for n in range(MAX_CREDENTIALS) for reply in (Credential(str(n)), raw("", 401))]
        with pytest.raises(ImportUnavailableError, match=f"rejected {MAX_CREDENTIALS} credentials in a row"):
            play(send_authenticated(Acme(), QUESTION), *tried)

    def test_a_credential_is_accepted_with_any_other_status(self) -> None:
        old, new = Credential("old"), Credential("new")
        play(send_authenticated(Acme(), QUESTION), old, raw("", 401), new, answer(404))
        assert (old.is_accepted, new.is_accepted) == (False, True)

    def test_the_effective_status_counts(self) -> None:
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, raw("no entry", 200), NEW, answer())
        assert effects[2] == NeedCredential(rejected=OLD)

    @pytest.mark.parametrize("status", [200, 302, 400, 404, 429, 500])
    def test_no_other_status_replaces_the_credential(self, status: int) -> None:
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, raw("", status))
        assert len(effects) == 2

    @pytest.mark.parametrize("secret", ["new-token", "part-of-it", "client-secret"])
    def test_an_echoed_secret_is_redacted_in_the_reason(self, secret: str) -> None:
        credential = replace(NEW, secrets=("part-of-it",))
        replies = (raw("", 401), credential, raw(f"bad {secret}", 401), NEW, answer())
        effects, _ = play(send_authenticated(Acme(), QUESTION), OLD, *replies)
        assert effects[4].reason == "HTTP 401 (bad ***)"
