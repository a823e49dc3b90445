"""The lowest declared versions of all dependencies, at once, with the oldest Airflow."""

from __future__ import annotations

import os
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import PACKAGE, ROOT, Distributions, Environment, tracked

DECLARED: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
#: What Airflow 2.11.0 needs without saying so: with a later one, it knows no local files.
OLDEST = ("universal-pathlib<0.3",)
#: What the tests need. The dependencies that they share with us stay as they are.
FOR_TESTS = ("hypothesis", "pytest", "pytest-xdist")
#: Tests that use what each dependency is needed for, without an Airflow that runs.
TESTS = (
    "test_contract.py",
    "clients",
    "core",
    "hooks/test_described.py",
    "hooks/test_description_files.py",
    "network/test_credentials.py",
    "network/test_session.py",
    "network/test_submission.py",
    "protocol/test_expressions.py",
    "sensors/test_parsing.py",
    "triggers/test_serialization.py",
)


@pytest.fixture(scope="module")
def lowest(environment: Callable[[str], Environment], built: Distributions) -> Environment:
    lowest = environment("lowest")
    floors = [requirement.replace(">=", "==") for requirement in DECLARED]
    lowest.install(*floors, *OLDEST, built.wheel)
    return lowest


def test_every_dependency_has_a_lowest_version() -> None:
    assert [requirement for requirement in DECLARED if not re.fullmatch(r"[\w-]+>=[\d.]+", requirement)] == []


def test_the_package_works_with_them(lowest: Environment, tmp_path: Path) -> None:
    before = lowest.freeze()
    lowest.install(*FOR_TESTS)
    assert lowest.freeze() | before == lowest.freeze()
    # Without the package beside them, the tests find the installed one.
    for name in tracked():
        if not name.startswith((f"{PACKAGE}/", ".")):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tmp_path / name)
    assert not (tmp_path / PACKAGE).exists()
    env = {name: "" for name in os.environ if name.startswith("PYTEST_")}
    files = [f"tests/{name}" for name in TESTS]
    ended = lowest.run("python", "-m", "pytest", "-q", "-n", "2", *files, cwd=tmp_path, **env)
    assert int(re.findall(r"(\d+) passed", ended)[-1]) > 500
