"""The Imports page and its tabs, in a real browser."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from airflow_provider_importstatus.sandbox import Sandbox
from demo.configuration import environment
from demo.deployment import Deployment
from demo.rest import Run
from tests.ui.auth import AUDITOR, NEWCOMER, READER
from tests.ui.conftest import ROOT, SCREENSHOTS, LogIn, Screenshot

#: Fields from an XCom, which another operator may have written.
HOSTILE_FIELDS = (
    *("vendor", "import_id", "state", "vendor_state", "rows", "progress", "messages", "more_messages"),
    *("stages", "more_stages", "error_reports", "started_at", "finished_at", "polled_at", "next_poll_at"),
)
#: The color of texts on the colors of states, also in Airflow's own ones.
WHITE = "rgb(255, 255, 255)"
PHONE = {"width": 390, "height": 844}
#: Milliseconds until a change at a vendor is visible, including scheduler lag and a deferred task's hold.
TO_BE_SEEN = 60_000


@pytest.fixture(scope="module")
def mapped_run(deployment: Deployment, sandbox: Sandbox) -> Run:
    """Return a run with one finished and two running imports, in the DAG that the reader may see."""
    scenarios: list[tuple[str, dict[str, Any]]] = [
        ("clear", {"ends": "partial", "seconds": 1}),
        ("thalamus", {"ends": "partial", "seconds": 3600, "queued": 0, "rows": 9000, "rejected": 400}),
        ("thalamus", {"blocked": 3600, "seconds": 3600}),
    ]
    waits = [
        {"conn_id": f"{vendor}_default", "import_id": sandbox.submit(vendor, **scenario)}
        for vendor, scenario in scenarios
    ]
    run = deployment.trigger("readable", {"waits": waits})

    def are_seen() -> bool:
        if not deployment.api.task_instances(run, "wait"):
            return False
        return all(deployment.api.xcom(run, "wait", "import_status", index) for index in range(len(waits)))

    deployment.wait_for(are_seen, "first looks at all imports", timeout=90)
    return run


@pytest.fixture(scope="module")
def fleet(deployment: Deployment) -> None:
    """Fill the database with 2,000 imports in 40 DAGs."""
    env = {**environment(deployment.home), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.ui.fill", "40", "10", "5"], env=env, cwd=ROOT, check=True)


def test_an_import_goes_from_queued_to_partial_without_a_reload(
    deployment: Deployment, sandbox: Sandbox, page: Page, screenshot: Screenshot
) -> None:
    import_id = sandbox.submit("thalamus", ends="partial", seconds=75, queued=45, rows=120, rejected=3)
    deployment.trigger("imports_deferred", {"conn_id": "thalamus_default", "import_id": import_id})
    page.goto("plugin/imports?dag_id=imports_deferred")
    row = page.get_by_role("row").filter(has=page.get_by_text(import_id, exact=True))
    expect(row).to_contain_text("Queued", timeout=TO_BE_SEEN)
    page.evaluate("window.isTheSame = true")
    screenshot(page, "page-queued")
    expect(row).to_contain_text("Running", timeout=TO_BE_SEEN)
    expect(row.get_by_role("progressbar", name="Progress")).to_be_visible()
    screenshot(page, "page-running")
    expect(row).to_contain_text("Partial", timeout=TO_BE_SEEN)
    expect(row.get_by_role("img", name="3 rejected")).to_be_visible()
    expect(row.get_by_role("progressbar")).to_have_count(0)
    expect(row).to_contain_text(re.compile(r"took \d"))
    screenshot(page, "page-partial")
    assert page.evaluate("window.isTheSame")


@pytest.mark.usefixtures("screenshot")
def test_the_page_is_in_the_navigation(page: Page, mapped_run: Run) -> None:
    page.goto("")
    page.get_by_role("button", name="Browse").click()
    page.get_by_role("menuitem", name="Imports").click()
    expect(page.get_by_role("heading", name="Imports")).to_be_visible()
    expect(page.get_by_role("row", name=mapped_run.dag_id).first).to_be_visible()


def test_waiting_imports_come_first(page: Page, mapped_run: Run, screenshot: Screenshot) -> None:
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    states = page.locator("tbody .imports-state")
    expect(states).to_have_text(["Running", "Blocked", "Partial"], timeout=TO_BE_SEEN)
    lines = "all => all.map(each => [each.textContent, each.getClientRects().length])"
    assert page.locator(".imports-state + span bdi").evaluate_all(lines) == [
        ["PROCESSING", 1],
        ["CONFIGURATION_PENDING", 1],
        ["SUCCESS", 1],
    ]
    screenshot(page, "page")  # The picture in the README: see `make pictures`.


def test_a_task_instances_tab_has_the_import_in_full(
    page: Page, mapped_run: Run, screenshot: Screenshot
) -> None:
    page.goto(f"{tab_path(mapped_run)}/tasks/wait/mapped/0/plugin/import")
    article = page.get_by_role("article")
    expect(article).to_have_count(1)
    expect(article.get_by_role("row", name="INGESTION")).to_contain_text("Partial")
    expect(article).to_contain_text("120 of 120 rows read")
    for title in ("Task waits since", "Status"):
        expect(article.locator("dt", has_text=title).locator("+ dd time")).to_have_attribute(
            "datetime", re.compile(r"^2\d{3}-")
        )
    screenshot(page, "tab-task")
    for state in article.locator(".imports-state").all():
        expect(state).to_have_css("color", WHITE)


def test_a_dag_runs_tab_has_all_its_imports(page: Page, mapped_run: Run, screenshot: Screenshot) -> None:
    page.goto(f"{tab_path(mapped_run)}/plugin/run_imports")
    expect(page.get_by_role("article")).to_have_count(3)
    screenshot(page, "tab-run")
    page.get_by_role("link", name="readable / wait [2]").click()
    expect(page).to_have_url(re.compile(r"/tasks/wait/mapped/2/plugin/import$"))
    expect(page.get_by_role("article")).to_have_count(1)


def test_a_task_without_an_import_shows_a_message(page: Page, mapped_run: Run) -> None:
    page.goto(f"{tab_path(mapped_run)}/tasks/waits/plugin/import")
    expect(page.get_by_text("No import in this task")).to_be_visible()


def test_filters_are_kept_in_the_url(page: Page, mapped_run: Run, screenshot: Screenshot) -> None:
    page.goto("plugin/imports")
    page.get_by_role("combobox", name="Vendor", exact=True).select_option(label="Clear")
    page.get_by_role("combobox", name="State", exact=True).select_option(label="Partial")
    page.get_by_role("combobox", name="DAG", exact=True).select_option(mapped_run.dag_id)
    page.get_by_role("searchbox", name="Text").fill("ROWS read")
    expect(page).to_have_url(re.compile(r"vendor=clear&state=partial&dag_id=readable&text=ROWS\+read$"))
    expect(page.locator("tbody tr")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("searchbox", name="Text")).to_have_value("ROWS read")
    expect(page.locator("tbody tr")).to_have_count(1)
    screenshot(page, "page-filtered")
    page.get_by_role("searchbox", name="Text").fill("no such words")
    page.get_by_role("button", name="Clear the filters").click()
    expect(page).to_have_url(re.compile(r"/plugin/imports$"))


def test_everything_is_reachable_by_keyboard(page: Page, mapped_run: Run) -> None:
    page.goto("plugin/imports")
    page.get_by_role("combobox", name="Vendor", exact=True).focus()
    for name in ("state", "dag_id"):
        page.keyboard.press("Tab")
        expect(page.locator(f"select[name={name}]")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type(mapped_run.dag_id)
    expect(page).to_have_url(re.compile(rf"text={mapped_run.dag_id}$"))
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("searchbox", name="Text")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("tbody a").first).to_be_focused()


def test_the_numbers_by_state_are_filters(page: Page, mapped_run: Run, screenshot: Screenshot) -> None:
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    numbers = page.get_by_role("group", name="Imports by state").get_by_role("button")
    expect(numbers).to_have_text(["2 Still waited for", "1 Running", "1 Blocked", "1 Partial"])
    partial = numbers.filter(has_text="Partial")
    partial.press("Enter")
    expect(page.locator("tbody .imports-state")).to_have_text(["Partial"])
    expect(partial).to_have_attribute("aria-pressed", "true")
    expect(partial).to_have_css("color", WHITE)
    expect(numbers).to_have_count(4)
    expect(page).to_have_url(re.compile("state=partial"))
    screenshot(page, "page-numbers")
    partial.click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_the_page_names_its_window_and_offers_others(page: Page, mapped_run: Run) -> None:
    page.goto("plugin/imports")
    window = page.locator(".imports-window")
    expect(window).to_contain_text("Imports still waited for, and those of DAG runs of the last 7 days.")
    with page.expect_response(re.compile(r"/importstatus/imports\?days=30$")):
        page.get_by_role("combobox", name="DAG runs of").select_option(label="the last 30 days")
    expect(window).to_contain_text("DAG runs of the last 30 days")
    expect(page.get_by_role("row", name=mapped_run.dag_id).first).to_be_visible()


@pytest.mark.usefixtures("mapped_run")
def test_older_imports_than_the_newest_are_reached(page: Page) -> None:
    older = [2**31 - 1, None]  # An id above all runs, so that the older ones are there.

    def answer(route: Route) -> None:
        is_older = "before=" in route.request.url
        limits = {"max_imports": None if is_older else 2000, "older": older[is_older]}
        route.fulfill(json={**route.fetch().json(), **limits})

    page.route(re.compile(r"/importstatus/imports(\?|$)"), answer)
    page.goto("plugin/imports")
    window = page.locator(".imports-window")
    expect(window).to_contain_text("Only the newest 2,000 are listed and counted.")
    window.get_by_role("button", name="Older imports").click()
    expect(window).to_contain_text("Older imports, of DAG runs of the last 7 days.")
    # Numbers by state choose among the older ones.
    page.get_by_role("button", name="Partial").click()
    expect(page).to_have_url(re.compile("state=partial&before=2147483647$"))
    expect(page.locator("tbody .imports-state").first).to_have_text("Partial")
    window.get_by_role("button", name="Newest imports").click()
    expect(window).to_contain_text("Imports still waited for")


def answer_with(page: Page, **changes: Any) -> None:
    """Change the first of the imports that the endpoint returns."""

    def answer(route: Route) -> None:
        answer = route.fetch().json()
        answer["imports"][0] |= changes
        route.fulfill(json=answer)

    page.route(re.compile(r"/importstatus/imports(\?|$)"), answer)


def ago(**age: float) -> str:
    return (datetime.now(UTC) - timedelta(**age)).isoformat()


@pytest.mark.parametrize(("total", "bars"), [(None, 0), (42, 0), (90, 1)])
def test_rows_of_an_unknown_total_fill_no_bar_while_the_import_goes_on(
    page: Page, mapped_run: Run, total: int | None, bars: int
) -> None:
    rows = {"total": total, "succeeded": 40, "failed": 2, "skipped": None}
    answer_with(page, state="running", progress=None, rows=rows)
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text(f"40 succeeded, 2 rejected{' of 90 rows' if bars else ''}")
    assert bars or "of 42 rows" not in row.inner_text()
    expect(row.get_by_role("img")).to_have_count(bars)


def test_an_old_status_of_a_waiting_task_is_no_alarm(page: Page, mapped_run: Run) -> None:
    answer_with(
        page, polled_at=ago(minutes=110), next_poll_at=ago(minutes=109), task_started_at=ago(hours=50)
    )
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text(re.compile(r"as of .*\d+:\d\d.* \(2 hours ago\)"))
    expect(row).to_contain_text("waiting for 2 d 2 h")
    expect(row).not_to_contain_text(re.compile("next poll|overdue|due|No status"))


def test_a_poll_that_is_ahead_is_named(page: Page, mapped_run: Run) -> None:
    answer_with(page, polled_at=ago(minutes=180), next_poll_at=ago(minutes=-5, seconds=-30))
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("next poll in 5 minutes")
    expect(row).not_to_contain_text("No status")


def test_a_status_that_is_missing_is_reported(page: Page, mapped_run: Run) -> None:
    answer_with(page, polled_at=ago(minutes=125), next_poll_at=ago(minutes=124))
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    expect(page.locator("tbody tr").first).to_contain_text("No status for 2 h 5 min. See the task's log.")
    expect(page.get_by_text("No status for")).to_have_count(1)


def test_a_task_that_no_longer_waits_for_its_import_is_reported(page: Page, mapped_run: Run) -> None:
    answer_with(page, state="running", is_waited_for=False, task_state="failed", polled_at=ago(hours=5))
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("No longer waited for")
    expect(row).not_to_contain_text("No status for")


@pytest.mark.parametrize(
    ("stored", "time"),
    [('"Asia/Tokyo"', "9:30 PM"), ('"America/New_York"', "7:30 AM"), (None, "2:30 PM")],
)
def test_times_are_shown_in_the_time_zone_selected_in_airflow(
    log_in: LogIn, mapped_run: Run, stored: str | None, time: str
) -> None:
    page = log_in(locale="en-US", timezone_id="Europe/Helsinki")
    page.clock.set_fixed_time("2026-01-05T12:40:00Z")
    if stored:
        page.add_init_script(f"localStorage.setItem('timezone', '{stored}')")
    answer_with(page, polled_at="2026-01-05T12:30:00+00:00", next_poll_at=None)
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    expect(page.locator("tbody tr").first).to_contain_text(f"as of {time} (10 minutes ago)")


@pytest.mark.usefixtures("deployment", "fleet", "mapped_run")
def test_a_user_sees_nothing_of_dags_without_access(log_in: LogIn, screenshot: Screenshot) -> None:
    page = log_in(READER)
    with page.expect_response("**/importstatus/imports") as response:
        page.goto("plugin/imports")
    answer = response.value.json()
    assert answer["dag_ids"] == ["fleet_07", "readable"]
    assert {one["dag_id"] for one in answer["imports"]} == {"fleet_07", "readable"}
    expect(page.get_by_text("1 to 50 of 53 imports")).to_be_visible()
    screenshot(page, "page-reader")
    page.goto("plugin/imports?dag_id=fleet_08")
    expect(page.get_by_text("No import matches these filters")).to_be_visible()


@pytest.mark.parametrize("user", [None, READER], ids=["administrator", "reader"])
@pytest.mark.usefixtures("fleet")
def test_two_thousand_imports_are_as_usable_as_one(
    log_in: LogIn, screenshot: Screenshot, user: str | None
) -> None:
    """The duration is saved beside the screenshots: a slow machine must not fail the test."""
    page = log_in(user)
    page.goto("")
    page.get_by_role("button", name="Browse").click()
    begun = time.monotonic()
    page.get_by_role("menuitem", name="Imports").click()
    page.locator("tbody tr").first.wait_for()
    took = time.monotonic() - begun
    name = f"page-many-{user or 'administrator'}"
    screenshot(page, name)
    (SCREENSHOTS / f"{name}.txt").write_text(f"first rows after {took:.2f} s\n")
    expect(page.locator("tbody tr")).to_have_count(50)


@pytest.mark.usefixtures("fleet")
def test_pagination_reaches_all_imports(page: Page) -> None:
    page.goto("plugin/imports?dag_id=fleet_00")
    expect(page.get_by_text("50 imports")).to_be_visible()
    page.goto("plugin/imports?text=fleet_")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("51 to 100 of 2,000 imports")).to_be_visible()
    expect(page).to_have_url(re.compile("page=2$"))


@pytest.mark.parametrize(("text", "total"), [("fleet_07-", 50), ("BETRAG ungültig", 2000), ("100%", 0)])
@pytest.mark.usefixtures("fleet")
def test_text_is_searched_in_all_imports(page: Page, text: str, total: int) -> None:
    with page.expect_response("**/importstatus/imports?*") as response:
        page.goto(f"plugin/imports?text={text.replace('%', '%25')}")
    assert response.value.json()["total"] == total


@pytest.mark.usefixtures("fleet")
def test_a_vendors_html_is_shown_as_text(page: Page) -> None:
    page.goto("plugin/imports?dag_id=fleet_00")
    expect(page.get_by_text("Row 0: <b>GSTIN</b> missing").first).to_be_visible()
    expect(page.locator(".imports b")).to_have_count(0)


@pytest.mark.parametrize("field", HOSTILE_FIELDS)
@pytest.mark.usefixtures("mapped_run")
def test_one_malformed_import_does_not_hide_the_others(page: Page, field: str) -> None:
    """The page must handle any response of the endpoint, also from another release."""
    wrong: list[Any] = [
        None,
        True,
        7,
        -1,
        "",
        "tomorrow",
        "constructor",
        [],
        [None, 7, {}],
        {},
        {"a": {"b": []}},
    ]

    def answer(route: Route) -> None:
        answer = route.fetch().json()
        good = answer["imports"][0]
        bad = [{**good, "task_id": f"bad_{index}", field: value} for index, value in enumerate(wrong)]
        route.fulfill(json={**answer, "imports": [*bad, {**good, "task_id": "the_good_one"}]})

    page.route(re.compile(r"/importstatus/imports(\?|$)"), answer)
    page.goto("plugin/imports")
    expect(page.get_by_role("link", name="the_good_one")).to_be_visible()


def test_the_page_works_on_a_phone_in_dark_mode(
    log_in: LogIn, mapped_run: Run, screenshot: Screenshot
) -> None:
    page = log_in(viewport=PHONE)
    page.add_init_script("localStorage.setItem('theme', 'dark')")
    page.goto(f"plugin/imports?dag_id={mapped_run.dag_id}")
    expect(page.locator("tbody tr")).to_have_count(3)
    screenshot(page, "page-phone-dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator(".imports").evaluate("element => element.scrollWidth <= element.clientWidth")


def test_a_user_without_imports_sees_what_to_do(log_in: LogIn, screenshot: Screenshot) -> None:
    page = log_in(NEWCOMER)
    page.goto("plugin/imports")
    expect(page.get_by_role("heading", name="No imports in the last 7 days")).to_be_visible()
    expect(page.get_by_text("Use one of the provider's sensors in a DAG")).to_be_visible()
    screenshot(page, "page-empty")
    page.get_by_role("button", name="Show those of all time").click()
    expect(page.get_by_role("heading", name="No imports yet")).to_be_visible()
    expect(page).to_have_url(re.compile(r"plugin/imports\?days=all$"))


@pytest.mark.usefixtures("mapped_run")
def test_a_user_without_xcom_access_sees_why(log_in: LogIn, screenshot: Screenshot) -> None:
    page = log_in(AUDITOR)
    page.goto("plugin/imports")
    expect(page.get_by_role("alert")).to_contain_text("requires permission to read XComs")
    expect(page.locator("tbody tr")).to_have_count(0)
    screenshot(page, "page-refused")


@pytest.mark.usefixtures("mapped_run")
def test_the_page_recovers_from_a_network_failure(page: Page, screenshot: Screenshot) -> None:
    page.goto("plugin/imports")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_role("alert")).to_contain_text("Airflow does not respond", timeout=TO_BE_SEEN)
    expect(page.locator("tbody tr").first).to_be_visible()
    screenshot(page, "page-offline")
    page.context.set_offline(False)
    expect(page.get_by_role("alert")).to_be_empty(timeout=TO_BE_SEEN)


@pytest.mark.usefixtures("mapped_run")
def test_an_expired_session_is_reported(page: Page) -> None:
    page.goto("plugin/imports")
    expect(page.locator("tbody tr").first).to_be_visible()
    page.context.clear_cookies()
    expect(page.get_by_role("alert")).to_contain_text("Reload the page to log in again")


@pytest.mark.usefixtures("mapped_run")
def test_a_hidden_page_does_not_poll(page: Page) -> None:
    page.goto("plugin/imports")
    expect(page.locator("tbody tr").first).to_be_visible()
    hide = "Object.defineProperty(document, 'hidden', {{configurable: true, value: {}}}); \
        document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(hide.format("true"))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(6_000)
    assert [url for url in asked if "/importstatus/" in url] == []
    with page.expect_request("**/importstatus/imports"):
        page.evaluate(hide.format("false"))


@pytest.mark.usefixtures("fleet")
def test_an_unchanged_response_is_not_sent_again(page: Page) -> None:
    page.goto("plugin/imports?state=partial&vendor=tao_advance&dag_id=fleet_03")
    expect(page.locator("tbody tr").first).to_be_visible()
    with page.expect_response("**/importstatus/imports?*") as response:
        pass
    assert response.value.request.sizes()["responseBodySize"] == 0


@pytest.mark.usefixtures("mapped_run")
def test_nothing_is_loaded_from_other_hosts(deployment: Deployment, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("plugin/imports")
    expect(page.locator("tbody tr").first).to_be_visible()
    assert any(url.endswith("/airflow/importstatus/static/imports.js") for url in asked)
    assert [url for url in asked if not url.startswith((deployment.url, "blob:", "data:"))] == []


def test_airflow_logs_no_warning_about_the_plugin(deployment: Deployment) -> None:
    lines = [line for log in deployment.logs.glob("*.log") for line in log.read_text().splitlines()]
    warnings = [line for line in lines if re.search(r"\[(warning|error|critical) *\]", line)]
    assert [line for line in warnings if "plugin" in line.lower()] == []


def tab_path(run: Run) -> str:
    return f"dags/{run.dag_id}/runs/{run.run_id.replace('+', '%2B')}"
