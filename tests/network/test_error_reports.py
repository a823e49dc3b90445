"""Error reports over real sockets: where they are stored, and what happens if that fails."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_importstatus.exceptions import (
    ImportNotFoundError,
    ImportSettingsError,
    ImportUnavailableError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.sandbox import Sandbox

from .cases import Connect, Serve
from .servers import Seen, Server, answer, trickled

MEBIBYTE = 1024 * 1024
#: The file of each vendor that has error reports.
FILES = {"clear": "ingestion-1.csv", "tao_advance": "result-1.csv", "zilliant": "errors-1.csv"}
SIGNED = ("clear", "tao_advance")
#: The route that is asked for the URL of a report.
ASKED = {"clear": "status", "tao_advance": "download"}
#: The route that the report comes from.
SENT_BY = {"clear": "storage", "tao_advance": "storage", "zilliant": "error_file"}

every_vendor = pytest.mark.parametrize("vendor", FILES)
usual = pytest.mark.usefixtures("connections")


def ended(sandbox: Sandbox, vendor: str, **scenario: Any) -> str:
    return sandbox.submit(vendor, **{"ends": "partial", "seconds": 0, "rejected": 2, **scenario})


def download(vendor: str, import_id: str, to: Any) -> list[str]:
    return hook_for(f"{vendor}_default").download_error_reports(import_id, to)


def errors(vendor: str, import_id: str, to: Any) -> list[str]:
    """Return the errors of reports that could not be stored."""
    saved = hook_for(f"{vendor}_default").save_error_reports(import_id, to)
    assert saved.paths == ()
    return list(saved.errors)


def stored_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def clear(connect: Connect, serve: Serve) -> Callable[..., Server]:
    """Start Clear with reports of these stages, which a storage sends; return the storage."""

    def clear(
        script: Callable[[Seen], Iterable[bytes | float]],
        *stages: str,
        name: str = "report",
        **extra: Any,
    ) -> Server:
        storage = serve(script)
        activities = [
            {"stage": stage, "status": "FAILURE", "errorReportPreSign": f"{storage.url}/{number}/{name}"}
            for number, stage in enumerate(stages)
        ]
        result = {"workflowStatus": "SUCCESS", "activityStatusList": activities}
        api = serve(lambda _: answer(json.dumps({"success": True, "result": result})))
        connect("clear", host=api.url, extra={"access_token": "ready-token", **extra})
        return storage

    return clear


# Where they are stored.


@every_vendor
@usual
def test_a_report_is_stored_below_vendor_connection_and_import(
    sandbox: Sandbox, tmp_path: Path, vendor: str
) -> None:
    import_id = ended(sandbox, vendor)
    (path,) = download(vendor, import_id, tmp_path)
    assert path == str(tmp_path / vendor / f"{vendor}_default" / import_id / FILES[vendor])
    assert Path(path).read_text().splitlines()[1:] == [
        "Line 2: the value in column 'code' is empty.",
        "Line 3: the value in column 'code' is empty.",
    ]
    assert len(stored_in(tmp_path)) == 1


@every_vendor
@usual
def test_a_report_of_an_earlier_try_is_overwritten(sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    import_id = ended(sandbox, vendor)
    (path,) = download(vendor, import_id, tmp_path)
    size = Path(path).stat().st_size
    Path(path).write_text("longer than the report " * 1000)
    (Path(path).parent / f".{Path(path).stem}.part").write_text("left by a process that was killed")
    assert download(vendor, import_id, tmp_path) == [path]
    assert (Path(path).stat().st_size, len(stored_in(tmp_path))) == (size, 1)


@pytest.mark.parametrize("form", [str, lambda path: f"{path}/", lambda path: f"file://{path}"])
@usual
def test_the_folder_is_given_as_path_or_uri(
    sandbox: Sandbox, tmp_path: Path, form: Callable[[Path], Any]
) -> None:
    (path,) = download("zilliant", ended(sandbox, "zilliant"), form(tmp_path / "new" / "folder"))
    assert Path(path).is_relative_to(tmp_path / "new" / "folder")


@every_vendor
@pytest.mark.parametrize("form", [str, ObjectStoragePath], ids=["URI", "ObjectStoragePath"])
@usual
def test_a_report_is_stored_in_an_object_storage(
    sandbox: Sandbox, tmp_path: Path, memory: Any, vendor: str, form: Callable[[str], Any]
) -> None:
    import_id, folder = ended(sandbox, vendor), form("memory://reports/2027/")
    for _ in range(2):
        (path,) = download(vendor, import_id, folder)
    below = f"{vendor}/{vendor}_default/{import_id}/{FILES[vendor]}"
    assert path == f"{str(folder).rstrip('/')}/{below}"
    assert memory.find("/") == [f"/reports/2027/{below}"]
    assert b"Line 3" in memory.cat(path)
    assert stored_in(tmp_path) == []


@pytest.mark.parametrize("import_id", ["../x", "a/b", ".", "..", "~", "a\\b", " x y ", "Ünï%20", "x" * 500])
def test_the_import_id_becomes_one_folder(
    clear: Callable[..., Server], tmp_path: Path, import_id: str
) -> None:
    clear(lambda _: answer("x"), "A")
    (path,) = download("clear", import_id, tmp_path / "to")
    folder = Path(path).parent
    assert folder.parent == tmp_path / "to" / "clear" / "clear_default"
    assert (folder.resolve(), len(folder.name) < 255) == (folder, True)
    assert len(import_id) == 500 or unquote(folder.name) == import_id.strip()


def test_different_long_ids_have_different_folders(clear: Callable[..., Server], tmp_path: Path) -> None:
    clear(lambda _: answer("x"), "A")
    ids = ["x" * 499 + last for last in "ab"]
    assert len({path for one in ids for path in download("clear", one, tmp_path)}) == 2


def test_the_connection_id_becomes_one_folder(sandbox: Sandbox, connect: Connect, tmp_path: Path) -> None:
    connect("zilliant", "mine.at-zilliant")
    hook = hook_for("mine.at-zilliant")
    (path,) = hook.download_error_reports(ended(sandbox, "zilliant"), tmp_path)
    assert Path(path).parent.parent.name == "mine.at-zilliant"


# Clear with several reports, and with any response.


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        (["INGESTION", "INGESTION"], ["ingestion-1", "ingestion-2"]),
        (["INGESTION", "Ingestion", "TRANSFORMATION"], ["ingestion-1", "ingestion-2", "transformation-1"]),
        (["a/b", "../c"], ["a%2Fb-1", "%2E.%2Fc-1"]),
        (["?", ""], ["%3F-1", "%3F-2"]),
    ],
)
def test_every_report_has_a_file_of_its_own(
    clear: Callable[..., Server], tmp_path: Path, stages: list[str], names: list[str]
) -> None:
    clear(lambda seen: answer(seen.target), *stages)
    paths = [Path(path) for path in download("clear", "7", tmp_path)]
    assert [path.name for path in paths] == [f"{name}.json" for name in names]
    assert [path.read_text() for path in paths] == [f"/{number}/report" for number in range(len(stages))]


@pytest.mark.parametrize(
    ("name", "headers", "extension"),
    [
        ("report", {"content_disposition": 'attachment; filename="errors.XLSX"'}, "xlsx"),
        ("report.zip?a=b.c", {"content_disposition": "attachment; filename*=UTF-8''a%20b.csv"}, "csv"),
        ("report.zip?X-Amz-Signature=s.1", {"content_type": "text/csv"}, "zip"),
        ("report.zip", {"content_disposition": "attachment"}, "zip"),
        ("report", {"content_type": "application/json; charset=utf-8"}, "json"),
        ("report", {"content_type": "application/zip"}, "zip"),
        ("report", {"content_type": "text/plain"}, "txt"),
        ("report", {"content_type": "application/octet-stream"}, "csv"),
        ("report.a-very-long-extension", {"content_type": "text/csv"}, "csv"),
        ("report", {"content_disposition": 'attachment; filename="../../x.c/sv"'}, "json"),
    ],
)
def test_the_extension_is_that_of_the_name_or_the_url_or_the_type(
    clear: Callable[..., Server], tmp_path: Path, name: str, headers: dict[str, str], extension: str
) -> None:
    clear(lambda _: answer("[]", 200, **headers), "A", name=name)
    (path,) = download("clear", "7", tmp_path)
    assert Path(path).name == f"a-1.{extension}"


def test_the_storage_gets_no_credential(clear: Callable[..., Server], tmp_path: Path) -> None:
    storage = clear(lambda _: answer("x"), "A")
    download("clear", "7", tmp_path)
    (seen,) = storage.seen
    assert set(seen.headers) == {"accept", "accept-encoding", "connection", "host", "user-agent"}


# Imports without reports.


@pytest.mark.parametrize("vendor", ["clear", "zilliant", "thalamus"])
@usual
def test_an_import_without_rejected_rows_has_no_reports(
    sandbox: Sandbox, tmp_path: Path, vendor: str
) -> None:
    assert download(vendor, sandbox.submit(vendor, seconds=0), tmp_path) == []
    assert stored_in(tmp_path) == []


@usual
def test_thalamus_has_no_reports_at_all(sandbox: Sandbox, tmp_path: Path) -> None:
    before = sandbox.requests("thalamus")
    assert download("thalamus", "274", tmp_path) == []
    assert sandbox.requests("thalamus") == before


@pytest.mark.parametrize("import_id", ["", None, "{{ x }}", 1.5])
@usual
def test_an_invalid_id_is_refused(tmp_path: Path, import_id: Any) -> None:
    with pytest.raises(ImportSettingsError, match="import_id"):
        download("clear", import_id, tmp_path)


@usual
def test_an_unknown_import_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ImportNotFoundError):
        download("clear", "nobody", tmp_path)


# What goes wrong.


@pytest.mark.parametrize("kind", ["cut", "drop", "500"])
@every_vendor
@usual
def test_a_report_that_breaks_off_leaves_no_file(
    sandbox: Sandbox, tmp_path: Path, vendor: str, kind: str
) -> None:
    import_id = ended(sandbox, vendor, report_kib=1000)
    sandbox.fault(vendor, SENT_BY[vendor], kind, times=None)
    (error,) = errors(vendor, import_id, tmp_path)
    assert "GET http://127.0.0.1" in error or "HTTP 500" in error
    assert stored_in(tmp_path) == []


@pytest.mark.parametrize("kind", ["cut", "drop", "500", "403", "404"])
@every_vendor
@usual
def test_a_report_that_breaks_off_once_is_fetched_again(
    sandbox: Sandbox, tmp_path: Path, vendor: str, kind: str
) -> None:
    if (vendor, kind) == ("zilliant", "404"):
        kind = "429"  # A 404 of Zilliant means that there is no report.
    import_id = ended(sandbox, vendor, report_kib=1000)
    sandbox.fault(vendor, SENT_BY[vendor], kind)
    (path,) = download(vendor, import_id, tmp_path)
    assert Path(path).stat().st_size == 1000 * 1024
    assert len(stored_in(tmp_path)) == 1


@usual
def test_a_report_that_breaks_off_leaves_no_file_in_an_object_storage(sandbox: Sandbox, memory: Any) -> None:
    import_id = ended(sandbox, "clear", report_kib=1000)
    sandbox.fault("clear", "storage", "cut", times=None)
    assert len(errors("clear", import_id, "memory://reports")) == 1
    assert memory.find("/") == []


def test_a_body_without_a_length_that_takes_too_long_is_not_stored(
    clear: Callable[..., Server], tmp_path: Path
) -> None:
    """At the time limit the connection is shut down, which is how such a body ends, too."""
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    clear(lambda _: [head, *trickled([b"x" * 500], 0.02)], "A", transfer_timeout=0.3)
    (error,) = errors("clear", "7", tmp_path)
    assert "timed out" in error
    assert stored_in(tmp_path) == []


def test_a_report_may_take_longer_than_other_responses(clear: Callable[..., Server], tmp_path: Path) -> None:
    """`timeout` bounds the silence between two parts of it only."""
    clear(lambda _: trickled(answer("x" * 20), 0.005), "A", timeout=0.4)
    (path,) = download("clear", "7", tmp_path)
    assert Path(path).read_text() == "x" * 20


@pytest.mark.parametrize("vendor", SIGNED)
@usual
def test_an_expired_url_is_asked_for_anew(sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    import_id = ended(sandbox, vendor)
    sandbox.fault(vendor, "storage", "403")
    assert len(download(vendor, import_id, tmp_path)) == 1
    requests = sandbox.requests(vendor)
    assert (requests[ASKED[vendor]], requests["storage"]) == (2, 2)


@pytest.mark.parametrize("vendor", SIGNED)
@usual
def test_urls_that_always_expire_are_asked_for_twice(sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    import_id = ended(sandbox, vendor, report_seconds=0)
    (error,) = errors(vendor, import_id, tmp_path)
    assert "HTTP 403 (AccessDenied)" in error
    assert sandbox.requests(vendor)["storage"] == 2


@usual
def test_a_rejected_credential_is_replaced_for_a_report(sandbox: Sandbox, tmp_path: Path) -> None:
    hook, import_id = hook_for("zilliant_default"), ended(sandbox, "zilliant")
    hook.download_error_reports(import_id, tmp_path)
    sandbox.revoke("zilliant")
    assert len(hook.download_error_reports(import_id, tmp_path)) == 1
    assert sandbox.requests("zilliant")["token"] == 2


@every_vendor
@usual
def test_a_folder_that_cannot_be_written_is_an_error(sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    (tmp_path / "file").write_text("x")
    (error,) = errors(vendor, ended(sandbox, vendor), tmp_path / "file" / "folder")
    assert "cannot be written: " in error
    assert "Give a folder" in error
    assert sandbox.requests(vendor)[SENT_BY[vendor]] == 1


def test_a_report_that_cannot_be_stored_is_logged_and_does_not_prevent_the_others(
    clear: Callable[..., Server],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clear(lambda _: answer("x"), "A", "B", "C")
    (tmp_path / "clear" / "clear_default" / "7" / ".b-1.part").mkdir(parents=True)
    paths = download("clear", "7", tmp_path)
    assert [Path(path).name for path in paths] == ["a-1.json", "c-1.json"]
    # Airflow logs with structlog from 3.1 on.
    assert "cannot be written: IsADirectoryError" in caplog.text + "".join(capsys.readouterr())


@pytest.mark.parametrize(
    "url", ["report.csv", "/report.csv", "https://", "ftp://x.example/y", "https://[x/y"]
)
def test_an_unusable_url_does_not_prevent_the_other_reports(
    connect: Connect, serve: Serve, tmp_path: Path, url: str
) -> None:
    storage = serve(lambda _: answer("x"))
    activities = [
        {"stage": stage, "status": "FAILURE", "errorReportPreSign": one}
        for stage, one in (("A", url), ("B", f"{storage.url}/report.csv"))
    ]
    result = {"workflowStatus": "SUCCESS", "activityStatusList": activities}
    api = serve(lambda _: answer(json.dumps({"success": True, "result": result})))
    connect("clear", host=api.url, extra={"access_token": "ready-token"})
    saved = hook_for("clear_default").save_error_reports("7", tmp_path)
    assert ([Path(path).name for path in saved.paths], len(saved.errors)) == (["b-1.csv"], 1)


@pytest.mark.parametrize("to", ["", " ", None, 5, "nowhere://bucket"])
@usual
def test_an_unusable_folder_is_refused_before_anything_is_sent(sandbox: Sandbox, to: Any) -> None:
    before = sandbox.requests("clear")
    with pytest.raises(ImportSettingsError, match="error_report_path"):
        download("clear", "7", to)
    assert sandbox.requests("clear") == before


@usual
def test_a_vendor_that_is_down_is_unavailable(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fault("tao_advance", "download", "503", times=None)
    with pytest.raises(ImportUnavailableError):
        download("tao_advance", ended(sandbox, "tao_advance"), tmp_path)


@every_vendor
@usual
def test_a_large_report_is_not_held_in_memory(sandbox: Sandbox, tmp_path: Path, vendor: str) -> None:
    import_id = ended(sandbox, vendor, report_kib=40 * 1024)
    tracemalloc.start()
    try:
        (path,) = download(vendor, import_id, tmp_path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (Path(path).stat().st_size, peak < 16 * MEBIBYTE) == (40 * MEBIBYTE, True)
