"""An XCom backend that fails for the statuses of one DAG."""

from __future__ import annotations

from typing import Any

from airflow_provider_importstatus.version_compat import is_airflow

if is_airflow(3, 0):
    from airflow.sdk.bases.xcom import BaseXCom
else:
    from airflow.models.xcom import BaseXCom  # type: ignore[no-redef]


class FailingXCom(BaseXCom):
    """Fails to write the statuses of the DAG `unwritable`."""

    @staticmethod
    def serialize_value(value: Any, *, key: str | None = None, dag_id: str | None = None, **more: Any) -> Any:
        if dag_id == "unwritable" and key == "import_status":
            raise ConnectionError("hunter2 at the backend's address")
        return BaseXCom.serialize_value(value, key=key, dag_id=dag_id, **more)
