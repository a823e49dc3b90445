"""Validation of a sensor's parameters, before any request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.polling.policy import Action, Policy
from airflow_provider_importstatus.redaction import storable
from airflow_provider_importstatus.status import MAX_ID

__all__ = [
    "check_hook_params",
    "check_interval",
    "check_parameters",
    "check_seconds",
    "is_path_of_description",
    "is_reference",
    "read_import_id",
    "read_policy",
    "read_seconds",
]

#: A hundred years: dates and durations overflow soon after.
MAX_SECONDS = 100 * 365.25 * 24 * 3600
#: Parameters of sensors and operators that are seconds or a timedelta, besides the interval between polls.
DURATIONS = ("execution_timeout", "max_wait", "not_found_grace", "outage_tolerance", "timeout")


def read_import_id(value: Any) -> str:
    """Return the id as text.

    :raises ImportSettingsError: for an invalid id, before any request
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        actual = "None" if value is None else f"of type {type(value).__name__}"
        raise ImportSettingsError(f"import_id is {actual}. {_ID_REMEDY}")
    # Not str(): it would return the names of enum members.
    text = value[:].strip() if isinstance(value, str) else _digits(value)
    if not text or text == "None":
        raise ImportSettingsError(f"import_id is {'the text None' if text else 'empty'}. {_ID_REMEDY}")
    if "{{" in text or "{%" in text:
        raise ImportSettingsError(f"import_id is a template that was not rendered. {_ID_REMEDY}")
    if len(text) > MAX_ID:
        raise ImportSettingsError(f"import_id is a str of {len(text)} characters. {_ID_REMEDY}")
    if storable(text) != text:
        raise ImportSettingsError(f"import_id contains a control character. {_ID_REMEDY}")
    return text


def _digits(number: int) -> str:
    # Python does not convert very large numbers to text.
    return f"{int(number)}" if abs(number) < 10**MAX_ID else "9" * (MAX_ID + 1)


_ID_REMEDY = "Give the str or int that the vendor's submit call returned. Nothing was sent."


def read_policy(on_partial: str, max_failed_rows: int) -> Policy:
    """Return the policy for these parameters.

    :raises ValueError: for an invalid parameter
    """
    if isinstance(max_failed_rows, bool) or not isinstance(max_failed_rows, int) or max_failed_rows < 0:
        raise ValueError(f"max_failed_rows is {max_failed_rows!r}. Give an int of 0 or more.")
    try:
        return Policy(Action(on_partial), max_failed_rows)
    except ValueError:
        allowed = ", ".join(repr(action.value) for action in Action)
        raise ValueError(f"on_partial is {on_partial!r}. Give one of {allowed}.") from None


def read_seconds(name: str, value: timedelta | float) -> float:
    """Return a duration in seconds.

    :raises ValueError: for a value that is not a duration, or out of range
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= MAX_SECONDS:
        limit = f"0 or more, and at most {MAX_SECONDS:.0f} (100 years)"
        raise ValueError(f"{name} is {value!r}. Give a timedelta or seconds, {limit}.")
    return float(seconds)


def check_seconds(**values: timedelta | float | None) -> None:
    """Raise an error at parse time for durations that would overflow at run time; None is left to Airflow."""
    for name, value in values.items():
        if value is not None:
            read_seconds(name, value)


def check_interval(name: str, seconds: float) -> None:
    """Raise an error at parse time for an interval between polls that is no pause."""
    if not seconds:
        raise ValueError(f"{name} is 0 seconds: the vendor would be polled without a pause. Give 1 or more.")


def check_parameters(given: Mapping[str, Any], interval: str, optional: tuple[str, ...]) -> None:
    """Raise an error at parse time for parameters of a mapped task, whose constructor runs on a worker.

    :param interval: the name of the minimum time between two polls
    :param optional: the names of durations that may be None
    """
    for name in (interval, *DURATIONS):
        if name in given and (given[name] is not None or name not in optional):
            read_seconds(name, given[name])
    if interval in given:
        check_interval(interval, read_seconds(interval, given[interval]))
    check_hook_params(given.get("hook_params"))
    read_policy(given.get("on_partial", Action.FAIL), given.get("max_failed_rows", 0))


def check_hook_params(hook_params: Any) -> None:
    """Raise an error at parse time for values that are not JSON or look like secrets."""
    if hook_params is None or not isinstance(hook_params, Mapping):
        if hook_params is None or isinstance(hook_params, str) or is_reference(hook_params):
            return
        raise ValueError(f"hook_params is of type {type(hook_params).__name__}. Give a dictionary.")
    _check_description(hook_params.get("description"))
    try:
        json.dumps(hook_params, default=_placeholder, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"hook_params is not plain JSON: {error}.") from None
    except RecursionError:
        raise ValueError("hook_params is nested too deeply. Remove levels.") from None
    _check_names(hook_params)


def _check_names(hook_params: Mapping[str, Any]) -> None:
    """Raise an error for names that are no texts, and for secrets, at any depth."""
    # Only DAG files with hook_params need it.
    from airflow_provider_importstatus.secret_names import is_literal, names_secret

    # A description has been checked, more precisely, unless it has templates.
    rest = {
        name: value
        for name, value in hook_params.items()
        if name != "description" or not isinstance(value, Mapping) or _has_templates(value)
    }
    # With each value goes the place of the secret that it belongs to, if any.
    waiting: list[tuple[str, Any, str]] = [("hook_params", rest, "")]
    while waiting:
        place, value, secret = waiting.pop()
        if isinstance(value, Mapping):
            for name, part in value.items():
                if not isinstance(name, str):
                    raise ValueError(f"{place} has a key of type {type(name).__name__}. Give texts as keys.")
                inner = f"{place}[{name!r}]"
                waiting.append((inner, part, secret or (inner if names_secret(name) else "")))
        elif isinstance(value, list | tuple):
            waiting += [(place, part, secret) for part in value]
        elif secret and is_literal(value):
            raise ValueError(f"{secret} looks like a secret. Put it into the connection.")


def is_path_of_description(hook_params: Any) -> bool:
    """Return whether `hook_params` name a described vendor's file."""
    description = hook_params.get("description") if isinstance(hook_params, Mapping) else None
    if not isinstance(description, str) or "{" in description:
        return False
    from airflow_provider_importstatus.protocol.description import is_name

    return not is_name(description.strip())


def _check_description(description: Any) -> None:
    """Raise an error for an invalid description; one with templates is checked when it is rendered."""
    if isinstance(description, str) and description.lstrip().startswith("{"):
        description = _parsed(description)
    if not isinstance(description, Mapping) or _has_templates(description):
        return
    # Only these DAG files need it.
    from airflow_provider_importstatus.protocol.description import parse_description
    from airflow_provider_importstatus.protocol.description_section import Source

    parse_description(description, Source("the description in hook_params"))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        # The hook says where it is wrong, once templates have been rendered.
        return None


def _has_templates(value: Any) -> bool:
    try:
        return "{{" in json.dumps(value, default=_template) or "{%" in json.dumps(value, default=_template)
    except (TypeError, ValueError, RecursionError):
        # The check of the description says what is wrong with it.
        return False


def _template(value: Any) -> str:
    return "{{" if is_reference(value) else _placeholder(value)


def is_reference(value: Any) -> bool:
    """Return whether the value is a task's result (an XComArg), which Airflow resolves at run time."""
    return hasattr(value, "resolve")


def _placeholder(value: Any) -> str:
    if is_reference(value):
        return ""
    raise TypeError(f"a value is of type {type(value).__name__}")
