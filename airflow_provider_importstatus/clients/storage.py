"""Files to submit, and folders for error reports: local, or in any object storage that Airflow knows."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.message import Message
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast
from urllib.parse import quote, urlsplit

from airflow.providers.common.compat.sdk import AirflowNotFoundException, ObjectStoragePath, conf
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_importstatus.exceptions import ImportSettingsError, ImportUnavailableError
from airflow_provider_importstatus.protocol.reports import ErrorReport

__all__ = ["Location", "ReportFolder", "StoredFile"]

#: A local path, or one in an object storage: as a URI, or as Airflow's own type.
Location: TypeAlias = str | os.PathLike[str] | ObjectStoragePath

#: Bytes that are read from or written to an object storage at once; some storages would take 50 MiB. Up to
#: two blocks are in memory. S3 accepts no smaller ones than 5 MiB.
READ_BLOCK, WRITE_BLOCK = 4 * 1024 * 1024, 8 * 1024 * 1024
#: Maximum length of a segment of a report's path, in characters: file systems allow 255 bytes.
MAX_SEGMENT = 150
#: Extensions of reports' files by content type.
EXTENSIONS = {
    "application/json": "json",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/zip": "zip",
    "text/plain": "txt",
}
DEFAULT_EXTENSION = "csv"
VALID_EXTENSION = re.compile(r"[a-z0-9]{1,8}")
#: What to install for the schemes of Airflow's own providers: Airflow knows those of installed ones only.
PACKAGES = {
    **dict.fromkeys(("s3", "s3a", "s3n"), "apache-airflow-providers-amazon[s3fs]"),
    **dict.fromkeys(("gs", "gcs"), "apache-airflow-providers-google"),
    **dict.fromkeys(("abfs", "abfss", "adl"), "apache-airflow-providers-microsoft-azure"),
    **dict.fromkeys(("sftp", "ssh"), "apache-airflow-providers-sftp[sshfs]"),
}
#: Errors of object storages that another try cannot change; all others may pass.
LASTING = (FileNotFoundError, NotADirectoryError, PermissionError, TypeError, ValueError)
WILDCARDS = frozenset("*?[")
_GIVE_A_FILE = "Give the path or URI of a file with content."
_NO_WILDCARDS = (
    "Wildcards are not expanded. List the files in a task, and map the operator over its result with"
    " .expand(file=...)."
)


class StoredFile:
    """A local file or an object in a storage.

    :param path: a local path, or a URI such as ``s3://conn_id@bucket/key``
    :raises ImportSettingsError: there is no such file, or it is empty
    :raises ImportUnavailableError: its object storage, or Airflow, does not answer
    """

    def __init__(self, path: Location) -> None:
        self._fs, self._path = _locate("file", path)
        try:
            self._info = self._fs.info(self._path)
        except Exception as error:
            # Object storages that are down raise exceptions of their own.
            if not (isinstance(self._fs, LocalFileSystem) or isinstance(error, LASTING)):
                raise ImportUnavailableError(
                    f"file {self._path} cannot be read just now: {type(error).__name__}. Nothing was sent:"
                    " retry the task. If this persists, check the connection in the URI."
                ) from error
            remedy = _NO_WILDCARDS if self._is_pattern(error) else _GIVE_A_FILE
            raise self._error(f"cannot be read: {type(error).__name__}", remedy) from error
        if self._info["type"] != "file":
            raise self._error("is not a file")
        if not self.size:
            raise self._error("is empty")
        try:
            self.name.encode()
        except UnicodeEncodeError:
            raise self._error("has a name that is not UTF-8") from None

    @property
    def name(self) -> str:
        """The file's name, without folders."""
        return self._path.rstrip("/").rpartition("/")[2]

    @property
    def size(self) -> int:
        """The size in bytes."""
        return int(self._info["size"] or 0)

    def open(self) -> BinaryIO:
        """Open the file for reading from its beginning."""
        return cast(BinaryIO, self._fs.open(self._path, "rb", block_size=READ_BLOCK))

    @cached_property
    def version(self) -> str | None:
        """The object's ETag, or a local file's SHA-256; None if the storage has no ETags."""
        if isinstance(self._fs, LocalFileSystem):
            with self.open() as file:
                return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]  # not typed
        etag = next((value for name, value in self._info.items() if name.lower() == "etag"), None)
        return str(etag) if etag else None

    def _is_pattern(self, error: Exception) -> bool:
        # Names of files may contain these characters.
        return isinstance(error, FileNotFoundError) and not WILDCARDS.isdisjoint(self._path)

    def _error(self, fact: str, remedy: str = _GIVE_A_FILE) -> ImportSettingsError:
        return ImportSettingsError(f"file {self._path} {fact}. {remedy} Nothing was sent.")


class ReportFolder:
    """The folder in which the error reports of one import are stored.

    :param path: a local path, or a URI such as ``s3://conn_id@bucket/prefix``
    :param segments: vendor, connection and import, each of which becomes a folder
    :raises ImportSettingsError: the path cannot be used
    :raises ImportUnavailableError: Airflow does not answer
    """

    def __init__(self, path: Location, *segments: str) -> None:
        self.fs, self._root = _locate("error_report_path", path)
        self._check_is_no_code()
        below = "/".join(["", *map(_segment, segments)])
        #: The folder as the file system names it.
        self.path = self._root.rstrip("/") + below
        #: The folder as results and errors show it: with the connection in the URI, needed to read reports.
        self.shown = self.path if self._is_local else str(path).rstrip("/") + below

    def sink(self, report: ErrorReport, number: int) -> ReportSink:
        """Return the sink of the report with this number in its stage."""
        return ReportSink(self, report, number)

    def check_inside(self, path: str) -> None:
        """Raise an error if a symbolic link below `error_report_path` leads elsewhere.

        :param path: a file in this folder, which need not exist
        :raises ImportSettingsError: with the folder
        """
        if not self._is_local:
            return
        meant = Path(os.path.realpath(self._root)) / Path(path).relative_to(self._root)
        if os.path.realpath(path) != str(meant):
            raise ImportSettingsError(
                f"error_report_path: {self.shown} leads elsewhere by a symbolic link. Remove the link, or"
                " give its target as error_report_path."
            )

    def _check_is_no_code(self) -> None:
        # Airflow runs .py files and ZIP archives in there, and a vendor chooses name and content of a report.
        dags = os.path.realpath(conf.get("core", "dags_folder"))
        if self._is_local and Path(os.path.realpath(self._root)).is_relative_to(dags):
            raise ImportSettingsError(
                f"error_report_path: {self._root} is in the folder of DAG files, where Airflow would run"
                " reports as code. Give another folder."
            )

    @property
    def _is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)


class ReportSink:
    """Stores one report: completely, or not at all.

    :param number: the report's number in its stage
    """

    def __init__(self, folder: ReportFolder, report: ErrorReport, number: int) -> None:
        self.path = ""
        self._fs, self._folder, self._report = folder.fs, folder, report
        self._name = f"{_segment(report.stage.lower())}-{number}"

    def save(self, headers: Mapping[str, str], chunks: Iterable[bytes]) -> None:
        """Store the body of a response under another name, and rename it when it is complete.

        :raises ImportSettingsError: it cannot be stored
        """
        name = f"{self._name}.{self._report.extension or _extension(headers, self._report.request.url)}"
        # The same name in each try, so that what a killed process leaves behind is overwritten.
        part, whole = f"{self._folder.path}/.{self._name}.part", f"{self._folder.path}/{name}"
        for path in (part, whole):
            self._folder.check_inside(path)
        try:
            self._write(part, chunks)
            with self._storing():
                self._fs.mv(part, whole)
        except BaseException:
            with suppress(Exception):
                self._fs.rm(part)
            raise
        self.path = f"{self._folder.shown}/{name}"

    def _write(self, part: str, chunks: Iterable[bytes]) -> None:
        with self._storing():
            file = self._open(part)
        try:
            for chunk in chunks:
                with self._storing():
                    file.write(chunk)
        finally:
            with self._storing():
                file.close()

    def _open(self, part: str) -> Any:
        try:
            return self._fs.open(part, "wb", block_size=WRITE_BLOCK)
        except FileNotFoundError:
            # Object storages need no folders, and creating one may take a permission of its own.
            self._fs.makedirs(self._folder.path, exist_ok=True)
            return self._fs.open(part, "wb", block_size=WRITE_BLOCK)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # Object storages raise exceptions of their own.
            raise ImportSettingsError(
                f"error_report_path: {self._folder.shown} cannot be written: {type(error).__name__}."
                " Give a folder that the workers may write to."
            ) from error


def _locate(name: str, path: Location) -> tuple[AbstractFileSystem, str]:
    text = str(path) if isinstance(path, str | os.PathLike | ObjectStoragePath) else ""
    if not text.strip():
        actual = "is empty" if isinstance(path, str) else f"is of type {type(path).__name__}"
        raise ImportSettingsError(f"{name} {actual}. Give a path or a URI such as s3://bucket/key.")
    scheme = text.partition("://")[0] if "://" in text else "file"
    if scheme == "file":
        return LocalFileSystem(), str(Path(text.removeprefix("file://")).absolute())
    try:
        stored = ObjectStoragePath(text)
        return stored.fs, stored.path
    except Exception as error:
        # Each storage raises exceptions of its own, if its provider is installed at all.
        if not isinstance(error, (*LASTING, ImportError, AirflowNotFoundException)):
            raise ImportUnavailableError(
                f"{name}: the storage {scheme}:// cannot be used just now: {type(error).__name__}. Retry the"
                " task. If this persists, check the connection in the URI."
            ) from error
        package = PACKAGES.get(scheme, "the Airflow provider that has it")
        raise ImportSettingsError(
            f"{name}: the storage {scheme}:// cannot be used ({type(error).__name__}). Install {package} on"
            " the workers. If it is installed, check the connection in the URI."
        ) from error


def _segment(text: str) -> str:
    """Return the text as one segment of a path; different texts give different segments."""
    # Half a surrogate pair is a text of its own.
    quoted = quote(text, safe=" @=+,", errors="surrogatepass").replace("~", "%7E")
    # Neither hidden, nor "." or "..".
    quoted = f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
    if len(quoted) <= MAX_SEGMENT:
        # No other text is quoted as a bare percent sign.
        return quoted or "%"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{quoted[:MAX_SEGMENT]}-{digest}"


def _extension(headers: Mapping[str, str], url: str) -> str:
    """Return the extension of a report's file: that of its name, else of its URL, else by its type."""
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    names = (_file_name(headers.get("content-disposition", "")), urlsplit(url).path)
    found = [Path(name).suffix.removeprefix(".").lower() for name in names if name]
    default = EXTENSIONS.get(content_type, DEFAULT_EXTENSION)
    return next((one for one in found if VALID_EXTENSION.fullmatch(one)), default)


def _file_name(disposition: str) -> str | None:
    message = Message()
    message["Content-Disposition"] = disposition
    try:
        return message.get_filename()
    except Exception:
        # For some charsets it raises undocumented exceptions such as UnicodeError.
        return None
