"""Finds the hook for a connection by the connection's type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.base import ImportStatusHook, read_connection

__all__ = ["hook_for"]


def hook_for(conn_id: str, hook_params: Mapping[str, Any] | None = None) -> ImportStatusHook:
    """The hook that the connection's type chooses. Talks to Airflow: never on an event loop.

    :raises ImportSettingsError: for a connection of another kind, or parameters that its hook has not
    """
    if not isinstance(conn_id, str) or not conn_id.strip():
        raise ImportSettingsError("conn_id is empty. Give the id of a connection; nothing was sent.")
    connection = read_connection(conn_id)
    try:
        hook = connection.get_hook()
    except (AirflowException, ImportError, AttributeError):
        # AttributeError: Airflow's own types without a hook, such as generic, name None as its class.
        hook = None
    if not isinstance(hook, ImportStatusHook):
        raise ImportSettingsError(
            f"Connection {conn_id!r} is of the type {connection.conn_type!r}, which has no hook for imports."
            " Choose a connection of a vendor's type, such as clear, tao_advance, zilliant or thalamus."
        )
    if hook_params is not None and not isinstance(hook_params, Mapping):
        # A template was rendered to a text.
        raise ImportSettingsError(
            f"hook_params is of the kind {type(hook_params).__name__}. Give a dictionary; nothing was sent."
        )
    params = dict(hook_params or {})
    hook.check_params(params)
    chosen = type(hook)(conn_id=conn_id, **params)
    chosen._connection = connection
    return chosen
