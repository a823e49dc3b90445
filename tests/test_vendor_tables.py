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

from .cluster.dags import cases as thousand
from .cluster.restart_dags import cases as restarts
from .faults import answers, campaign
from .hooks import test_submit
from .hostile import test_requests
from .network import (
    cases,
    test_addresses,
    test_connections,
    test_credentials,
    test_error_reports,
    test_states,
    test_submission,
)
from .operators import test_import_file
from .postgres.dags import cases as hostile
from .sandbox import test_faults
from .secrets.plan import CONNECTIONS, SUBMITTING
from .secrets.search import Search
from .secrets.vendors import connections
from .sensors import test_secrets
from .vendors import HOOKS, VENDOR_MODULES

ROOT = Path(__file__).parents[1]
#: Described vendors have one connection type, and descriptions of their own.
VENDORS = set(HOOKS) - {"import_api"}
SUBMITTERS = {vendor for vendor in VENDORS if HOOKS[vendor].submit is not ImportStatusHook.submit}
TITLES = {vendor.name: vendor.title for vendor in registry.VENDORS}
KEYWORDS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["keywords"]
SCRIPT = (ROOT / "airflow_provider_importstatus/ui/static/imports.js").read_text()
(SHOWN,) = re.findall(r"^const VENDORS = \{(.*)\};$", SCRIPT, re.MULTILINE)
SECRETS = connections("http://vendors.example", Search())


def types_of(conn_ids: Iterable[str]) -> set[str]:
    """Return the connection types of the connections in the search for secrets."""
    return {SECRETS[conn_id]["conn_type"] for conn_id in conn_ids}


def shown_in(page: str) -> set[str]:
    """Return the vendors that a page names."""
    text = (ROOT / page).read_text()
    return {vendor for vendor, title in TITLES.items() if title.split()[0] in text}


#: The vendors that each table has.
TABLES: dict[str, Iterable[str]] = {
    "demo/__main__.py, PLAN": {expected.dag_id.removeprefix("import_") for expected in PLAN},
    "pyproject.toml, keywords": {vendor for vendor in VENDORS if VENDOR_MODULES[vendor] in KEYWORDS},
    "ui/static/imports.js, VENDORS": re.findall(r"(\w+):", SHOWN),
    "tests/cluster/dags/cases.py, VENDORS": thousand.VENDORS,
    "tests/cluster/restart_dags/cases.py, VENDORS": restarts.VENDORS,
    "tests/faults/answers.py, ENDS": answers.ENDS,
    "tests/hostile/test_requests.py, TARGETS": test_requests.TARGETS,
    # The first are ready without a login; Zilliant is in both.
    "tests/network/cases.py, READY and WITH_LOGIN": {*cases.READY, *cases.WITH_LOGIN},
    # Clear's id is in the query.
    "tests/network/test_addresses.py, PATHS": {*test_addresses.PATHS, "clear"},
    "tests/network/test_connections.py, WRONG": {vendor for vendor, *_ in test_connections.WRONG},
    "tests/network/test_credentials.py, WRONG": {case.partition("-")[0] for case in test_credentials.WRONG},
    # Thalamus has no error reports.
    "tests/network/test_error_reports.py, FILES": {*test_error_reports.FILES, "thalamus"},
    "tests/network/test_states.py, ROWS": test_states.ROWS,
    "tests/network/test_states.py, SCENARIOS": {vendor for vendor, *_ in test_states.SCENARIOS},
    "tests/postgres/dags/cases.py, VENDORS": hostile.VENDORS,
    "tests/sandbox/test_faults.py, ERRORS": {vendor for vendor, *_ in test_faults.ERRORS},
    "tests/secrets/plan.py, CONNECTIONS": types_of(CONNECTIONS),
    "tests/sensors/test_secrets.py, PLANTED": {case.partition("-")[0] for case in test_secrets.PLANTED},
    **{
        page: shown_in(page)
        for page in (
            "README.md",
            *(f"docs/{name}.md" for name in ("connections", "error-reports", "operators", "sandbox")),
        )
    },
}
#: The same of the vendors that files can be submitted to.
SUBMISSIONS: dict[str, Iterable[str]] = {
    "tests/cluster/restart_dags/cases.py, SUBMIT_PARAMS": restarts.SUBMIT_PARAMS,
    "tests/faults/campaign.py, SUBMIT_PARAMS": campaign.SUBMIT_PARAMS,
    "tests/hooks/test_submit.py, SUBMISSIONS": test_submit.SUBMISSIONS,
    "tests/network/test_submission.py, PARAMS": test_submission.PARAMS,
    "tests/operators/test_import_file.py, PARAMS": test_import_file.PARAMS,
    "tests/secrets/plan.py, SUBMITTING": types_of(SUBMITTING),
}


@pytest.mark.parametrize(
    ("table", "found", "wanted"),
    [
        *((table, set(found), VENDORS) for table, found in TABLES.items()),
        *((table, set(found), SUBMITTERS) for table, found in SUBMISSIONS.items()),
    ],
    ids=[*TABLES, *SUBMISSIONS],
)
def test_a_table_names_every_vendor(table: str, found: set[str], wanted: set[str]) -> None:
    missing = ", ".join(sorted(wanted - found))
    assert not missing, f"{table}: add {missing}"


def test_the_campaign_of_faults_has_every_bundled_description() -> None:
    # It would take minutes longer with Marketo, which is polled every five seconds at most.
    assert set(bundled_names()) - set(answers.ENDS) == {"marketo"}
