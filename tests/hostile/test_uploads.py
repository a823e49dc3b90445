"""Names of files that are submitted: in log lines, and in the form that goes to the vendor."""

from __future__ import annotations

import logging
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import cast

import pytest

from airflow_provider_importstatus.clients.storage import StoredFile
from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.protocol.transfers import Upload
from airflow_provider_importstatus.transports import upload
from airflow_provider_importstatus.transports.upload import UploadBody

from ..hostile_texts import HOSTILE, is_line, params


def stored(folder: Path, text: str) -> StoredFile:
    """Return a file whose name has as much of the text as a file system accepts."""
    path = folder / f"{text.replace('/', '').replace(chr(0), '')[:50]}.csv"
    path.write_text("a,b\n" * 100)
    return StoredFile(path)


NAMES = {name: text for name, text in HOSTILE.items() if text == text.encode("utf-8", "replace").decode()}


@pytest.mark.parametrize("text", params(NAMES))
def test_a_file_is_logged_as_one_line_and_sent_as_one_part(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "LOG_INTERVAL", 0.0)
    with (
        caplog.at_level(logging.INFO, upload.__name__),
        UploadBody(Upload(stored(tmp_path, text), "text/csv", "file")) as body,
    ):
        sent = b"".join(iter(lambda: body.read(64), b""))
    lines = [record.getMessage() for record in caplog.records if record.name == upload.__name__]
    assert len(lines) > 1
    assert all(map(is_line, lines))
    form = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + sent)
    (part,) = cast("list[Message]", form.get_payload())
    assert part.keys() == ["Content-Disposition", "Content-Type"]
    assert part["Content-Type"] == "text/csv"
    assert part.get_payload() == "a,b\n" * 100


def test_a_file_whose_name_is_no_text_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ImportSettingsError, match="has a name that is not UTF-8") as caught:
        stored(tmp_path, HOSTILE["an invalid byte"])
    assert is_line(str(caught.value))
