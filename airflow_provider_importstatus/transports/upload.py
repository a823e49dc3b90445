"""A file as the body of a request, read while it is sent."""

from __future__ import annotations

import io
import logging
import secrets
import time
from collections.abc import Iterator
from types import TracebackType

from urllib3.fields import RequestField

from airflow_provider_importstatus.exceptions import ImportUnavailableError
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.redaction import storable

__all__ = ["UploadBody"]

log = logging.getLogger(__name__)

#: Seconds between two log lines about a long upload.
LOG_INTERVAL = 30.0
MEBIBYTE = 1024 * 1024


class UploadBody:
    """The bytes of an upload: those of the file, between the head and the tail of a form if it is in one.

    :param upload: the file; its size must not change while it is sent
    """

    def __init__(self, upload: Upload) -> None:
        self._file = upload.file
        self._boundary = secrets.token_hex(16) if upload.field else ""
        head, tail = self._frame(upload) if upload.field else (b"", b"")
        self._size = len(head) + upload.file.size + len(tail)
        self._opened = self._open()
        self._left = upload.file.size
        self._parts = (io.BytesIO(head).read, self._read_file, io.BytesIO(tail).read)
        self._sent = 0
        self._logged_at = time.monotonic()
        self.content_type = (
            f"multipart/form-data; boundary={self._boundary}" if upload.field else upload.content_type
        )

    def __enter__(self) -> UploadBody:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._opened.close()

    def __len__(self) -> int:
        """Return the length in bytes, which requests sends as Content-Length."""
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        """Return the body in blocks. Only streams are iterable, by which requests recognizes them."""
        while block := self.read(MEBIBYTE):
            yield block

    @property
    def is_sent(self) -> bool:
        """Whether the last byte has been read."""
        return self._sent >= self._size

    def read(self, size: int = MEBIBYTE) -> bytes:
        """Return the next bytes, at most `size`.

        :raises ImportUnavailableError: the file cannot be read, or its size has changed
        """
        block = next(filter(None, (read(size) for read in self._parts)), b"")
        self._sent += len(block)
        self._log_progress()
        return block

    def _read_file(self, size: int) -> bytes:
        if not self._left:
            return b""
        try:
            block = self._opened.read(min(size, self._left))
            self._left -= len(block)
            # Checked before the last block is sent: without it, no vendor has a complete file.
            has_changed = not block or (not self._left and bool(self._opened.read(1)))
        except Exception as error:
            # Object storages raise exceptions of their own.
            raise self._error(type(error).__name__) from error
        if has_changed:
            raise self._error("its size has changed while it was sent")
        return block

    def _open(self) -> io.BufferedIOBase:
        try:
            return self._file.open()  # type: ignore[return-value]  # a binary file
        except Exception as error:
            raise self._error(type(error).__name__) from error

    def _error(self, reason: str) -> ImportUnavailableError:
        error = ImportUnavailableError(f"The file {self._file.name!r} cannot be read: {reason}.")
        error.is_unsent = True
        return error

    def _frame(self, upload: Upload) -> tuple[bytes, bytes]:
        part = RequestField(upload.field, b"", upload.file.name)
        part.make_multipart(content_type=upload.content_type)
        head = f"--{self._boundary}\r\n{part.render_headers()}"
        return head.encode(), f"\r\n--{self._boundary}--\r\n".encode()

    def _log_progress(self) -> None:
        now = time.monotonic()
        if now - self._logged_at < LOG_INTERVAL or self.is_sent:
            return
        self._logged_at = now
        sent, size = self._sent // MEBIBYTE, self._size // MEBIBYTE
        percentage = 100 * self._sent // self._size
        log.info("Uploaded %d of %d MiB of %s (%d %%).", sent, size, storable(self._file.name), percentage)
