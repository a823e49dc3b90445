"""The wheel in an environment that has nothing but Airflow, as users install it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import AIRFLOW_VERSION, NAME, PACKAGE, ROOT, Distributions, Environment

EXAMPLES = ROOT / "example_dags"
#: The requirements of an installed distribution and theirs, without those of extras.
CLOSURE = """
import json, re
from importlib.metadata import PackageNotFoundError, requires

def closure(name, found):
    if name not in found:
        try:
            needed = requires(name) or []
        except PackageNotFoundError:
            return found
        found.add(name)
        for line in needed:
            if "extra ==" not in line:
                closure(re.match(r"[\\w.-]+", line)[0].lower().replace("_", "-").replace(".", "-"), found)
    return found

direct = [line for line in requires(NAME) if "extra ==" not in line and "apache-airflow>" not in line]
found = set()
for line in direct:
    closure(re.match(r"[\\w.-]+", line)[0].lower(), found)
print(json.dumps(sorted(found)))
"""


@pytest.fixture(scope="module")
def bare(environment: Callable[[str], Environment]) -> Environment:
    """Return an environment with Airflow, before the wheel is installed."""
    bare = environment("bare")
    bare.install(f"apache-airflow=={AIRFLOW_VERSION}")
    return bare


@pytest.fixture(scope="module")
def before(bare: Environment) -> dict[str, str]:
    return bare.freeze()


@pytest.fixture(scope="module")
def installed(bare: Environment, before: dict[str, str], built: Distributions) -> Environment:
    assert NAME not in before
    bare.install(built.wheel)
    return bare


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the home of an Airflow whose DAGs are the examples."""
    return tmp_path_factory.mktemp("airflow-home")


@pytest.fixture(scope="module")
def airflow(installed: Environment, home: Path) -> Callable[..., Any]:
    """Run a command of Airflow's; return the JSON that it prints last, if any."""
    settings = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES),
        "AIRFLOW__CORE__PARALLELISM": "1",
    }

    def airflow(*words: str) -> Any:
        output = installed.run("airflow", *words, cwd=home, **settings)
        return json.loads(output.splitlines()[-1]) if "json" in words else output

    return airflow


def test_installing_it_moves_no_package(installed: Environment, before: dict[str, str]) -> None:
    after = installed.freeze()
    assert {name: after.get(name) for name in before} == before


def test_it_brings_only_what_it_declares(installed: Environment, before: dict[str, str]) -> None:
    code = CLOSURE.replace("NAME", repr(NAME))
    declared = json.loads(installed.run("python", "-c", code, cwd=ROOT))
    assert set(installed.freeze()) - set(before) <= {NAME, *declared}


@pytest.mark.parametrize("version", ["2.11.2", "3.0.6"])
def test_installing_it_beside_an_older_airflow_moves_no_package(
    environment: Callable[[str], Environment], built: Distributions, version: str
) -> None:
    older = environment(version)
    older.install(f"apache-airflow=={version}")
    before = older.freeze()
    older.install(built.wheel)
    after = older.freeze()
    assert {name: after.get(name) for name in before} == before


def test_airflow_lists_the_provider(airflow: Callable[..., Any]) -> None:
    listed = airflow("providers", "list", "-o", "json")
    (found,) = (entry for entry in listed if entry["package_name"] == NAME)
    version = re.search(r'__version__ = "(.+)"', (ROOT / PACKAGE / "__init__.py").read_text())
    assert version
    assert found["version"] == version[1]


def test_airflow_lists_the_connection_types_with_their_hooks(airflow: Callable[..., Any]) -> None:
    listed = airflow("providers", "hooks", "-o", "json")
    hooks = {entry["connection_type"]: entry for entry in listed if entry["package_name"] == NAME}
    assert hooks.keys() == {"clear", "tao_advance", "zilliant", "thalamus", "import_api"}
    assert all(entry["class"].startswith(f"{PACKAGE}.hooks.") for entry in hooks.values())


def test_airflow_imports_the_example_dags_without_errors(airflow: Callable[..., Any]) -> None:
    airflow("db", "migrate")
    airflow("dags", "reserialize")
    assert airflow("dags", "list-import-errors", "-o", "json") == []
    dags = {entry["dag_id"] for entry in airflow("dags", "list", "-o", "json")}
    assert dags == {path.stem for path in EXAMPLES.glob("*.py")}


def test_the_shell_command_reads_bundled_descriptions(installed: Environment, home: Path) -> None:
    command = ("python", "-m", PACKAGE, "describe", "hubspot")
    described = installed.run(*command, cwd=home, AIRFLOW_HOME=str(home))
    assert "HubSpot" in described


def test_the_sandbox_starts(installed: Environment, home: Path) -> None:
    shown = installed.run("python", "-m", f"{PACKAGE}.sandbox", "--help", cwd=home)
    assert "--description" in shown
