"""The public contract: names, defaults, metadata, and the cost of importing the package."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import airflow
import jsonschema
import pytest
from airflow.plugins_manager import AirflowPlugin

import airflow_provider_importstatus
from airflow_provider_importstatus.get_provider_info import get_provider_info
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.hooks.clear import ClearHook
from airflow_provider_importstatus.sensors import import_status
from airflow_provider_importstatus.sensors.import_status import ImportStatusSensor

from .conftest import VENDORS
from .vendors import HOOKS

PACKAGE = "airflow_provider_importstatus"
INFO: Any = get_provider_info()
HOME = Path(airflow_provider_importstatus.__file__).parent
#: Programs, which are not imported.
PROGRAMS = ("__main__",)
#: Whether Airflow is 3.1 or later and supports the page.
HAS_PAGE = hasattr(AirflowPlugin, "react_apps")


def walk() -> list[str]:
    found = pkgutil.walk_packages([str(HOME)], f"{PACKAGE}.")
    names = [module.name for module in found if module.name.rpartition(".")[2] not in PROGRAMS]
    return [name for name in names if HAS_PAGE or not name.startswith((f"{PACKAGE}.ui.", f"{PACKAGE}.links"))]


def run(code: str) -> str:
    """Run code in a new process and return its output."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def modules_after(code: str) -> set[str]:
    """Run code in a new process and return the modules it has imported."""
    return set(
        json.loads(run(f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))").splitlines()[-1])
    )


@pytest.mark.parametrize("name", walk())
def test_every_name_in_all_exists(name: str) -> None:
    module = importlib.import_module(name)
    assert [public for public in getattr(module, "__all__", ()) if not hasattr(module, public)] == []


#: Imports as users write them.
IMPORTS = {
    "hooks.clear": ["ClearHook"],
    "hooks.tao": ["TaoAdvanceHook"],
    "hooks.zilliant": ["ZilliantHook"],
    "hooks.thalamus": ["ThalamusHook"],
    "hooks.described": ["DescribedHook"],
    "hooks.base": ["ImportStatusHook"],
    "sensors.import_status": [
        "ImportStatusSensor",
        "ClearImportSensor",
        "TaoAdvanceImportSensor",
        "ZilliantImportSensor",
        "ThalamusImportSensor",
    ],
    "triggers.import_status": ["ImportStatusTrigger"],
    "status": ["ImportState", "ImportStatus", "RowCounts"],
}


@pytest.mark.parametrize(("name", "public"), IMPORTS.items(), ids=IMPORTS)
def test_public_import_paths_exist(name: str, public: list[str]) -> None:
    module = importlib.import_module(f"{PACKAGE}.{name}")
    assert set(public) <= set(module.__all__)


def test_the_version_is_a_string() -> None:
    assert airflow_provider_importstatus.__version__.count(".") == 2


def test_the_package_is_typed() -> None:
    assert (HOME / "py.typed").is_file()


EVERY_HOOK = [pytest.param(hook, conn_type, id=conn_type) for conn_type, hook in HOOKS.items()]


@pytest.mark.parametrize(("hook", "conn_type"), EVERY_HOOK)
def test_a_hook_has_its_connection_type(hook: type[ImportStatusHook], conn_type: str) -> None:
    assert (hook.conn_type, hook.default_conn_name) == (conn_type, f"{conn_type}_default")


@pytest.mark.parametrize(("hook", "conn_type"), EVERY_HOOK)
def test_a_hook_uses_its_default_connection(hook: type[ImportStatusHook], conn_type: str) -> None:
    assert hook().conn_id == f"{conn_type}_default"


@pytest.mark.parametrize(("hook", "conn_type"), EVERY_HOOK)
def test_the_metadata_names_the_hook(hook: type[ImportStatusHook], conn_type: str) -> None:
    known = {entry["connection-type"]: entry for entry in INFO["connection-types"]}
    entry = known[conn_type]
    assert entry["hook-class-name"] == f"{hook.__module__}.{hook.__qualname__}"
    assert entry["hook-name"] == hook.hook_name


@pytest.mark.parametrize(
    "name",
    ["get_import_status", "aget_import_status", "base_url", "test_connection", "get_conn"],
)
def test_a_hook_has_the_public_method(name: str) -> None:
    assert hasattr(ImportStatusHook, name)


def test_the_async_method_is_a_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(ImportStatusHook.aget_import_status)


def test_the_clear_hook_accepts_an_integration() -> None:
    assert ClearHook(conn_id="c", integration_id="i").integration_id == "i"


SENSORS = [
    pytest.param(sensor, f"{sensor.conn_type}_default", id=sensor.conn_type)
    for name in import_status.__all__
    if (sensor := getattr(import_status, name)).conn_type
]


@pytest.mark.parametrize(("sensor", "conn_id"), SENSORS)
def test_a_vendor_sensor_uses_its_default_connection(sensor: type[ImportStatusSensor], conn_id: str) -> None:
    assert sensor(task_id="wait", import_id="1").conn_id == conn_id  # type: ignore[call-arg]


@pytest.mark.parametrize(("sensor", "conn_id"), SENSORS)
def test_a_vendor_sensor_accepts_another_connection(sensor: type[ImportStatusSensor], conn_id: str) -> None:
    assert sensor(task_id="wait", import_id="1", conn_id=f"not_{conn_id}").conn_id == f"not_{conn_id}"


@pytest.mark.parametrize("missing", ["conn_id", "import_id"])
def test_a_parameter_is_required(missing: str) -> None:
    given: dict[str, Any] = {"task_id": "wait", "conn_id": "c", "import_id": "1"}
    del given[missing]
    with pytest.raises(Exception, match=missing):
        ImportStatusSensor(**given)


@pytest.mark.parametrize(
    ("parameter", "default"),
    [
        pytest.param("hook_params", None, id="hook_params"),
        pytest.param("on_partial", "fail", id="on_partial"),
        pytest.param("max_failed_rows", 0, id="max_failed_rows"),
        pytest.param("not_found_grace", 60.0, id="not_found_grace"),
        pytest.param("outage_tolerance", 900.0, id="outage_tolerance"),
        pytest.param("deferrable", False, id="deferrable"),
        pytest.param("poke_interval", 10.0, id="poke_interval"),
        pytest.param("max_wait", timedelta(seconds=300), id="max_wait"),
        pytest.param("exponential_backoff", True, id="exponential_backoff"),
    ],
)
def test_a_parameter_has_its_default(parameter: str, default: Any) -> None:
    sensor = ImportStatusSensor(task_id="wait", conn_id="c", import_id="1")
    assert getattr(sensor, parameter) == default


def test_parameters_are_keyword_only() -> None:
    parameters = list(inspect.signature(ImportStatusSensor.__init__).parameters.values())[1:]
    assert {parameter.kind for parameter in parameters} == {
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    }


@pytest.mark.parametrize("field", ["conn_id", "import_id", "hook_params"])
def test_a_parameter_is_templated(field: str) -> None:
    assert field in ImportStatusSensor.template_fields


def test_the_default_of_deferrable_is_airflows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    output = run(
        f"from {PACKAGE}.sensors.import_status import ClearImportSensor as Sensor\n"
        "print(Sensor(task_id='wait', import_id='1').deferrable)"
    )
    assert output.split()[-1] == "True"


#: The extras of each connection type, besides those that all have.
EXTRAS: dict[str, set[str]] = {
    "clear": {"access_token"},
    "tao_advance": {"api_prefix", "token_url", "token_request_encoding", "share_token"},
    "zilliant": {
        *("client_id", "client_secret", "token_url", "x_forwarded_host", "token_response", "share_token"),
    },
    "thalamus": {"touchpoint", "token"},
    "import_api": {"description", "token_url", "access_token", "share_token"},
}


class TestTheMetadata:
    def test_the_sandbox_plays_the_vendors_in_the_metadata(self) -> None:
        """Described vendors have no one vendor to play."""
        assert [*VENDORS, "import_api"] == list(HOOKS)

    def test_the_metadata_names_the_module_of_every_hook(self) -> None:
        named = {name for entry in INFO["hooks"] for name in entry["python-modules"]}
        assert named == {ImportStatusHook.__module__, *(hook.__module__ for hook in HOOKS.values())}

    def test_the_metadata_matches_airflows_schema(self) -> None:
        schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
        jsonschema.validate(get_provider_info(), schema)

    def test_the_metadata_is_json(self) -> None:
        assert json.loads(json.dumps(get_provider_info())) == get_provider_info()

    @pytest.mark.parametrize(
        "name",
        sorted(
            name
            for kind in ("hooks", "sensors", "triggers")
            for entry in INFO[kind]
            for name in entry["python-modules"]
        ),
    )
    def test_the_metadata_names_existing_modules(self, name: str) -> None:
        assert isinstance(importlib.import_module(name), ModuleType)

    @pytest.mark.parametrize("name", [entry["hook-class-name"] for entry in INFO["connection-types"]])
    def test_the_metadata_names_existing_hooks(self, name: str) -> None:
        module, _, hook = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), hook), ImportStatusHook)

    @pytest.mark.parametrize(
        ("conn_type", "extras"), [pytest.param(*item, id=item[0]) for item in EXTRAS.items()]
    )
    def test_the_metadata_has_a_field_for_every_extra(self, conn_type: str, extras: set[str]) -> None:
        known = {entry["connection-type"]: entry for entry in INFO["connection-types"]}
        common = {"timeout", "transfer_timeout", "verify", "proxy", "max_concurrency"}
        assert set(known[conn_type]["conn-fields"]) == extras | common

    @pytest.mark.parametrize("secret", ["access_token", "client_secret", "token_response", "token"])
    def test_the_metadata_marks_secret_fields(self, secret: str) -> None:
        fields = [entry["conn-fields"] for entry in INFO["connection-types"]]
        formats = [field[secret]["schema"].get("format") for field in fields if secret in field]
        assert set(formats) == {"password"}

    def test_the_metadata_is_read_without_imports(self) -> None:
        """Every Airflow process reads the metadata at start."""
        code = f"from {PACKAGE}.get_provider_info import get_provider_info; get_provider_info()"
        ours = {PACKAGE, f"{PACKAGE}.get_provider_info"}
        assert modules_after(code) - modules_after("") == ours


BASE = (
    "try: from airflow.sdk import BaseSensorOperator\n"
    "except ImportError: from airflow.sensors.base import BaseSensorOperator"
)


def test_a_dag_file_with_a_sensor_imports_little_more_than_its_base() -> None:
    """DAG files are parsed repeatedly: hooks, triggers and HTTP libraries are imported when the task runs."""
    more = modules_after(f"{BASE}\nimport {PACKAGE}.sensors.import_status") - modules_after(BASE)
    heavy = {
        name for name in more if name.startswith((f"{PACKAGE}.hooks", f"{PACKAGE}.tr", f"{PACKAGE}.sandbox"))
    }
    assert ({name for name in more if not name.startswith(PACKAGE)}, heavy) == (set(), set())


def nothing(*_: object) -> None:
    """Stand in for a method that no test calls."""


class TestACustomVendor:
    """An incomplete vendor class would otherwise fail later, in the triggerer."""

    parts = MappingProxyType(
        {
            "conn_type": "acme",
            "default_conn_name": "acme_default",
            "hook_name": "Acme",
            "static_credential": nothing,
            "apply_auth": nothing,
            "poll": nothing,
        }
    )

    def test_a_minimal_custom_vendor_can_be_defined(self) -> None:
        assert type("AcmeHook", (ImportStatusHook,), dict(self.parts))().conn_id == "acme_default"

    def test_a_custom_vendor_may_log_in_instead_of_having_a_static_credential(self) -> None:
        parts = {name: part for name, part in self.parts.items() if name != "static_credential"}
        assert type("AcmeHook", (ImportStatusHook,), {**parts, "authenticate": nothing})

    @pytest.mark.parametrize(
        ("missing", "named"),
        [
            pytest.param("conn_type", "conn_type", id="conn_type"),
            pytest.param("default_conn_name", "default_conn_name", id="default_conn_name"),
            pytest.param("hook_name", "hook_name", id="hook_name"),
            pytest.param("static_credential", "static_credential or authenticate", id="static_credential"),
            pytest.param("apply_auth", "apply_auth", id="apply_auth"),
            pytest.param("poll", "poll", id="poll"),
        ],
    )
    def test_a_custom_vendor_without_a_required_attribute_is_rejected(self, missing: str, named: str) -> None:
        parts = {name: part for name, part in self.parts.items() if name != missing}
        with pytest.raises(TypeError, match=rf"^AcmeHook is not a complete hook: it lacks {named}\.$"):
            type("AcmeHook", (ImportStatusHook,), parts)

    def test_the_error_names_everything_a_custom_vendor_lacks(self) -> None:
        with pytest.raises(
            TypeError, match="conn_type, default_conn_name, hook_name, apply_auth, poll, static_credential"
        ):
            type("AcmeHook", (ImportStatusHook,), {})

    def test_a_custom_vendor_may_inherit_what_it_needs(self) -> None:
        assert type("RegionalHook", (ClearHook,), {"conn_type": "clear_eu"})().conn_type == "clear_eu"
