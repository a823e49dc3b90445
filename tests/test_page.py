"""Responses of the page's endpoint for any content of the database."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from airflow_provider_importstatus.ui import query
from airflow_provider_importstatus.ui.query import Filters

GOOD: dict[str, Any] = {
    "vendor": "clear",
    "import_id": "7",
    "state": "partial",
    "vendor_state": "SUCCESS",
    "rows": {"total": 3, "succeeded": 2, "failed": 1, "skipped": 0},
    "progress": 0.5,
    "messages": ["one"],
    "more_messages": 1,
    "stages": [{"stage": "INGESTION", "state": "failed", "template": "t", "message": "m"}],
    "more_stages": 2,
    "started_at": "2026-01-02T03:04:05+00:00",
    "finished_at": "2026-01-02T03:04:06+00:00",
    "polled_at": "2026-01-02T03:04:07+00:00",
    "next_poll_at": "2026-01-02T03:05:07+00:00",
}
INSTANTS = ("started_at", "finished_at", "polled_at", "next_poll_at")
JUNK: list[Any] = [
    *(None, True, 7, -1, 0.5, 1e308, float("nan"), float("inf"), 10**400),
    *("", "tomorrow", "9999-12-31T23:59:59-23:59", "\ud83d", "a\x00b", "<b>"),
    *([], [[]], [None, 7, {}], {}, {"a": {"b": []}}, [{"stage": {}}], [{"stage": "x", "state": 7}]),
    {"total": "many", "failed": True, "skipped": [1], "succeeded": -5},
]


def shown(value: Any) -> dict[str, Any] | None:
    row = SimpleNamespace(
        value=value,
        dag_id="d",
        run_id="r",
        task_id="t",
        map_index=-1,
        state="success",
        start_date=None,
        end_date=None,
    )
    return query.as_json(row)


def is_well_typed(one: dict[str, Any]) -> bool:
    """Return whether the page can show it without checking any types."""
    texts = [one["vendor"], one["import_id"], one["state"], one["vendor_state"], *one["messages"]]
    counts = [one["more_messages"], one["more_stages"], *(n for n in one["rows"].values() if n is not None)]
    for stage in one["stages"]:
        texts += [stage["stage"], stage["state"]]
        texts += [text for text in (stage["template"], stage["message"]) if text is not None]
    return (
        all(isinstance(text, str) for text in texts)
        and all(type(count) is int and 0 <= count < 2**53 for count in counts)
        and (one["progress"] is None or 0 <= one["progress"] <= 1)
        and all(one[name] is None or one[name].startswith("2026-01-02T03:0") for name in INSTANTS)
    )


def test_a_status_is_shown_unchanged() -> None:
    one = shown(GOOD)
    assert one
    assert {name: one[name] for name in GOOD} == GOOD


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_a_malformed_field_is_blank(field: str, junk: Any) -> None:
    one = shown({**GOOD, field: junk})
    assert one is None or is_well_typed(one)
    # As FastAPI serializes it.
    json.dumps(one, ensure_ascii=False, allow_nan=False).encode()
    assert one is not None or field in ("vendor", "import_id")


@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: repr(junk)[:20])
def test_values_that_are_not_imports_are_not_shown(junk: Any) -> None:
    assert shown(junk) is None
    assert shown({**GOOD, "import_id": [junk]}) is None


@pytest.mark.parametrize("pair", itertools.combinations(("messages", "stages", "rows", "state"), 2))
def test_several_malformed_fields_are_blank(pair: tuple[str, str]) -> None:
    for junk in JUNK:
        one = shown({**GOOD, pair[0]: junk, pair[1]: junk})
        assert one
        assert is_well_typed(one)


TEXTS = ("dag_id", "run_id", "task_id", "vendor", "state", "text")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["\x00", "a\x00b", "\ud83d"], ids=repr)
def test_unstorable_text_is_not_sent_to_the_database(name: str, value: str) -> None:
    filters: dict[str, Any] = {name: value}
    statement = query.page(["d"], Filters(**filters), 1)
    for dialect in (postgresql.dialect(), sqlite.dialect()):  # type: ignore[no-untyped-call]
        compiled = statement.compile(dialect=dialect)
        asked = json.dumps([str(one) for one in compiled.params.values()], ensure_ascii=False)
        assert "\\u0000" not in asked
        asked.encode()
        assert "false" in str(compiled) or "0 = 1" in str(compiled)


def test_unusual_storable_text_is_sent_to_the_database() -> None:
    compiled = query.page(["d"], Filters(vendor="süß 😀"), 1).compile()
    assert "süß 😀" in compiled.params.values()
