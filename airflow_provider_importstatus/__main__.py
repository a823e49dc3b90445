"""The shell commands on any Airflow version: ``python -m airflow_provider_importstatus``."""

from __future__ import annotations

from airflow_provider_importstatus.cli import main

if __name__ == "__main__":
    main()
