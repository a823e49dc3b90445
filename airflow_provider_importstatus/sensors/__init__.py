"""The sensors that DAGs use."""
