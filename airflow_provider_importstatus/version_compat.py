"""Checks of the Airflow version."""

from __future__ import annotations

from airflow import __version__

__all__ = ["is_airflow"]


def is_airflow(major: int, minor: int) -> bool:
    """Return whether the Airflow version is at least ``major.minor``."""
    return tuple(int(part) for part in __version__.split(".")[:2]) >= (major, minor)
