"""The vendors of this distribution, as its metadata lists them: no test has a list of its own."""

from __future__ import annotations

from importlib import import_module
from pkgutil import resolve_name
from typing import Any

from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.hooks.base import ImportStatusHook

from .samples import Vendor

_INFO: Any = get_provider_info()
#: The hook of each connection type.
HOOKS: dict[str, type[ImportStatusHook]] = {
    entry["connection-type"]: resolve_name(entry["hook-class-name"]) for entry in _INFO["connection-types"]
}
#: The extras in the form of each connection type.
EXTRAS: dict[str, Any] = {
    entry["connection-type"]: entry["conn-fields"] for entry in _INFO["connection-types"]
}
#: The name of each vendor's module: the hook's in `hooks/`, its samples' in this folder.
VENDOR_MODULES = {vendor: hook.__module__.rpartition(".")[2] for vendor, hook in HOOKS.items()}
#: A connection to each vendor, and its responses.
SAMPLES: dict[str, Vendor] = {
    vendor: import_module(f".{module}", __package__).VENDOR for vendor, module in VENDOR_MODULES.items()
}
