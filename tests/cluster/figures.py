"""What the waits of a cluster cost, as lines to print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from statistics import median, quantiles

from .conftest import Cluster

#: The tables with the most writes are printed.
MOST_WRITTEN = 8


class Meter:
    """Measures what a cluster does from now on."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._before = self._read()

    def lines(self, waits: int) -> Iterator[str]:
        """Return what was used since the last call: CPU seconds by process, and rows written by table."""
        now = self._read()
        cpu, rows, database = (_minus(after, before) for after, before in zip(now, self._before, strict=True))
        self._before = now
        total = sum(cpu.values())
        yield f"  CPU: {total:.0f} s, {total / waits:.2f} s a wait ({_listed(cpu)})"
        written = dict(sorted(rows.items(), key=lambda row: row[1], reverse=True)[:MOST_WRITTEN])
        yield f"  rows inserted and updated: {sum(rows.values()):.0f} ({_listed(written)})"
        yield f"  {_listed(database)}"

    def _read(self) -> tuple[dict[str, float], ...]:
        rows = self._cluster.query("SELECT relname, n_tup_ins + n_tup_upd FROM pg_stat_user_tables")
        ((commits, rollbacks),) = self._cluster.query(
            "SELECT xact_commit, xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )
        return self._cluster.cpu(), dict(rows), {"transactions": commits, "rolled back": rollbacks}


def spread(name: str, seconds: Iterable[float]) -> str:
    """Return a line with the median of some durations, the 95th percentile and the longest."""
    sample = sorted(seconds)
    if len(sample) < 2:
        return f"  {name}: {len(sample)} waits"
    most = quantiles(sample, n=20, method="inclusive")[-1]
    facts = {"median": median(sample), "95th percentile": most, "longest": sample[-1]}
    listed = ", ".join(f"{fact} {value:.1f} s" for fact, value in facts.items())
    return f"  {name}: {len(sample)} waits, {listed}"


def _minus(after: Mapping[str, float], before: Mapping[str, float]) -> dict[str, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _listed(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.0f}" for name, value in numbers.items())
