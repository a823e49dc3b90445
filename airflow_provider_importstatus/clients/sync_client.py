"""Runs a hook's flows with `requests`: on workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, TypeVar

from airflow_provider_importstatus.clients import metrics, token_store
from airflow_provider_importstatus.clients.masking import mask_credential
from airflow_provider_importstatus.clients.readings import MAX_READINGS, PolledVendor, edited_too_often
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

T = TypeVar("T")
H = TypeVar("H", bound=PolledVendor)


class SyncClient(Generic[H]):
    """Runs the flows of one hook.

    :param hook: reads its connection, and keeps the credential from flow to flow
    """

    def __init__(self, hook: H) -> None:
        self._hook = hook

    def converse(self, script: Callable[[H], Flow[T]]) -> T:
        """Run one of the hook's scripts to its result, from its beginning if the connection is edited."""
        for _ in range(MAX_READINGS):
            hook = self._hook.bound()
            try:
                with requests_transport.Session(hook.settings, USER_AGENT) as session:
                    return requests_transport.run_flow(script(hook), partial(self._answer, hook, session))
            except ConnectionEdited:
                continue
        raise edited_too_often(self._hook.conn_id)

    def credential_for(self, hook: H, refused: Credential | None) -> tuple[H, Credential]:
        """A credential and the hook whose reading of the connection it belongs to."""
        need = NeedCredential(refused, "by the answer to your own request", insists=True)
        for _ in range(MAX_READINGS):
            try:
                with requests_transport.Session(hook.settings, USER_AGENT) as session:
                    return hook, self._answer(hook, session, need)
            except ConnectionEdited:
                hook = self._hook.bound()
        raise edited_too_often(self._hook.conn_id)

    def _answer(self, hook: H, session: requests_transport.Session, effect: Effect) -> Any:
        match effect:
            case Request():
                return requests_transport.exchange(effect, session, hook.settings.timeout)
            case NeedCredential():
                return self._credential(hook, session, effect)
            case ReloadConnection():
                return self._hook.read_again().settings
            case LoadSharedToken(name, after):
                time.sleep(after)
                return token_store.load_token(name)
            case StoreSharedToken(name, credential, instead_of):
                return token_store.store_token(name, credential, instead_of)
            case LoadLoginRejection(name):
                return token_store.load_login_rejection(name)
            case StoreLoginRejection(name, reason):
                return token_store.store_login_rejection(name, reason)

    def _credential(self, hook: H, session: requests_transport.Session, need: NeedCredential) -> Credential:
        purse = hook.credentials
        before = purse.current
        talk = purse.credential(hook, need, time.time())
        credential = requests_transport.run_flow(talk, partial(self._answer, hook, session))
        if credential != before:
            metrics.count_refresh(hook.conn_type)
            mask_credential(credential)
        return credential
