"""Who may come in: the only credentials that the sandbox knows. All of them are invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["CLEAR", "TAO_ADVANCE", "THALAMUS", "ZILLIANT", "connections", "hints"]


@dataclass(frozen=True, slots=True)
class Clear:
    """An API client of Clear, and the two integrations that it may use."""

    client_secret: str = "clear-sandbox-client-secret"
    integration_ids: tuple[str, str] = (
        "00000000-c1ea-4000-8000-000000000001",
        "00000000-c1ea-4000-8000-000000000002",
    )


@dataclass(frozen=True, slots=True)
class TaoAdvance:
    """Two OAuth clients of TAO Advance; the second one's tokens lack the scope `rostering`."""

    client_id: str = "tao-sandbox-client"
    client_secret: str = "tao-sandbox-secret"
    unscoped_client_id: str = "tao-sandbox-client-without-rostering"
    unscoped_client_secret: str = "tao-sandbox-secret-without-rostering"

    @property
    def clients(self) -> dict[tuple[str, str], str]:
        """Each client's id and secret, with the scope of its tokens."""
        return {
            (self.client_id, self.client_secret): "rostering",
            (self.unscoped_client_id, self.unscoped_client_secret): "assessment",
        }


@dataclass(frozen=True, slots=True)
class Zilliant:
    """A Salesforce user and connected app, and the OAuth host of a Zilliant environment."""

    username: str = "zilliant@sandbox.example"
    password: str = "zilliant-sandbox-password"
    client_id: str = "zilliant-sandbox-app"
    client_secret: str = "zilliant-sandbox-app-secret"
    forwarded_host: str = "sandbox-dev.zilliant.example"


@dataclass(frozen=True, slots=True)
class Thalamus:
    """A touchpoint of Thalamus, and a user who may log in by e-mail address or by document."""

    touchpoint: str = "sandbox"
    token: str = "thalamus-sandbox-token"
    principal: str = "thalamus@sandbox.example"
    # Basic credentials end the user name at the first colon, so Thalamus wants a dollar sign there.
    document: str = "DNI$30111222"
    password: str = "thalamus-sandbox-password"


CLEAR, TAO_ADVANCE, ZILLIANT, THALAMUS = Clear(), TaoAdvance(), Zilliant(), Thalamus()


def connections(url: str) -> dict[str, dict[str, Any]]:
    """Return an Airflow connection for each vendor, by its id, in Airflow's JSON form."""
    return {
        "clear_default": {
            "conn_type": "clear",
            "host": url,
            "login": CLEAR.integration_ids[0],
            "password": CLEAR.client_secret,
            "extra": {},
        },
        "tao_advance_default": {
            "conn_type": "tao_advance",
            "host": url,
            "login": TAO_ADVANCE.client_id,
            "password": TAO_ADVANCE.client_secret,
            "extra": {},
        },
        "zilliant_default": {
            "conn_type": "zilliant",
            "host": url,
            "login": ZILLIANT.username,
            "password": ZILLIANT.password,
            "extra": {
                "client_id": ZILLIANT.client_id,
                "client_secret": ZILLIANT.client_secret,
                "token_url": f"{url}/services/oauth2/token",
                "x_forwarded_host": ZILLIANT.forwarded_host,
            },
        },
        "thalamus_default": {
            "conn_type": "thalamus",
            "host": url,
            "login": THALAMUS.principal,
            "password": THALAMUS.password,
            "extra": {"touchpoint": THALAMUS.touchpoint, "token": THALAMUS.token},
        },
    }


def hints() -> tuple[str, ...]:
    """Say which credentials there are besides those in the connections."""
    return (
        f"Clear also knows the integration {CLEAR.integration_ids[1]}.",
        f"TAO Advance also knows a client without the scope rostering: "
        f"{TAO_ADVANCE.unscoped_client_id} / {TAO_ADVANCE.unscoped_client_secret}.",
        f"Thalamus also knows the principal {THALAMUS.document}, with the same password.",
    )
