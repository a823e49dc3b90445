"""A vendor's connection form: as Airflow 2.11 to 3.1 want it, and in words for people.

It is described in the provider's metadata, which Airflow 3.2 and later read themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Advice", "field_behaviour", "field_labels", "form_widgets", "metadata_entry"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to check in a connection that does not work; `{login}` stands for what the form calls that field.

    :param login: where the login is refused
    :param refusal: where the question is refused, although the login, if there is one, was not
    :param address: where nothing answers, or somebody else
    :param untried: where a test gets no credential, because processes share one
    """

    login: str = "Check {login} and {password}."
    refusal: str = "Check {login} and {password}, and what they have the right to."
    address: str = "Check {host}."
    untried: str = ""


def metadata_entry(hook_class: type) -> Mapping[str, Any]:
    """What some provider's metadata says of the connection type with this hook; empty where none does."""
    # Needed in Airflow's servers only, and slow to import.
    from airflow.providers_manager import ProvidersManager

    name = f"{hook_class.__module__}.{hook_class.__qualname__}"
    for provider in ProvidersManager().providers.values():
        for entry in provider.data.get("connection-types", ()):
            if entry["hook-class-name"] == name:
                found: Mapping[str, Any] = entry
                return found
    return {}


def form_widgets(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The fields for extras."""
    # No part of Airflow 3, whose UI puts stand-ins in their place.
    from flask_appbuilder.fieldwidgets import (  # type: ignore[import-not-found]
        BS3PasswordFieldWidget,
        BS3TextFieldWidget,
    )
    from wtforms import PasswordField, StringField  # type: ignore[import-untyped]

    made = {}
    for name, field in entry.get("conn-fields", {}).items():
        is_secret = field["schema"].get("format") == "password"
        kind, widget = (
            (PasswordField, BS3PasswordFieldWidget) if is_secret else (StringField, BS3TextFieldWidget)
        )
        made[name] = kind(field["label"], description=field["description"], widget=widget())
    return made


def field_behaviour(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of the fields that every connection has."""
    said = entry.get("ui-field-behaviour", {})
    return {
        "hidden_fields": said.get("hidden-fields", []),
        "relabeling": said.get("relabeling", {}),
        "placeholders": said.get("placeholders", {}),
    }


def field_labels(entry: Mapping[str, Any]) -> dict[str, str]:
    """What the form calls each field."""
    usual = {"host": "Host", "port": "Port", "login": "Login", "password": "Password"}
    extras = {name: field["label"] for name, field in entry.get("conn-fields", {}).items()}
    return {**usual, **entry.get("ui-field-behaviour", {}).get("relabeling", {}), **extras}
