"""The progress of a wait on stderr: a live line on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, TextIO
from unicodedata import east_asian_width

from airflow_provider_importstatus.polling.schedule import Wait

__all__ = ["LiveLine", "LogLines", "progress_on"]

#: Width of a terminal that does not say how wide it is.
USUAL_WIDTH = 80
ERASE_LINE = "\r\x1b[K"


def progress_on(stream: TextIO) -> LogLines:
    """Return what shows progress on this stream."""
    # A dumb terminal cannot erase a line.
    is_terminal = stream.isatty() and os.environ.get("TERM") != "dumb"
    return LiveLine(stream) if is_terminal else LogLines(stream)


class LogLines:
    """Progress as log lines: one for each change."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def log(self, level: int, event: Any, /, *args: Any) -> None:
        """Print a log line."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        print(f"{now} {logging.getLevelName(level)} {event % args}", file=self._stream, flush=True)

    def pause(self, wait: Wait, seconds: float) -> None:  # noqa: ARG002 - used by LiveLine
        """Sleep until the next poll."""
        time.sleep(seconds)

    def end(self) -> None:
        """Leave the stream ready for other output."""


class LiveLine(LogLines):
    """Progress as one line that is drawn again each second, below warnings."""

    def log(self, level: int, event: Any, /, *args: Any) -> None:
        """Print a warning above the line; the line itself shows everything else."""
        if level >= logging.WARNING:
            self.end()
            super().log(level, event, *args)

    def pause(self, wait: Wait, seconds: float) -> None:
        """Draw the line until the next poll."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0:
            line = describe_wait(wait, time.time(), left)
            self._write(ERASE_LINE + _cut(line, self._width() - 1))
            time.sleep(min(left, 1.0))

    def end(self) -> None:
        """Erase the line."""
        self._write(ERASE_LINE)

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or USUAL_WIDTH
        except OSError:
            return USUAL_WIDTH


def _cut(text: str, columns: int) -> str:
    """Return as much of the text as fits: of a line that wraps, a terminal erases only the last part."""
    widths = accumulate(2 if east_asian_width(character) in "FW" else 1 for character in text)
    return text[: sum(width <= columns for width in widths)]


def describe_wait(wait: Wait, now: float, next_poll_in: float) -> str:
    """Return the live line; what matters most comes first, since narrow terminals cut it."""
    status = wait.last
    state = f"{status.state} ({status.vendor_state})" if status else "no state yet"
    facts = [f"{_clock(now - wait.first_poll_at)} {state}", f"next poll in {next_poll_in:.0f} s"]
    if status:
        facts += [] if status.progress is None else [f"{100 * status.progress:.0f} %"]
        facts += [str(status.rows)] if str(status.rows) else []
    facts += [f"the latest poll failed: {wait.last_error}"] if wait.last_error else []
    return ", ".join(facts)


def _clock(seconds: float) -> str:
    minutes, second = divmod(max(int(seconds), 0), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
