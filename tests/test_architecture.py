"""The allowed imports between layers, as shown in CONTRIBUTING.md."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_importstatus

from .vendors import VENDOR_MODULES

PACKAGE = "airflow_provider_importstatus"
HOME = Path(airflow_provider_importstatus.__file__).parent

#: Each layer, and the layers that it may import besides itself.
LAYERS: dict[str, set[str]] = {
    "base": set(),
    "protocol": {"base"},
    "polling": {"base"},
    "transports": {"base", "protocol"},
    "clients": {"base", "protocol", "polling", "transports"},
    "hooks": {"base", "protocol", "polling", "transports", "clients", "metadata"},
    "triggers": {"base", "polling", "clients", "hooks"},
    "tasks": {"base", "polling", "hooks", "triggers"},
    "sensors": {"base", "polling", "tasks", "triggers"},
    "operators": {"base", "polling", "clients", "hooks", "tasks", "triggers"},
    "links": {"sensors", "operators", "tasks"},
    "ui": {"base", "polling"},
    "plugin": {"ui", "links"},
    "commands": {"base", "polling", "hooks"},
    "cli": {"commands"},
    "metadata": set(),
    "sandbox": set(),
}
#: The layer of each module at the root.
ROOT = {
    "__init__": "base",
    "__main__": "cli",
    "cli": "cli",
    "exceptions": "base",
    "redaction": "base",
    "secret_names": "base",
    "status": "base",
    "version_compat": "base",
    "links": "links",
    "plugin": "plugin",
    "get_provider_info": "metadata",
}
#: External imports of pure layers. Only `exceptions` imports Airflow, since our errors derive from Airflow's.
PURE = {*sys.stdlib_module_names, "jmespath", "pendulum"}
#: For TAO's multipart form: it only encodes, and sends nothing.
ENCODERS = {"urllib3.filepost"}
#: Modules of other layers that a vendor's hook may import.
VENDOR_MAY_IMPORT = {"protocol", "hooks.base", "hooks.connection_form", "hooks.description_files"}

MODULES = sorted(HOME.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HOME).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module: str) -> str:
    first = module.split(".")[0]
    return ROOT.get(first, first)


def imports_of(path: Path, *, at_run_time: bool = False) -> Iterator[str]:
    """Return what a module imports, also in functions; with `at_run_time` only what importing it executes."""
    tree = ast.parse(path.read_text())
    for node in _at_the_top(tree) if at_run_time else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` and `from package.module import name` look alike.
            is_package = (HOME.parent / node.module.replace(".", "/")).is_dir()
            yield from (f"{node.module}.{alias.name}" if is_package else node.module for alias in node.names)


def _at_the_top(tree: ast.Module) -> Iterator[ast.stmt]:
    for node in tree.body:
        if isinstance(node, ast.Try):
            yield from node.body
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield node


def ours(path: Path, *, at_run_time: bool = False) -> set[str]:
    found = {name for name in imports_of(path, at_run_time=at_run_time) if name.startswith(f"{PACKAGE}.")}
    return {name.removeprefix(f"{PACKAGE}.") for name in found} - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_lower_layers(path: Path) -> None:
    layer = layer_of(name_of(path) or "__init__")
    # Type-checking imports count too, but an upward one within a pair of related modules is harmless.
    wrong = {name for name in ours(path, at_run_time=True) if layer_of(name) not in LAYERS[layer] | {layer}}
    assert wrong == set()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_import_no_higher_layer(path: Path) -> None:
    layer = layer_of(name_of(path) or "__init__")
    order = list(LAYERS)
    above = {
        name
        for name in ours(path)
        if layer_of(name) in ("triggers", "sensors", "ui")
        and order.index(layer_of(name)) > order.index(layer)
    }
    assert above <= ALLOWED_ABOVE.get(name_of(path), set())


def test_the_sandbox_asks_the_package_only_to_read_descriptions() -> None:
    asking = {
        name_of(path)
        for path in MODULES
        if layer_of(name_of(path)) == "sandbox" and any(layer_of(name) != "sandbox" for name in ours(path))
    }
    assert asking == {"sandbox.description_loader"}


#: Type-checking imports.
ALLOWED_ABOVE: dict[str, set[str]] = {
    "triggers.start_from_trigger": {"sensors.import_status"},
}


def test_there_are_no_import_cycles() -> None:
    graph = {name_of(path): ours(path, at_run_time=True) for path in MODULES}

    def reachable(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        following = graph.get(name, set()) - seen
        return following | {far for near in following for far in reachable(near, seen | following)}

    assert [name for name in graph if name in reachable(name)] == []


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if layer_of(name_of(path)) in ("protocol", "polling")]
    + [HOME / "status.py", HOME / "redaction.py"],
    ids=name_of,
)
def test_a_pure_module_needs_neither_airflow_nor_a_network_library(path: Path) -> None:
    foreign = {name for name in imports_of(path) if name.split(".")[0] not in PURE | {PACKAGE}}
    assert foreign == set()


@pytest.mark.parametrize("vendor", VENDOR_MODULES.values())
def test_a_vendors_hook_imports_the_protocol_and_what_hooks_share(vendor: str) -> None:
    path = HOME / "hooks" / f"{vendor}.py"
    wrong = {
        name
        for name in ours(path)
        if layer_of(name) != "base" and not any(name.startswith(allowed) for allowed in VENDOR_MAY_IMPORT)
    }
    foreign = {name for name in imports_of(path) if name.split(".")[0] not in PURE | {PACKAGE}}
    assert (wrong, foreign - ENCODERS) == (set(), set())


@pytest.mark.parametrize("name", ["status", "polling.policy"])
def test_a_pure_module_is_imported_without_airflow(name: str) -> None:
    code = f"import sys, {PACKAGE}.{name}; print(*sys.modules)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()
    assert [module for module in loaded if module.split(".")[0] in ("airflow", "aiohttp", "requests")] == []
