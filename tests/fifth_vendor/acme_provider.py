"""Acme's metadata. Every Airflow process runs this at start: it imports nothing but another such module."""

from airflow_provider_importstatus.get_provider_info import connection_type


def get_provider_info() -> dict[str, object]:
    """What Airflow must know to find the hook by the connection's type, and to show its form."""
    acme = connection_type(
        "acme",
        "acme_importstatus.AcmeHook",
        "Acme",
        labels={"login": "Baker", "password": "PIN"},
        placeholders={"host": "https://acme.example"},
        fields={},
    )
    return {
        "package-name": "acme-importstatus",
        "name": "Acme",
        "description": "Acme's imports.",
        "connection-types": [acme],
    }
