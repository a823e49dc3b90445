"""An answer's header values and body, the same for both transports."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from airflow_provider_importstatus.exceptions import ImportProtocolError, ImportUnavailableError

__all__ = ["ACCEPT_ENCODING", "MAX_BODY", "MAX_HEADER", "Body", "plain_headers"]

#: What both transports can unpack in bounded steps, whatever else is installed.
ACCEPT_ENCODING = "gzip, deflate"
#: Maximum response size, in bytes. TAO may send a message for each faulty line of a roster: there is room for
#: 50,000 lines with a hundred characters each.
MAX_BODY = 5 * 1024 * 1024
#: What `http.client` takes as one line, in bytes; aiohttp's own limit is far lower.
MAX_HEADER = 64 * 1024
#: zlib's own words for "find out whether it is gzip or zlib", and for a stream without either's header.
_GZIP_OR_ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Body:
    """Collects a body, unpacked, and never more than `MAX_BODY` of it.

    :param headers: the answer's
    :param where: method and URL, for error texts
    """

    def __init__(self, headers: dict[str, str], where: str) -> None:
        self._where = where
        self._unpacked = bytearray()
        self._stream: zlib._Decompress | None = None
        self._is_packed = _is_packed(headers.get("content-encoding", ""), where)

    def add(self, chunk: bytes) -> None:
        """Take the next bytes as they came over the socket."""
        if not chunk:
            return
        if self._is_packed:
            self._unpack(chunk)
        else:
            self._unpacked += chunk
        if len(self._unpacked) > MAX_BODY:
            raise ImportProtocolError(f"{self._where} answered with more than {MAX_BODY} bytes.")

    def whole(self) -> bytes:
        """Return the body after its last byte."""
        if self._stream and not self._stream.eof:
            raise ImportUnavailableError(f"{self._where} brought a compressed answer without its end.")
        return bytes(self._unpacked)

    def _unpack(self, chunk: bytes) -> None:
        try:
            if self._stream is None:
                self._stream = zlib.decompressobj(_format_of(chunk))
            while chunk:
                if self._stream.eof:
                    # gzip files may be joined.
                    self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
                room = MAX_BODY + 1 - len(self._unpacked)
                self._unpacked += self._stream.decompress(chunk, room)
                if len(self._unpacked) > MAX_BODY:
                    return
                chunk = self._stream.unused_data
        except zlib.error as error:
            raise ImportUnavailableError(
                f"{self._where} brought a compressed answer that is broken."
            ) from error


def plain_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return header values as printable text, names in lower case; repeated headers are joined by commas."""
    plain: dict[str, str] = {}
    for name, value in headers:
        key = _printable(name).lower()
        text = _printable(value).strip()
        plain[key] = f"{plain[key]}, {text}" if key in plain else text
    return plain


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


def _is_packed(encoding: str, where: str) -> bool:
    word = encoding.strip().lower()
    if word in ("", "identity"):
        return False
    if word in ("gzip", "x-gzip", "deflate"):
        return True
    raise ImportProtocolError(f"{where} answered in a Content-Encoding that was not asked for.")


def _format_of(chunk: bytes) -> int:
    # Servers send "deflate" with zlib's header, as specified, and without: its first byte tells.
    is_gzip = chunk[:1] == b"\x1f"
    is_zlib = chunk[0] & 0x0F == 8 and chunk[0] >> 4 <= 7
    return _GZIP_OR_ZLIB if is_gzip or is_zlib else _RAW_DEFLATE
