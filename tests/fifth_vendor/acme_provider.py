"""Acme's metadata. Every Airflow process runs this at start: it imports nothing."""


def get_provider_info() -> dict[str, object]:
    """What Airflow must know to find the hook by the connection's type."""
    return {
        "package-name": "acme-importstatus",
        "name": "Acme",
        "description": "Acme's imports.",
        "connection-types": [
            {"connection-type": "acme", "hook-class-name": "acme_importstatus.AcmeHook", "hook-name": "Acme"}
        ],
    }
