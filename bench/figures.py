"""Results of the benchmarks, as a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

__all__ = ["Figure", "save", "table"]

MEASURED = (
    "airflow-provider-importstatus",
    "apache-airflow",
    "apache-airflow-providers-http",
    "apache-airflow-providers-databricks",
    "aiohttp",
)
VERDICTS = {None: "", True: "ok", False: "MISSED"}


@dataclass(frozen=True)
class Figure:
    """A measured value and its maximum, if it has one; `beside` has the values of others for comparison."""

    name: str
    value: float
    target: float | None
    unit: str = ""
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_reached(self) -> bool | None:
        """Return whether the target is met, `None` without a target."""
        return None if self.target is None else self.value <= self.target


def table(figures: Iterable[Figure]) -> str:
    """Format the figures as a table."""
    rows: list[Sequence[str]] = [("figure", "measured", "target", "", "beside")]
    for one in figures:
        beside = ", ".join(f"{name} {_number(value)}" for name, value in one.beside.items())
        measured = f"{_number(one.value)} {one.unit}".strip()
        target = "-" if one.target is None else f"<= {_number(one.target)}"
        rows.append((one.name, measured, target, VERDICTS[one.is_reached], beside))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def save(figures: Iterable[Figure], path: Path) -> None:
    """Save the figures as JSON, with the environment they were measured in."""
    data = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in MEASURED},
        "figures": [{**asdict(one), "is_reached": one.is_reached} for one in figures],
    }
    path.write_text(json.dumps(data, indent=2) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
