"""HTTP clients of the sandbox, their logins, and a clock that only tests advance."""

from __future__ import annotations

from typing import Any

import requests

from airflow_provider_importstatus.sandbox.vendors.clear import CREDENTIALS as CLEAR
from airflow_provider_importstatus.sandbox.vendors.tao import CREDENTIALS as TAO_ADVANCE
from airflow_provider_importstatus.sandbox.vendors.zilliant import CREDENTIALS as ZILLIANT

NOON = 1_800_000_000.0


class FakeClock:
    """A clock that returns the time that a test has set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Client(requests.Session):
    """A session that resolves paths against the sandbox and ignores proxies and `.netrc`."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self.base = base
        self.trust_env = False

    def request(  # type: ignore[override]
        self, method: str, url: str, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send a request, with a timeout of 5 seconds by default."""
        kwargs = {"timeout": 5, **kwargs}
        return super().request(method, self.base + url if url.startswith("/") else url, *args, **kwargs)


def clear_token(client: Client) -> str:
    answer = client.get("/integration/v1/authz/token", headers={"x-clear-client-secret": CLEAR.client_secret})
    return str(answer.json()["access_token"])


def tao_token(client: Client, **changes: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": TAO_ADVANCE.client_id,
        "client_secret": TAO_ADVANCE.client_secret,
    }
    answer = client.post("/api/v1/upload/v1/oauth2/tokens", data={**form, **changes})
    return str(answer.json()["access_token"])


def salesforce(client: Client, **changes: str) -> requests.Response:
    form = {
        "grant_type": "password",
        "client_id": ZILLIANT.client_id,
        "client_secret": ZILLIANT.client_secret,
        "username": ZILLIANT.username,
        "password": ZILLIANT.password,
    }
    return client.post("/services/oauth2/token", data={**form, **changes})
