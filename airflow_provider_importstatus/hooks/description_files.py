"""Descriptions as documents: bundled ones, files, and objects in a connection or in ``hook_params``."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.description import (
    MAX_BYTES,
    Description,
    is_name,
    parse_description,
)
from airflow_provider_importstatus.protocol.description_section import MAX_DEPTH, Source, join

__all__ = [
    "bundled_names",
    "check_document",
    "check_schema",
    "find_document",
    "is_name",
    "load_description",
    "read_document",
    "read_text",
    "schema_errors",
]

FOLDER = Path(__file__).parents[1] / "descriptions"
SCHEMA = FOLDER / "schema.json"
#: How a YAML scalar without quotes is read: the core schema of YAML 1.2, in which NO and dates are texts.
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_BASES = {"0o": 8, "0x": 16}
#: Maximum length of a number: no key of the format has a larger one.
MAX_DIGITS = 20


def load_description(given: Any, connection: str | None = None) -> Description:
    """Return the checked description that a connection or ``hook_params`` names or contains.

    It reads files: never use it on an event loop.

    :param given: a bundled name, an object, an object as JSON text, or a path
    :param connection: the connection that it is from, in which a path must be absolute
    :raises ImportSettingsError: the description is missing or invalid
    """
    if isinstance(given, str) and is_name(given.strip()):
        return _bundled(given.strip())
    return check_document(*read_document(given, connection))


def find_document(given: Any) -> tuple[Any, Source]:
    """Return a document, which may be bundled, and where it is from.

    :raises ImportSettingsError: the document is missing or cannot be read
    """
    if isinstance(given, str) and is_name(given.strip()):
        return _read_bundled(given.strip())
    return read_document(given)


def read_document(given: Any, connection: str | None = None) -> tuple[Any, Source]:
    """Return a document that is not bundled, and where it is from."""
    name = "the description" if connection is None else f"the description in connection {connection!r}"
    if isinstance(given, Mapping):
        return given, Source(name)
    if not isinstance(given, str):
        raise Source(name).error("", f"is of type {type(given).__name__}", _REMEDY)
    text = given.strip()
    if text.startswith("{"):
        return read_text(text, name, is_json=True)
    path = Path(text)
    if connection is not None and not path.is_absolute():
        raise Source(name).error("", "is neither a name nor an absolute path", _REMEDY)
    return _read_file(path)


def check_document(document: Any, source: Source) -> Description:
    """Return the description in a document that also matches the JSON Schema."""
    description = parse_description(document, source)
    check_schema(document, source)
    return description


def bundled_names() -> list[str]:
    """Return the names of the bundled descriptions."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


_REMEDY = "give the name of a bundled description, an object, or the path of a YAML or JSON file"


@cache
def _bundled(name: str) -> Description:
    # The tests apply the schema to bundled descriptions.
    return parse_description(*_read_bundled(name), is_bundled=True)


def _read_bundled(name: str) -> tuple[Any, Source]:
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(bundled_names()) or "none"
        raise ImportSettingsError(
            f"There is no bundled description {name!r}. Bundled are: {known}. For one of your own, give its"
            " path, or the object itself. Nothing was sent."
        )
    return read_text(path.read_text(encoding="utf-8"), f"description {name!r}")


def _read_file(path: Path) -> tuple[Any, Source]:
    name = f"description file {path.name[:100]!r}"
    try:
        # Opening anything else, such as a pipe, might block.
        if not path.is_file():
            raise FileNotFoundError(None, "no such file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        remedy = f"check the path, and that this machine has the file; or {_REMEDY}"
        raise Source(name).error("", f"cannot be read ({error.strerror})", remedy) from None
    if len(content) > MAX_BYTES:
        raise Source(name).error("", f"is larger than {MAX_BYTES // 1024} KiB", "shorten it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Source(name).error("", "is not UTF-8", "save it as UTF-8") from None
    return read_text(text, name, is_json=path.suffix.lower() == ".json")


def read_text(text: str, name: str, *, is_json: bool = False) -> tuple[Any, Source]:
    """Return the document in a YAML or JSON text, and where it is from, with the line of each key.

    :param name: where the text is from, for errors
    """
    source = Source(name)
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise source.error("", f"is larger than {MAX_BYTES // 1024} KiB", "shorten it")
    if not is_json:
        return _read_yaml(text, name)
    document = _read_json(text, source)
    try:
        # Nearly all JSON is YAML, whose reader knows the lines.
        return document, _read_yaml(text, name)[1]
    except ImportSettingsError:
        return document, source


def _read_json(text: str, source: Source) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise source.error(join("", repeated[0]), "occurs twice in an object", "remove one")
        return dict(pairs)

    def refused(_: str) -> None:
        raise ValueError

    try:
        return json.loads(text, object_pairs_hook=unique, parse_constant=refused)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise source.error("", f"is not valid JSON ({where})", "correct it there") from None
    except (ValueError, RecursionError):
        raise source.error("", "contains a number or nesting beyond what is read", "simplify it") from None


def _read_yaml(text: str, name: str) -> tuple[Any, Source]:
    reader = _YamlReader(name)
    try:
        # Events instead of objects: the library's own constructor follows aliases and merges keys.
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        if repr("\t") in (error.problem or ""):
            raise Source(name).error("", f"contains a tab{where}", "use spaces there") from None
        raise Source(name).error("", f"is not valid YAML{where}", "correct it there") from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise Source(name).error("", "contains characters that YAML does not allow", "remove them") from None
    return reader.document, Source(name, reader.lines)


@dataclass(slots=True)
class _Open:
    """A list or an object that is being read; `name` is the key or index of the next value."""

    value: Any
    key: str
    name: Any = None


class _YamlReader:
    """Builds a JSON document from YAML events, without anchors, aliases, tags and repeated keys."""

    def __init__(self, name: str) -> None:
        self.document: Any = None
        #: The line of each dotted key.
        self.lines: dict[str, int] = {}
        self._source_name = name
        self._open: list[_Open] = []
        self._documents = 0

    def take(self, event: Any) -> None:
        """Add one event."""
        line = event.start_mark.line + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error(line, "contains a second document", "remove the line ---")
        elif isinstance(event, yaml.NodeEvent):
            self._take_node(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _take_node(self, event: Any, line: int) -> None:
        if event.anchor is not None:
            raise self._error(
                line, "contains an anchor or alias (& or *)", "write the value out, or quote it"
            )
        if event.tag is not None:
            raise self._error(line, "contains a tag (!)", "remove it, or put the value in quotes")
        if isinstance(event, yaml.ScalarEvent):
            parent = self._open[-1] if self._open else None
            if parent and isinstance(parent.value, dict) and parent.name is None:
                self._take_key(parent, event.value, line)
            else:
                self._add(self._scalar(event, line), line)
            return
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(value, self._add(value, line)))
        if len(self._open) > MAX_DEPTH:
            raise self._error(line, f"is nested deeper than {MAX_DEPTH} levels", "remove levels")

    def _take_key(self, parent: _Open, name: str, line: int) -> None:
        key = join(parent.key, name)
        if name == "<<":
            raise self._error(line, "merges keys (<<)", "write them out")
        if name in parent.value:
            raise Source(self._source_name, {key: line}).error(key, "occurs twice", "remove one")
        parent.name = name
        self.lines[key] = line

    def _add(self, value: Any, line: int) -> str:
        """Add a value where it belongs, and return its dotted key."""
        if not self._open:
            self.document = value
            return ""
        parent = self._open[-1]
        if isinstance(parent.value, list):
            key = join(parent.key, len(parent.value))
            parent.value.append(value)
            self.lines[key] = line
            return key
        if parent.name is None:
            raise self._error(line, "has a list or an object as a key", "use texts as keys")
        key = join(parent.key, parent.name)
        parent.value[parent.name] = value
        parent.name = None
        return key

    def _scalar(self, event: Any, line: int) -> Any:
        text: str = event.value
        is_plain = event.implicit[0]
        if not is_plain:
            return text
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        is_integer = _INTEGER.fullmatch(text)
        if not is_integer and not _FLOAT.fullmatch(text):
            return text
        if len(text) > MAX_DIGITS:
            raise self._error(line, "is a number of too many digits", "put it in quotes")
        if is_integer:
            return int(text, _BASES.get(text[:2], 10))
        if not text[-1].isalpha() and math.isfinite(number := float(text)):
            return number
        raise self._error(line, "is a number that JSON cannot hold", "put it in quotes")

    def _error(self, line: int, fact: str, remedy: str) -> ImportSettingsError:
        key = ""
        if self._open:
            parent = self._open[-1]
            name = parent.name if isinstance(parent.value, dict) else len(parent.value)
            key = parent.key if name is None else join(parent.key, name)
        return Source(self._source_name, {key: line}).error(key, fact, remedy)


def check_schema(document: Any, source: Source) -> None:
    """Raise an error if the document does not match the format's JSON Schema, which is imported only now."""
    for error in schema_errors(document, source):
        raise error


def schema_errors(document: Any, source: Source) -> list[ImportSettingsError]:
    """Return in which places the document does not match the format's JSON Schema."""
    errors = sorted(_validator().iter_errors(document), key=lambda error: [*map(str, error.absolute_path)])
    return [_schema_error(error, source) for error in errors]


def _schema_error(error: Any, source: Source) -> ImportSettingsError:
    key = ""
    for name in error.absolute_path:
        key = join(key, name)
    described = error.schema.get("description", "see the documentation of the format")
    return source.error(
        key,
        f"does not match the schema ({error.validator})",
        f"give what it asks for: {described.rstrip('.')}",
    )


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
