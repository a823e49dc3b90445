"""The connection forms that the Airflow shows that runs here: all of them from the metadata."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from airflow import __version__ as airflow_version

from airflow_provider_importstatus.get_provider_info import connection_type, get_provider_info, secret, text
from airflow_provider_importstatus.hooks import connection_form
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.clear import ClearHook
from airflow_provider_importstatus.hooks.connection_form import Advice

from ..vendors import HOOKS

FIFTH_VENDOR = Path(__file__).parents[1] / "fifth_vendor"
COMMON = {"timeout", "transfer_timeout", "verify", "proxy", "max_concurrency"}
ENTRIES: dict[str, dict[str, Any]] = {
    entry["connection-type"]: entry
    for entry in get_provider_info()["connection-types"]  # type: ignore[attr-defined]
}
IS_AIRFLOW_2 = airflow_version.startswith("2.")

#: What the UI of Airflow 2 makes its forms of.
SHOWN_BY_AIRFLOW_2 = """
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
types = [name for name, hook in manager.hooks.items() if hook]
shown = {name: {"extras": {}, "standard": manager.field_behaviours.get(name)} for name in types}
for key, info in manager.connection_form_widgets.items():
    _, conn_type, name = key.split("__", 2)
    if conn_type in OURS:
        label, description = info.field.args[0], info.field.kwargs["description"]
        shown[conn_type]["extras"][name] = [label, description, info.is_sensitive]
"""
#: And what the UI of Airflow 3 is sent.
SHOWN_BY_AIRFLOW_3 = """
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
shown = {}
for hook in HookMetaService.hook_meta_data():
    extras = {
        name: [field["schema"]["title"], field["description"], field["schema"].get("format") == "password"]
        for name, field in (hook.extra_fields or {}).items()
        if hook.connection_type in OURS
    }
    fields = hook.standard_fields.model_dump() if hook.standard_fields else None
    shown[hook.connection_type] = {"extras": extras, "standard": fields}
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What Airflow shows, by connection type, with a fifth vendor installed."""
    code = SHOWN_BY_AIRFLOW_2 if IS_AIRFLOW_2 else SHOWN_BY_AIRFLOW_3
    # A process of its own: Airflow 3.1 puts stand-ins for other libraries into sys.modules.
    done = subprocess.run(
        [sys.executable, "-c", f"OURS = {[*ENTRIES, 'acme']}\n{code}\nimport json\nprint(json.dumps(shown))"],
        env={**os.environ, "PYTHONPATH": str(FIFTH_VENDOR)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("vendor", ENTRIES)
def test_every_extra_has_a_label_a_help_text_and_the_right_secrecy(
    shown: dict[str, Any], vendor: str
) -> None:
    assert shown[vendor]["extras"] == {
        name: [field["label"], field["description"], field["schema"].get("format") == "password"]
        for name, field in ENTRIES[vendor]["conn-fields"].items()
    }


@pytest.mark.parametrize("vendor", ENTRIES)
def test_standard_fields_are_labeled_with_the_vendors_terms(shown: dict[str, Any], vendor: str) -> None:
    said, standard = ENTRIES[vendor]["ui-field-behaviour"], shown[vendor]["standard"]
    if IS_AIRFLOW_2:
        hidden = set(standard["hidden_fields"])
        seen = (standard["relabeling"], standard["placeholders"]["host"], hidden)
    else:
        fields = {name: field for name, field in standard.items() if field}
        named = {name: field["title"] for name, field in fields.items() if field["title"]}
        # The UI's own name for it.
        hidden = {name.replace("url_schema", "schema") for name, field in fields.items() if field["hidden"]}
        # It always shows the JSON of the extras.
        seen = (named, fields["host"]["placeholder"], hidden | ({"extra"} & set(said["hidden-fields"])))
    assert seen == (said["relabeling"], said["placeholders"]["host"], set(said["hidden-fields"]))


def test_extras_that_have_no_field_can_be_edited() -> None:
    hidden = {name: entry["ui-field-behaviour"]["hidden-fields"] for name, entry in ENTRIES.items()}
    assert [name for name, fields in hidden.items() if "extra" not in fields] == ["import_api"]


def test_a_custom_vendor_has_the_common_fields(shown: dict[str, Any]) -> None:
    assert shown["acme"]["extras"].keys() == COMMON
    assert "Baker" in json.dumps(shown["acme"]["standard"])


def test_a_custom_vendor_adds_fields() -> None:
    entry = connection_type(
        "acme",
        "acme.AcmeHook",
        "Acme",
        labels={"login": "Baker"},
        placeholders={"login": "ada", "oven": "2"},
        fields={"oven": text("Oven", "Which one."), "pin": secret("PIN", "Four digits.")},
    )
    assert entry["conn-fields"].keys() == {"oven", "pin"} | COMMON  # type: ignore[attr-defined]
    labels = connection_form.field_labels(entry)
    assert (labels["login"], labels["password"], labels["oven"]) == ("Baker", "Password", "Oven")
    placeholders = connection_form.field_behaviour(entry)["placeholders"]
    assert {"login": "ada", "oven": "2"}.items() <= placeholders.items()


@pytest.mark.parametrize("hook", HOOKS.values())
def test_airflow_before_3_2_finds_the_methods_in_the_class_itself(hook: type[ImportStatusHook]) -> None:
    """It does not find inherited ones."""
    assert {"get_connection_form_widgets", "get_ui_field_behaviour"} <= vars(hook).keys()
    assert (
        hook.get_ui_field_behaviour()["relabeling"]
        == (ENTRIES[hook.conn_type]["ui-field-behaviour"]["relabeling"])
    )


@pytest.mark.skipif(find_spec("flask_appbuilder") is not None, reason="the form's libraries are installed")
@pytest.mark.parametrize("hook", HOOKS.values())
def test_without_the_form_libraries_the_import_error_names_the_missing_one(
    hook: type[ImportStatusHook],
) -> None:
    """It goes on without a form if the name is one of these."""
    with pytest.raises(ImportError) as raised:
        hook.get_connection_form_widgets()
    assert raised.value.name in ("flask_appbuilder", "wtforms")


def test_a_hook_that_no_metadata_names_has_no_form() -> None:
    class Unnamed(ClearHook):
        pass

    assert connection_form.metadata_entry(Unnamed) == {}
    assert Unnamed.get_ui_field_behaviour() == {"hidden_fields": [], "relabeling": {}, "placeholders": {}}


@pytest.mark.parametrize("vendor", ENTRIES)
def test_no_two_fields_have_the_same_label(vendor: str) -> None:
    """Airflow 3.4 shows those of extras below its own, of which each connection has a description."""
    labels = ["Description", *connection_form.field_labels(ENTRIES[vendor]).values()]
    assert sorted(labels) == sorted(set(labels))


@pytest.mark.parametrize("vendor", ENTRIES)
def test_every_field_has_a_help_text(vendor: str) -> None:
    fields = ENTRIES[vendor]["conn-fields"]
    assert [name for name, field in fields.items() if not field["description"].endswith(".")] == []


@pytest.mark.parametrize("hook", HOOKS.values())
@pytest.mark.parametrize("about", Advice.__slots__)
def test_error_messages_name_fields_of_the_form(hook: type[ImportStatusHook], about: str) -> None:
    named = re.findall(r"{(\w+)}", getattr(hook.advice, about))
    assert set(named) <= connection_form.field_labels(ENTRIES[hook.conn_type]).keys()
