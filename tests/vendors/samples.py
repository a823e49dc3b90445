"""What a vendor's module in this folder says: a connection, and real responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.protocol.settings import ConnectionSettings

TOKEN, PASSWORD, SECRET = "Zq-issued/token+1=", "Zq-password/1+2", "Zq-extra-secret"


@dataclass(frozen=True)
class Vendor:
    """A vendor, a connection to it, and its real responses.

    :param login: the response to a login, with `TOKEN` as the token
    :param answers: responses to a poll
    :param is_success: whether a value is a success state of the vendor, including partial success
    :param hostile: responses with any JSON value at ``%s``, each of which the hook reads
    """

    hook: type[ImportStatusHook]
    settings: ConnectionSettings
    login: dict[str, Any]
    answers: tuple[dict[str, Any], ...]
    is_success: Callable[[str], bool]
    hostile: tuple[str, ...]
