"""Somebody else's file storage: an origin of its own, where a URL's signature is the only way in."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, unquote, urlencode, urlsplit

from aiohttp import web

__all__ = ["Storage"]

DATE = "%Y%m%dT%H%M%SZ"

#: Headers that carry a vendor's credentials; whoever sends one here has leaked it.
CREDENTIALS = (
    "Authorization",
    "Cookie",
    "X-Clear-Auth-Token",
    "X-Clear-Client-Secret",
    "X-Integration-Id",
    "Thalamus-Touchpoint",
    "Thalamus-Token",
)

MESSAGES = {
    400: ("InvalidArgument", "Only one auth mechanism allowed; the URL's signature is enough."),
    403: ("AccessDenied", "The URL is not signed for this request, or it has expired."),
    404: ("NoSuchKey", "The specified key does not exist."),
}


class Storage:
    """Files by path, and URLs that open one of them for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.origin = ""
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._files: dict[str, bytes] = {}

    def keep(self, path: str, body: bytes) -> None:
        """Store a file."""
        self._files[path] = body

    def holds(self, url: str) -> bool:
        """Whether a file lies at this URL, signed or not."""
        return url.startswith(f"{self.origin}/") and unquote(urlsplit(url).path) in self._files

    def sign(self, method: str, path: str, seconds: int) -> str:
        """Return a URL that allows one method on one file for so many seconds."""
        date = datetime.fromtimestamp(self._clock(), UTC).strftime(DATE)
        query = {"X-Amz-Date": date, "X-Amz-Expires": str(seconds)}
        query["X-Amz-Signature"] = self._signature(method, path, date, str(seconds))
        return f"{self.origin}{quote(path)}?{urlencode(query)}"

    def clear(self) -> None:
        """Throw every file away."""
        self._files.clear()

    async def answer(self, request: web.Request) -> web.Response:
        """Take or hand out a file, as Amazon's S3 would."""
        if any(name in request.headers for name in CREDENTIALS):
            return self.error(400)
        if not self._is_open(request):
            return self.error(403)
        if request.method == "PUT":
            self.keep(request.path, await request.read())
            return web.Response()
        if request.path not in self._files:
            return self.error(404)
        return web.Response(body=self._files[request.path], content_type="text/csv")

    def error(self, status: int) -> web.Response:
        """Return an error in S3's shape."""
        code, message = MESSAGES.get(status, ("InternalError", "We encountered an internal error."))
        error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'
        return web.Response(status=status, text=text, content_type="application/xml")

    def _is_open(self, request: web.Request) -> bool:
        date, seconds, signature = (
            request.query.get(name, "") for name in ("X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature")
        )
        expected = self._signature(request.method, request.path, date, seconds)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        signed_at = datetime.strptime(date, DATE).replace(tzinfo=UTC).timestamp()
        return self._clock() < signed_at + int(seconds)

    def _signature(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()
