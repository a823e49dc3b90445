"""What a user can do to the sandbox itself, whether from Python or over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_importstatus.sandbox.faults import read_fault
from airflow_provider_importstatus.sandbox.fields import TEXT, UsageError, one_of, optional, read_one
from airflow_provider_importstatus.sandbox.imports import File
from airflow_provider_importstatus.sandbox.vendors.base import Vendor
from airflow_provider_importstatus.sandbox.vendors.clear import ClearVendor
from airflow_provider_importstatus.sandbox.vendors.tao import TaoAdvanceVendor
from airflow_provider_importstatus.sandbox.vendors.thalamus import ThalamusVendor
from airflow_provider_importstatus.sandbox.vendors.zilliant import ZilliantVendor
from airflow_provider_importstatus.sandbox.world import World

__all__ = ["STORAGE", "Controls"]

#: The route of every vendor that leads to somebody else's storage.
STORAGE = "storage"


class Controls:
    """The four vendors, and all that can be done to them."""

    def __init__(self, world: World) -> None:
        self.world = world
        kinds: tuple[type[Vendor], ...] = (ClearVendor, TaoAdvanceVendor, ZilliantVendor, ThalamusVendor)
        self.vendors = {kind.name: kind(world) for kind in kinds}

    def submit(self, fields: Mapping[str, Any]) -> str:
        """Start an import without the vendor's own submit calls; return its id."""
        given, vendor = dict(fields), self.vendor(fields)
        del given["vendor"]
        import_id = read_one("import_id", given.pop("import_id", None), optional(TEXT))
        if import_id and vendor.name == "thalamus" and not import_id.isdecimal():
            raise UsageError(f"import_id takes a number at thalamus, not {import_id!r}. Write import_id=274.")
        return vendor.start(given, File(), import_id).id

    def fault(self, fields: Mapping[str, Any]) -> None:
        """Let something go wrong."""
        self.world.faults.add(read_fault(fields, {name: set(self.routes(name)) for name in self.vendors}))

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self.world.faults.clear()

    def revoke(self, fields: Mapping[str, Any]) -> None:
        """Forget every token that a vendor has issued. Thalamus issues none."""
        self.vendor(fields).tokens.clear()

    def requests(self, fields: Mapping[str, Any]) -> dict[str, int]:
        """Return how many requests each route of a vendor has had."""
        name = self.vendor(fields).name
        return {route: self.world.requests[name, route] for route in self.routes(name)}

    def reset(self) -> None:
        """Start anew: no imports, tokens, faults or counts."""
        self.world.reset()
        for vendor in self.vendors.values():
            vendor.reset()

    def routes(self, vendor: str) -> list[str]:
        """Return the names of a vendor's routes."""
        return [*(route.name for route in self.vendors[vendor].routes()), STORAGE]

    def vendor(self, fields: Mapping[str, Any]) -> Vendor:
        """Return the vendor that is meant."""
        if "vendor" not in fields:
            raise UsageError(f"vendor is missing. Add one of {', '.join(self.vendors)}.")
        return self.vendors[read_one("vendor", fields["vendor"], one_of(self.vendors))]
