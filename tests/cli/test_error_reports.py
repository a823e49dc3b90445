"""Storing the error reports of an import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.sandbox import Sandbox

from .conftest import Shell

pytestmark = pytest.mark.usefixtures("connections")


def ended(sandbox: Sandbox, vendor: str, **scenario: Any) -> str:
    return sandbox.submit(vendor, **{"ends": "partial", "rejected": 2, "seconds": 0, **scenario})


@pytest.mark.parametrize(
    ("vendor", "file"),
    [("clear", "ingestion-1.csv"), ("tao_advance", "result-1.csv"), ("zilliant", "errors-1.csv")],
)
def test_the_paths_of_the_stored_reports_are_printed(
    shell: Shell, sandbox: Sandbox, tmp_path: Path, vendor: str, file: str
) -> None:
    import_id = ended(sandbox, vendor)
    result = shell("error-reports", f"{vendor}_default", import_id, str(tmp_path))
    path = tmp_path / vendor / f"{vendor}_default" / import_id / file
    assert (result.status, result.out, result.err) == (0, f"{path}\n", "")
    assert path.stat().st_size > 0


def test_the_paths_as_json(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:
    import_id = ended(sandbox, "zilliant")
    result = shell("error-reports", "zilliant_default", import_id, str(tmp_path), "-o", "json")
    (path,) = tmp_path.rglob("*.csv")
    assert json.loads(result.out) == {
        "vendor": "zilliant",
        "import_id": import_id,
        "error_reports": [str(path)],
    }
    assert (result.status, result.err) == (0, "")


@pytest.mark.parametrize(("output", "out"), [("table", ""), ("json", '"error_reports": []}\n')])
def test_an_import_without_reports_is_no_error(
    shell: Shell, sandbox: Sandbox, tmp_path: Path, output: str, out: str
) -> None:
    import_id = ended(sandbox, "thalamus")
    result = shell("error-reports", "thalamus_default", import_id, str(tmp_path), "-o", output)
    assert result.status == 0
    assert result.out.endswith(out)
    assert result.err == f"import-status: Thalamus has no error reports of import {import_id}.\n"
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_stored_is_an_error(shell: Shell, sandbox: Sandbox, tmp_path: Path) -> None:
    import_id = ended(sandbox, "clear")
    (tmp_path / "clear").touch()
    result = shell("error-reports", "clear_default", import_id, str(tmp_path))
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "cannot be written" in result.err


def test_an_unknown_import_is_an_error(shell: Shell, tmp_path: Path) -> None:
    result = shell("error-reports", "clear_default", "5", str(tmp_path))
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert "knows no task '5'" in result.err
