"""File transfers: a file as the body of a request, and the place where a response's body is stored.

Bodies are streamed: neither is held in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

__all__ = ["Sink", "SourceFile", "Upload"]


class SourceFile(Protocol):
    """A file to upload. It can be read more than once: a rejected credential is replaced in between."""

    @property
    def name(self) -> str:
        """Return the file's name, without folders."""

    @property
    def size(self) -> int:
        """Return the size in bytes."""

    def open(self) -> BinaryIO:
        """Open the file for reading from its beginning."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as the body of a request.

    :param file: the file that a hook's `submit` gets
    :param content_type: its media type
    :param field: the name of the part of a multipart form that contains the file; empty if the body is the
        file itself
    """

    file: SourceFile
    content_type: str
    field: str = ""


class Sink(Protocol):
    """The place where the body of a 2xx response is stored."""

    def save(self, headers: Mapping[str, str], chunks: Iterable[bytes]) -> None:
        """Store the body. If it cannot be read or stored to its end, store nothing.

        :param headers: the response's headers, with lower-case names
        :raises ImportStatusError: it cannot be stored
        """
