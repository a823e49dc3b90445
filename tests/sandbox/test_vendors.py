from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from airflow_provider_importstatus import sandbox
from airflow_provider_importstatus.sandbox import UsageError
from airflow_provider_importstatus.sandbox.admin_api import AdminApi
from airflow_provider_importstatus.sandbox.fields import COUNT, FieldType
from airflow_provider_importstatus.sandbox.routes import Route
from airflow_provider_importstatus.sandbox.scenario import ScenarioField, ScenarioSupport
from airflow_provider_importstatus.sandbox.vendors.base import Vendor
from airflow_provider_importstatus.sandbox.vendors.registry import VENDORS

from .clients import FakeClock

FOLDER = Path(sandbox.__file__).parent


class AcmeVendor(Vendor):
    """A vendor that is not in the registry."""

    name = "acme"
    title = "Acme"
    import_id_type = FieldType("a loaf", "loaf-1", lambda value: {"loaf-1": "loaf-1"}[value])
    scenario_support = ScenarioSupport(cancelled=True, fields={"crumbs": ScenarioField(COUNT, default=7)})

    def routes(self) -> Sequence[Route]:
        return [Route("status", "GET", "/loaves/{import_id}", self.status)]

    def error(self, route: str, status: int) -> web.Response:
        return web.Response(status=status, text=route)

    def connection(self, url: str) -> dict[str, Any]:
        return {"conn_type": self.name, "host": url}

    async def status(self, _: web.Request) -> web.Response:
        return web.Response()


@pytest.fixture
def admin_api() -> AdminApi:
    return AdminApi((*VENDORS, AcmeVendor), FakeClock(), token_seconds=60)


def test_a_further_vendor_has_a_connection_and_request_counts(admin_api: AdminApi) -> None:
    assert admin_api.connections("http://here")["acme_default"] == {
        "conn_type": "acme",
        "host": "http://here",
    }
    assert admin_api.requests({"vendor": "acme"}) == {"status": 0, "storage": 0}


def test_a_further_vendor_has_fields_and_ends_of_its_own(admin_api: AdminApi) -> None:
    import_id = admin_api.submit({"vendor": "acme", "import_id": "loaf-1", "ends": "cancelled", "seconds": 0})
    snapshot = admin_api.vendors["acme"].imports.find(import_id)
    assert snapshot is not None
    assert (snapshot.phase.value, snapshot.scenario.extra) == ("cancelled", {"crumbs": 7})


@pytest.mark.parametrize("crumbs", [7, "7"])
def test_another_vendors_field_is_accepted_with_its_default_value(
    admin_api: AdminApi, crumbs: object
) -> None:
    import_id = admin_api.submit({"vendor": "clear", "crumbs": crumbs})
    snapshot = admin_api.vendors["clear"].imports.find(import_id)
    assert snapshot is not None
    assert "crumbs" not in snapshot.scenario.extra


def test_another_vendors_field_is_rejected_with_any_other_value(admin_api: AdminApi) -> None:
    with pytest.raises(UsageError, match="crumbs is supported by acme only, not by clear"):
        admin_api.submit({"vendor": "clear", "crumbs": 8})


def test_every_vendor_that_supports_an_end_is_listed(admin_api: AdminApi) -> None:
    with pytest.raises(UsageError, match="ends=cancelled is supported by thalamus, acme only, not by clear"):
        admin_api.submit({"vendor": "clear", "ends": "cancelled"})


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_a_vendor_is_named_in_its_own_module_and_in_the_registry_only(vendor: type[Vendor]) -> None:
    pattern = re.compile(rf"\b{vendor.title}\b|[\"']{vendor.name}\b", re.ASCII)
    own = vendor.__module__.rpartition(".")[2]
    naming = [
        path.name
        for path in FOLDER.rglob("*.py")
        if not path.name.startswith((own, "registry")) and pattern.search(path.read_text())
    ]
    assert naming == []
