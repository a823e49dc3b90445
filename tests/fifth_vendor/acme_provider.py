"""Acme's metadata. Every Airflow process runs this at start, so it imports only other metadata."""

from airflow_provider_importstatus.get_provider_info import connection_type


def get_provider_info() -> dict[str, object]:
    """Return the metadata with which Airflow finds the hook by connection type and shows its form."""
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
