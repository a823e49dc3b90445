"""CSV files that the sandbox generates while it sends them, so that a large one takes no memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.payload import Payload

__all__ = ["CsvFile"]

#: A block of the lines that fill up a file.
FILLING = b"One of the lines with which the sandbox fills up a file to size\n" * 1024


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A heading, lines, and as many further lines as the size needs.

    :param kib: the size in KiB; the file is larger if its lines are
    """

    heading: str
    lines: Sequence[str] = ()
    kib: int = 0

    @property
    def size(self) -> int:
        """The size in bytes."""
        return max(len(self._beginning()), self.kib * 1024)

    def blocks(self) -> Iterator[bytes]:
        """Return the content, in blocks."""
        beginning = self._beginning()
        left = self.size - len(beginning)
        yield beginning
        # The first line that fills up is shortened, so that the size is exact.
        yield FILLING[len(FILLING) - left % len(FILLING) :]
        for _ in range(left // len(FILLING)):
            yield FILLING

    def response(self) -> web.Response:
        """Return the response whose body is the file."""
        return web.Response(body=_Body(self, content_type="text/csv"))

    def _beginning(self) -> bytes:
        return "\n".join([self.heading, *self.lines, ""]).encode()


class _Body(Payload):
    _value: CsvFile

    def __init__(self, file: CsvFile, **options: Any) -> None:
        super().__init__(file, **options)
        self._size = file.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return b"".join(self._value.blocks()).decode(encoding, errors)

    async def write(self, writer: Any) -> None:
        for block in self._value.blocks():
            await writer.write(block)
