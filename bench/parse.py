"""Additional time to parse a DAG file that imports a sensor, with Airflow already imported."""

from __future__ import annotations

import time
from importlib import import_module
from statistics import median

from bench.figures import Figure
from bench.processes import fresh

__all__ = ["measure", "seconds_to_import"]

ROUNDS = 5
SENSORS = {
    "ours": "airflow_provider_importstatus.sensors.import_status",
    "http": "airflow.providers.http.sensors.http",
}


def measure() -> list[Figure]:
    """Measure both imports alternately, in separate processes, after one round that compiles them."""
    rounds = [
        {
            name: fresh(__name__, "seconds_to_import", module, after=["airflow.sdk.bases.sensor"])
            for name, module in SENSORS.items()
        }
        for _ in range(ROUNDS + 1)
    ][1:]
    ms = {f"{name}, ms": 1000 * median(each[name] for each in rounds) for name in SENSORS}
    ratio = median(each["ours"] / each["http"] for each in rounds)
    return [Figure("import of the sensor, in HttpSensor's", ratio, 0.1, "x", ms)]


def seconds_to_import(module: str) -> float:
    """Return the seconds that an import takes."""
    began = time.perf_counter()
    import_module(module)
    return time.perf_counter() - began
