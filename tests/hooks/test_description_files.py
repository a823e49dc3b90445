"""Descriptions as YAML and JSON documents, and where they are read from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks import description_files
from airflow_provider_importstatus.hooks.description_files import (
    bundled_names,
    check_schema,
    load_description,
    read_text,
)
from airflow_provider_importstatus.protocol.description_section import Source
from airflow_provider_importstatus.protocol.expressions import Expression

from ..protocol.test_description import SMALLEST
from ..vendors.described import DOCUMENT

NAME = "description file 'a.yaml'"


def read(text: str, **options: Any) -> Any:
    return read_text(text, NAME, **options)[0]


def refused(text: str, **options: Any) -> str:
    with pytest.raises(ImportSettingsError) as error:
        read(text, **options)
    assert "To fix it, " in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("2025-01-15", "2025-01-15"),
        ("2025-01-15T10:00:00Z", "2025-01-15T10:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("=", "="),
        ("v62.0", "v62.0"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("5", 5),
        ("-5", -5),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("62.0", 62.0),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_a_scalar_is_read_by_the_core_schema_of_yaml_1_2(written: str, value: Any) -> None:
    found = read(f"a: {written}")["a"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_texts() -> None:
    assert read("NO: 1\n2025-01-15: 2\n1: 3\ntrue: 4") == {"NO": 1, "2025-01-15": 2, "1": 3, "true": 4}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x 1\nb: 2", "line 1: a contains an anchor or alias (& or *)"),
        ("b: 2\na:\n  - c: *Zq_secret", "line 3: a[0].c contains an anchor or alias"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4: b.c occurs twice"),
        ("{a: 1, 'a': 2}", "line 1: a occurs twice"),
        ("a:\n  <<: {b: 1}", "line 2: a merges keys (<<)"),
        ("a: !!python/object:os.system Zq_secret", "line 1: a contains a tag (!)"),
        ("a: !!str 5", "line 1: a contains a tag (!)"),
        ("a: .inf", "line 1: a is a number that JSON cannot hold"),
        ("a: .NaN", "line 1: a is a number that JSON cannot hold"),
        ("a: 1e999", "line 1: a is a number that JSON cannot hold"),
        (f"a: {'9' * 5000}", "line 1: a is a number of too many digits"),
        ("a: 1\n---\nb: 2", "line 2: the document contains a second document"),
        ("? [a]\n: 1", "line 1: the document has a list or an object as a key"),
        ("a: [1\nb: Zq_secret: 2", "the document is not valid YAML (line 2, column"),
        ("a:\n  b: @Zq_secret", "the document is not valid YAML (line 2, column 6)"),
        ("a:\tZq_secret", "contains a tab (line 1, column 3). To fix it, use spaces there"),
        ("a:\n  b: 1\n\tc: Zq_secret", "contains a tab (line 3, column 1). To fix it, use spaces there"),
        ("a: [1,\n\tZq_secret]", "contains a tab (line 2, column 1). To fix it, use spaces there"),
        ("a: Zq_secret\x01", "the document contains characters that YAML does not allow"),
        ('a: "\\UFFFFFFFF"', "the document contains characters that YAML does not allow"),
        ("[" * 5000, "is nested deeper than 20 levels"),
        ("a: " + "x" * 20_000, "the document is larger than 16 KiB"),
    ],
    ids=lambda value: value[:20],
)
def test_yaml_that_means_more_than_it_says_is_refused_with_its_line(text: str, told: str) -> None:
    error = refused(text)
    assert told in error
    assert error.startswith("Description file 'a.yaml'")
    assert "Zq_secret" not in error


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "a occurs twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "b occurs twice"),
        ('{"a":\n "Zq_secret}', "the document is not valid JSON (line 2, column 2)"),
        ('{"a": NaN}', "the document contains a number or nesting beyond what is read"),
        (f'{{"a": {"9" * 5000}}}', "the document contains a number or nesting beyond what is read"),
    ],
    ids=lambda value: value[:20],
)
def test_json_that_is_no_plain_json_is_refused(text: str, told: str) -> None:
    error = refused(text, is_json=True)
    assert told in error
    assert "Zq_secret" not in error


def test_deep_json_is_refused() -> None:
    """Python reads any depth or fails, depending on its version."""
    with pytest.raises(ImportSettingsError, match="nest"):
        load_description(f'{{"a": {"[" * 3000}{"]" * 3000}}}')


def test_an_error_about_json_names_the_line() -> None:
    text = json.dumps({**SMALLEST, "nme": 1}, indent=1)
    document, source = read_text(text, NAME, is_json=True)
    line = 1 + next(number for number, words in enumerate(text.splitlines()) if '"nme"' in words)
    with pytest.raises(ImportSettingsError, match=f"line {line}: nme is not known here"):
        description_files.check_document(document, source)


def test_a_schema_error_names_line_key_and_remedy() -> None:
    with pytest.raises(ImportSettingsError) as error:
        check_schema({**SMALLEST, "auth": {"type": "Zq_secret"}}, Source(NAME, {"auth": 3, "auth.type": 4}))
    assert str(error.value).startswith(
        "Description file 'a.yaml', line 4: auth.type does not match the schema (enum). To fix it, give"
    )
    assert "Zq_secret" not in str(error.value)


def test_the_schema_is_of_draft_2020_12() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(description_files.SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$schema"]


def test_each_key_without_keys_of_its_own_has_a_valid_example() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(description_files.SCHEMA.read_text())
    missing = []

    def visit(part: dict[str, Any], where: str) -> None:
        for name, each in part.get("properties", {}).items():
            key = f"{where}.{name}"
            for example in each.get("examples", ()):
                Draft202012Validator({**each, "$defs": schema["$defs"]}).validate(example)
                if each.get("$ref") == "#/$defs/expression":
                    Expression.compile(key, example)
            is_leaf = not {"properties", "additionalProperties"} & each.keys()
            if is_leaf and "examples" not in each and each.get("$ref") != "#/$defs/condition":
                missing.append(key)
            visit(each, key)
        for alternative in part.get("oneOf", ()):
            visit(alternative, where)
        if isinstance(part.get("additionalProperties"), dict):
            visit(part["additionalProperties"], f"{where}.<name>")

    visit(schema, "")
    visit(schema["$defs"]["condition"], "condition")
    assert missing == []


def test_a_yaml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT))
    description = load_description(str(path))
    assert (description.name, description.is_bundled) == ("acme", False)


def test_a_json_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    path.write_text("\ufeff" + json.dumps(DOCUMENT))
    assert load_description(str(path)) == load_description(DOCUMENT)


def test_an_object_may_be_written_as_json() -> None:
    assert load_description(json.dumps(DOCUMENT), "a_conn") == load_description(DOCUMENT)


def test_an_error_in_a_file_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "acme.yaml"
    path.write_text(yaml.safe_dump({**SMALLEST, "pace": {"min_interval": "Zq_secret"}}, sort_keys=False))
    line = 1 + path.read_text().splitlines().index("  min_interval: Zq_secret")
    with pytest.raises(ImportSettingsError) as error:
        load_description(str(path))
    assert str(error.value).startswith(f"Description file 'acme.yaml', line {line}: pace.min_interval is no")
    assert "Zq_secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ("no_such_vendor", "There is no bundled description 'no_such_vendor'. Bundled are: "),
        ("/no/such/file.yaml", "Description file 'file.yaml': the document cannot be read (no such file)"),
        ("/", "cannot be read (no such file)"),
        ("/dev/zero", "cannot be read (no such file)"),
        ("/a\0b", "cannot be read (no such file)"),
        ("", "cannot be read"),
        (5, "The description: the document is of type int"),
        ([], "The description: the document is of type list"),
    ],
)
def test_a_description_that_is_not_there_is_refused(given_: Any, told: str) -> None:
    with pytest.raises(ImportSettingsError) as error:
        load_description(given_)
    assert told in str(error.value)


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ImportSettingsError, match="no such file"):
        load_description(str(tmp_path / "a.yaml"))


def test_a_large_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"#" * (16 * 1024 + 1))
    with pytest.raises(ImportSettingsError, match="is larger than 16 KiB"):
        load_description(str(path))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("name: ü".encode("latin-1"))
    with pytest.raises(ImportSettingsError, match="is not UTF-8"):
        load_description(str(path))


def test_a_path_in_a_connection_is_absolute() -> None:
    with pytest.raises(
        ImportSettingsError, match=r"in connection 'a_conn': .* neither a name nor an absolute path"
    ):
        load_description("acme.yaml", "a_conn")


@pytest.mark.parametrize("name", bundled_names())
def test_a_bundled_description_is_valid(name: str) -> None:
    description = load_description(name)
    assert (description.name, description.is_bundled) == (name, True)
    check_schema(*read_text((description_files.FOLDER / f"{name}.yaml").read_text(), name))


_lines = st.sampled_from(
    [
        *(
            "a: 1",
            "b: &x [1, 2]",
            "c: *x",
            "<<: *x",
            "<<: {a: 1}",
            "a: !!binary aGk=",
            "- x",
            "  - y",
            "  d: e",
        ),
        *(
            "? a",
            ": b",
            "---",
            "...",
            "%YAML 1.1",
            "a: |",
            "  text",
            "a: {b: [c, {d: e}]}",
            "a: 'it''s'",
            '"q": "\\x"',
        ),
        *(
            "n: 123456789012345678901234567890",
            "n: 1e400",
            "t: NO",
            "# comment",
            "\ta: 1",
            "a:b",
            "a: b: c",
            "[",
            "}",
        ),
    ]
)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(text=st.lists(_lines, max_size=8).map("\n".join) | st.text(max_size=60))
def test_any_text_is_read_as_plain_json_or_refused(text: str) -> None:
    try:
        document = read(text)
    except ImportSettingsError:
        document = refused(text)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
