"""Hypothesis strategies for vendor responses: real ones, mutated ones, any JSON, and any bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any

from hypothesis import strategies as st

from airflow_provider_importstatus.protocol.messages import Response
from airflow_provider_importstatus.status import ImportState, ImportStatus, RowCounts, StageStatus

from ..vendors import SAMPLES
from .playing import NOW

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18, max_value=10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        ["", " ", "SUCCESS", "processed", "SUCCEEDED", "PARTIAL_SUCCESS", "FAILED", "3", "9" * 5000]
    )
    | st.sampled_from(
        ["now", "2021-09-28", "P1D", "2021-01-01/2022-01-01", "12:00", "0001-01-01T00:00:00+14:00", "202127:"]
    )
    | st.text("\x00\x1b[m\ud83d\udc4d\r\n ü%5C0\\u/", max_size=20)
)
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
statuses = st.sampled_from([200, 200, 200, 200, 201, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503])
any_statuses = statuses | st.integers(min_value=100, max_value=999)
headers = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "location"]),
    st.text(max_size=40) | st.integers().map(str) | st.just("Wed, 21 Oct 2026 07:28:00 GMT"),
    max_size=2,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the path to each part of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*path, key))


def with_other(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """Return the JSON value with the part at this path replaced, or removed for `...`."""
    if not path:
        return other
    changed = copy.deepcopy(value)
    holder = changed
    for key in path[:-1]:
        holder = holder[key]
    if other is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = other
    return changed


@st.composite
def mutations(draw: st.DrawFn, answer: dict[str, Any]) -> dict[str, Any]:
    """Draw a response with one part removed or replaced."""
    for _ in range(draw(st.integers(min_value=0, max_value=2))):
        path = draw(st.sampled_from([path for path in places(answer) if path]))
        answer = with_other(answer, path, draw(json_values | st.just(...)))
        if not answer:
            break
    return answer


@st.composite
def torn(draw: st.DrawFn, body: bytes) -> bytes:
    """Draw the bytes truncated, with others inserted, or repeated."""
    at = draw(st.integers(min_value=0, max_value=len(body)))
    return draw(st.sampled_from([body[:at], body[:at] + draw(st.binary(max_size=4)) + body[at:], body * 2]))


def bodies(answers: tuple[dict[str, Any], ...]) -> st.SearchStrategy[bytes]:
    true = st.sampled_from(answers)
    mutated = true.flatmap(mutations).map(encoded)
    return mutated | mutated | true.map(encoded).flatmap(torn) | json_values.map(encoded) | st.binary()


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def responses(draw: st.DrawFn, answers: tuple[dict[str, Any], ...]) -> list[Response]:
    """Draw a sequence of responses, of which the last is repeated."""
    count = draw(st.integers(min_value=1, max_value=3))
    return [
        Response(draw(any_statuses), draw(headers), draw(bodies(answers)), received_at=NOW)
        for _ in range(count)
    ]


secrets = st.text(
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+/=!$&:"\\', min_size=6, max_size=40
).map("Zq".__add__)


@st.composite
def echoes(draw: st.DrawFn, answers: tuple[dict[str, Any], ...], echoed: list[str]) -> list[Response]:
    """Draw responses with one of these texts somewhere in them and any status."""
    given = []
    for _ in range(draw(st.integers(min_value=1, max_value=3))):
        before = "x" * draw(st.sampled_from([0, 1, 60, 90, 150, 190, 480, 495]))
        text = before + draw(st.sampled_from(echoed)) + draw(st.sampled_from(["", "y"]))
        answer = draw(st.sampled_from(answers))
        path = draw(st.sampled_from(list(places(answer))))
        other = draw(st.sampled_from([text, text, [text], {text: 1}, {"message": text}]))
        body = encoded(with_other(answer, path, other))
        spoilt = [text.encode(), body.replace(b"/", b"\\/"), b"<html>" + body]
        headers = draw(st.sampled_from([{}, {"content-type": text}]))
        body = draw(st.sampled_from([body, body, body, *spoilt]))
        given.append(Response(draw(statuses), headers, body, received_at=NOW))
    return given


texts = st.text(max_size=30) | st.text("😀ü\x00\ud800ab", max_size=600)
instants = st.none() | st.datetimes(timezones=st.just(UTC))
counts = st.none() | st.integers(min_value=0, max_value=2**63 - 1)
states = st.sampled_from(ImportState)
import_statuses = st.builds(
    ImportStatus,
    vendor=st.sampled_from(sorted(SAMPLES)),
    import_id=st.text(min_size=1, max_size=500) | st.just("😀" * 500),
    state=states,
    vendor_state=texts,
    rows=st.builds(RowCounts, counts, counts, counts, counts),
    progress=st.none() | st.floats(min_value=0, max_value=1),
    messages=st.lists(texts, max_size=25).map(tuple) | texts.map(lambda text: (text,) * 25),
    stages=st.lists(
        st.builds(
            StageStatus, stage=texts, state=states, template=st.none() | texts, message=st.none() | texts
        ),
        max_size=5,
    ).map(lambda stages: tuple(stages) * 12),
    started_at=instants,
    finished_at=instants,
)
