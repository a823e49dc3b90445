"""Bounded reading of response bodies and headers, shared by both transports."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from airflow_provider_importstatus.exceptions import ImportProtocolError, ImportUnavailableError

__all__ = ["ACCEPT_ENCODING", "MAX_BODY", "MAX_HEADER", "Body", "plain_headers"]

#: Encodings that can be decompressed in bounded steps without further packages.
ACCEPT_ENCODING = "gzip, deflate"
#: Maximum response size, in bytes. TAO may send a message for each faulty line of a roster: enough for 50,000
#: messages of 100 characters.
MAX_BODY = 5 * 1024 * 1024
#: Maximum length of a header line, in bytes: the limit of `http.client`; aiohttp's default is far lower.
MAX_HEADER = 64 * 1024
#: zlib's window sizes for "detect gzip or zlib" and for a raw stream without header.
_GZIP_OR_ZLIB, _RAW_DEFLATE = zlib.MAX_WBITS | 32, -zlib.MAX_WBITS


class Body:
    """Collects a decompressed body of at most `MAX_BODY` bytes.

    :param headers: the response's headers
    :param where: method and URL, for error texts
    """

    def __init__(self, headers: dict[str, str], where: str) -> None:
        self._where = where
        self._unpacked = bytearray()
        self._stream: zlib._Decompress | None = None
        self._is_packed = _is_packed(headers.get("content-encoding", ""), where)

    def add(self, chunk: bytes) -> None:
        """Add the next bytes as received."""
        if not chunk:
            return
        if self._is_packed:
            self._unpack(chunk)
        else:
            self._unpacked += chunk
        if len(self._unpacked) > MAX_BODY:
            raise ImportProtocolError(f"{self._where}: the response is larger than {MAX_BODY} bytes.")

    def whole(self) -> bytes:
        """Return the complete body.

        :raises ImportUnavailableError: for a truncated compressed body
        """
        if self._stream and not self._stream.eof:
            raise ImportUnavailableError(f"{self._where}: the compressed response is truncated.")
        return bytes(self._unpacked)

    def _unpack(self, chunk: bytes) -> None:
        try:
            if self._stream is None:
                self._stream = zlib.decompressobj(_format_of(chunk))
            while chunk:
                if self._stream.eof:
                    # gzip streams may be concatenated.
                    self._stream = zlib.decompressobj(_GZIP_OR_ZLIB)
                room = MAX_BODY + 1 - len(self._unpacked)
                self._unpacked += self._stream.decompress(chunk, room)
                if len(self._unpacked) > MAX_BODY:
                    return
                chunk = self._stream.unused_data
        except zlib.error as error:
            raise ImportUnavailableError(f"{self._where}: the compressed response is corrupt.") from error


def plain_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as printable text with lower-case names; repeated headers are joined by commas."""
    plain: dict[str, str] = {}
    for name, value in headers:
        key = _printable(name).lower()
        text = _printable(value).strip()
        plain[key] = f"{plain[key]}, {text}" if key in plain else text
    return plain


def _printable(text: str) -> str:
    return "".join(one if one.isprintable() else " " for one in text)


def _is_packed(encoding: str, where: str) -> bool:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return False
    if name in ("gzip", "x-gzip", "deflate"):
        return True
    raise ImportProtocolError(f"{where}: the response has a Content-Encoding that was not requested.")


def _format_of(chunk: bytes) -> int:
    # Servers send "deflate" both with zlib's header, as specified, and without.
    is_gzip = chunk[:1] == b"\x1f"
    is_zlib = chunk[0] & 0x0F == 8 and chunk[0] >> 4 <= 7
    return _GZIP_OR_ZLIB if is_gzip or is_zlib else _RAW_DEFLATE
