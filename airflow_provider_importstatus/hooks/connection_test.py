"""Tries a connection out, for Airflow's button "Test connection", and says in words what is wrong with it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_importstatus.clients import token_store
from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.exceptions import (
    ImportAuthError,
    ImportNotFoundError,
    ImportProtocolError,
    ImportRequestError,
    ImportSettingsError,
    ImportStatusError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks import connection_form
from airflow_provider_importstatus.protocol.flow import Flow
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Effect,
    NeedCredential,
    Request,
    Response,
)
from airflow_provider_importstatus.protocol.responses import read_json
from airflow_provider_importstatus.transports import requests_transport
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

if TYPE_CHECKING:
    from airflow_provider_importstatus.hooks.base import ImportStatusHook

__all__ = ["ConnectionTest"]

#: Presented where getting a credential would revoke somebody else's: the vendor refuses it, and so answers.
PLACEHOLDER_CREDENTIAL = Credential("connection-test")


class ConnectionTest:
    """One test of a connection: a login at most, and the vendor's `probe`.

    It runs the same scripts as a wait, but all its requests together take no longer than the connection's
    timeout, it replaces no refused credential, and where processes share one it gets none in its place.

    :param hook: whose connection it is
    """

    def __init__(self, hook: ImportStatusHook) -> None:
        self._hook = hook
        self._ends = 0.0
        self._is_logging_in = False
        self._credential = PLACEHOLDER_CREDENTIAL
        self._request: Request | None = None
        self._response: Response | None = None

    def run(self) -> tuple[bool, str]:
        """Whether the connection works, and what to say about it."""
        hook = self._hook
        try:
            base_url = hook.base_url  # Before anybody logs in in vain.
            self._ends = time.monotonic() + hook.settings.timeout
            with requests_transport.Session(hook.settings, USER_AGENT) as session:
                requests_transport.run_flow(hook.probe(), partial(self._answer, session))
        except ImportNotFoundError:
            if not self._is_json():
                return False, self._not_the_vendor()
        except ImportStatusError as error:
            return False, self._in_words(error)
        return True, f"{hook.hook_name} at {base_url} answers and accepts the credential."

    def _answer(self, session: requests_transport.Session, effect: Effect) -> Any:
        match effect:
            case Request():
                return self._send(session, effect)
            case NeedCredential(refused=None):
                self._is_logging_in = True
                self._credential = requests_transport.run_flow(
                    self._first_credential(), partial(self._answer, session)
                )
                self._is_logging_in = False
                return self._credential
            case NeedCredential():
                raise self._refusal()
        raise TypeError(f"A test of a connection does not answer {type(effect).__name__}.")

    def _send(self, session: requests_transport.Session, request: Request) -> Response:
        self._request, self._response = request, None
        left = self._ends - time.monotonic()
        if left <= 0:
            raise ImportUnavailableError(f"{_where(request)} was not sent: the timeout is over.")
        response = requests_transport.exchange(request, session, left)
        secrets = (self._credential.value, *self._credential.secrets, self._hook.settings.password)
        self._response = replace(response, secrets=secrets)
        return response

    def _first_credential(self) -> Flow[Credential]:
        settings = self._hook.settings
        credential = self._hook.static_credential(settings)
        if credential is None and (name := self._hook.shared_token_name(settings)):
            settings.require("password")
            if shared := token_store.load_token(name):
                return shared if shared.is_fresh(time.time()) else PLACEHOLDER_CREDENTIAL
        if credential is None:
            credential = yield from self._hook.authenticate(settings)
        mask_credential(credential)
        return credential

    def _refusal(self) -> ImportAuthError:
        hook = self._hook
        if self._credential is not PLACEHOLDER_CREDENTIAL:
            return ImportAuthError(
                f"{hook.hook_name} refused the credential. {self._answered()} {self._advice('refusal')}"
            )
        if not self._is_json():
            return ImportAuthError(self._not_the_vendor())
        return ImportAuthError(
            f"{hook.hook_name} answers at {hook.base_url}. Whether it takes this connection was not tried:"
            " the token that waits share has expired, and a test that gets another might revoke theirs."
            f" The next wait gets one. {self._advice('untried')}"
        )

    def _in_words(self, error: ImportStatusError) -> str:
        words = self._of_this_connection(str(error))
        match error:
            case ImportSettingsError():
                return self._with_legend(words)
            case ImportAuthError():
                return f"{words} {self._advice('login')}" if self._is_logging_in else words
            case ImportUnavailableError() if self._response or not self._request:
                return words
            case ImportProtocolError() if self._response and self._response.status == 404:
                return self._not_the_vendor()
        if self._response and 300 <= self._response.status < 400:
            words = f"{self._answered()} A redirect is not followed: credentials never go to another address."
        elif self._response and isinstance(error, ImportRequestError):
            words = self._answered()
        return f"{words.rstrip('.')}. {self._advice('address')}"

    def _not_the_vendor(self) -> str:
        name = self._hook.hook_name
        return f"{self._answered()} {name} would say that in JSON. {self._advice('address')}"

    def _answered(self) -> str:
        """What came back to the last request; of a login's answer nothing is quoted."""
        if self._request is None or self._response is None:
            return ""
        excerpt = "" if self._is_logging_in else self._response.excerpt()
        return f"{_where(self._request)}: HTTP {self._response.status}{f' ({excerpt})' if excerpt else ''}."

    def _is_json(self) -> bool:
        """Whether the last answer may be the vendor's: all of them speak JSON, proxies do not."""
        if self._response is None:
            return False
        try:
            read_json(self._response, self._hook.hook_name)
        except ImportProtocolError:
            return False
        return True

    def _advice(self, about: str) -> str:
        advice: str = getattr(self._hook.advice, about)
        return advice.format_map(self._labels())

    def _labels(self) -> dict[str, str]:
        return connection_form.field_labels(connection_form.metadata_entry(type(self._hook)))

    def _of_this_connection(self, words: str) -> str:
        """The words without the connection's id, which Airflow makes up for a test."""
        hook = self._hook
        for name in (f"onnection {hook.conn_id!r} ({hook.conn_type})", f"onnection {hook.conn_id!r}"):
            words = words.replace(f"C{name}", "This connection").replace(f"c{name}", "this connection")
        return words

    def _with_legend(self, words: str) -> str:
        """The words, and what the form calls the fields in them."""
        called = [
            f"{name} is called {label}"
            for name, label in self._labels().items()
            if name in ("login", "password") and label.lower() != name and re.search(rf"\b{name}\b", words)
        ]
        return f"{words} In the form, {' and '.join(called)}." if called else words


def _where(request: Request) -> str:
    return f"{request.method} {request.url.partition('?')[0]}"
