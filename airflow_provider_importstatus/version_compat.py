"""Which Airflow this is."""

from __future__ import annotations

from airflow import __version__

__all__ = ["is_airflow"]


def is_airflow(major: int, minor: int) -> bool:
    """Whether this is at least Airflow ``major.minor``."""
    return tuple(int(part) for part in __version__.split(".")[:2]) >= (major, minor)
