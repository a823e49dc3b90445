"""An answer costs what is kept of it, not what a vendor sends."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import pytest

from airflow_provider_importstatus.exceptions import ImportProtocolError, ImportStatusError
from airflow_provider_importstatus.protocol import json_body
from airflow_provider_importstatus.protocol.messages import Response
from airflow_provider_importstatus.status import ImportState, ImportStatus, StageStatus
from airflow_provider_importstatus.transports.body import MAX_BODY

from ..vendors import SAMPLES
from ..vendors.samples import Vendor
from .playing import NOW
from .test_properties import poll

MIB = 1024 * 1024
PACKAGE = "airflow_provider_importstatus."

#: What a hostile vendor repeats.
ITEMS = {
    "objects": "{}",
    "empty texts": '""',
    "lists": "[]",
    "nulls": "null",
    "numbers": "1",
    "texts": '"line 12: the column GSTIN is missing"',
    "links": json.dumps("see https://a.example/b?sig=1 and //c.example/d?token=%2F " * 8),
    "escapes": json.dumps("%2B\\u002B&amp;" * 35),
    "activities": json.dumps({"stage": "http://a?b " * 50, "errorMessage": "%25" * 200, "status": "SUCCESS"}),
}
#: One text as long as the answer.
TEXTS = {
    "links": "http://a?b ",
    "escaped slashes": "http:\\/\\/",
    "brackets": "{",
    "percents": "%25",
    "backslashes": "\\",
    "escape sequences": "\x1b[",
    "at signs": "https://@",
    "blanks": " ",
}
ANYWHERE = ("%s", "<html>%s")


def listed(item: str, size: int) -> str:
    return f"[{','.join([item] * (size // (len(item) + 1)))}]"


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the calls of this package's functions, and the characters that it redacts."""
    work: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_globals.get("__name__", "").startswith(PACKAGE):
            name = frame.f_code.co_name
            work[name] += 1
            work["json_body.parse"] += frame.f_code is json_body.parse.__code__
            if name == "_redact":
                work["characters"] += len(frame.f_locals["text"])

    sys.setprofile(count)
    try:
        yield work
    finally:
        sys.setprofile(None)


def end_of(vendor: Vendor, body: str, status: int = 200) -> tuple[Any, Counter[str]]:
    response = Response(status, {}, body.encode(), received_at=NOW)
    response.parse()
    end: Any
    with counted() as work:
        try:
            end = poll(vendor, [response])
        except ImportStatusError as error:
            end = error
    return end, work


def assert_bounded(work: Counter[str]) -> None:
    assert work["clean_text"] <= 400
    assert work["characters"] <= 500_000
    assert work["_redact_word"] <= 200_000
    assert work["_unescaped"] <= 200_000
    # A list of 100,000 items is read to its end, a longer one is refused.
    assert work["items"] <= 110_000
    assert work["_activity_state"] <= 110_000


every_vendor = pytest.mark.parametrize("vendor", SAMPLES)


@every_vendor
@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_a_list_of_one_mebibyte_is_cheap(vendor: str, item: str) -> None:
    for place in (*SAMPLES[vendor].hostile, *ANYWHERE):
        assert_bounded(end_of(SAMPLES[vendor], place % listed(item, MIB))[1])


@every_vendor
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_text_of_one_mebibyte_is_cheap(vendor: str, text: str) -> None:
    for place in (*SAMPLES[vendor].hostile, *ANYWHERE):
        for status in (200, 500):
            body = place % json.dumps(text * (MIB // len(text)))
            assert_bounded(end_of(SAMPLES[vendor], body, status)[1])


@every_vendor
@pytest.mark.parametrize("item", ["{}", '""', ITEMS["links"]], ids=["objects", "texts", "links"])
def test_the_largest_response_is_cheap(vendor: str, item: str) -> None:
    for place in SAMPLES[vendor].hostile:
        assert_bounded(end_of(SAMPLES[vendor], place % listed(item, MAX_BODY - 200))[1])


@every_vendor
def test_a_response_is_parsed_once(vendor: str) -> None:
    for answer in SAMPLES[vendor].answers:
        response = Response(200, {}, json.dumps(answer).encode())
        with counted() as work, suppress(ImportStatusError):
            poll(SAMPLES[vendor], [response])
        assert work["json_body.parse"] == 1


def clear_with(activities: list[Any], **result: Any) -> str:
    return json.dumps(
        {
            "success": True,
            "result": {"workflowStatus": "SUCCESS", "activityStatusList": activities, **result},
        }
    )


def clear(*args: Any, **result: Any) -> ImportStatus:
    end = end_of(SAMPLES["clear"], clear_with(*args, **result))[0]
    assert isinstance(end, ImportStatus)
    return end


GOOD = {"stage": "INGESTION", "status": "SUCCESS"}


def test_the_last_of_many_activities_decides_the_state() -> None:
    assert clear([GOOD] * 90_000).state is ImportState.SUCCEEDED
    assert clear([GOOD] * 90_000 + [{"status": "PARTIAL_SUCCESS"}]).state is ImportState.PARTIAL


def test_omitted_activities_and_messages_are_counted() -> None:
    said = [{**GOOD, "errorMessage": why} for why in ["no", None, "NA", ""] * 1000]
    status = clear(said, message="in all")
    assert (len(status.stages), status.more_stages) == (50, 3950)
    assert (len(status.messages), status.more_messages) == (20, 981)


@pytest.mark.parametrize(
    ("messages", "more"),
    [
        pytest.param(["bad"] * 20, 0, id="20"),
        pytest.param(["bad"] * 60_000, 59_980, id="60,000"),
        pytest.param([["bad", None, ["", "NA", ["worse"]]]] * 1000, 1980, id="nested"),
        pytest.param([{"line": 1}] * 1000, 980, id="objects"),
        pytest.param([None] * 1000 + ["bad"] * 30, 10, id="nothing first"),
    ],
)
def test_omitted_messages_are_counted(messages: list[Any], more: int) -> None:
    body = json.dumps({"result": {"status": "processed", "messages": messages}})
    status = end_of(SAMPLES["tao_advance"], body)[0]
    assert (len(status.messages), status.more_messages) == (20, more)


@pytest.mark.parametrize(
    ("vendor", "place"),
    [
        *(("clear", place) for place in SAMPLES["clear"].hostile[:2]),
        ("tao_advance", SAMPLES["tao_advance"].hostile[0]),
    ],
)
def test_an_oversized_list_is_a_protocol_error(vendor: str, place: str) -> None:
    end, _ = end_of(SAMPLES[vendor], place % listed("1" if "activity" not in place else "{}", MIB))
    assert (type(end), end.retryable) == (ImportProtocolError, True)


def test_a_body_with_too_many_brackets_is_not_parsed() -> None:
    with counted() as work:
        assert json_body.parse(f'{{"a": {listed("{}", MAX_BODY)}}}'.encode()) is None
    assert work["_all_pairs"] == 0


def test_a_roster_with_fifty_thousand_faulty_lines_is_read() -> None:
    """The wait must end with the failed import and its many messages, not with a protocol error."""
    messages = [f"line {number}: column 'e-mail' [3] has no @ in it, {{given}}" for number in range(50_000)]
    body = json.dumps({"result": {"status": "failed", "fileLine": 50_000, "messages": messages}})
    assert len(body) < MAX_BODY
    status = end_of(SAMPLES["tao_advance"], body)[0]
    assert (status.state, status.more_messages) == (ImportState.FAILED, 49_980)


def test_truncating_the_largest_status_is_cheap() -> None:
    texts = ("😀" * 500,) * 20
    stages = tuple(StageStatus("😀" * 500, ImportState.FAILED, "😀" * 500, "😀" * 500) for _ in range(50))
    status = ImportStatus("clear", "1", ImportState.FAILED, "X", messages=texts, stages=stages)
    with counted() as work:
        status.within()
    assert work["to_dict"] == 1


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_error_of_one_mebibyte_is_cheap(text: str) -> None:
    with counted() as work:
        ImportProtocolError(text * (MIB // len(text)))
    assert_bounded(work)
