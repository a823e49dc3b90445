"""The test behind Airflow's *Test connection* button."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_importstatus.clients import token_store
from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.clients.readings import only_our_errors
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
from airflow_provider_importstatus.transports import requests_transport
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

if TYPE_CHECKING:
    from airflow_provider_importstatus.hooks.base import ImportStatusHook

__all__ = ["ConnectionTest"]

#: Sent if obtaining a credential would revoke a shared one: a rejection shows that the vendor is reachable.
PLACEHOLDER_CREDENTIAL = Credential("connection-test")


class ConnectionTest:
    """A test of a connection: at most one login, and the vendor's `probe`.

    It runs the same flows as a wait, but all requests together are bounded by the connection's timeout, a
    rejected credential is not replaced, and a shared credential is never replaced.

    :param hook: the hook of the connection
    """

    def __init__(self, hook: ImportStatusHook) -> None:
        self._hook = hook
        self._ends = 0.0
        self._is_authenticating = False
        self._credential = PLACEHOLDER_CREDENTIAL
        self._request: Request | None = None
        self._response: Response | None = None

    def run(self) -> tuple[bool, str]:
        """Return whether the connection works, and a message."""
        hook = self._hook
        try:
            base_url = hook.base_url  # Fails before a login.
            self._ends = time.monotonic() + hook.settings.timeout
            with (
                only_our_errors(hook.hook_name),
                requests_transport.Session(hook.settings, USER_AGENT) as session,
            ):
                requests_transport.run_flow(hook.probe(), partial(self._perform, session))
        except ImportNotFoundError:
            if not self._is_json():
                return False, self._not_the_vendor()
        except ImportStatusError as error:
            return False, self._message(error)
        return True, f"{hook.title} at {base_url} responds and accepts the credential."

    def _perform(self, session: requests_transport.Session, effect: Effect) -> Any:
        match effect:
            case Request():
                return self._send(session, effect)
            case NeedCredential(rejected=None):
                self._is_authenticating = True
                self._credential = requests_transport.run_flow(
                    self._first_credential(), partial(self._perform, session)
                )
                self._is_authenticating = False
                return self._credential
            case NeedCredential():
                raise self._rejection()
        raise TypeError(f"A connection test does not support {type(effect).__name__}.")

    def _send(self, session: requests_transport.Session, request: Request) -> Response:
        self._request, self._response = request, None
        left = self._ends - time.monotonic()
        if left <= 0:
            raise ImportUnavailableError(f"{request.label} was not sent: the timeout has expired.")
        response = requests_transport.exchange(request, session, left)
        secrets = (*self._credential.all_secrets, *self._hook.settings.secrets)
        self._response = replace(response, secrets=secrets)
        return response

    def _first_credential(self) -> Flow[Credential]:
        settings = self._hook.settings
        credential = self._hook.static_credential(settings)
        if credential is None and self._hook.login_revokes_tokens:
            settings.require("password")
            name = self._hook.shared_token_name(settings)
            if name and (shared := token_store.load_token(name)):
                return shared if shared.is_fresh(time.time()) else PLACEHOLDER_CREDENTIAL
        if credential is None:
            credential = yield from self._hook.authenticate(settings)
        mask_credential(credential)
        return credential

    def _rejection(self) -> ImportAuthError:
        hook = self._hook
        if self._credential is not PLACEHOLDER_CREDENTIAL:
            return ImportAuthError(
                f"{hook.title} rejected the credential. {self._last_response()} {self._advice('refusal')}"
            )
        if not self._is_json():
            return ImportAuthError(self._not_the_vendor())
        return ImportAuthError(
            f"{hook.title} responds at {hook.base_url}, but the credential was not tested: the shared"
            " token has expired, and requesting another might revoke the token of a running wait. The"
            f" next wait requests one. {self._advice('untried')}"
        )

    def _message(self, error: ImportStatusError) -> str:
        text = self._without_conn_id(str(error))
        match error:
            case ImportSettingsError():
                return self._with_labels(text)
            case ImportAuthError():
                return f"{text} {self._advice('login')}" if self._is_authenticating else text
            case ImportUnavailableError() if self._response or not self._request:
                return text
            case ImportProtocolError() if self._response and self._response.status == 404:
                return self._not_the_vendor()
        if self._response and 300 <= self._response.status < 400:
            text = (
                f"{self._last_response()} A redirect is not followed: credentials never go to another host."
            )
        elif self._response and isinstance(error, ImportRequestError):
            text = self._last_response()
        return f"{text.rstrip('.')}. {self._advice('address')}"

    def _not_the_vendor(self) -> str:
        name = self._hook.title
        return f"{self._last_response()} {name} would respond with JSON. {self._advice('address')}"

    def _last_response(self) -> str:
        """Return a description of the last response; nothing of a login's response is quoted."""
        if self._request is None or self._response is None:
            return ""
        excerpt = "" if self._is_authenticating else self._response.excerpt()
        return f"{self._request.label}: HTTP {self._response.status}{f' ({excerpt})' if excerpt else ''}."

    def _is_json(self) -> bool:
        """Return whether the last response may be the vendor's: vendors send JSON, proxies do not."""
        return self._response is not None and self._response.parse_any() is not None

    def _advice(self, about: str) -> str:
        advice: str = getattr(self._hook.advice, about)
        return advice.format_map(self._labels())

    def _labels(self) -> dict[str, str]:
        return connection_form.field_labels(connection_form.metadata_entry(type(self._hook)))

    def _without_conn_id(self, text: str) -> str:
        """Return the text without the connection's id, which Airflow generates for a test."""
        hook = self._hook
        for name in (f"onnection {hook.conn_id!r} ({hook.conn_type})", f"onnection {hook.conn_id!r}"):
            text = text.replace(f"C{name}", "This connection").replace(f"c{name}", "this connection")
        return text

    def _with_labels(self, text: str) -> str:
        """Return the text, followed by the form's labels of the fields in it."""
        labels = [
            f"{name} is called {label}"
            for name, label in self._labels().items()
            if name in ("login", "password") and label.lower() != name and re.search(rf"\b{name}\b", text)
        ]
        return f"{text} In the form, {' and '.join(labels)}." if labels else text
