"""Run all benchmarks, print a table and save it as JSON. The exit code is 0 even if a target is missed."""

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
#: Prefixes of environment variables that configure Airflow or the HTTP clients.
FOREIGN = ("AIRFLOW", "_AIRFLOW", "CURL_CA_BUNDLE", "NETRC")


def main(names: list[str]) -> None:
    """Run the named benchmarks, by default all."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "airflow").mkdir(parents=True)
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ["AIRFLOW_HOME"] = str(HOME / "airflow")
    # The examples contain a plugin that listens to tasks, with which no wait ends in the triggerer.
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
