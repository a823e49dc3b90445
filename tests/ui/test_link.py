"""The link from a task instance to the tab of its import."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from airflow_provider_importstatus.sandbox import Sandbox
from demo.deployment import Deployment
from demo.rest import Run
from tests.ui.conftest import Screenshot, token_of

MODES = ("deferred", "poke", "reschedule", "zero_worker")


@pytest.fixture(scope="module")
def imports(sandbox: Sandbox) -> dict[str, str]:
    """Return an import for each mode."""
    return {mode: sandbox.submit("zilliant", seconds=40) for mode in MODES}


@pytest.fixture(scope="module")
def runs(deployment: Deployment, imports: dict[str, str]) -> dict[str, Run]:
    """Return a run for each mode, which waits 40 seconds for its import."""
    return {
        mode: deployment.trigger(f"imports_{mode}", {"conn_id": "zilliant_default", "import_id": import_id})
        for mode, import_id in imports.items()
    }


@pytest.mark.parametrize("mode", MODES)
def test_the_link_is_available_while_the_task_waits(
    deployment: Deployment, runs: dict[str, Run], mode: str
) -> None:
    run = runs[mode]
    deployment.wait_for(lambda: deployment.api.state(run) == "running", f"start of {run.dag_id}", timeout=60)
    assert (
        link_of(deployment, run) == f"dags/imports_{mode}/runs/{_quoted(run.run_id)}/tasks/wait/plugin/import"
    )


@pytest.mark.parametrize("mode", MODES)
def test_the_link_leads_to_the_import_after_it_ended(
    deployment: Deployment,
    runs: dict[str, Run],
    imports: dict[str, str],
    page: Page,
    screenshot: Screenshot,
    mode: str,
) -> None:
    run = runs[mode]
    assert deployment.wait_for_end(run, timeout=120) == "success"
    page.goto(f"dags/{run.dag_id}/runs/{_quoted(run.run_id)}/tasks/wait/details")
    link = page.get_by_role("link", name="Import", exact=True).and_(page.locator("a[rel~=noopener]"))
    expect(link).to_be_visible()
    screenshot(page, f"link-{mode}")
    with page.context.expect_page() as opened:
        link.click(modifiers=["Control"])
    expect(opened.value.get_by_role("article")).to_contain_text(imports[mode])
    expect(opened.value).to_have_url(re.compile(r"^http://[^/]+/airflow/dags/.*/plugin/import$"))


def link_of(deployment: Deployment, run: Run) -> str | None:
    path = f"api/v2/dags/{run.dag_id}/dagRuns/{_quoted(run.run_id)}/taskInstances/wait/links"
    headers = {"Authorization": f"Bearer {token_of('admin', role='ADMIN')}"}
    answer = requests.get(f"{deployment.url}/{path}", headers=headers, timeout=30).json()
    return answer["extra_links"]["Import"]


def _quoted(run_id: str) -> str:
    return run_id.replace(":", "%3A").replace("+", "%2B")
