"""What the author of a DAG gives a sensor, checked before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from unicodedata import category

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.polling.policy import Action, Policy

__all__ = ["check_hook_params", "check_seconds", "read_import_id", "read_policy", "read_seconds"]

#: No vendor's id is nearly as long; whatever is, is something else.
MAX_IMPORT_ID = 500
#: Unicode's categories of control characters and of lone surrogates, which no database takes.
NOT_STORABLE = ("Cc", "Cs")
#: A hundred years: dates and durations overflow not far beyond.
MAX_SECONDS = 100 * 365.25 * 24 * 3600
SECRET_NAMES = ("password", "secret", "token", "credential", "api_key", "apikey")


def read_import_id(value: Any) -> str:
    """The id as a text.

    :raises ImportSettingsError: for what is no id, before anything is sent
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        kind = "None" if value is None else f"of the kind {type(value).__name__}"
        raise ImportSettingsError(f"import_id is {kind}. {_ID_REMEDY}")
    # Not str(): it makes names of the members of enumerations.
    text = value[:].strip() if isinstance(value, str) else _digits(value)
    if not text or text == "None":
        raise ImportSettingsError(f"import_id is {'the text None' if text else 'empty'}. {_ID_REMEDY}")
    if "{{" in text or "{%" in text:
        raise ImportSettingsError(f"import_id is a template that was not rendered. {_ID_REMEDY}")
    if len(text) > MAX_IMPORT_ID:
        raise ImportSettingsError(f"import_id is a text of {len(text)} characters. {_ID_REMEDY}")
    if any(category(character) in NOT_STORABLE for character in text):
        raise ImportSettingsError(f"import_id holds a control character. {_ID_REMEDY}")
    return text


def _digits(number: int) -> str:
    # Python refuses to write very large numbers.
    return f"{int(number)}" if abs(number) < 10**MAX_IMPORT_ID else "9" * (MAX_IMPORT_ID + 1)


_ID_REMEDY = "Give the str or int that the vendor's submit call returned. Nothing was sent."


def read_policy(on_partial: str, max_failed_rows: int) -> Policy:
    if isinstance(max_failed_rows, bool) or not isinstance(max_failed_rows, int) or max_failed_rows < 0:
        raise ValueError(f"max_failed_rows is {max_failed_rows!r}. Give a whole number of rows, 0 or more.")
    try:
        return Policy(Action(on_partial), max_failed_rows)
    except ValueError:
        allowed = ", ".join(repr(action.value) for action in Action)
        raise ValueError(f"on_partial is {on_partial!r}. Give one of {allowed}.") from None


def read_seconds(name: str, value: timedelta | float) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= MAX_SECONDS:
        limit = f"0 or more, and at most {MAX_SECONDS:.0f} (100 years)"
        raise ValueError(f"{name} is {value!r}. Give a timedelta or seconds, {limit}.")
    return float(seconds)


def check_seconds(**values: timedelta | float | None) -> None:
    """Refuse at parse time what would overflow when the task runs; None is left to Airflow."""
    for name, value in values.items():
        if value is not None:
            read_seconds(name, value)


def check_hook_params(hook_params: Any) -> None:
    """Refuse at parse time what could not travel to the triggerer, or should not."""
    if hook_params is None or not isinstance(hook_params, Mapping):
        if hook_params is None or isinstance(hook_params, str) or _is_reference(hook_params):
            return
        raise ValueError(f"hook_params is of the kind {type(hook_params).__name__}. Give a dictionary.")
    for name, value in hook_params.items():
        is_literal = isinstance(value, str) and "{{" not in value and value != ""
        if is_literal and any(word in str(name).lower() for word in SECRET_NAMES):
            raise ValueError(f"hook_params[{name!r}] looks like a secret. Put it into the connection.")
    try:
        json.dumps(hook_params, default=_stand_in)
    except (TypeError, ValueError) as error:
        raise ValueError(f"hook_params is no plain JSON: {error}.") from None


def _is_reference(value: Any) -> bool:
    return hasattr(value, "resolve")


def _stand_in(value: Any) -> str:
    # An XComArg becomes JSON when it is resolved.
    if _is_reference(value):
        return ""
    raise TypeError(f"a value is of the kind {type(value).__name__}")
