"""Reading of uploaded files, of which only name, size and first line are kept, whatever their size."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator

from aiohttp import BodyPartReader, web

from airflow_provider_importstatus.sandbox.imports import File

__all__ = ["read_body", "read_form_file"]

CHUNK = 64 * 1024
#: Maximum number of bytes kept of a file's first line.
MAX_FIRST_LINE = 1024


async def read_body(request: web.Request) -> File:
    """Return the file that is the body of a request, named by the last segment of the path."""
    return await _read(request.path.rpartition("/")[2], request.content.iter_any())


async def read_form_file(request: web.Request) -> File | None:
    """Return the file of a multipart form whose only part is the file `file`; None for any other body."""
    if request.content_type != "multipart/form-data":
        return None
    try:
        form = await request.multipart()
        part = await form.next()
        if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
            return None
        file = await _read(part.filename, _chunks(part))
        return file if await form.next() is None else None
    except ValueError:
        return None


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


async def _read(name: str, chunks: AsyncIterable[bytes]) -> File:
    size, beginning = 0, b""
    async for chunk in chunks:
        size += len(chunk)
        beginning += chunk[: MAX_FIRST_LINE - len(beginning)]
    first_line = beginning.partition(b"\n")[0].decode("utf-8-sig", "replace").strip()
    return File(name=name, size=size, first_line=first_line)
