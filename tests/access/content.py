"""DAGs and imports in Airflow's database: visible to users with permissions on single DAGs, and hidden."""

from __future__ import annotations

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from sqlalchemy import insert
from sqlalchemy.orm import Session

from airflow_provider_importstatus.status import ImportState
from airflow_provider_importstatus.ui.query import MAX_IMPORTS
from airflow_provider_importstatus.version_compat import is_airflow

from ..page_database import DAG, add_run, add_wait

__all__ = [
    *("HAS_TEAMS", "HIDDEN", "HIDDEN_RUN", "HIDDEN_TEAM", "VISIBLE", "VISIBLE_RUN", "VISIBLE_TEAM"),
    *("add_dags", "add_hidden", "add_visible"),
]

#: DAGs of the user with rights on single DAGs, and of the team; and DAGs of others.
VISIBLE, HIDDEN = ("open_a", "open_b"), ("hidden_a", "hidden_b")
VISIBLE_TEAM, HIDDEN_TEAM = "open_team", "hidden_team"
#: Whether this Airflow's auth managers know teams.
HAS_TEAMS = is_airflow(3, 3)

_ENDS = (ImportState.SUCCEEDED, ImportState.PARTIAL, ImportState.FAILED)
_TASKS_OF_A_RUN = 100


def _visible_run(number: int) -> int:
    return 10 + 10 * number


#: Ids of a run of the first visible DAG, and of the first hidden one.
VISIBLE_RUN = _visible_run(50)
HIDDEN_RUN = VISIBLE_RUN + 2


def add_dags(session: Session) -> None:
    """Add all DAGs, each in the bundle of its team."""
    for team, dag_ids in ((VISIBLE_TEAM, VISIBLE), (HIDDEN_TEAM, HIDDEN)):
        bundle = DagBundleModel(name=f"bundle_of_{team}")
        if HAS_TEAMS:
            bundle.teams = [Team(name=team)]
        session.add(bundle)
        session.flush()
        for dag_id in dag_ids:
            session.execute(insert(DagModel).values(dag_id=dag_id, bundle_name=bundle.name, **DAG))
    session.commit()


def add_visible(session: Session) -> None:
    """Add 75 imports of the visible DAGs: of several vendors, states and ages, some still waited for."""
    for number in range(75):
        run = add_run(session, _visible_run(number), dag_id=VISIBLE[number % 2], due=(75 - number) / 5)
        add_wait(
            session,
            run,
            vendor=("clear", "tao_advance")[number % 2],
            status=ImportState.RUNNING if number % 5 == 0 else _ENDS[number % 3],
            state="deferred" if number % 5 == 0 else "success",
            import_id=f"visible-{number}",
        )
    session.commit()


def add_hidden(session: Session) -> None:
    """Add more imports of the hidden DAGs than the page lists, older and newer than all that are visible."""
    for number in (1, 2, 3, HIDDEN_RUN, HIDDEN_RUN + 1):
        _add_hidden_run(session, number=number, due=14 if number < VISIBLE_RUN else 6, tasks=3)
    newest = _visible_run(1000)
    for number in range(2 * MAX_IMPORTS // _TASKS_OF_A_RUN + 2):
        _add_hidden_run(session, number=newest + number, due=0, tasks=_TASKS_OF_A_RUN)
    session.commit()


def _add_hidden_run(session: Session, *, number: int, due: float, tasks: int) -> None:
    """Add a run with imports of a vendor and a state that no visible import has."""
    run = add_run(session, number, dag_id=HIDDEN[number % 2], due=due)
    # Each second run of each DAG.
    is_waiting = number % 4 < 2
    for task in range(tasks):
        add_wait(
            session,
            run,
            vendor="thalamus",
            status=ImportState.BLOCKED if is_waiting else ImportState.CANCELLED,
            state="deferred" if is_waiting else "failed",
            task_id=f"hidden_wait_{task}",
            import_id=f"hidden-{number}-{task}",
        )
