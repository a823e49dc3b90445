"""What PostgreSQL does for a request: the queries that the API server sends, and the rows that each reads."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine

from demo.postgres import Postgres

__all__ = ["log_statements", "rows_read", "statements"]

#: Tables with content of DAGs.
TABLES = {"task_instance", "xcom", "dag_run", "task_reschedule"}
_OF_A_TABLE = re.compile(rf"FROM ({'|'.join(sorted(TABLES))})\b")
_STATEMENT = re.compile(r"LOG:  statement: (.*?)(?=\n\S|\Z)", re.DOTALL)


def log_statements(engine: Engine) -> None:
    """Have PostgreSQL log all statements, with their values."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for setting in ("log_statement = 'all'", "log_line_prefix = ''"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting}")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
        while connection.exec_driver_sql("SHOW log_statement").scalar() != "all":
            time.sleep(0.05)


def statements(database: Postgres, position: int) -> list[str]:
    """Return the queries of the content of DAGs that were logged since a position in the log."""
    text = (database.home / "postgres.log").read_bytes()[position:].decode()
    found = [one.replace("\n\t", "\n") for one in _STATEMENT.findall(text)]
    return [one for one in found if one.startswith("SELECT") and _OF_A_TABLE.search(one)]


def rows_read(engine: Engine, statement: str) -> dict[str, int]:
    """Return how many rows a query reads of each table, those it discards included."""
    with engine.connect() as connection:
        # Without parameters, % is not a placeholder.
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}")
        [[[plan]]] = cursor.fetchall()
    rows: Counter[str] = Counter()
    for node in _nodes(plan["Plan"]):
        if (table := node.get("Relation Name")) in TABLES:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows[table] += round((node["Actual Rows"] + removed) * node["Actual Loops"])
    return dict(rows)


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
