"""Hostile texts in descriptions: in errors, and in what `describe` prints."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_importstatus.commands import describe
from airflow_provider_importstatus.commands.run import Output
from airflow_provider_importstatus.commands.table import format_table
from airflow_provider_importstatus.exceptions import ImportSettingsError

from ..hostile_texts import HOSTILE, is_line, params
from ..vendors.described import DOCUMENT

#: Where a description has a text of its author's choice.
PLACES: dict[str, tuple[str | int, ...]] = {
    "title": ("title",),
    "docs": ("docs",),
    "notes": ("notes",),
    "help of an extra": ("extras", "tenant", "help"),
    "default of an extra": ("extras", "tenant", "default"),
    "help of the id": ("import_id", "help"),
    "word": ("state", "map", "queued", 0),
    "query": ("status", "query", "view"),
    "header": ("status", "headers", "Revision"),
    "path": ("status", "path"),
    "expression": ("messages",),
    "scope": ("auth", "scope"),
    "unknown key": ("unknown",),
}


def with_text(text: str, place: tuple[str | int, ...]) -> Any:
    document = copy.deepcopy(DOCUMENT)
    part: Any = document
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = text
    return document


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("text", params(HOSTILE))
def test_what_describe_prints_is_lines(tmp_path: Path, text: str, place: tuple[str | int, ...]) -> None:
    path = tmp_path / "acme.json"
    path.write_text(json.dumps(with_text(text, place)))
    stdout, stderr = io.StringIO(), io.StringIO()
    output = Output(stdout, stderr)
    loaded: describe.Described | list[ImportSettingsError]
    try:
        loaded = describe.load(str(path))
    except ImportSettingsError as unreadable:
        loaded = [unreadable]
    if isinstance(loaded, list):
        for error in loaded:
            output.message(str(error))
        assert all(map(is_line, stderr.getvalue().removesuffix("\n").split("\n")))
        assert len(stderr.getvalue()) < 10_000
        return
    subjects = loaded.explain()
    output.result(format_table(subjects))
    lines = stdout.getvalue().removesuffix("\n").split("\n")
    assert all(map(is_line, lines))
    # No text looks like another subject.
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [*subjects]
    assert len(lines) == sum(map(len, subjects.values()))
