"""Tables in docs/ that repeat the schema of descriptions and the bundled ones. `make docs` writes them.

A page has a table between `<!-- keys: auth -->` and `<!-- end -->`; everything else is written by hand.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_importstatus.commands import describe
from airflow_provider_importstatus.hooks.description_files import FOLDER, SCHEMA, bundled_names, find_document

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [DOCS / "description-format.md", DOCS / "included-vendors.md"]
TABLE = re.compile(r"(<!-- (\w+)(?:: ([\w, ]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
#: The schema's sentence about a default, which has a column of its own.
DEFAULT = re.compile(r" ?Default: (.*?)\.(?= |$)")
TYPES = {
    "string": "text",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "object": "object",
    "array": "list",
}
DEFINED_TYPES = {
    "expression": "JMESPath",
    "words": "list",
    "condition": "condition",
    "path": "path",
    "query": "object",
    "json": "any",
}


def write() -> None:
    """Write the tables of all pages."""
    for page in PAGES:
        page.write_text(with_tables(page.read_text()))


def with_tables(text: str) -> str:
    """Return a page with its tables made anew."""

    def table(found: re.Match[str]) -> str:
        names = [name.strip() for name in (found[3] or "").split(",")]
        return f"{found[1]}\n{MAKERS[found[2]](names)}\n\n{found[4]}"

    return TABLE.sub(table, text)


def _keys(names: list[str]) -> str:
    rows = (row for name in names for row in _rows(name, _properties()[name], name in _schema()["required"]))
    return _table(("key", "type", "default", "meaning", "example"), rows)


def _definition(names: list[str]) -> str:
    parts = [part for name in names for part in _schema()["$defs"][name]["properties"].items()]
    rows = (row for key, part in parts for row in _rows(key, part, is_required=False))
    return _table(("key", "type", "default", "meaning", "example"), rows)


def _rows(key: str, part: Mapping[str, Any], is_required: bool) -> Iterator[list[str]]:
    """Return the row of a key, and those of the keys in it."""
    own = {**_defined(part), **part}
    default = DEFAULT.search(own["description"])
    yield [
        f"`{key}`",
        _type(part),
        "**required**" if is_required else (default[1] if default else ""),
        DEFAULT.sub("", own["description"]).strip(),
        _example(key, own),
    ]
    inner = part.get("additionalProperties")
    if isinstance(inner, dict) and inner["type"] == "object":
        key, part = f"{key}.<name>", inner
    for alternative in (part, *part.get("oneOf", ())):
        for name, each in alternative.get("properties", {}).items():
            yield from _rows(f"{key}.{name}", each, name in alternative.get("required", ()))


def _type(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        return DEFINED_TYPES[_name(part)]
    if "oneOf" in part:
        return " or ".join(map(_type, part["oneOf"]))
    if "const" in part:
        return "number"
    types = part.get("type", "string")
    names = [types] if isinstance(types, str) else types
    return " or ".join(TYPES[name] for name in names if name != "null")


def _example(key: str, part: Mapping[str, Any]) -> str:
    if "examples" not in part:
        return ""
    (value,) = part["examples"]
    is_nested = isinstance(value, dict | list)
    named = {key.rpartition(".")[2]: value}
    text = yaml.safe_dump(named, default_flow_style=is_nested, sort_keys=False, width=1000)
    return _code(text.strip()[1:-1] if is_nested else text.strip())


def _schema() -> Any:
    return json.loads(SCHEMA.read_text())


def _properties() -> Any:
    return _schema()["properties"]


def _defined(part: Mapping[str, Any]) -> Any:
    return _schema()["$defs"][_name(part)] if "$ref" in part else {}


def _name(part: Mapping[str, Any]) -> str:
    return str(part["$ref"]).rpartition("/")[2]


def _overview(_: list[str]) -> str:
    return _table(
        ("description", "waits for", "login", "password", "cancels", "error report"),
        (
            [
                f"[`{name}`](#{name})",
                _subject(name),
                connection.get("login", "").strip("<>"),
                connection.get("password", "").strip("<>"),
                "yes" if "cancel" in document else "no",
                "yes" if "report" in document else "no",
            ]
            for name in bundled_names()
            for document, connection in [(_document(name), _connection(name))]
        ),
    )


def _subject(name: str) -> str:
    """Return what a description is about, which its first line says."""
    return (FOLDER / f"{name}.yaml").read_text().splitlines()[0].removeprefix("# ")


def _vendor(names: list[str]) -> str:
    (name,) = names
    document = _document(name)
    rows = [[subject, text] for subject, text in _facts(name, document) if text]
    value = json.dumps(_connection(name), ensure_ascii=False)
    notes = document["notes"].strip().replace("<", "&lt;").replace("*", r"\*").replace("\n", " ")
    return "\n\n".join(
        [
            _table(("", ""), rows),
            f"```sh\nexport AIRFLOW_CONN_{name.upper()}_DEFAULT={shlex.quote(value)}\n```",
            f"> {notes}",
        ]
    )


def _facts(name: str, document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    explained = _bundled(name).explain()
    yield "documentation", f"<{document['docs']}>"
    yield "`import_id`", document["import_id"]["help"]
    yield "host", f"default `{document['base_url']}`" if "base_url" in document else "yours: required"
    yield "credential", "<br>".join(line.replace("<", "&lt;") for line in explained["credential"])
    yield "extras", "<br>".join(_extras(document.get("extras") or {}))
    words = document["state"]["map"].items()
    yield "states", "<br>".join(f"{state}: {', '.join(map(_code, each))}" for state, each in words if each)
    condition = document.get("partial_if")
    yield "partial if", _code(" ".join(condition.split())) if condition else "`rows.failed` is above 0"
    yield "rows", ", ".join(document.get("rows", {}))
    yield "pace", "".join(explained.get("pace", ()))
    for key in ("cancel", "report"):
        request = document.get(key, {})
        yield key, _code(request["path"]) if "path" in request else "links in the answer" if request else "no"


def _extras(extras: Mapping[str, Any]) -> Iterator[str]:
    for name, extra in extras.items():
        yield f"`{name}` (default `{extra['default']}`): {extra['help']}"


def _bundled(name: str) -> describe.Described:
    """Return a bundled description as the command `describe` understands it."""
    described = describe.load(name)
    assert isinstance(described, describe.Described)
    return described


def _connection(name: str) -> dict[str, Any]:
    return describe.connection(_bundled(name).description, name)


def _document(name: str) -> Any:
    return find_document(name)[0]


def _code(text: Any) -> str:
    """Return a code span, whatever the text contains; an empty text without a value."""
    if not text:
        return ""
    fence = "``" if "`" in str(text) else "`"
    space = " " if fence == "``" else ""
    return f"{fence}{space}{text}{space}{fence}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(re.sub(r"\|  (?=\|)", "| ", f"| {' | '.join(line)} |") for line in lines)


MAKERS = {"keys": _keys, "definition": _definition, "overview": _overview, "vendor": _vendor}

if __name__ == "__main__":
    write()
