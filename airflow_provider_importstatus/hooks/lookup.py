"""Lookup of the hook for a connection, by the connection's type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.hooks.base import ImportStatusHook, read_connection

__all__ = ["hook_for"]


def hook_for(conn_id: str, hook_params: Mapping[str, Any] | None = None) -> ImportStatusHook:
    """Return the hook for the connection's type. It calls Airflow: never use it on an event loop.

    :raises ImportSettingsError: the connection's type has no such hook, or the hook lacks a parameter
    """
    if not isinstance(conn_id, str) or not conn_id.strip():
        raise ImportSettingsError("conn_id is empty. Give the id of a connection; nothing was sent.")
    connection = read_connection(conn_id)
    try:
        hook = connection.get_hook()
    except (AirflowException, ImportError, AttributeError):
        # AttributeError: for types without a hook, such as generic, Airflow's hook class is None.
        hook = None
    if not isinstance(hook, ImportStatusHook):
        raise ImportSettingsError(
            f"Connection {conn_id!r} is of type {connection.conn_type!r}, which has no hook for imports."
            f" Use a connection of a vendor's type, such as {', '.join(_connection_types())}."
        )
    if hook_params is not None and not isinstance(hook_params, Mapping):
        # A template that was rendered as text.
        raise ImportSettingsError(
            f"hook_params is of type {type(hook_params).__name__}. Give a dictionary; nothing was sent."
        )
    params = dict(hook_params or {})
    hook.check_params(params)
    configured = type(hook)(conn_id=conn_id, **params)
    configured._connection = connection
    return configured


def _connection_types() -> list[str]:
    """Return the connection types of this package. Further distributions may have others."""
    info: Any = get_provider_info()
    return [entry["connection-type"] for entry in info["connection-types"]]
