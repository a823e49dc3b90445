"""The endpoint of the Imports page, and its static files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, ReadableXComFilterDep, requires_access_dag
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response, status
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from airflow_provider_importstatus.ui import query
from airflow_provider_importstatus.ui.query import PAGE_SIZE, Filters

__all__ = ["router"]

#: Maximum page number: databases cannot handle much larger offsets.
MAX_PAGE = 1_000_000

router = APIRouter()
router.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))


@router.get("/imports")
def imports(
    request: Request,
    user: GetUserDep,
    session: SessionDep,
    readable: ReadableXComFilterDep,
    filters: Annotated[Filters, Depends()],
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> Response:
    """Return one page of the imports that the user may see, their total number, and the filters' options."""
    pairs = session.execute(readable.to_orm(query.dags_and_vendors())).all()
    dag_ids = {dag_id for dag_id in {dag_id for dag_id, _ in pairs} if _may_read(request, user, dag_id)}
    if pairs and not dag_ids:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "You do not have permission to read XComs.")
    rows = session.execute(query.page(dag_ids, filters, page))
    content = {
        "imports": [found for row in rows if (found := query.as_json(row))],
        "total": session.scalar(query.count(dag_ids, filters)),
        "page_size": PAGE_SIZE,
        "dag_ids": sorted(dag_ids),
        "vendors": sorted(
            # Other operators may have written other types, which cannot be sorted.
            {vendor for dag_id, vendor in pairs if dag_id in dag_ids and vendor and isinstance(vendor, str)}
        ),
    }
    return _unless_unchanged(request, JSONResponse(content))


def _may_read(request: Request, user: GetUserDep, dag_id: str) -> bool:
    # DAG by DAG: users with permissions on single DAGs may lack those on all DAGs.
    try:
        requires_access_dag("GET", DagAccessEntity.XCOM, dag_id)(request, user)
    except HTTPException as error:
        if error.status_code != status.HTTP_403_FORBIDDEN:
            raise
        return False
    return True


def _unless_unchanged(request: Request, response: Response) -> Response:
    """Return the response, or 304 Not Modified if the browser has it already."""
    etag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization"}
    if request.headers.get("If-None-Match") == etag:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response
