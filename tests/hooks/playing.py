"""Helpers that run flows without I/O: the test supplies responses, the connection and the Variables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_importstatus.exceptions import ImportStatusError
from airflow_provider_importstatus.protocol.credentials import CredentialCache
from airflow_provider_importstatus.protocol.flow import Flow, Returned, advance
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Effect,
    LoadLoginRejection,
    LoadSharedToken,
    LoginRejection,
    NeedCredential,
    ReloadConnection,
    Request,
    Response,
    StoreLoginRejection,
    StoreSharedToken,
)
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

NOW = 1_800_000_000.0


def answer(status: int = 200, /, **body: Any) -> Response:
    """Return a vendor's response with a JSON object."""
    return Response(status, {}, json.dumps(body).encode(), received_at=NOW)


def raw(body: bytes | str, status: int = 200, **headers: str) -> Response:
    """Return a vendor's response with any body; `content_type` sets the content-type header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, body.encode() if isinstance(body, str) else body, received_at=NOW)


def body_of(request: Request) -> Any:
    """Return the JSON in the body of a request."""
    assert isinstance(request.body, bytes)
    return json.loads(request.body)


def play(flow: Flow[Any], *answers: Any) -> tuple[list[Any], Any]:
    """Run a flow with these replies in turn; return its effects and its result."""
    effects, end = _play(flow, answers)
    if isinstance(end, ImportStatusError):
        raise end
    return effects, end


def play_to_error(flow: Flow[Any], *answers: Any) -> tuple[list[Any], ImportStatusError]:
    """Run a flow that must end in an error; return its effects and the error."""
    effects, end = _play(flow, answers)
    assert isinstance(end, ImportStatusError), f"it ended well: {end}"
    return effects, end


def _play(flow: Flow[Any], answers: Iterable[Any]) -> tuple[list[Any], Any]:
    effects: list[Any] = []
    remaining = list(answers)
    try:
        turn = advance(flow)
        while not isinstance(turn, Returned):
            effects.append(turn)
            assert remaining, f"there is no answer to {turn}"
            turn = advance(flow, remaining.pop(0))
    except ImportStatusError as error:
        end: Any = error
    else:
        end = turn.result
    assert not remaining, f"it ended in {end!r}, and never took {remaining}"
    return effects, end


class FakeClient:
    """Runs flows of a hook like a worker's client, with dictionaries as connection and Variables.

    :param vendor: returns the response to a request, or an error
    """

    def __init__(
        self, settings: ConnectionSettings, vendor: Callable[[Request], Response | ImportStatusError]
    ) -> None:
        self.settings = settings
        self.vendor = vendor
        self.variables: dict[str, Credential] = {}
        self.rejections: dict[str, LoginRejection] = {}
        self.credentials = CredentialCache()
        self.now = NOW
        self.sent: list[Request] = []

    def run(self, hook: Any, flow: Flow[Any]) -> Any:
        """Run a flow of this hook and return its result."""
        turn = advance(flow)
        while not isinstance(turn, Returned):
            try:
                reply = self._answer(hook, turn)
            except ImportStatusError as error:
                reply = error
            turn = advance(flow, reply)
        return turn.result

    def _answer(self, hook: Any, effect: Effect) -> Any:
        match effect:
            case Request():
                self.sent.append(effect)
                return self.vendor(effect)
            case NeedCredential():
                return self.run(hook, self.credentials.credential(hook, effect, self.now))
            case ReloadConnection():
                return self.settings
            case LoadSharedToken(name):
                return self.variables.get(name)
            case StoreSharedToken(name, credential, instead_of):
                there = self.variables.get(name)
                if there not in (None, instead_of, credential):
                    return there
                self.variables[name] = credential
            case LoadLoginRejection(name):
                return self.rejections.get(name)
            case StoreLoginRejection(name, reason):
                self.rejections[name] = LoginRejection(self.now, reason)
        return None
