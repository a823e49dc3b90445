"""Auth manager of the tests' Airflow, imported by its processes."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

__all__ = ["AUDITOR", "NEWCOMER", "READABLE", "READER", "SingleDags"]

#: May see single DAGs, but not "all DAGs".
READER = "reader"
READABLE = frozenset({"fleet_07", "readable"})
#: May see no DAG yet.
NEWCOMER = "newcomer"
#: May see all DAGs and no XCom.
AUDITOR = "auditor"


class SingleDags(SimpleAuthManager):
    """Airflow's simple auth manager, with users who have fewer permissions than a viewer."""

    def get_fastapi_middlewares(self) -> list[Any]:
        """Do not treat every user with a token as an administrator."""
        return []

    def is_authorized_dag(
        self,
        *,
        user: SimpleAuthManagerUser,
        access_entity: DagAccessEntity | None = None,
        details: DagDetails | None = None,
        **asked: Any,
    ) -> bool:
        """Deny what these users may not see."""
        dag_id = details.id if details else None
        is_refused = {
            READER: dag_id not in READABLE,
            NEWCOMER: True,
            AUDITOR: access_entity is DagAccessEntity.XCOM,
        }.get(user.username, False)
        return not is_refused and super().is_authorized_dag(
            user=user, access_entity=access_entity, details=details, **asked
        )
