"""What wheel and sdist hold, and that everyone who builds them gets the same bytes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from .conftest import NAME, PACKAGE, ROOT, TOOLS, Distributions, build, run, tracked

REPOSITORY = f"https://github.com/{NAME}/{NAME}"
LINK = re.compile(r"\]\(([^)\s]+)\)")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def wheel_files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sdist_files(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


@pytest.fixture(scope="module")
def built_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Return the distributions, built from another folder with other dates and permissions."""
    return build(
        tmp_path_factory.mktemp("elsewhere") / "a checkout",
        modified_at=1_700_000_001,
        umask=0o077,
        TZ="Asia/Kathmandu",
        PYTHONHASHSEED="7",
        SOURCE_DATE_EPOCH="1650000000",
    )


def test_wheel_and_sdist_are_the_same_bytes_wherever_they_are_built(
    built: Distributions, built_elsewhere: Distributions
) -> None:
    assert [digest(path) for path in built] == [digest(path) for path in built_elsewhere]


def test_a_wheel_built_without_an_sdist_is_the_same(built: Distributions, tmp_path: Path) -> None:
    """`make dist` builds the wheel from the sdist, `pip install` of a clone does not."""
    sources = built.wheel.parents[1]
    constraints = ("--build-constraints", sources / ".ci/build-constraints.txt", "--require-hashes")
    run(TOOLS / "uv", "build", "--quiet", "--wheel", *constraints, "--out-dir", tmp_path, sources)
    assert digest(tmp_path / built.wheel.name) == digest(built.wheel)


def test_the_wheel_holds_the_package_the_licence_and_nothing_else(built: Distributions) -> None:
    package = {name for name in tracked() if name.startswith(f"{PACKAGE}/")}
    info = f"{built.wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
    metadata = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert wheel_files(built.wheel) == package | {f"{info}/{name}" for name in metadata}


def test_the_wheel_holds_more_than_python_code(built: Distributions) -> None:
    kinds = {Path(name).suffix for name in wheel_files(built.wheel) if name.startswith(f"{PACKAGE}/")}
    assert kinds == {".css", ".js", ".json", ".py", ".typed", ".yaml"}


def test_the_sdist_holds_what_git_tracks(built: Distributions) -> None:
    assert sdist_files(built.sdist) == {*tracked(), "PKG-INFO"}


@pytest.mark.parametrize("name", ["LICENSE", "example_dags/import_clear.py", "tests/conftest.py"])
def test_the_sdist_holds_licence_examples_and_tests(built: Distributions, name: str) -> None:
    assert name in sdist_files(built.sdist)


def test_pypi_accepts_the_distributions(built: Distributions) -> None:
    checked = run(TOOLS / "twine", "--no-color", "check", "--strict", *built)
    assert checked.count("PASSED") == 2


def test_the_wheel_is_laid_out_as_usual(built: Distributions) -> None:
    assert run(TOOLS / "check-wheel-contents", built.wheel).strip().endswith("OK")


@pytest.fixture(scope="module")
def metadata(built: Distributions) -> Message:
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def values(metadata: Message, field: str) -> list[str]:
    return [str(value) for value in metadata.get_all(field, [])]


def test_the_licence_is_an_expression_and_a_file(metadata: Message) -> None:
    assert values(metadata, "License-Expression") == ["Apache-2.0"]
    assert values(metadata, "License-File") == ["LICENSE"]
    assert not [value for value in values(metadata, "Classifier") if value.startswith("License")]


def test_the_project_urls_have_names_that_pypi_knows(metadata: Message) -> None:
    urls = dict(value.split(", ") for value in values(metadata, "Project-URL"))
    assert {"Homepage", "Documentation", "Source", "Changelog", "Issues"} <= urls.keys()
    assert all(url.startswith("https://") for url in urls.values())


def test_the_classifiers_name_every_tested_python(metadata: Message) -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    tested = set(re.findall(r'python: "(3\.\d+)"', workflow))
    prefix = "Programming Language :: Python :: "
    named = {value.removeprefix(prefix) for value in values(metadata, "Classifier") if prefix in value}
    assert {version for version in named if "." in version} == tested
    assert values(metadata, "Requires-Python") == [f">={min(tested, key=lambda text: int(text[2:]))}"]


def test_the_description_has_no_relative_links(metadata: Message) -> None:
    """On PyPI they would lead nowhere."""
    links = LINK.findall(str(metadata.get_payload()))
    assert len(links) > 20
    assert [link for link in links if not link.startswith("https://")] == []


def test_links_of_the_description_lead_to_files_of_this_release(metadata: Message) -> None:
    (version,) = values(metadata, "Version")
    hosts = (f"{REPOSITORY}/blob/v{version}/", f"https://raw.githubusercontent.com/{NAME}/{NAME}/v{version}/")
    links = LINK.findall(str(metadata.get_payload()))
    targets = [link.removeprefix(host).partition("#")[0] for link in links for host in hosts if host in link]
    assert "docs/pictures/imports-page.png" in targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_airflow_finds_provider_and_plugin_by_their_entry_points(built: Distributions) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        written = archive.read(name).decode()
    assert declared.keys() == {"apache_airflow_provider", "airflow.plugins"}
    for group, entries in declared.items():
        assert f"[{group}]" in written
        assert all(f"{entry} = {target}" in written for entry, target in entries.items())


def test_a_build_whose_tools_are_not_the_pinned_ones_fails(built: Distributions, tmp_path: Path) -> None:
    """Another release of the build backend may write other bytes, and its files are not verified."""
    sources = built.wheel.parents[1]
    pinned = (sources / ".ci/build-constraints.txt").read_text()
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(re.sub(r"sha256:\w+", f"sha256:{'0' * 64}", pinned))
    options = ("--no-cache", "--require-hashes", "--build-constraints", constraints, "--out-dir", tmp_path)
    failed = subprocess.run([TOOLS / "uv", "build", *options, sources], capture_output=True, text=True)
    assert failed.returncode != 0
    assert "Hash mismatch" in failed.stderr
