"""The `User-Agent` header of all requests."""

from __future__ import annotations

from airflow import __version__ as airflow_version

from airflow_provider_importstatus import __version__

__all__ = ["USER_AGENT"]

USER_AGENT = f"airflow-provider-importstatus/{__version__} Airflow/{airflow_version}"
