"""Registry of the simulated vendors."""

from __future__ import annotations

from pkgutil import resolve_name

from airflow_provider_importstatus.sandbox.vendors.base import Vendor

__all__ = ["VENDORS"]

#: Module and class of each vendor, in the order in which the sandbox lists them. Add a new vendor here.
_CLASSES = (
    "clear:ClearVendor",
    "tao:TaoAdvanceVendor",
    "zilliant:ZilliantVendor",
    "thalamus:ThalamusVendor",
)

VENDORS: tuple[type[Vendor], ...] = tuple(resolve_name(f"{__package__}.{path}") for path in _CLASSES)
