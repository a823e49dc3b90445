"""Wait for asynchronous file imports at vendors, from Apache Airflow."""

__version__ = "0.1.0"
