"""Connection forms for Airflow 2.11 to 3.1, and the labels of their fields.

They are built from the provider's metadata, which Airflow 3.2 and later read themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Advice", "field_behaviour", "field_labels", "form_widgets", "metadata_entry"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What to check in a connection that does not work; `{login}` is replaced with the label of that field.

    :param login: for a rejected login
    :param refusal: for a rejected request after a successful login, or without one
    :param address: for a host that is unreachable, or not the vendor's
    :param untried: for a test without a credential, because processes share one
    """

    login: str = "Check {login} and {password}."
    refusal: str = "Check {login} and {password}, and their permissions."
    address: str = "Check {host}."
    untried: str = ""


def metadata_entry(hook_class: type) -> Mapping[str, Any]:
    """Return the metadata entry of the connection type with this hook; empty if there is none."""
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
    """Return the form's fields for extras."""
    # Not part of Airflow 3, whose UI substitutes these classes.
    from flask_appbuilder.fieldwidgets import (  # type: ignore[import-not-found]
        BS3PasswordFieldWidget,
        BS3TextFieldWidget,
    )
    from wtforms import PasswordField, StringField  # type: ignore[import-untyped]

    widgets = {}
    for name, field in entry.get("conn-fields", {}).items():
        is_secret = field["schema"].get("format") == "password"
        field_class, widget_class = (
            (PasswordField, BS3PasswordFieldWidget) if is_secret else (StringField, BS3TextFieldWidget)
        )
        widgets[name] = field_class(field["label"], description=field["description"], widget=widget_class())
    return widgets


def field_behaviour(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return hidden fields, labels and placeholders of the standard fields."""
    behaviour = entry.get("ui-field-behaviour", {})
    return {
        "hidden_fields": behaviour.get("hidden-fields", []),
        "relabeling": behaviour.get("relabeling", {}),
        "placeholders": behaviour.get("placeholders", {}),
    }


def field_labels(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the label of each field of the form."""
    standard = {"host": "Host", "port": "Port", "login": "Login", "password": "Password"}
    extras = {name: field["label"] for name, field in entry.get("conn-fields", {}).items()}
    return {**standard, **entry.get("ui-field-behaviour", {}).get("relabeling", {}), **extras}
