"""The blocking client, used on workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_provider_importstatus.clients import metrics, token_store
from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.clients.readings import MAX_READINGS, PolledVendor, edited_too_often
from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.protocol.flow import ConnectionEdited, Flow
from airflow_provider_importstatus.protocol.messages import (
    Credential,
    Effect,
    LoadLoginRejection,
    LoadSharedToken,
    NeedCredential,
    ReloadConnection,
    Request,
    StoreLoginRejection,
    StoreSharedToken,
)
from airflow_provider_importstatus.transports import requests_transport
from airflow_provider_importstatus.transports.user_agent import USER_AGENT

__all__ = ["SyncClient"]

#: Airflow kills a task five seconds after it has asked it to end.
KILL_TIMEOUT = 4.0

T = TypeVar("T")
H = TypeVar("H", bound=PolledVendor)


class SyncClient(Generic[H]):
    """Runs the flows of one hook.

    :param hook: reads its connection, and keeps the credential between flows
    """

    def __init__(self, hook: H) -> None:
        self._hook = hook

    def run(self, flow_of: Callable[[H], Flow[T]]) -> T:
        """Run a flow of the hook and return its result. If the connection is edited, start the flow again."""
        for _ in range(MAX_READINGS):
            hook = self._hook.bound()
            try:
                with requests_transport.Session(hook.settings, USER_AGENT) as session:
                    return requests_transport.run_flow(flow_of(hook), partial(self._perform, hook, session))
            except ConnectionEdited:
                continue
        raise edited_too_often(self._hook.conn_id)

    def run_at_hand(self, flow: Flow[T]) -> T:
        """Run a flow with the latest settings and credential, and without calling Airflow."""
        with requests_transport.Session(self._hook.settings, USER_AGENT) as session:
            return requests_transport.run_flow(flow, partial(self._perform_at_hand, session))

    def _perform_at_hand(self, session: requests_transport.Session, effect: Effect) -> Any:
        hook = self._hook
        match effect:
            case Request():
                return requests_transport.exchange(effect, session, min(hook.settings.timeout, KILL_TIMEOUT))
            case NeedCredential(rejected):
                if credential := hook.credentials.usable(rejected, time.time()):
                    return credential
        raise ImportUnavailableError("There is no valid credential at hand, and the task is being killed.")

    def credential(self, rejected: Credential | None) -> tuple[H, Credential]:
        """Return a credential other than the rejected one, and the hook whose settings it belongs to."""
        need = NeedCredential(rejected, "see its response", insists=True)

        def flow_of(hook: H) -> Flow[tuple[H, Credential]]:
            return hook, (yield need)

        return self.run(flow_of)

    def _perform(self, hook: H, session: requests_transport.Session, effect: Effect) -> Any:
        match effect:
            case Request():
                settings = hook.settings
                return requests_transport.exchange(
                    effect, session, settings.timeout, settings.transfer_timeout
                )
            case NeedCredential():
                return self._credential(hook, session, effect)
            case ReloadConnection():
                return self._hook.read_again().settings
            case LoadSharedToken(name, after):
                time.sleep(after)
                return token_store.load_token(name)
            case StoreSharedToken(name, credential, expected):
                return token_store.store_token(name, credential, expected)
            case LoadLoginRejection(name):
                return token_store.load_login_rejection(name)
            case StoreLoginRejection(name, reason):
                return token_store.store_login_rejection(name, reason)

    def _credential(self, hook: H, session: requests_transport.Session, need: NeedCredential) -> Credential:
        cache = hook.credentials
        previous = cache.current
        flow = cache.credential(hook, need, time.time())
        credential = requests_transport.run_flow(flow, partial(self._perform, hook, session))
        if credential != previous:
            metrics.count_refresh(hook.conn_type)
            mask_credential(credential)
        return credential
