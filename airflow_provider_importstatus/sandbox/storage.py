"""File storage on an origin of its own, with signed URLs, in the manner of Amazon S3."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlencode, urlsplit

from aiohttp import web

from airflow_provider_importstatus.sandbox.csv_file import CsvFile
from airflow_provider_importstatus.sandbox.imports import File
from airflow_provider_importstatus.sandbox.uploads import read_body

__all__ = ["STANDARD_CREDENTIAL_HEADERS", "Storage"]

DATE_FORMAT = "%Y%m%dT%H%M%SZ"

#: Headers that carry credentials at any vendor. A client that sends one to the storage has leaked it.
STANDARD_CREDENTIAL_HEADERS = ("Authorization", "Cookie")

#: Codes and messages as in S3's error responses, by HTTP status.
ERRORS = {
    400: ("InvalidArgument", "Only one auth mechanism allowed; the URL's signature is enough."),
    403: ("AccessDenied", "The URL is not signed for this method, file and Content-Type, or it has expired."),
    404: ("NoSuchKey", "The specified key does not exist."),
}


class Storage:
    """Files by path, and URLs that give access to one of them for a limited time.

    Of uploaded files it keeps only name, size and first line: they cannot be downloaded.

    :param credential_headers: headers that are rejected, besides the standard ones
    """

    def __init__(self, clock: Callable[[], float], credential_headers: Iterable[str] = ()) -> None:
        self.origin = ""
        self._clock = clock
        self._credential_headers = (*STANDARD_CREDENTIAL_HEADERS, *credential_headers)
        self._key = secrets.token_bytes(32)
        self._files: dict[str, CsvFile] = {}
        self._uploads: dict[str, File] = {}

    def store(self, path: str, file: CsvFile) -> None:
        """Store a file for download."""
        self._files[path] = file

    def uploaded(self, url: str) -> File | None:
        """Return the file that was uploaded to this URL, signed or not, if any."""
        return self._uploads.get(unquote(urlsplit(url).path)) if url.startswith(f"{self.origin}/") else None

    def sign(self, method: str, path: str, seconds: int, content_type: str = "") -> str:
        """Return a URL that allows one method on one file for that many seconds.

        :param content_type: the Content-Type that an upload must have
        """
        date = datetime.fromtimestamp(self._clock(), UTC).strftime(DATE_FORMAT)
        query = {"X-Amz-Date": date, "X-Amz-Expires": str(seconds)}
        query["X-Amz-Signature"] = self._signature(method, path, date, str(seconds), content_type)
        return f"{self.origin}{quote(path)}?{urlencode(query)}"

    def clear(self) -> None:
        """Delete all files."""
        self._files.clear()
        self._uploads.clear()

    async def respond(self, request: web.Request) -> web.Response:
        """Store or return a file."""
        if any(name in request.headers for name in self._credential_headers):
            return self.error(400)
        if not self._is_authorized(request):
            return self.error(403)
        if request.method == "PUT":
            self._uploads[request.path] = await read_body(request)
            return web.Response()
        if request.path not in self._files:
            return self.error(404)
        return self._files[request.path].response()

    def error(self, status: int) -> web.Response:
        """Return an error response in S3's format."""
        code, message = ERRORS.get(status, ("InternalError", "We encountered an internal error."))
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
        return web.Response(status=status, text=text, content_type="application/xml")

    def _is_authorized(self, request: web.Request) -> bool:
        date, seconds, signature = (
            request.query.get(name, "") for name in ("X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature")
        )
        content_type = request.headers.get("Content-Type", "") if request.method == "PUT" else ""
        expected = self._signature(request.method, request.path, date, seconds, content_type)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
        return self._clock() < signed_at + int(seconds)

    def _signature(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
