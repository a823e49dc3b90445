"""Hostile texts in the databases of Airflow: XComs with them are stored, and read back as they were."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import JSON, Column, Engine, Integer, MetaData, Table, create_engine, insert, select
from sqlalchemy.dialects.postgresql import JSONB

from airflow_provider_importstatus.exceptions import ImportFailedError
from airflow_provider_importstatus.polling.events import write_event
from airflow_provider_importstatus.polling.reporting import LatestStatus
from airflow_provider_importstatus.polling.schedule import Finished, GaveUp
from airflow_provider_importstatus.status import ImportState, ImportStatus, StageStatus
from demo.postgres import Postgres
from tests.hostile_texts import HOSTILE, LARGE, params

#: The type of an XCom's value in Airflow 3.
VALUE = JSON().with_variant(JSONB, "postgresql")
table = Table("xcoms", MetaData(), Column("id", Integer, primary_key=True), Column("value", VALUE))


@pytest.fixture(scope="module", params=["PostgreSQL", "SQLite"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Return a database with a table for XComs."""
    if request.param == "SQLite":
        engine = create_engine("sqlite://")
    else:
        server: Postgres = request.getfixturevalue("server")
        engine = create_engine(server.create_database("hostile"))
    table.metadata.create_all(engine)
    yield engine
    engine.dispose()


def values_of(text: str) -> Iterator[dict[str, Any]]:
    """Yield what is stored of an import with the text everywhere: a result, a status, and events."""
    status = ImportStatus(
        vendor="acme",
        import_id=text,
        state=ImportState.FAILED,
        vendor_state=text,
        messages=(text,) * 30,
        stages=(StageStatus(text, ImportState.FAILED, text, text),) * 60,
        error_reports=(text,),
    )
    yield status.within().to_dict()
    yield LatestStatus(status, 1_800_000_000.0).to_dict()
    yield write_event(Finished(status))
    yield write_event(GaveUp(ImportFailedError(text)))


@pytest.mark.parametrize("text", params(HOSTILE | LARGE))
def test_what_is_stored_is_read_back(engine: Engine, text: str) -> None:
    values = [*values_of(text)]
    with engine.begin() as connection:
        for value in values:
            connection.execute(insert(table).values(value=value))
        rows = connection.scalars(select(table.c.value).order_by(table.c.id.desc()).limit(len(values))).all()
    assert [*reversed(rows)] == values


@pytest.mark.parametrize("text", ["a\x00b", "a\ud83db"], ids=ascii)
def test_postgresql_does_not_store_them_as_they_are_sent(server: Postgres, text: str) -> None:
    """Otherwise the test above would prove nothing."""
    engine = create_engine(server.create_database(f"raw_{text.isascii()}".lower()))
    table.metadata.create_all(engine)
    with pytest.raises(Exception, match=r"\\u0000|surrogate|Unicode"), engine.begin() as connection:
        connection.execute(insert(table).values(value={"text": text}))
    engine.dispose()
