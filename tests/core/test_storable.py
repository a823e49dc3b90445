from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus import exceptions
from airflow_provider_importstatus.exceptions import (
    ImportProtocolError,
    ImportStatusError,
    ImportUnavailableError,
    error_from_event,
)
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus

from ..hooks.playing import raw

#: Texts that a vendor may send, and what is stored.
TEXTS = [
    pytest.param("a\x00b", "ab", id="NUL"),
    pytest.param("a\ud83db", "a?b", id="lone surrogate"),
    pytest.param("\udcff", "?", id="invalid byte"),
    pytest.param("a\x1b[31mred\x1b[0m", "ared", id="ANSI colours"),
    pytest.param("a\x1b]0;title\x07b", "ab", id="a terminal's title"),
    pytest.param("a\x9b2Jb", "ab", id="8-bit ANSI"),
    pytest.param("a\x1bb", "ab", id="ESC alone"),
    pytest.param("a\r\nb", "a b", id="line break"),
    pytest.param("a\tb\n\nc", "a b c", id="tab and blank line"),
    pytest.param("a\u2028b", "a b", id="line separator"),
    pytest.param("a\x07\x08\x7f\x85b", "a b", id="other control characters"),
    pytest.param("a\u202eb\u2066c\u202c\u2069", "abc", id="text direction"),
    pytest.param("ü 😀 \u200f\u05e9", "ü 😀 \u200f\u05e9", id="ordinary text"),
]
ERRORS = sorted(
    (
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, ImportStatusError)
    ),
    key=lambda kind: kind.__name__,
)
FIELDS = ["vendor", "import_id", "vendor_state", "messages", "stage", "template", "stage message"]

anything = st.text() | st.text("\x00\x1b[0mK\ud83d\udc4d\r\n\t\x85\u2028 aü%\\u?/:@", max_size=700)
steadily = settings(deadline=None, derandomize=True, max_examples=300)


def status_with(field: str, text: str) -> ImportStatus:
    facts: dict[str, Any] = {"vendor": "clear", "import_id": "1", "vendor_state": "X"}
    match field:
        case "messages":
            facts["messages"] = (text,)
        case "stage" | "template" | "stage message":
            named = (
                {"stage": "S", field.removeprefix("stage "): text} if field != "stage" else {"stage": text}
            )
            facts["stages"] = (StageStatus(state=ImportState.FAILED, **named),)
        case _:
            facts[field] = text
    return ImportStatus(state=ImportState.RUNNING, **facts)


def text_in(status: ImportStatus, field: str) -> Any:
    match field:
        case "messages":
            return status.messages[0]
        case "stage" | "template" | "stage message":
            return getattr(status.stages[0], field.removeprefix("stage "))
    return getattr(status, field)


def is_storable(text: str) -> bool:
    return text == text.encode("utf-8", "replace").decode() and not any(
        ord(char) < 32 or 127 <= ord(char) < 160 for char in text
    )


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("sent", "kept"), TEXTS)
def test_a_status_contains_only_storable_texts(field: str, sent: str, kept: str) -> None:
    assert text_in(status_with(field, sent), field) == kept


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("sent", "kept"), TEXTS)
def test_an_error_contains_only_storable_texts(kind: type[ImportStatusError], sent: str, kept: str) -> None:
    assert str(kind(sent)) == kept


@pytest.mark.parametrize("kind", [*ERRORS, exceptions.AirflowSensorTimeout, exceptions.AirflowTaskTimeout])
def test_an_error_from_an_event_contains_only_storable_texts(kind: type[Exception]) -> None:
    assert str(error_from_event(kind.__name__, "a\x00\ud83d\nb")) == "a? b"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_contains_no_signed_url(kind: type[ImportStatusError]) -> None:
    assert str(kind("see https://s3.example/r?X-Amz-Signature=5ig now")) == "see https://s3.example/*** now"


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]
)
def test_an_error_can_be_copied_and_pickled(kind: type[ImportStatusError], duplicate: Any) -> None:
    error = duplicate(kind("it broke"))
    assert (type(error), str(error), error.retryable) == (kind, "it broke", kind("").retryable)


def test_a_copied_error_keeps_its_attributes() -> None:
    unavailable, broken = (
        ImportUnavailableError("busy", 7.0),
        ImportProtocolError("redirect", retryable=False),
    )
    ways: list[Callable[[Any], Any]] = [copy.copy, lambda error: pickle.loads(pickle.dumps(error))]
    for duplicate in ways:
        assert duplicate(unavailable).retry_after == 7.0
        assert duplicate(broken).retryable is False


def test_the_text_of_an_error_has_a_maximum_length() -> None:
    assert len(str(ImportStatusError("x" * 10**6))) <= 10_000


@steadily
@given(text=anything)
def test_an_error_with_any_text_can_be_stored(text: str) -> None:
    error = ImportUnavailableError(text, 5)
    assert is_storable(str(error))
    assert str(pickle.loads(pickle.dumps(error))) == str(copy.copy(error)) == str(error)


@steadily
@given(text=anything, field=st.sampled_from(FIELDS))
def test_a_status_with_any_text_can_be_stored_and_read_back(text: str, field: str) -> None:
    status = status_with(field, text)
    stored = json.dumps(status.to_dict(), ensure_ascii=False)
    assert is_storable(stored)
    assert ImportStatus.from_dict(json.loads(stored)) == status


@pytest.mark.parametrize(
    "junk", ["5\x00", 5.5, True, -1, 2**63, 10**400, [], float("nan")], ids=lambda junk: repr(junk)[:10]
)
def test_an_invalid_row_count_becomes_none(junk: Any) -> None:
    """The serialization of trigger events rejects numbers beyond 64 bits."""
    assert RowCounts(junk, junk, junk, junk) == RowCounts()


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -0.1, 1.1, "half", True], ids=repr)
def test_an_invalid_progress_becomes_none(junk: Any) -> None:
    """PostgreSQL's JSON has no NaN."""
    assert ImportStatus("clear", "1", ImportState.RUNNING, "X", progress=junk).progress is None


@pytest.mark.parametrize("junk", ["soon", "202127:", 5, []], ids=repr)
def test_an_invalid_stored_timestamp_becomes_none(junk: Any) -> None:
    stored = {"vendor": "clear", "import_id": "1", "state": "running", "started_at": junk}
    assert ImportStatus.from_dict(stored).started_at is None


@pytest.mark.parametrize("nothing", ["NA", "na", " N/A ", "null", "NULL", "", " ", "\x00"], ids=repr)
def test_placeholder_texts_are_not_messages(nothing: str) -> None:
    status = ImportStatus("clear", "1", ImportState.FAILED, "X", messages=(nothing, "NAN", "why"))
    assert (status.messages, status.more_messages) == (("NAN", "why"), 0)


@pytest.mark.parametrize("header", ["\udce9t\udce9", "text/html\x00\x1b[31m\r\nX: 1"], ids=ascii)
def test_a_quoted_header_is_storable(header: str) -> None:
    from airflow_provider_importstatus.protocol.responses import read_json

    with pytest.raises(ImportProtocolError) as caught:
        read_json(raw("<html>", content_type=header), "the status")
    assert is_storable(str(caught.value))


def test_a_utf_16_page_is_quoted_legibly() -> None:
    assert raw("<html>down".encode("utf-16")).excerpt().endswith("<html>down")


def test_a_secret_in_utf_16_is_redacted() -> None:
    from dataclasses import replace

    answer = replace(raw("you said Zq-secret".encode("utf-16")), secrets=("Zq-secret",))
    assert "Zq-secret" not in answer.excerpt()
