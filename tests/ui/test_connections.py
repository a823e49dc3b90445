"""The connection forms and the "Test connection" button in a real browser, with screenshots."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from playwright.sync_api import Locator, Page, expect

from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.protocol import credentials
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE
from airflow_provider_importstatus.sandbox.vendors.thalamus import CREDENTIALS as THALAMUS
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT
from airflow_provider_importstatus.version_compat import is_airflow

from ..vendors.described import TAO
from .conftest import Screenshot

ENTRIES: dict[str, dict[str, Any]] = {
    entry["connection-type"]: entry
    for entry in get_provider_info()["connection-types"]  # type: ignore[attr-defined]
}
HIDDEN = "***"
NOWHERE = "http://127.0.0.1:9"


@dataclass(frozen=True)
class Filled:
    """The values entered in a form; secrets are read back as stars."""

    standard: dict[str, str]
    extra: dict[str, str]
    #: Fields that Airflow hides because their names contain `token`.
    hidden: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def vendors() -> Iterator[Sandbox]:
    """Return separate vendors, so that a Clear token requested here revokes none used by a wait."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def access_token(vendors: Sandbox) -> str:
    """Return a token that Clear accepts."""
    headers = {"x-clear-client-secret": CLEAR.client_secret}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{vendors.url}/integration/v1/authz/token", headers=headers, timeout=5)
    return str(answer.json()["access_token"])


@pytest.fixture
def right(vendors: Sandbox, access_token: str) -> dict[str, Filled]:
    """Return a completely and correctly filled form of each vendor."""
    host, port = vendors.url, vendors.url.rpartition(":")[2]
    common = {"timeout": "12.5", "verify": "false", "max_concurrency": "4"}
    return {
        "clear": Filled(
            {"host": host, "port": port, "login": CLEAR.integration_ids[0]},
            {"access_token": access_token, **common},
            {"access_token"},
        ),
        "tao_advance": Filled(
            {
                "host": host,
                "port": port,
                "login": TAO_ADVANCE.client_id,
                "password": TAO_ADVANCE.client_secret,
            },
            {
                "api_prefix": "/api/v1/upload",
                "token_url": f"{host}/api/v1/upload/v1/oauth2/tokens",
                "token_request_encoding": "urlencoded",
                **common,
            },
            {"password", "token_url", "token_request_encoding"},
        ),
        "zilliant": Filled(
            {"host": host, "port": port, "login": ZILLIANT.username, "password": ZILLIANT.password},
            {
                "client_id": ZILLIANT.client_id,
                "client_secret": ZILLIANT.client_secret,
                "token_url": f"{host}/services/oauth2/token",
                "x_forwarded_host": ZILLIANT.forwarded_host,
                **common,
            },
            {"password", "client_secret", "token_url"},
        ),
        "thalamus": Filled(
            {"host": host, "port": port, "login": THALAMUS.principal, "password": THALAMUS.password},
            {"touchpoint": THALAMUS.touchpoint, "token": THALAMUS.token, **common},
            {"password", "token"},
        ),
        "import_api": Filled(
            {
                "host": host,
                "port": port,
                "login": TAO_ADVANCE.client_id,
                "password": TAO_ADVANCE.client_secret,
            },
            {
                "description": json.dumps(TAO),
                "token_url": f"{host}/api/v1/upload/v1/oauth2/tokens",
                **common,
            },
            {"password", "token_url"},
        ),
    }


@pytest.fixture
def save(page: Page, right: dict[str, Filled]) -> Callable[..., str]:
    """Save a valid connection without the form, with the given fields and extras replaced."""

    def save(vendor: str, *, extra: dict[str, str] | None = None, **fields: str) -> str:
        page.goto("connections")
        expect(page.get_by_role("button", name="Add Connection")).to_be_visible()
        conn_id = f"{vendor}_{time.monotonic_ns()}"
        standard = {**right[vendor].standard, **fields}
        body = {
            **standard,
            "port": int(standard["port"]),
            "connection_id": conn_id,
            "conn_type": vendor,
            "extra": json.dumps({**right[vendor].extra, **(extra or {})}),
        }
        assert page.request.post("api/v2/connections", data=body).status == 201
        page.reload()
        return conn_id

    return save


@pytest.mark.parametrize("vendor", ENTRIES)
def test_a_form_is_filled_in_saved_read_back_and_tested(
    page: Page, right: dict[str, Filled], screenshot: Screenshot, vendor: str
) -> None:
    filled, conn_id = right[vendor], f"{vendor}_form"
    form = open_form(page, vendor, conn_id)
    fill_standard(form, filled)
    screenshot(page, f"connection-{vendor}-standard")
    show_extras(form)
    for name, value in filled.extra.items():
        form.locator(f"#element_{name}").fill(value)
    screenshot(page, f"connection-{vendor}-extra")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()

    saved = page.request.get(f"api/v2/connections/{conn_id}").json()
    standard = {name: str(saved[name]) for name in filled.standard}
    assert standard == shown(filled.standard, filled.hidden)
    everything = dict.fromkeys(ENTRIES[vendor]["conn-fields"])
    assert json.loads(saved["extra"]) == {**everything, **shown(filled.extra, filled.hidden)}

    row(page, conn_id).get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog")
    for name, value in shown(filled.standard, filled.hidden).items():
        expect(form.locator(f"[name={name}]")).to_have_value(value)
    show_extras(form)
    for name, value in shown(filled.extra, filled.hidden).items():
        expect(form.locator(f"#element_{name}")).to_have_value(value)
    screenshot(page, f"connection-{vendor}-edit")
    # Values shown as stars must survive another save.
    form.locator("#element_timeout").fill("20")
    form.get_by_role("button", name="Save").click()
    expect(form).to_be_hidden()

    page.reload()
    words = press_test(page, conn_id)
    screenshot(page, f"connection-{vendor}-right")
    expect(words).to_contain_text("Test Connection Successful")
    expect(words).to_contain_text("responds and accepts the credential")


@pytest.mark.parametrize("vendor", ENTRIES)
def test_every_field_has_a_label_a_help_text_and_the_right_secrecy(
    page: Page, screenshot: Screenshot, vendor: str
) -> None:
    form, entry = open_form(page, vendor, "unsaved"), ENTRIES[vendor]
    for name, label in entry["ui-field-behaviour"]["relabeling"].items():
        expect(group(form, f"[name={name}]").locator("label")).to_have_text(label)
    for name in ("host", "port", "login", "password"):
        wanted = entry["ui-field-behaviour"]["placeholders"].get(name, "")
        expect(form.locator(f"[name={name}]")).to_have_attribute("placeholder", wanted)
    expect(form.locator("[name=schema]")).to_have_count(0)
    expect(form.locator("[name=password]")).to_have_attribute("type", "password")
    screenshot(page, f"connection-{vendor}-empty")
    show_extras(form)
    expect(form.locator("[id^=element_]")).to_have_count(len(entry["conn-fields"]))
    for name, described in entry["conn-fields"].items():
        field = f"#element_{name}"
        # Airflow's forms before 3.3 show what is typed into extras.
        is_hidden = is_airflow(3, 3) and described["schema"].get("format") == "password"
        expect(group(form, field).locator("label")).to_have_text(described["label"])
        expect(group(form, field)).to_contain_text(described["description"])
        assert (form.locator(field).get_attribute("type") == "password") is is_hidden
    cut_off = (
        "parts => parts.filter(part => part.scrollWidth > part.clientWidth).map(part => part.textContent)"
    )
    assert form.locator("label, [data-part=helper-text]").evaluate_all(cut_off) == []


@pytest.mark.parametrize(
    ("vendor", "fields", "said"),
    [
        pytest.param("clear", {"login": "not-ours"}, "unknown x-integration-id", id="clear-integration"),
        pytest.param("clear", {"extra": {"access_token": "stale-token"}}, "Access token", id="clear-token"),
        pytest.param(
            "clear",
            {"password": "wrong-secret", "extra": {"access_token": ""}},
            "API client secret",
            id="clear-client-secret",
        ),
        pytest.param("tao_advance", {"password": "wrong-secret"}, "invalid_client", id="tao-secret"),
        pytest.param("tao_advance", {"extra": {"api_prefix": "/x"}}, "API prefix", id="tao-prefix"),
        pytest.param(
            "tao_advance",
            {"login": TAO_ADVANCE.unscoped_client_id, "password": TAO_ADVANCE.unscoped_client_secret},
            "Insufficient scope",
            id="tao-scope",
        ),
        pytest.param("zilliant", {"password": "wrong-password"}, "invalid_grant", id="zilliant-password"),
        pytest.param(
            "zilliant", {"extra": {"x_forwarded_host": "x.example"}}, "X-Forwarded-Host", id="zilliant-host"
        ),
        pytest.param("thalamus", {"password": "wrong-password"}, "Principal", id="thalamus-password"),
        pytest.param("thalamus", {"extra": {"touchpoint": "x"}}, "Touchpoint", id="thalamus-touchpoint"),
        pytest.param("thalamus", {"host": NOWHERE, "port": "9"}, "Connection refused", id="unreachable"),
    ],
)
def test_the_test_button_reports_errors(
    page: Page,
    save: Callable[..., str],
    screenshot: Screenshot,
    request: pytest.FixtureRequest,
    vendor: str,
    fields: dict[str, Any],
    said: str,
) -> None:
    words = press_test(page, save(vendor, **fields))
    screenshot(page, f"connection-wrong-{request.node.callspec.id}")
    expect(words).to_contain_text("Test Connection Failed")
    expect(words).to_contain_text(said)


def test_the_shared_token_is_tested_and_none_is_requested(
    page: Page, save: Callable[..., str], vendors: Sandbox, access_token: str
) -> None:
    conn_id = save("clear", password=CLEAR.client_secret, extra={"access_token": ""})
    value = json.dumps({"value": access_token, "obtained_at": 0.0, "expires_at": None})
    variable = {
        "key": credentials.token_variable_name("clear", vendors.url, CLEAR.client_secret),
        "value": value,
    }
    assert page.request.post("api/v2/variables", data=variable).status == 201
    before = vendors.requests("clear")["token"]
    expect(press_test(page, conn_id)).to_contain_text("responds and accepts the credential")
    assert vendors.requests("clear")["token"] == before


def open_form(page: Page, vendor: str, conn_id: str) -> Locator:
    page.set_viewport_size({"width": 1400, "height": 1700})  # The whole form in one screenshot.
    page.goto("connections")
    page.get_by_role("button", name="Add Connection").click()
    form = page.get_by_role("dialog")
    form.locator("[name=connection_id]").fill(conn_id)
    form.get_by_role("combobox").click()
    page.get_by_role("option", name=ENTRIES[vendor]["hook-name"], exact=True).click()
    expect(form.locator("[name=host]")).to_be_visible()
    return form


def show_extras(form: Locator) -> None:
    # Airflow 3.4 shows all fields; earlier versions have the extras in a part that is closed.
    if not is_airflow(3, 4):
        form.get_by_role("button", name="Extra Fields", exact=True).click()
    expect(form.locator("#element_timeout")).to_be_visible()


def fill_standard(form: Locator, filled: Filled) -> None:
    for name, value in filled.standard.items():
        form.locator(f"[name={name}]").fill(value)


def group(form: Locator, selector: str) -> Locator:
    """Return the field with its label and its help text."""
    return form.get_by_role("group").filter(has=form.page.locator(selector))


def row(page: Page, conn_id: str) -> Locator:
    return page.get_by_role("row").filter(has_text=conn_id)


def shown(values: dict[str, str], hidden: set[str]) -> dict[str, str]:
    return {name: HIDDEN if name in hidden else value for name, value in values.items()}


def press_test(page: Page, conn_id: str) -> Locator:
    """Return Airflow's message after pressing the button."""
    row(page, conn_id).get_by_role("button", name="Test Connection").click()
    words = page.locator("[data-scope=toast][data-part=root]").filter(has_text="Test Connection")
    expect(words).to_be_visible()
    # The message slides in.
    words.evaluate("toast => Promise.all(toast.getAnimations().map(animation => animation.finished))")
    return words
