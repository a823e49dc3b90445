"""Wheel and sdist as `make dist` builds them, and environments that they are installed into.

These tests run without Airflow, in the virtual environment of the build tools.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
PACKAGE = "airflow_provider_importstatus"
#: The distribution's name.
NAME = "airflow-provider-importstatus"
AIRFLOW_VERSION = os.environ.get("AIRFLOW_VERSION", "3.3.2")


def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command and return its output; fail the test with all of it if the command fails."""
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **(env or {})},
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def tracked() -> list[str]:
    """Return the paths of the files that git tracks, or would track after `git add`."""
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    return sorted({name for name in listed.split("\0") if name and (ROOT / name).is_file()})


class Distributions(NamedTuple):
    """A wheel and an sdist."""

    wheel: Path
    sdist: Path


def build(folder: Path, *, modified_at: float, umask: int, **env: str) -> Distributions:
    """Build a copy of the sources in a folder, as `make dist` does."""
    before = os.umask(umask)
    try:
        for name in tracked():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, path)
            # Whether a file is executable is in git, the other permissions are not.
            path.chmod(0o777 & ~umask if os.access(ROOT / name, os.X_OK) else 0o666 & ~umask)
            os.utime(path, (modified_at, modified_at))
        run("make", "dist", f"TOOLS_VENV={TOOLS.parent}", env=env, cwd=folder)
    finally:
        os.umask(before)
    (wheel,), (sdist,) = (folder / "dist").glob("*.whl"), (folder / "dist").glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Return the distributions, built as on a developer's machine."""
    folder = tmp_path_factory.mktemp("here") / "importstatus"
    return build(folder, modified_at=1_600_000_000, umask=0o022, TZ="UTC")


class Environment:
    """A virtual environment."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        run(TOOLS / "uv", "venv", "--quiet", "--python", sys.executable, folder)

    def install(self, *words: str | Path) -> None:
        """Install packages with uv."""
        run(TOOLS / "uv", "pip", "install", "--quiet", "--python", self.bin / "python", *words)

    def freeze(self) -> dict[str, str]:
        """Return the installed packages and their versions."""
        listed = run(TOOLS / "uv", "pip", "freeze", "--quiet", "--python", self.bin / "python")
        # A wheel from a folder is listed as `name @ file:///…`.
        pairs = (line.replace(" @ ", "==").partition("==") for line in listed.splitlines())
        return {name: version for name, _, version in pairs}

    def run(self, *command: str | Path, cwd: Path, **env: str) -> str:
        """Run a program of the environment."""
        return run(self.bin / command[0], *command[1:], env=env, cwd=cwd)


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Environment]]:
    """Return a function that makes an empty environment; all are removed at the end."""
    folder = tmp_path_factory.mktemp("environments")
    yield lambda name: Environment(folder / name)
    shutil.rmtree(folder)
