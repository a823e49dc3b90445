"""Tables by vendor in the tests, the demo, the page and the docs: none leaves a vendor out unnoticed."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.description_files import bundled_names
from airflow_provider_importstatus.sandbox.vendors import registry
from demo.__main__ import PLAN

from . import test_contract
from .faults import answers
from .hooks import test_submit
from .network import cases, test_connections, test_credentials, test_error_reports, test_states
from .sandbox import test_faults
from .secrets.plan import CONNECTIONS, SUBMITTING
from .secrets.search import Search
from .secrets.vendors import connections
from .vendors import HOOKS, VENDOR_MODULES

ROOT = Path(__file__).parents[1]
#: Described vendors have one connection type, and descriptions of their own.
VENDORS = set(HOOKS) - {"import_api"}
TITLES = {vendor.name: vendor.title for vendor in registry.VENDORS}
KEYWORDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["keywords"]
SCRIPT = (ROOT / "airflow_provider_importstatus/ui/static/imports.js").read_text()
(SHOWN,) = re.findall(r"^const VENDORS = \{(.*)\};$", SCRIPT, re.MULTILINE)
SECRETS = connections("http://vendors.example", Search())


def with_own(method: str) -> set[str]:
    """Return the vendors whose hook overrides a method of the base class."""
    base = getattr(ImportStatusHook, method)
    return {vendor for vendor in VENDORS if getattr(HOOKS[vendor], method) is not base}


def types_of(conn_ids: Iterable[str]) -> set[str]:
    """Return the connection types of the connections in the search for secrets."""
    return {SECRETS[conn_id]["conn_type"] for conn_id in conn_ids if conn_id in SECRETS}


def shown_in(page: str) -> set[str]:
    """Return the vendors that a page names."""
    text = (ROOT / page).read_text()
    return {vendor for vendor, title in TITLES.items() if title.split()[0] in text}


def imported() -> set[str]:
    """Return the vendors whose hook and sensor are among the imports that the contract lists."""
    names = {name for public in test_contract.IMPORTS.values() for name in public}
    classes = {vendor: HOOKS[vendor].__name__ for vendor in VENDORS}
    return {
        vendor for vendor, hook in classes.items() if {hook, hook.replace("Hook", "ImportSensor")} <= names
    }


#: The vendors that each table has.
TABLES: dict[str, Iterable[str]] = {
    "example_dags": {path.stem.removeprefix("import_") for path in (ROOT / "example_dags").glob("*.py")},
    "demo/__main__.py, PLAN": {expected.dag_id.removeprefix("import_") for expected in PLAN},
    "pyproject.toml, keywords": {vendor for vendor in VENDORS if VENDOR_MODULES[vendor] in KEYWORDS},
    "ui/static/imports.js, VENDORS": re.findall(r"(\w+):", SHOWN),
    "tests/network/cases.py, PRESENTED": {*cases.PRESENTED, *(VENDORS - set(cases.READY))},
    "tests/network/test_connections.py, WRONG": {vendor for vendor, *_ in test_connections.WRONG},
    "tests/network/test_credentials.py, WRONG": {case.partition("-")[0] for case in test_credentials.WRONG},
    "tests/network/test_states.py, ROWS": test_states.ROWS,
    "tests/network/test_states.py, SCENARIOS": {vendor for vendor, *_ in test_states.SCENARIOS},
    "tests/sandbox/test_faults.py, ERRORS": {vendor for vendor, *_ in test_faults.ERRORS},
    "tests/secrets/vendors.py, connections(), and plan.py, CONNECTIONS": types_of(CONNECTIONS),
    "tests/test_contract.py, IMPORTS": imported(),
    "tests/test_contract.py, EXTRAS": test_contract.EXTRAS,
    **{
        page: shown_in(page)
        for page in (
            "README.md",
            *(f"docs/{name}.md" for name in ("connections", "error-reports", "errors", "operators")),
            *(f"docs/{name}.md" for name in ("quick-start", "runbooks", "sandbox", "sensors", "shell")),
            "docs/storage.md",
        )
    },
}
#: The same of the vendors that files can be submitted to.
SUBMISSIONS: dict[str, Iterable[str]] = {
    "tests/hooks/test_submit.py, SUBMISSIONS": test_submit.SUBMISSIONS,
    "tests/secrets/plan.py, SUBMITTING": types_of(SUBMITTING),
}
#: The same of the vendors that have error reports.
REPORTS: dict[str, Iterable[str]] = {
    "tests/network/test_error_reports.py, FILES": test_error_reports.FILES,
}


@pytest.mark.parametrize(
    ("table", "found", "wanted"),
    [
        *((table, set(found), VENDORS) for table, found in TABLES.items()),
        *((table, set(found), with_own("submit")) for table, found in SUBMISSIONS.items()),
        *((table, set(found), with_own("error_reports")) for table, found in REPORTS.items()),
    ],
    ids=[*TABLES, *SUBMISSIONS, *REPORTS],
)
def test_a_table_names_every_vendor(table: str, found: set[str], wanted: set[str]) -> None:
    missing = ", ".join(sorted(wanted - found))
    assert not missing, f"{table}: add {missing}"


def test_the_campaign_of_faults_has_every_bundled_description() -> None:
    # It would take minutes longer with Marketo, which is polled every five seconds at most.
    assert set(bundled_names()) - set(answers.ENDS) == {"marketo"}
