"""Descriptions as vendors of the sandbox. The only module of the sandbox that calls the rest of the package.

A description is input that both share: how its file is read does not depend on how its answers are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_importstatus.sandbox.fields import UsageError
from airflow_provider_importstatus.sandbox.vendors.base import Vendor
from airflow_provider_importstatus.sandbox.vendors.described import described_vendor

__all__ = ["load_vendor"]


def load_vendor(given: str | Mapping[str, Any]) -> type[Vendor]:
    """Return the vendor of a description.

    :param given: the name of a bundled description, the path of a file, or the document
    :raises UsageError: it is invalid, or cannot be played
    """
    # Imported here: it loads Airflow, which the other vendors do not need.
    from airflow_provider_importstatus.exceptions import ImportSettingsError
    from airflow_provider_importstatus.hooks import description_files

    try:
        document, source = description_files.find_document(given)
        description_files.check_document(document, source)
    except ImportSettingsError as error:
        raise UsageError(str(error)) from None
    is_path = isinstance(given, str) and not description_files.is_name(given)
    return described_vendor(document, str(Path(str(given)).resolve()) if is_path else given)
