"""The sandbox's answers to descriptions with other expressions: what is played is what the hook reads."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_importstatus.exceptions import ImportSettingsError
from airflow_provider_importstatus.hooks.described import read_answer
from airflow_provider_importstatus.protocol.description import parse_description
from airflow_provider_importstatus.sandbox import UsageError
from airflow_provider_importstatus.sandbox.described_answers import AnswerBook, Facts
from airflow_provider_importstatus.sandbox.scenario import Phase
from airflow_provider_importstatus.sandbox.vendors.described import described_vendor

from ..hooks.strategies import with_other
from ..vendors.described import DOCUMENT

EXPRESSIONS = st.sampled_from(
    [
        *("a", "a.b[0]", "a[-1]", "a[1:3]", "[0]", "@", "a[*].b", "a[].b", "a.*.b", "{x: a}", "`5`"),
        *("a || b", "a && b", "!a", "a == b", "a < `5`", "a != `0`", "a[?b > `3`]", "length(a[?b].c)"),
        *("length(a)", "sum([a, `1`])", "sum(a[].b)", "not_null(a, b)", "to_number(a)", "join(',', a)"),
        *("keys(@)", "sort(a)", "reverse(a)", "merge(a, b)", "map(&a, b)", "avg(a)", "max([a, b])"),
        *("contains(a, 'x')", "contains(`[1, 2]`, a)", "starts_with(a, 'x')", "job.state", "job.bad"),
    ]
)
#: The keys whose expressions are replaced.
PLACES = [
    *((key,) for key in ("messages", "ok")),
    *(("rows", name) for name in ("total", "succeeded", "failed")),
    *((name, "when") for name in ("unauthorized", "not_found", "unavailable")),
    ("progress", "path"),
    ("state", "path"),
]
FACTS = Facts(succeeded=117, failed=3, done=120, messages=["Line 2: bad"])
UNHARMED = Facts(succeeded=120, done=120)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), EXPRESSIONS), min_size=1, max_size=3))
def test_an_answer_is_read_as_the_state_that_it_plays(changes: list[tuple[Any, str]]) -> None:
    document: Any = copy.deepcopy(DOCUMENT)
    for place, expression in changes:
        document = with_other(document, place, expression)
    try:
        description = parse_description(document)
        impossible = described_vendor(document).scenario_support.impossible
    except (ImportSettingsError, UsageError):
        return
    for phase in {*Phase} - {Phase.ABSENT}:
        if phase.value in impossible:
            continue
        answer = AnswerBook(document).status(phase, FACTS if phase is Phase.PARTIAL else UNHARMED)
        assert read_answer(description, "7", 200, json.dumps(answer).encode()).state == phase.value
