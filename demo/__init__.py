"""Demo: the example DAGs, run by a real Airflow against the sandbox. Start it with `python -m demo`."""
