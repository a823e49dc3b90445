"""Submissions over real sockets: files of any size and from any storage, and connections that break."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_importstatus.clients.sync_client import SyncClient
from airflow_provider_importstatus.exceptions import (
    AirflowFailException,
    ImportAuthError,
    ImportNotFoundError,
    ImportRequestError,
    ImportSettingsError,
    ImportUnavailableError,
    SubmissionUncertainError,
)
from airflow_provider_importstatus.hooks.lookup import hook_for
from airflow_provider_importstatus.operators.import_file import TaoAdvanceImportOperator
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.sandbox import Sandbox
from airflow_provider_importstatus.status import ImportState, RowCounts
from airflow_provider_importstatus.transports import upload
from airflow_provider_importstatus.transports.upload import UploadBody

from ..vendors import SAMPLES
from .cases import VENDORS, Connect, Serve
from .servers import Seen, answer

MEBIBYTE = 1024 * 1024
PARAMS = {vendor: SAMPLES[vendor].submit_params for vendor in VENDORS}
#: Vendors that start the import with the upload itself.
STARTED_BY_UPLOAD = ("tao_advance", "thalamus")
#: More than the buffers of a socket hold.
LARGE = 24 * MEBIBYTE

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_bytes(b"# sandbox: ends=partial; seconds=0; rows=9; rejected=2\ncode,quantity\n")
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.csv"
    with path.open("wb") as opened:
        opened.truncate(LARGE)
    return path


def submit(vendor: str, path: Any, **params: Any) -> str:
    return hook_for(f"{vendor}_default").submit_import(path, **{**PARAMS[vendor], **params})


def is_started_at_thalamus() -> bool:
    """Return whether there is an import, which would have the first id."""
    try:
        hook_for("thalamus_default").get_import_status("274")
    except ImportNotFoundError:
        return False
    return True


# Files.


@every_vendor
@pytest.mark.usefixtures("connections")
def test_a_file_is_submitted_and_its_import_can_be_polled(vendor: str, file: Path) -> None:
    hook = hook_for(f"{vendor}_default")
    import_id = hook.submit_import(file, **PARAMS[vendor])
    assert hook.get_import_status(import_id).state is ImportState.PARTIAL


@every_vendor
@pytest.mark.parametrize("form", [str, Path, lambda path: f"file://{path}"], ids=["str", "Path", "URI"])
@pytest.mark.usefixtures("connections")
def test_a_local_file_is_given_as_path_or_uri(vendor: str, file: Path, form: Callable[[Path], Any]) -> None:
    assert submit(vendor, form(file))


@every_vendor
@pytest.mark.parametrize("form", [str, ObjectStoragePath], ids=["URI", "ObjectStoragePath"])
@pytest.mark.usefixtures("connections")
def test_a_file_in_an_object_storage_is_submitted(
    vendor: str, memory: Any, file: Path, form: Callable[[str], Any]
) -> None:
    memory.pipe("/bucket/sales.csv", file.read_bytes())
    assert submit(vendor, form("memory://bucket/sales.csv"))


@pytest.mark.usefixtures("connections")
def test_an_object_storage_that_is_down_is_an_error_that_may_pass(
    sandbox: Sandbox, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(memory, "info", fail)
    with pytest.raises(ImportUnavailableError, match="cannot be read just now"):
        submit("tao_advance", "memory://bucket/sales.csv")
    assert sum(sandbox.requests("tao_advance").values()) == 0


@pytest.mark.parametrize("parameter", ["file", "error_report_path"])
@pytest.mark.usefixtures("connections")
def test_a_storage_whose_connection_cannot_be_read_is_an_error_that_may_pass(
    sandbox: Sandbox, file: Path, monkeypatch: pytest.MonkeyPatch, parameter: str
) -> None:
    def fail(_: Any) -> Any:
        raise ConnectionError("Airflow's API")

    monkeypatch.setattr(ObjectStoragePath, "fs", property(fail))
    paths = {"file": str(file), parameter: "memory://bucket/x"}
    task: Any = TaoAdvanceImportOperator(task_id="load", durable=False, **paths)
    with pytest.raises(ImportUnavailableError, match=f"^{parameter}: .* cannot be used just now"):
        task.execute({})
    assert sum(sandbox.requests("tao_advance").values()) == 0


@pytest.mark.usefixtures("connections")
def test_a_link_to_a_file_is_followed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to(file)
    assert submit("tao_advance", tmp_path / "link.csv")


@pytest.mark.usefixtures("connections")
def test_a_relative_path_may_contain_a_colon(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file.rename("sales:may.csv")
    assert submit("tao_advance", "sales:may.csv")


@pytest.mark.parametrize("name", ['Übersicht "Q1" 100%; a=b.csv', "x\ny.csv"])
@pytest.mark.usefixtures("connections")
def test_the_name_of_the_file_arrives_as_it_is(file: Path, name: str) -> None:
    renamed = file.rename(file.parent / name)
    submit("thalamus", renamed)
    with hook_for("thalamus_default").get_conn() as session:
        record = session.get("/api/v4/import/status/274").json()
    assert (record["name"], record["fileSize"]) == (name.strip(), renamed.stat().st_size)
    assert record["fileName"].replace("%22", '"').replace("%0A", "\n") == name


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (None, "file is of type NoneType"),
        (b"/x.csv", "file is of type bytes"),
        ("", "file is empty"),
        ("missing.csv", "missing.csv cannot be read: FileNotFoundError. Give the path or URI of a file"),
        ("missing[1]?*.csv", "FileNotFoundError. Wildcards are not expanded. List the files in a task"),
        (".", "is not a file"),
        ("/dev/null", "is not a file"),
        ("empty.csv", "empty.csv is empty"),
        (os.fsdecode(b"\xff.csv"), "has a name that is not UTF-8"),
        ("memory://bucket/missing.csv", "missing.csv cannot be read: FileNotFoundError"),
        ("memory://bucket/*.csv", "FileNotFoundError. Wildcards are not expanded. List the files in a task"),
        ("nowhere://bucket/x.csv", "nowhere:// cannot be used (ValueError). Install the Airflow provider"),
        ("s3://conn@bucket/x.csv", "Install apache-airflow-providers-amazon[s3fs] on the workers"),
        ("s3a://bucket/x.csv", "Install apache-airflow-providers-amazon[s3fs] on the workers"),
        ("gs://bucket/x.csv", "Install apache-airflow-providers-google on the workers"),
        ("abfs://bucket/x.csv", "Install apache-airflow-providers-microsoft-azure on the workers"),
        ("sftp://bucket/x.csv", "Install apache-airflow-providers-sftp[sshfs] on the workers"),
    ],
    ids=ascii,
)
@pytest.mark.usefixtures("connections", "memory")
def test_an_unusable_file_is_refused_before_anything_is_sent(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Any, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.csv").touch()
    (tmp_path / os.fsdecode(b"\xff.csv")).write_text("x")
    for library in ("s3fs", "gcsfs", "adlfs", "sshfs"):
        monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportSettingsError, match=re.escape(words)):
        submit("tao_advance", path)
    assert not any(sandbox.requests("tao_advance").values())


@pytest.mark.parametrize(
    ("vendor", "params", "words"),
    [
        ("clear", {"templateType": "SALES"}, "no parameter 'templateType'. Valid parameters: template_type"),
        ("tao_advance", {"type": 1}, "no parameter 'type'. It has no parameters"),
        ("zilliant", {"mapping": {"x": 1}}, "mapping is given with mapping_id"),
        ("thalamus", {"type": 1.5}, "type is of type float"),
    ],
)
@pytest.mark.usefixtures("connections")
def test_an_invalid_parameter_is_refused_before_anything_is_sent(
    sandbox: Sandbox, file: Path, vendor: str, params: dict[str, Any], words: str
) -> None:
    before = sandbox.requests(vendor)
    with pytest.raises(ImportSettingsError, match=words):
        submit(vendor, file, **params)
    assert sandbox.requests(vendor) == before


@pytest.mark.parametrize(
    ("vendor", "name", "params", "words"),
    [
        ("thalamus", "sales.pdf", {}, "UnknownFormat"),
        ("thalamus", "sales.csv", {"type": 1}, "InvalidFormat"),
        ("tao_advance", "sales.xlsx", {}, "must be a CSV file"),
        ("zilliant", "sales.csv", {"mapping_id": "nobody"}, "no mapping 'nobody'"),
    ],
)
@pytest.mark.usefixtures("connections")
def test_a_file_that_the_vendor_rejects_is_a_request_error(
    file: Path, vendor: str, name: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(ImportRequestError, match=words):
        submit(vendor, file.rename(file.parent / name), **params)


@pytest.mark.usefixtures("connections")
def test_a_mapping_can_be_created_for_the_file(file: Path, sandbox: Sandbox) -> None:
    mapping = {"entitySystemName": "customer", "definition": {"fields": []}}
    assert submit("zilliant", file, mapping_id=None, mapping=mapping)
    assert sandbox.requests("zilliant")["mapping"] == 1


# Streaming.

MEASURED = """
import sys, tracemalloc
from airflow_provider_importstatus.hooks.lookup import hook_for
conn_id, small, large = sys.argv[1:]
hook = hook_for(conn_id)
hook.submit_import(small)  # Loads what is loaded once.
tracemalloc.start()
hook.submit_import(large)
print(tracemalloc.get_traced_memory()[1])
"""


@pytest.mark.parametrize("storage", ["local", "object storage"])
@pytest.mark.usefixtures("connections")
def test_a_file_of_64_mib_is_uploaded_with_less_than_16_mib(tmp_path: Path, file: Path, storage: str) -> None:
    large = tmp_path / "large.csv"
    with large.open("wb") as opened:
        opened.truncate(64 * MEBIBYTE)
    # An object storage, as far as the hook can tell, whose own default is to buffer 50 MiB.
    attach = "" if storage == "local" else ATTACHED
    path = str(large) if storage == "local" else f"memory://{large}"
    script = attach + MEASURED
    ended = subprocess.run(
        [sys.executable, "-c", script, "tao_advance_default", str(file), path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.splitlines()[-1]) < 16 * MEBIBYTE


ATTACHED = """
try:
    from airflow.sdk.io import attach
except ImportError:  # Airflow 2.11
    from airflow.io.store import attach
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractBufferedFile, AbstractFileSystem

class File(AbstractBufferedFile):
    def _fetch_range(self, start, end):
        with open(self.path, "rb") as file:
            file.seek(start)
            return file.read(end - start)

class Mounted(AbstractFileSystem):
    protocol = "memory"
    def info(self, path, **options):
        return LocalFileSystem().info(path)
    def _open(self, path, mode="rb", block_size=50 * 1024 * 1024, **options):
        return File(self, path, mode, block_size=block_size or 50 * 1024 * 1024)

attach("memory", fs=Mounted())
"""


@pytest.mark.usefixtures("connections")
def test_progress_of_a_long_upload_is_logged(
    large: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LOG_INTERVAL", 0.0)
    with caplog.at_level(logging.INFO, upload.__name__):
        submit("tao_advance", large)
    lines = [record.getMessage() for record in caplog.records if record.name == upload.__name__]
    assert "Uploaded 12 of 24 MiB of large.csv (50 %)." in lines


@pytest.mark.usefixtures("connections")
def test_progress_of_a_short_upload_is_not_logged(large: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, upload.__name__):
        submit("tao_advance", large)
    assert [record for record in caplog.records if record.name == upload.__name__] == []


# Credentials.


@pytest.mark.parametrize("vendor", ["tao_advance", "zilliant"])
@pytest.mark.usefixtures("connections")
def test_a_rejected_credential_is_replaced_once_and_the_whole_file_sent_again(
    sandbox: Sandbox, large: Path, vendor: str
) -> None:
    hook = hook_for(f"{vendor}_default")
    hook.submit_import(large, **PARAMS[vendor])
    sandbox.revoke(vendor)
    assert hook.submit_import(large, **PARAMS[vendor])
    requests = sandbox.requests(vendor)
    assert (requests["token"], requests["submit"] + requests.get("upload", 0)) == (
        (2, 3) if vendor == "tao_advance" else (2, 5)
    )


def test_a_rejected_login_sends_no_file(sandbox: Sandbox, connect: Connect, file: Path) -> None:
    connect("tao_advance", password="wrong")
    with pytest.raises(ImportAuthError):
        submit("tao_advance", file)
    assert sandbox.requests("tao_advance")["submit"] == 0


def test_clears_storage_gets_no_credential_and_no_more_headers_than_needed(
    connect: Connect, serve: Serve, file: Path
) -> None:
    storage = serve(lambda _: answer())
    api = serve(lambda _: answer(json.dumps({"result": {"url": f"{storage.url}/x", "taskId": "7"}})))
    connect("clear", host=api.url, extra={"access_token": "ready-token"})
    assert submit("clear", file) == "7"
    (put,) = storage.seen
    assert (put.method, put.target, put.body) == ("PUT", "/x", file.read_bytes())
    assert set(put.headers) == {
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    }
    assert [seen.headers["x-clear-auth-token"] for seen in api.seen] == ["ready-token"] * 2


# Connections that break.


@pytest.mark.parametrize("vendor", STARTED_BY_UPLOAD)
@pytest.mark.usefixtures("connections")
def test_a_connection_that_breaks_in_the_middle_of_the_upload_is_retryable(
    sandbox: Sandbox, large: Path, vendor: str
) -> None:
    """The vendor has no complete file, so it cannot have started an import."""
    sandbox.fault(vendor, "submit", "drop")
    with pytest.raises(ImportUnavailableError) as caught:
        submit(vendor, large)
    assert caught.value.is_unsent
    assert submit(vendor, large)


@pytest.mark.parametrize("kind", ["cut", "garbage", "500", "502", "504", "599", "huge"])
@every_vendor
@pytest.mark.usefixtures("connections")
def test_whether_the_import_was_started_is_uncertain_after_the_complete_request(
    sandbox: Sandbox, file: Path, vendor: str, kind: str
) -> None:
    sandbox.fault(vendor, "submit", kind)
    with pytest.raises(SubmissionUncertainError) as caught:
        submit(vendor, file)
    assert isinstance(caught.value, AirflowFailException)
    assert sandbox.requests(vendor)["submit"] == 1


@every_vendor
def test_whether_the_import_was_started_is_uncertain_after_a_timeout(
    sandbox: Sandbox, connections: Connect, file: Path, vendor: str
) -> None:
    extra = json.loads(os.environ[f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"])["extra"]
    connections(vendor, extra={**extra, "timeout": 0.5})
    sandbox.fault(vendor, "submit", "slow", seconds=3)
    with pytest.raises(SubmissionUncertainError, match=r"submit|got no response"):
        submit(vendor, file)


@pytest.mark.parametrize("vendor", ["clear", "zilliant"])
@pytest.mark.usefixtures("connections")
def test_a_connection_that_closes_without_a_response_is_uncertain(
    sandbox: Sandbox, file: Path, vendor: str
) -> None:
    sandbox.fault(vendor, "submit", "drop")
    with pytest.raises(SubmissionUncertainError):
        submit(vendor, file)


@pytest.mark.parametrize("vendor", STARTED_BY_UPLOAD)
def test_a_connection_that_closes_after_the_complete_upload_is_uncertain(
    connect: Connect, serve: Serve, large: Path, vendor: str
) -> None:
    def closes(seen: Seen) -> list[bytes | float]:
        return answer(json.dumps({"access_token": "t"})) if "token" in seen.target else []

    server = serve(closes)
    connect(vendor, host=server.url)
    with pytest.raises(SubmissionUncertainError):
        submit(vendor, large)
    assert len(server.seen[-1].body) > LARGE


@pytest.mark.parametrize("kind", ["503", "429"])
@every_vendor
@pytest.mark.usefixtures("connections")
def test_a_busy_vendor_is_retryable(sandbox: Sandbox, file: Path, vendor: str, kind: str) -> None:
    sandbox.fault(vendor, "submit", kind, retry_after="30")
    with pytest.raises(ImportUnavailableError) as caught:
        submit(vendor, file)
    assert caught.value.retry_after == 30
    assert submit(vendor, file)


@pytest.mark.parametrize(
    ("vendor", "route", "kind"),
    [
        (vendor, route, kind)
        for vendor, route in (("clear", "presign"), ("clear", "storage"), ("zilliant", "upload"))
        for kind in ("drop", "500", "503", "429")
    ]
    # The storage's response to an upload has no body to cut.
    + [("clear", "presign", "cut"), ("zilliant", "upload", "cut")],
)
@pytest.mark.usefixtures("connections")
def test_a_failure_before_the_import_is_started_is_retryable(
    sandbox: Sandbox, file: Path, vendor: str, route: str, kind: str
) -> None:
    sandbox.fault(vendor, route, kind)
    with pytest.raises(ImportUnavailableError):
        submit(vendor, file)
    assert sandbox.requests(vendor)["submit"] == 0
    assert submit(vendor, file)


@every_vendor
def test_a_vendor_that_does_not_listen_is_retryable(
    connections: Connect, serve: Serve, file: Path, vendor: str
) -> None:
    server = serve(lambda _: [])
    server.shutdown()
    server.server_close()
    extra = json.loads(os.environ[f"AIRFLOW_CONN_{vendor.upper()}_DEFAULT"])["extra"]
    connections(vendor, host=server.url, extra=extra)
    with pytest.raises(ImportUnavailableError):
        submit(vendor, file)


@pytest.mark.parametrize("vendor", ["clear", "zilliant"])
def test_a_start_without_a_connection_is_retryable(
    connect: Connect, serve: Serve, file: Path, vendor: str
) -> None:
    """The vendor stops to listen after the upload: nothing was sent to start the import."""

    def vendor_script(seen: Seen) -> list[bytes | float]:
        if seen.method == "PUT" or seen.target.endswith("/upload"):
            server.shutdown()
            server.server_close()
        return answer(json.dumps({"url": f"{server.url}/file", "uploadId": "7"}))

    server = serve(vendor_script)
    extra = {"access_token": "t", "token_response": {"access_token": "t"}}
    connect(vendor, host=server.url, extra=extra)
    with pytest.raises(ImportUnavailableError) as caught:
        submit(vendor, file)
    assert caught.value.is_unsent


@pytest.mark.parametrize("extra", [{"timeout": 0.4}, {"transfer_timeout": 0.4}], ids=str)
def test_a_vendor_that_does_not_read_the_file_is_retryable(
    connect: Connect, large: Path, extra: dict[str, float]
) -> None:
    """`timeout` bounds the silence, `transfer_timeout` the whole transfer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect("thalamus", host=f"http://127.0.0.1:{silent.getsockname()[1]}", extra=extra)
        with pytest.raises(ImportUnavailableError) as caught:
            submit("thalamus", large)
    assert caught.value.is_unsent


# Files that change.


@dataclass
class Changing:
    """A file whose size changes after it was determined."""

    path: Path
    size: int
    name: str = "sales.csv"

    def open(self) -> BinaryIO:
        return self.path.open("rb")


@pytest.mark.parametrize("change", [-1, 1, -MEBIBYTE, MEBIBYTE])
@every_vendor
@pytest.mark.usefixtures("connections")
def test_a_file_whose_size_changes_is_not_imported(tmp_path: Path, vendor: str, change: int) -> None:
    path = tmp_path / "sales.csv"
    path.write_bytes(b"x" * (2 * MEBIBYTE + change))
    file, hook = Changing(path, 2 * MEBIBYTE), hook_for(f"{vendor}_default")
    with pytest.raises(ImportUnavailableError, match="its size has changed") as caught:
        SyncClient(hook).run(lambda hook: hook.submit(file, **PARAMS[vendor]))
    assert caught.value.is_unsent
    assert vendor != "thalamus" or not is_started_at_thalamus()


@pytest.mark.parametrize("growth", [1, 40, 1000])
def test_the_end_of_a_file_that_has_grown_is_not_sent(growth: int) -> None:
    """Otherwise a lenient vendor might import a part of it."""
    file, sent = Grown(b"z" * 1000, growth), bytearray()
    with UploadBody(Upload(file, "text/csv", field="file")) as body:
        while len(sent) < len(body):
            try:
                sent += body.read(100)
            except ImportUnavailableError:
                break
    assert (sent.count(b"z"), body.is_sent) == (900, False)


def test_a_file_that_grows_after_it_was_sent_is_submitted(connect: Connect, serve: Serve) -> None:
    """The vendor has it: an error would make Airflow submit it again."""
    server = serve(lambda _: answer(json.dumps({"id": 7})))
    hook = hook_for(connect("thalamus", host=server.url))
    import_id = SyncClient(hook).run(lambda hook: hook.submit(Growing(b"x" * 1000, 0), type=25012))
    assert (import_id, len(server.seen)) == ("7", 1)


class Grown:
    """A file that has grown by some bytes."""

    name = "sales.csv"

    def __init__(self, content: bytes, growth: int) -> None:
        self.size = len(content)
        self._content = content + b"y" * growth

    def open(self) -> BinaryIO:
        return io.BytesIO(self._content)


class Growing(Grown):
    """A file that grows after its end was read."""

    def open(self) -> BinaryIO:
        return Endless(self._content)


class Endless(io.BytesIO):
    """A file that goes on after its end."""

    has_ended = False

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(size)
        if block or not self.has_ended:
            self.has_ended = not block
            return block
        return b"more"


class Failing(Grown):
    """A file that cannot be read."""

    def open(self) -> BinaryIO:
        raise PermissionError(13, "no access")


@pytest.mark.usefixtures("connections")
def test_a_file_that_cannot_be_opened_any_more_is_retryable(sandbox: Sandbox) -> None:
    file = Failing(b"x", 0)
    with pytest.raises(
        ImportUnavailableError, match=r"'sales.csv' cannot be read: PermissionError"
    ) as caught:
        SyncClient(hook_for("tao_advance_default")).run(lambda hook: hook.submit(file))
    assert (caught.value.is_unsent, sandbox.requests("tao_advance")["submit"]) == (True, 0)


@pytest.mark.usefixtures("connections")
def test_the_status_of_a_submitted_file_has_its_rows(file: Path) -> None:
    hook = hook_for("thalamus_default")
    rows = hook.get_import_status(hook.submit_import(file, type="25012")).rows
    assert rows == RowCounts(total=9, succeeded=7, failed=2, skipped=0)
