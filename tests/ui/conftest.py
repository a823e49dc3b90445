"""A real Airflow under a URL prefix, the sandbox's vendors as its connections, and a real browser.

`deployment` is the Airflow, `page` an administrator's browser page, `log_in(user)` opens that of
somebody else, and `screenshot(page, name)` keeps a picture in `.screenshots/`, by the version of Airflow.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from airflow_provider_importstatus.sandbox import Sandbox
from demo.configuration import free_ports
from demo.deployment import Deployment

ROOT = Path(__file__).parents[2]
DAGS = Path(__file__).parent / "dags"
SCREENSHOTS = ROOT / ".screenshots" / version("apache-airflow")
JWT_SECRET = secrets.token_hex(32)
#: Root cannot use Chromium's sandbox; the other arguments disable background requests.
CHROMIUM_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

#: Timeout for elements to appear, in milliseconds: Airflow's pages are slow on a busy machine.
PATIENCE = 20_000
DESKTOP = {"width": 1400, "height": 900}

LogIn = Callable[..., Page]
Screenshot = Callable[[Page, str], None]


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Return the vendors of the deployment's connections."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def deployment(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Return an Airflow under `/airflow` that is ready to run the DAGs in `dags/`."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/airflow"
    config: dict[str, dict[str, object]] = {
        "api": {"base_url": url, "port": port},
        "api_auth": {"jwt_secret": JWT_SECRET},
        "core": {
            "auth_manager": "tests.ui.auth.SingleDags",
            "execution_api_server_url": f"{url}/execution/",
        },
    }
    home = tmp_path_factory.mktemp("ui") / "airflow"
    with Deployment(
        home, DAGS, connections=sandbox.connections, env={"PYTHONPATH": str(ROOT)}, config=config
    ) as airflow:
        airflow.wait_until_ready()
        yield airflow


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Return a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=CHROMIUM_ARGUMENTS)
        expect.set_options(timeout=PATIENCE)
        yield browser
        browser.close()


def find_chromium() -> str:
    """Return the path of Chromium; without it, end the tests and say how to install it."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.exit(
        "No Chromium: `apt-get install chromium`, or name one by CHROMIUM=/path/to/chromium.", returncode=3
    )


@pytest.fixture
def log_in(deployment: Deployment, browser: Browser) -> Iterator[LogIn]:
    """Return a function that opens a page as a user of `auth.py`, or as an administrator.

    Addresses without a leading slash are relative to Airflow's prefix.
    """
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def log_in(user: str | None = None, **how: Any) -> Page:
        context = browser.new_context(**{"base_url": f"{deployment.url}/", "viewport": DESKTOP, **how})
        contexts.append(context)
        token = token_of(user) if user else token_of("admin", role="ADMIN")
        context.add_cookies([{"name": "_token", "value": token, "url": f"{deployment.url}/"}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield log_in
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # A refresh may be on its way.
        context.close()
    assert errors == []


@pytest.fixture
def page(log_in: LogIn) -> Page:
    """Return a page of a logged-in administrator."""
    return log_in()


def token_of(user: str, role: str = "VIEWER") -> str:
    """Return a token as issued by the auth manager."""
    # Airflow reads its configuration when first imported: after all fixtures that set the environment.
    from airflow.api_fastapi.auth.tokens import JWTGenerator

    generator = JWTGenerator(secret_key=JWT_SECRET, valid_for=3600, audience="apache-airflow")
    return generator.generate({"sub": user, "role": role, "teams": []})


@pytest.fixture(scope="session")
def screenshot() -> Screenshot:
    """Return a function that saves a screenshot of a whole page."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def take(page: Page, name: str) -> None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return take
