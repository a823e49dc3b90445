"""Measure everything, print a table, keep it as JSON. It always exits 0: a busy machine is no failure."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from bench import certificate
from bench.figures import Figure, save, table
from bench.processes import fresh

HOME = Path(__file__).parents[1] / ".bench"
MEASUREMENTS = ("cpu", "thousand", "memory", "refusals", "schedule", "parse", "deployment")
#: What would steer our Airflow, or our clients, from outside.
FOREIGN = ("AIRFLOW", "_AIRFLOW", "CURL_CA_BUNDLE", "NETRC")


def main(names: list[str]) -> None:
    """Measure what is named, by default everything."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "airflow").mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AIRFLOW_HOME"] = str(HOME / "airflow")
    # They bring a plugin that listens to tasks: then no wait ends in the triggerer.
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    certificate.issue(HOME)
    figures: list[Figure] = []
    for name in names or MEASUREMENTS:
        began = time.monotonic()
        figures += fresh(f"bench.{name}", "measure")
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    save(figures, HOME / "results.json")
    print(table(figures))


if __name__ == "__main__":
    main(sys.argv[1:])
