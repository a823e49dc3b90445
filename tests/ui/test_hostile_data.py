"""Hostile texts on the Imports page, in a browser with a strict Content-Security-Policy in report mode."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from demo.configuration import environment
from demo.deployment import Deployment
from tests.hostile_texts import HOSTILE
from tests.ui.conftest import ROOT, LogIn, Screenshot
from tests.ui.fill import HOSTILE_DAG

#: What the page may do. The browser reports anything else, but does it: Airflow's own page needs more.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self';"
    " connect-src 'self'; form-action 'none'; base-uri 'self'; require-trusted-types-for 'script'"
)
#: Collects what the browser reports, from the first script on.
COLLECT = """
    globalThis.reported = [];
    document.addEventListener("securitypolicyviolation", (event) => {
        const { blockedURI, effectiveDirective, sourceFile } = event;
        reported.push({ blockedURI, effectiveDirective, sourceFile });
    });
"""
PAGE_SIZE = 50
#: Elements that the page creates, and their attributes besides `class`, `style`, `title` and those of ARIA.
ELEMENTS = {
    **dict.fromkeys(
        ("ARTICLE", "BDI", "CAPTION", "DD", "DIV", "DL", "DT", "FORM", "H2", "H3", "LABEL", "LI"), ""
    ),
    **dict.fromkeys(("MAIN", "NAV", "P", "SPAN", "STRONG", "TABLE", "TBODY", "THEAD", "TR", "UL"), ""),
    "A": "href data-discover",
    "BUTTON": "type disabled",
    "INPUT": "name placeholder type value",
    "OPTION": "value",
    "SELECT": "name",
    "TD": "data-title",
    "TH": "scope",
    "TIME": "datetime",
}
COMMON = {"class", "style", "title", "role"}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def hostile(deployment: Deployment) -> None:
    """Fill the database with imports that have the hostile texts everywhere."""
    env = {**environment(deployment.home), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.ui.fill", "hostile"], env=env, cwd=ROOT, check=True)


@pytest.fixture
def requested(page: Page) -> list[str]:
    """Return the URLs that the page requests, and end the test at a dialog."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.on("dialog", lambda dialog: urls.append(f"/harm: a dialog with {dialog.message}"))
    return urls


def watch(page: Page, *, without_script: bool = False) -> None:
    """Set the policy for pages that are loaded from now on, and collect what the browser reports.

    :param without_script: whether Airflow gets an empty component in place of ours
    """
    page.add_init_script(COLLECT)

    def answer(route: Route) -> None:
        if without_script and route.request.url.endswith("/imports.js"):
            route.fulfill(content_type="text/javascript", body="globalThis.Imports = () => null")
        elif route.request.is_navigation_request():
            response = route.fetch()
            policy = {"content-security-policy-report-only": POLICY}
            route.fulfill(response=response, headers={**response.headers, **policy})
        else:
            route.fallback()

    page.route("**/*", answer)


def show_in_full(deployment: Deployment, page: Page) -> None:
    """Let the tab of any task show the run with all hostile texts."""

    def answer(route: Route) -> None:
        query = f"dag_id={HOSTILE_DAG}&run_id=all&page={page_of(route.request.url)}"
        route.fulfill(response=route.fetch(url=f"{deployment.url}/importstatus/imports?{query}"))

    page.route(re.compile(r"/importstatus/imports(\?|$)"), answer)


def page_of(url: str) -> str:
    found = re.search(r"[?&]page=(\d+)", url)
    return found[1] if found else "1"


def reports(page: Page) -> list[dict[str, str]]:
    """Return what the browser has reported, without what differs each time."""
    # Its last requests and reports may be on their way.
    page.wait_for_timeout(500)
    collected = page.evaluate("reported")
    parts = ("blockedURI", "effectiveDirective", "sourceFile")
    return [
        {name: re.sub(r"[0-9a-f-]{36}", "", urlsplit(one[name]).path) for name in parts} for one in collected
    ]


def check_elements(page: Page) -> None:
    """Check that all elements and attributes are the page's own, and all links lead to tasks' tabs."""
    elements = page.locator(".imports, .imports *").evaluate_all(
        "all => all.map(each => [each.tagName, ...each.getAttributeNames()])"
    )
    assert len(elements) > 100
    for tag, *names in elements:
        own = {name for name in names if not name.startswith("aria-")} - COMMON
        assert tag in ELEMENTS
        assert own <= set(ELEMENTS[tag].split())
    links = page.locator(".imports a").evaluate_all("all => all.map(each => each.href)")
    path = r"/airflow/(dags|runs|tasks)/\S+/plugin/import"
    assert [link for link in links if not re.fullmatch(path, urlsplit(link).path)] == []
    assert {urlsplit(link).netloc for link in links} <= {urlsplit(page.url).netloc}


def check_harmless(page: Page, requested: list[str], deployment: Deployment) -> None:
    """Check that nothing in the data was executed, requested or opened."""
    assert page.evaluate("globalThis.harmed") is None
    assert [url for url in requested if "/harm" in urlsplit(url).path] == []
    assert [url for url in requested if not url.startswith((deployment.url, "blob:", "data:"))] == []
    assert len(page.context.pages) == 1


def shown(page: Page, selector: str) -> list[str]:
    return page.locator(f".imports {selector}").evaluate_all("all => all.map(each => each.textContent)")


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("number", range(1, 5))
def test_the_list_shows_texts_as_texts(
    deployment: Deployment, page: Page, requested: list[str], number: int
) -> None:
    watch(page)
    with page.expect_response("**/importstatus/imports?*") as response:
        page.goto(f"plugin/imports?dag_id={HOSTILE_DAG}&page={number}")
    imports = response.value.json()["imports"]
    expect(page.locator("tbody tr")).to_have_count(len(imports))
    assert shown(page, ".imports-id bdi") == [one["import_id"] for one in imports]
    assert shown(page, "tbody td:last-child a") == [f"{one['dag_id']} / {one['task_id']}" for one in imports]
    told = [message for one in imports for message in one["messages"][:2]]
    assert shown(page, "td li bdi") == told
    check_elements(page)
    check_harmless(page, requested, deployment)
    expect(page).to_have_url(re.compile(rf"/airflow/plugin/imports\?dag_id={HOSTILE_DAG}&page={number}$"))


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("number", [1, 2])
def test_the_tab_shows_texts_as_texts(
    deployment: Deployment, page: Page, requested: list[str], screenshot: Screenshot, number: int
) -> None:
    run = deployment.trigger("imports_poke", {"conn_id": "nowhere", "import_id": "7"})
    query = f"dag_id={HOSTILE_DAG}&run_id=all&page={number}"
    imports = page.request.get(f"{deployment.url}/importstatus/imports?{query}").json()["imports"]
    show_in_full(deployment, page)
    watch(page)
    page.goto(f"dags/{run.dag_id}/runs/{run.run_id.replace('+', '%2B')}/plugin/run_imports")
    if number == 2:
        page.get_by_role("button", name="Next").click()
    expect(page.locator(".imports-id bdi").first).to_have_text(imports[0]["import_id"], timeout=60_000)
    assert shown(page, ".imports-id bdi") == [one["import_id"] for one in imports]
    stages = [stage["stage"] for one in imports for stage in one["stages"] if stage["stage"]]
    assert shown(page, "tbody th bdi") == stages
    check_elements(page)
    check_harmless(page, requested, deployment)
    screenshot(page, f"hostile-tab-{number}")


@pytest.mark.usefixtures("hostile")
def test_the_page_needs_nothing_that_a_strict_policy_forbids(page: Page, log_in: LogIn) -> None:
    """Airflow's own page does: so what the browser reports is compared with that for an empty component."""
    watch(page)
    page.goto(f"plugin/imports?dag_id={HOSTILE_DAG}")
    expect(page.locator("tbody tr")).to_have_count(PAGE_SIZE)
    page.get_by_role("combobox", name="State", exact=True).select_option(label="Failed")
    page.get_by_role("button", name="Next").click()
    expect(page).to_have_url(re.compile("page=2$"))
    without = log_in()
    watch(without, without_script=True)
    without.goto(f"plugin/imports?dag_id={HOSTILE_DAG}")
    expect(without.get_by_role("button", name="Browse")).to_be_visible()
    told, usual = reports(page), reports(without)
    # The policy is in effect: Airflow's own styles do not keep to it, nor do the scripts of 3.1.
    assert usual
    assert [one for one in told if one not in usual] == []
    assert [one for one in told if "importstatus" in one["sourceFile"]] == []


@pytest.mark.usefixtures("hostile")
def test_a_change_of_direction_ends_where_its_text_ends(page: Page) -> None:
    page.goto(f"plugin/imports?dag_id={HOSTILE_DAG}&text=direction override")
    names = page.locator("tbody td:last-child .imports-muted")
    expect(names).to_have_count(2)
    # Where the words after the run's id are drawn: after it, not before it.
    gaps = names.evaluate_all(
        """all => all.map(each => {
            const after = document.createRange();
            after.selectNodeContents(each.lastChild);
            const [words, id] = [after.getClientRects()[0], each.querySelector("bdi").getClientRects()];
            return words.left - id[id.length - 1].left;
        })"""
    )
    assert all(gap > 0 for gap in gaps)
    kinds = page.locator(".imports bdi").evaluate_all(
        "all => all.map(each => getComputedStyle(each).unicodeBidi)"
    )
    assert set(kinds) == {"isolate"}


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("size", [None, PHONE], ids=["desktop", "phone"])
def test_no_text_makes_the_page_wider_than_the_window(
    log_in: LogIn, screenshot: Screenshot, size: dict[str, int] | None
) -> None:
    page = log_in(**({"viewport": size} if size else {}))
    page.goto(f"plugin/imports?dag_id={HOSTILE_DAG}")
    expect(page.locator("tbody tr")).to_have_count(PAGE_SIZE)
    screenshot(page, f"hostile-{'phone' if size else 'desktop'}")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator(".imports").evaluate("element => element.scrollWidth <= element.clientWidth")


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "name", ["script", "handler", "jinja", "format", "percent format", "query", "direction marks"]
)
def test_a_hostile_text_is_searched_for_as_text(
    deployment: Deployment, page: Page, requested: list[str], name: str
) -> None:
    watch(page)
    page.goto("plugin/imports?dag_id=" + HOSTILE_DAG)
    page.get_by_role("searchbox", name="Text").fill(HOSTILE[name])
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.get_by_role("searchbox", name="Text")).to_have_value(HOSTILE[name])
    check_harmless(page, requested, deployment)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    "path", ["imports?dag_id=hostile", "imports?page=<script>", "static/imports.js", "imports?days=<b>"]
)
def test_a_response_that_is_opened_as_a_page_does_nothing(
    deployment: Deployment, page: Page, requested: list[str], path: str
) -> None:
    response: Any = page.goto(f"importstatus/{path}")
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert response.headers["x-content-type-options"] == "nosniff"
    check_harmless(page, requested, deployment)
    assert page.locator("script, iframe, img").count() == 0
    # The policy is in effect: no script of a page's own would run either.
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'harmed = 1'}))"
    )
    assert page.evaluate("globalThis.harmed") is None
