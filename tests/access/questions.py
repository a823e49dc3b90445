"""What can be asked of the page's endpoint: each parameter, each pair of parameters, and single runs."""

from __future__ import annotations

from dataclasses import fields
from itertools import combinations, product
from typing import Any

from airflow_provider_importstatus.ui.query import Filters

from .content import HIDDEN, HIDDEN_RUN, VISIBLE, VISIBLE_RUN

__all__ = ["HIDDEN_OR_MISSING", "QUESTIONS", "RUNS", "SINGLE"]

#: Values of each parameter: the first match visible or hidden imports, others few or none.
VALUES: dict[str, list[Any]] = {
    "days": ["30", "all"],
    "before": [300, 10_001, 0, 2**31 - 1],
    "dag_id": [VISIBLE[0], HIDDEN[0], "missing", "~"],
    "run_id": [f"run_{VISIBLE_RUN}", f"run_{HIDDEN_RUN}", "missing"],
    "task_id": ["wait", "hidden_wait_0", "missing"],
    "map_index": [-1, 7],
    "vendor": ["clear", "thalamus", "missing"],
    "state": ["waiting", "blocked", "failed", "missing"],
    "text": ["visible-1", "hidden", "told", "%", "missing"],
    "page": [2, 10**9],
}
assert set(VALUES) == {field.name for field in fields(Filters)} | {"page"}

#: A value that matches only hidden imports, and one that matches none.
HIDDEN_OR_MISSING: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({name: hidden}, {name: missing})
    for name, hidden, missing in (
        ("dag_id", HIDDEN[0], "missing"),
        ("run_id", f"run_{HIDDEN_RUN}", "missing"),
        ("task_id", "hidden_wait_0", "missing"),
        ("vendor", "thalamus", "missing"),
        ("state", "blocked", "missing"),
        ("text", "hidden", "missing"),
    )
]

#: Each value alone.
SINGLE: list[dict[str, Any]] = [{}, *({name: value} for name, values in VALUES.items() for value in values)]
_MATCHING = {name: values[:2] for name, values in VALUES.items()}
_PAIRS = [
    {one: value, other: another}
    for one, other in combinations(_MATCHING, 2)
    for value, another in product(_MATCHING[one], _MATCHING[other])
]
#: Of a DAG run, the endpoint lists all imports, however old.
RUNS: list[dict[str, Any]] = [
    {"dag_id": dag_id, "run_id": run_id, name: value}
    for dag_id, run_id in product(_MATCHING["dag_id"], _MATCHING["run_id"])
    for name, values in _MATCHING.items()
    for value in values
    if name not in ("dag_id", "run_id")
]
QUESTIONS = [*SINGLE, *_PAIRS, *RUNS]
