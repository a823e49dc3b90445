"""File storage on an origin of its own, with signed URLs, in the manner of Amazon S3."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlencode, urlsplit

from aiohttp import web

__all__ = ["STANDARD_CREDENTIAL_HEADERS", "Storage"]

DATE_FORMAT = "%Y%m%dT%H%M%SZ"

#: Headers that carry credentials at any vendor. A client that sends one to the storage has leaked it.
STANDARD_CREDENTIAL_HEADERS = ("Authorization", "Cookie")

#: Codes and messages as in S3's error responses, by HTTP status.
ERRORS = {
    400: ("InvalidArgument", "Only one auth mechanism allowed; the URL's signature is enough."),
    403: ("AccessDenied", "The URL is not signed for this request, or it has expired."),
    404: ("NoSuchKey", "The specified key does not exist."),
}


class Storage:
    """Files by path, and URLs that give access to one of them for a limited time.

    :param credential_headers: headers that are rejected, besides the standard ones
    """

    def __init__(self, clock: Callable[[], float], credential_headers: Iterable[str] = ()) -> None:
        self.origin = ""
        self._clock = clock
        self._credential_headers = (*STANDARD_CREDENTIAL_HEADERS, *credential_headers)
        self._key = secrets.token_bytes(32)
        self._files: dict[str, bytes] = {}

    def store(self, path: str, body: bytes) -> None:
        """Store a file."""
        self._files[path] = body

    def contains(self, url: str) -> bool:
        """Return whether there is a file at this URL, signed or not."""
        return url.startswith(f"{self.origin}/") and unquote(urlsplit(url).path) in self._files

    def sign(self, method: str, path: str, seconds: int) -> str:
        """Return a URL that allows one method on one file for that many seconds."""
        date = datetime.fromtimestamp(self._clock(), UTC).strftime(DATE_FORMAT)
        query = {"X-Amz-Date": date, "X-Amz-Expires": str(seconds)}
        query["X-Amz-Signature"] = self._signature(method, path, date, str(seconds))
        return f"{self.origin}{quote(path)}?{urlencode(query)}"

    def clear(self) -> None:
        """Delete all files."""
        self._files.clear()

    async def respond(self, request: web.Request) -> web.Response:
        """Store or return a file."""
        if any(name in request.headers for name in self._credential_headers):
            return self.error(400)
        if not self._is_authorized(request):
            return self.error(403)
        if request.method == "PUT":
            self.store(request.path, await request.read())
            return web.Response()
        if request.path not in self._files:
            return self.error(404)
        return web.Response(body=self._files[request.path], content_type="text/csv")

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
        expected = self._signature(request.method, request.path, date, seconds)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        signed_at = datetime.strptime(date, DATE_FORMAT).replace(tzinfo=UTC).timestamp()
        return self._clock() < signed_at + int(seconds)

    def _signature(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
