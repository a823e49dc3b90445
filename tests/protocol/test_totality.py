"""Parsing any value in a response raises nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.protocol.responses import parse_count, parse_timestamp

from ..hooks.playing import raw
from ..hooks.strategies import json_values

often = settings(deadline=None, derandomize=True, max_examples=1500)

DATES = [
    "2021-09-28T13:09:25Z",
    "2021-09-28T13:09:25.123456+02:00",
    "20210928T130925",
    "2021-W39-2",
    "2021-271",
    "2021-09",
    "202127:",
]


@st.composite
def mutated_dates(draw: st.DrawFn) -> str:
    """Draw a date with a few characters removed, repeated or replaced."""
    text = draw(st.sampled_from(DATES))
    for _ in range(draw(st.integers(min_value=0, max_value=4))):
        at = draw(st.integers(min_value=0, max_value=len(text)))
        other = draw(st.text("0123456789-:TWZ+./P ", max_size=2))
        text = text[:at] + other + text[at + draw(st.integers(min_value=0, max_value=3)) :]
    return text


@pytest.mark.parametrize(
    "text", ["202127:", "2021-W", "2021-W99-9", "0000-00-00", "2021-09-28T99", "9" * 10**6]
)
def test_an_invalid_date_is_none(text: str) -> None:
    assert parse_timestamp(text) is None


@often
@given(text=mutated_dates())
@example("202127:")
def test_a_mutated_date_is_parsed_or_none(text: str) -> None:
    assert parse_timestamp(text) is None or isinstance(parse_timestamp(text), datetime)


@often
@given(value=json_values)
def test_any_json_value_is_parsed_or_none(value: Any) -> None:
    assert parse_timestamp(value) is None or isinstance(parse_timestamp(value), datetime)
    count = parse_count(value)
    assert count is None or count >= 0


@often
@given(header=st.text(max_size=40) | mutated_dates() | st.text("0123456789 ,:GMTWedOct+-", max_size=40))
def test_any_retry_after_is_positive_or_none(header: str) -> None:
    seconds = raw("", 503, retry_after=header).retry_after
    assert seconds is None or seconds > 0
