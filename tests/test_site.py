"""The documentation site, which `make docs` builds: its reference and its pictures."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from types import ModuleType

import pytest

from airflow_provider_importstatus import exceptions, sandbox, status
from airflow_provider_importstatus.hooks.base import ImportStatusHook
from airflow_provider_importstatus.operators import import_file
from airflow_provider_importstatus.sensors import import_status
from airflow_provider_importstatus.triggers.import_status import ImportStatusTrigger

from .test_docs import LINK, MAKEFILE, PYTHON, ROOT, TEXTS
from .vendors import HOOKS

PICTURES = ROOT / "docs" / "pictures"
#: The largest picture, in bytes: everybody who clones the repository gets all of them.
MAX_PICTURE = 150_000
DIRECTIVE = re.compile(r"^\.\. auto(?:class|exception|function):: (?:[\w.]+\.)?(\w+)\b", re.MULTILINE)
#: Names that have an entry in the reference.
DOCUMENTED = {
    name for page, text in TEXTS.items() if page.startswith("docs/api/") for name in DIRECTIVE.findall(text)
}
#: The class whose docstring has the parameters of all classes of its module.
GENERIC = {import_file: import_file.ImportFileOperator, import_status: import_status.ImportStatusSensor}
PUBLIC = [exceptions, sandbox, status, *GENERIC]
FIELD = re.compile(r"^:param (\w+): (.*?)(?=^:|\Z)", re.DOTALL | re.MULTILINE)
#: Parameters that are durations: a reader must not have to guess the unit.
DURATIONS = {"max_wait", "not_found_grace", "outage_tolerance", "poke_interval", "poll_interval", "timeout"}


def _classes(module: ModuleType) -> Iterator[type]:
    """Return the public classes of a module, without Airflow's that it hands on."""
    for each in (getattr(module, name) for name in module.__all__):
        if inspect.isclass(each) and each.__module__.startswith("airflow_provider_importstatus"):
            yield each


def _parameters(task: type) -> set[str]:
    """Return the names of a task's parameters, without Airflow's."""
    own = (each for each in task.__mro__ if each.__module__ == task.__module__)
    given = [one for each in own for one in inspect.signature(each).parameters.values()]
    return {one.name for one in given if one.kind is one.KEYWORD_ONLY}


def _described(documented: object) -> dict[str, str]:
    """Return the descriptions of parameters in a docstring."""
    return dict(FIELD.findall(inspect.getdoc(documented) or ""))


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_public_names_are_in_the_reference(module: ModuleType) -> None:
    names = {each.__name__ for each in _classes(module)}
    assert names
    assert names <= DOCUMENTED


def test_hooks_and_the_trigger_are_in_the_reference() -> None:
    assert {each.__name__ for each in (*HOOKS.values(), ImportStatusHook, ImportStatusTrigger)} <= DOCUMENTED


def test_names_that_the_docs_import_are_in_the_reference() -> None:
    imports = re.compile(
        r"^ *from airflow_provider_importstatus\S* import (\([^)]*\)|[^(\n]*)$", re.MULTILINE
    )
    found = [imported for block in PYTHON for imported in imports.findall(re.sub("#.*", "", block.text))]
    names = {name for imported in found for name in re.findall(r"\w+", imported)}
    assert names
    assert names <= DOCUMENTED


@pytest.mark.parametrize("module", GENERIC, ids=lambda module: module.__name__)
def test_each_parameter_of_a_task_is_described(module: ModuleType) -> None:
    common = _described(GENERIC[module]).keys()
    for task in _classes(module):
        assert len(_parameters(task)) > 10
        assert _parameters(task) <= common | _described(task).keys()


@pytest.mark.parametrize("module", GENERIC, ids=lambda module: module.__name__)
def test_durations_have_a_unit(module: ModuleType) -> None:
    durations = {name: text for name, text in _described(GENERIC[module]).items() if name in DURATIONS}
    # The `poke_interval` of sensors is the `poll_interval` of operators.
    assert len(durations) == len(DURATIONS) - 1
    assert [name for name, text in durations.items() if "seconds" not in text] == []


@pytest.mark.parametrize("module", GENERIC, ids=lambda module: module.__name__)
def test_a_vendors_task_links_to_the_vendors_page(module: ModuleType) -> None:
    tasks = [task for task in _classes(module) if task is not GENERIC[module]]
    # Described vendors have no tasks of their own.
    missing = set(HOOKS) - {"import_api"} - {getattr(task, "conn_type", None) for task in tasks}
    assert not missing, f"{module.__name__} has no class for {missing}"
    assert [task for task in tasks if "https://" not in str(inspect.getdoc(task))] == []


def test_each_vendor_has_a_page_with_the_same_sections() -> None:
    pages = [page for page in TEXTS if page.startswith("docs/vendors/")]
    # Described vendors have included-vendors.md.
    wanted = {f"docs/vendors/{name.replace('_', '-')}.md" for name in HOOKS if name != "import_api"}
    assert wanted == set(pages)
    for page in pages:
        sections = re.findall(r"^## (.*)$", TEXTS[page], re.MULTILINE)
        assert sections == ["Connection", "Submit", "States", "Limits", "In doubt"]


def test_pictures_are_small_and_shown() -> None:
    shown = {
        ((ROOT / page).parent / link).resolve()
        for page, text in TEXTS.items()
        for link in LINK.findall(text)
        if link.endswith((".png", ".svg"))
    }
    assert shown == set(PICTURES.iterdir())
    assert [path.name for path in shown if path.stat().st_size > MAX_PICTURE] == []


def test_pictures_are_taken_by_the_browser_tests() -> None:
    (line,) = re.findall(r"^PICTURES := (.*)$", MAKEFILE, re.MULTILINE)
    taken = {picture.partition("=")[2] for picture in line.split()}
    assert taken == {path.stem for path in PICTURES.glob("*.png")}
