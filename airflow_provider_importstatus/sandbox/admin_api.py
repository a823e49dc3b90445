"""Admin API: submit imports, inject faults, revoke tokens, count requests; from Python and over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airflow_provider_importstatus.sandbox.faults import read_fault
from airflow_provider_importstatus.sandbox.fields import UsageError, one_of, optional, read_field
from airflow_provider_importstatus.sandbox.imports import File
from airflow_provider_importstatus.sandbox.state import SandboxState
from airflow_provider_importstatus.sandbox.vendors.base import Vendor

__all__ = ["STORAGE_ROUTE", "AdminApi"]

#: Name of the route to the file storage, which every vendor has.
STORAGE_ROUTE = "storage"


class AdminApi:
    """The vendors, their state, and all operations on them.

    :param vendors: the vendors to simulate, in the order in which they are listed
    :param clock: returns the time in seconds since 1970
    :param token_seconds: lifetime of the tokens that vendors issue
    """

    def __init__(
        self, vendors: Sequence[type[Vendor]], clock: Callable[[], float], token_seconds: float
    ) -> None:
        self.state = SandboxState(
            clock,
            token_seconds,
            scenario_support={vendor.name: vendor.scenario_support for vendor in vendors},
            credential_headers=[header for vendor in vendors for header in vendor.credential_headers],
        )
        self.vendors = {vendor.name: vendor(self.state) for vendor in vendors}
        if len(self.vendors) < len(vendors):
            raise UsageError("Two vendors have the same name. Rename one in its description.")

    def connections(self, url: str) -> dict[str, dict[str, Any]]:
        """Return an Airflow connection to each vendor by connection id, in Airflow's JSON form."""
        # Environment variables, which connections can be, have no hyphens.
        return {
            f"{name.replace('-', '_')}_default": vendor.connection(url)
            for name, vendor in self.vendors.items()
        }

    def submit(self, fields: Mapping[str, Any]) -> str:
        """Start an import without the vendor's own submit calls; return its id."""
        scenario, vendor = dict(fields), self.vendor(fields)
        del scenario["vendor"]
        import_id = read_field("import_id", scenario.pop("import_id", None), optional(vendor.import_id_type))
        return vendor.start(scenario, File(), import_id).id

    def imports(self, fields: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return id, file name and phase of each import at a vendor, in the order of submission."""
        submitted = self.vendor(fields).imports.submitted()
        return [{"import_id": one.id, "file": one.file.name, "phase": one.phase.value} for one in submitted]

    def fault(self, fields: Mapping[str, Any]) -> None:
        """Order a fault."""
        self.state.faults.add(read_fault(fields, {name: set(self.routes(name)) for name in self.vendors}))

    def clear_faults(self) -> None:
        """Cancel all faults."""
        self.state.faults.clear()

    def revoke(self, fields: Mapping[str, Any]) -> None:
        """Revoke all tokens that a vendor has issued."""
        self.vendor(fields).tokens.clear()

    def requests(self, fields: Mapping[str, Any]) -> dict[str, int]:
        """Return the number of requests to each route of a vendor."""
        name = self.vendor(fields).name
        return {route: self.state.requests[name, route] for route in self.routes(name)}

    def reset(self) -> None:
        """Forget all imports, tokens, faults and request counts."""
        self.state.reset()
        for vendor in self.vendors.values():
            vendor.reset()

    def routes(self, vendor: str) -> list[str]:
        """Return the names of a vendor's routes."""
        return [*(route.name for route in self.vendors[vendor].routes()), STORAGE_ROUTE]

    def vendor(self, fields: Mapping[str, Any]) -> Vendor:
        """Return the vendor that the field `vendor` names."""
        if "vendor" not in fields:
            raise UsageError(f"vendor is missing. Add one of {', '.join(self.vendors)}.")
        return self.vendors[read_field("vendor", fields["vendor"], one_of(self.vendors))]
