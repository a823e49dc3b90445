"""An Apache Airflow provider that waits for vendors' asynchronous file imports."""

__version__ = "0.1.0"
