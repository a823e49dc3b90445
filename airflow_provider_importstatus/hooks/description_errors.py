"""All errors of a description at once, for those who write one."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.description_files import schema_errors
from airflow_provider_importstatus.protocol.description import parse_description
from airflow_provider_importstatus.protocol.description_section import Source

__all__ = ["find_errors"]

#: Errors that are told; what is left shows once these are corrected.
MAX_ERRORS = 20
#: Valid values of the required keys, which take the place of invalid ones to find further errors.
VALID: dict[str, Any] = {
    "version": 1,
    "name": "x",
    "auth": {"type": "none"},
    "status": {"path": "/{import_id}"},
    "state": {"path": "x", "map": {"succeeded": ["a valid word"]}},
}


def find_errors(document: Any, source: Source) -> list[ImportSettingsError]:
    """Return the errors of a document, in its order."""
    errors = _structural_errors(document, source)
    told = [error.key for error in errors]
    # The schema often says the same in other words.
    errors += [
        error
        for error in schema_errors(document, source)
        if not any(_overlap(error.key, key) for key in told)
    ]
    return sorted(errors, key=lambda error: source.line_of(error.key) or 0)[:MAX_ERRORS]


def _structural_errors(document: Any, source: Source) -> list[ImportSettingsError]:
    errors: dict[str, ImportSettingsError] = {}
    while len(errors) < MAX_ERRORS:
        try:
            parse_description(document, source)
        except ImportSettingsError as error:
            # What was removed may be missing now.
            repaired = (_without if error.key in errors else _repaired)(document, error.key)
            errors.setdefault(error.key, error)
            if repaired == document:
                break
            document = repaired
        else:
            break
    return list(errors.values())


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _repaired(document: Any, key: str) -> Any:
    """Return the document without the value at a key, or with a valid one if it is required."""
    names = [int(name) if name.isdecimal() else name for name in re.findall(r"[^.\[\]]+", key)]
    if not names or not isinstance(document, Mapping):
        return document
    document = copy.deepcopy(dict(document))
    *parents, last = names
    parent = _at(document, parents)
    valid = _at(VALID, names)
    if valid is not None and isinstance(parent, dict):
        parent[last] = copy.deepcopy(valid)
    elif names[0] == "state" and isinstance(parent, list):
        parent[int(last)] = f"a valid word in place of {key}"
    elif _at(parent, [last]) is not None:
        del parent[last]
    else:
        return _without(document, key)
    return document


def _without(document: Any, key: str) -> Any:
    """Return the document without the key at the top that contains this one."""
    top = re.split(r"[.\[]", key)[0]
    valid = {top: copy.deepcopy(VALID[top])} if top in VALID else {}
    return {**{name: value for name, value in document.items() if name != top}, **valid}


def _at(value: Any, names: list[str | int]) -> Any:
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and name < len(value):
            value = value[name]
        else:
            return None
    return value
