"""The demo: example DAGs, run by a real Airflow against the sandbox. `python -m demo`."""
