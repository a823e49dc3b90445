"""The shell commands in this process, and as processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_importstatus import cli

ROOT = Path(__file__).parents[2]
MODULE = (sys.executable, "-m", "airflow_provider_importstatus")


@dataclass(frozen=True)
class Ended:
    """The end of a command."""

    status: int
    out: str
    err: str

    @property
    def state(self) -> str:
        """The state in the table."""
        (line,) = (line for line in self.out.splitlines() if line.startswith("state "))
        return line.split()[1]


#: Run a command with these words.
Shell = Callable[..., Ended]


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Run commands in this process, whose environment and stdout they change."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    # Loaded before imports of the sandbox begin.
    import airflow_provider_importstatus.commands.run  # noqa: F401

    def run(*words: str) -> Ended:
        with redirect_stdout(sys.stdout), pytest.raises(SystemExit) as ended:
            cli.main(words)
        return Ended(int(str(ended.value.code)), *capsys.readouterr())

    return run


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a process that imports this package from here."""
    return {**os.environ, "PYTHONPATH": str(ROOT), **variables}


def run_process(*command: str, **variables: str) -> Ended:
    """Run a process to its end."""
    ended = subprocess.run(
        command, env=environment(**variables), capture_output=True, text=True, timeout=120, check=False
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)
