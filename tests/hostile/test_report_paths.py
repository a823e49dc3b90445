"""Paths of error reports: below `error_report_path`, whatever ids, stages and headers say."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath, conf
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.clients.storage import ReportFolder, StoredFile
from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.messages import Request
from airflow_provider_importstatus.protocol.reports import ErrorReport

from ..hostile_texts import HOSTILE, hostile_names, hostile_texts, is_line, params

try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2.11
    from airflow.io.store import attach  # type: ignore[no-redef,import-not-found]

steadily = settings(deadline=None, derandomize=True, max_examples=300)
#: What a local folder and its URI begin with.
FORMS = ("", "file://")
STORAGES = ("memory://bucket/reports", "s3://bucket/a/b/", "s3://aws_default@bucket/a", "gs://bucket/reports")


def report(stage: str, url: str = "https://vendor.example/r.csv") -> ErrorReport:
    return ErrorReport(stage, Request("GET", url, is_signed=True))


def save(folder: ReportFolder, stage: str = "a", **headers: str) -> str:
    """Store a report in the folder and return its path."""
    sink = folder.sink(report(stage), 1)
    sink.save({name.replace("_", "-"): value for name, value in headers.items()}, [b"told"])
    return sink.path


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if not path.is_dir()]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryFileSystem]:
    """Return what stands in for the storages of all schemes."""
    # Other tests need storages that are not installed.
    monkeypatch.setattr(sys.modules[attach.__module__], "_STORE_CACHE", {})
    storage = MemoryFileSystem()
    for scheme in ("memory", "s3", "gs"):
        attach(scheme, fs=storage)
    attach("s3", conn_id="aws_default", fs=storage)
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


@steadily
@given(names=st.tuples(*[hostile_names] * 4), form=st.sampled_from(FORMS))
@example(names=("..", "../..", "/", "..\\.."), form="file://")
def test_a_report_is_stored_four_levels_below_the_folder(names: tuple[str, str, str, str], form: str) -> None:
    with TemporaryDirectory() as home:
        root = Path(home) / "reports"
        vendor, conn_id, import_id, stage = names
        path = save(ReportFolder(f"{form}{root}", vendor, conn_id, import_id), stage)
        assert files_below(Path(home)) == [Path(path)]
        assert len(Path(path).relative_to(root).parts) == 4
        assert Path(path).read_bytes() == b"told"
        assert is_line(path)


@pytest.mark.parametrize("uri", STORAGES)
@pytest.mark.parametrize("text", params(HOSTILE))
def test_an_object_is_stored_below_the_prefix(bucket: MemoryFileSystem, uri: str, text: str) -> None:
    path = save(ReportFolder(uri, text, text, text), text)
    (key,) = bucket.store
    prefix = "/" + uri.partition("://")[2].rpartition("@")[2].rstrip("/")
    assert key.startswith(f"{prefix}/")
    segments = key.removeprefix(f"{prefix}/").split("/")
    assert len(segments) == 4
    assert not {"", ".", ".."} & set(segments)
    assert path.startswith(uri)
    # Whoever reads the result finds it there, and nothing takes the path for another one.
    assert bucket.cat(ObjectStoragePath(path).path) == b"told"
    assert str(PurePosixPath(key)) == os.path.normpath(key) == key


@steadily
@given(names=st.lists(hostile_names, min_size=2, max_size=2, unique=True))
@example(names=["", "_"])
@example(names=["\ud83d", "?"])
@example(names=["x" * 5000 + "\ud83d", "x" * 5000 + "?"])
@example(names=["%2E.", ".."])
def test_different_imports_have_different_folders(names: list[str]) -> None:
    one, other = (ReportFolder("/reports", "clear", "clear_default", name).path for name in names)
    assert one != other
    assert not one.startswith(f"{other}/")


@pytest.mark.parametrize("depth", range(4))
def test_a_symbolic_link_leads_no_report_out_of_the_folder(tmp_path: Path, depth: int) -> None:
    root, outside = tmp_path / "reports", tmp_path / "outside"
    outside.mkdir()
    link = root.joinpath("clear", "clear_default", "7", "a-1.csv")
    for _ in range(3 - depth):
        link = link.parent
    link.parent.mkdir(parents=True)
    link.symlink_to(outside)
    with pytest.raises(ImportSettingsError, match="leads elsewhere by a symbolic link") as caught:
        save(ReportFolder(root, "clear", "clear_default", "7"))
    assert str(root) in str(caught.value)
    assert list(outside.iterdir()) == []


def test_a_symbolic_link_in_place_of_an_unfinished_report_is_not_followed(tmp_path: Path) -> None:
    """Its name is known beforehand, and the folder may be writable for others."""
    folder = ReportFolder(tmp_path / "reports", "clear", "clear_default", "7")
    Path(folder.path).mkdir(parents=True)
    target = tmp_path / "target"
    target.write_text("kept")
    (Path(folder.path) / ".a-1.part").symlink_to(target)
    with pytest.raises(ImportSettingsError, match="symbolic link"):
        save(folder)
    assert target.read_text() == "kept"


def test_the_folder_itself_may_be_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "reports").symlink_to("disk")
    path = save(ReportFolder(tmp_path / "reports" / "..", "clear", "clear_default", "7"))
    assert files_below(tmp_path / "clear") == [Path(os.path.normpath(path))]
    save(ReportFolder(tmp_path / "reports", "clear", "clear_default", "7"))
    assert len(files_below(tmp_path / "disk")) == 1


@pytest.mark.parametrize("place", ["", "clear", "../dags/x"])
def test_a_report_is_not_stored_where_airflow_would_run_it(place: str) -> None:
    """Airflow runs .py files and ZIP archives, and the vendor chooses name and content."""
    dags = Path(conf.get("core", "dags_folder"))
    with pytest.raises(ImportSettingsError, match="in the folder of DAG files"):
        ReportFolder(dags / place, "clear", "clear_default", "7")
    ReportFolder(dags.parent / "reports", "clear", "clear_default", "7")


@steadily
@given(
    header=hostile_texts, charset=hostile_texts | st.sampled_from(["idna", "punycode", "undefined", "hex"])
)
@example(header="%ff", charset="idna")
@example(header="%ff", charset="a%00b")
@example(header="x.py/../../harm", charset="utf-8")
@example(header="\ud83d", charset="")
def test_no_header_leads_a_report_elsewhere(header: str, charset: str) -> None:
    with TemporaryDirectory() as home:
        folder = ReportFolder(home, "clear", "clear_default", "7")
        for disposition in (
            f'attachment; filename="{header}"',
            f"attachment; filename*={charset}''{header}",
            f"attachment; filename*0*={charset}''{header}; filename*1={header}",
            header,
        ):
            path = Path(save(folder, content_disposition=disposition, content_type=header))
            assert path.parent == Path(folder.path)
            assert path.suffix[1:].isalnum()
            path.unlink()


@pytest.mark.parametrize("text", params(HOSTILE))
def test_an_error_about_a_path_is_one_line(tmp_path: Path, text: str) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    with pytest.raises(ImportSettingsError) as caught:
        save(ReportFolder(blocked, text, text, text))
    assert is_line(str(caught.value))
    with pytest.raises(ImportSettingsError) as caught:
        StoredFile(f"{tmp_path}/{text}/missing")
    assert is_line(str(caught.value))
