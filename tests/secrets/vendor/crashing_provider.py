"""The metadata of a vendor whose hook has bugs. Every Airflow process runs this at start."""

from airflow_provider_importstatus.get_provider_info import connection_type


def get_provider_info() -> dict[str, object]:
    """Return the metadata with which Airflow finds the hook by connection type."""
    crashing = connection_type(
        "crashing", "crashing_vendor.CrashingHook", "Crashing", labels={}, placeholders={}, fields={}
    )
    return {
        "package-name": "crashing-importstatus",
        "name": "Crashing",
        "description": "A vendor whose hook has bugs.",
        "connection-types": [crashing],
    }
