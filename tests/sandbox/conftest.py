"""A running sandbox with a fake clock, and authenticated clients of its vendors."""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Callable, Iterator

import pytest

from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.thalamus import CREDENTIALS as THALAMUS
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

from .clients import NOON, Client, FakeClock, clear_token, salesforce, tao_token

Curl = Callable[..., str]


@pytest.fixture(scope="session")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def running(clock: FakeClock) -> Iterator[Sandbox]:
    with Sandbox(clock=clock) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, clock: FakeClock) -> Sandbox:
    clock.now = NOON
    running.reset()
    return running


@pytest.fixture
def anyone(sandbox: Sandbox) -> Iterator[Client]:
    with Client(sandbox.url) as client:
        yield client


@pytest.fixture
def clear(anyone: Client) -> Client:
    anyone.headers["x-clear-auth-token"] = clear_token(anyone)
    anyone.headers["x-integration-id"] = CLEAR.integration_ids[0]
    return anyone


@pytest.fixture
def tao(anyone: Client) -> Client:
    anyone.headers["Authorization"] = f"Bearer {tao_token(anyone)}"
    return anyone


@pytest.fixture
def zilliant(anyone: Client) -> Client:
    anyone.headers["Authorization"] = f"OAuth {base64.b64encode(salesforce(anyone).content).decode()}"
    anyone.headers["X-Forwarded-Host"] = ZILLIANT.forwarded_host
    return anyone


@pytest.fixture
def thalamus(anyone: Client) -> Client:
    anyone.headers["Thalamus-Touchpoint"] = THALAMUS.touchpoint
    anyone.headers["Thalamus-Token"] = THALAMUS.token
    anyone.auth = (THALAMUS.principal, THALAMUS.password)
    return anyone


@pytest.fixture(params=["curl", "requests"])
def curl(request: pytest.FixtureRequest) -> Curl:
    """Send a request with curl if it is installed, and with requests."""
    return _real_curl if request.param == "curl" and shutil.which("curl") else _curl_in_python


def _real_curl(*arguments: str) -> str:
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout


def _curl_in_python(*arguments: str) -> str:
    """Send the request that these options of curl describe: only those that the vendors' pages use."""
    url, headers, parts, words = "", {}, {}, iter(arguments)
    for word in words:
        if word == "--location":
            url = next(words)
        elif word == "--header":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "--form":
            name, _, value = next(words).partition("=")
            parts[name] = (None, value.strip('"'))
        elif word == "--user":
            headers["Authorization"] = "Basic " + base64.b64encode(next(words).encode()).decode()
        else:
            raise NotImplementedError(word)
    return Client("").request("POST" if parts else "GET", url, headers=headers, files=parts or None).text
