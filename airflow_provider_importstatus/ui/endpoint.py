"""What the Imports page reads: one list of the imports that the viewer may see, and the page's files."""

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

#: No database counts much further than this times a page's size.
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
    """Answer one page of imports, how many there are, and what the filters may be set to."""
    kinds = session.execute(readable.to_orm(query.dags_and_vendors())).all()
    dag_ids = {dag_id for dag_id in {dag_id for dag_id, _ in kinds} if _may_read(request, user, dag_id)}
    if kinds and not dag_ids:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "You may not read XComs.")
    rows = session.execute(query.page(dag_ids, filters, page))
    answer = {
        "imports": [found for row in rows if (found := query.as_json(row))],
        "total": session.scalar(query.count(dag_ids, filters)),
        "page_size": PAGE_SIZE,
        "dag_ids": sorted(dag_ids),
        "vendors": sorted(
            # Another operator may have written anything: a number, say, which does not sort among texts.
            {vendor for dag_id, vendor in kinds if dag_id in dag_ids and vendor and isinstance(vendor, str)}
        ),
    }
    return _unless_known(request, JSONResponse(answer))


def _may_read(request: Request, user: GetUserDep, dag_id: str) -> bool:
    # DAG by DAG: who has rights on single DAGs may be refused "all DAGs", and not only keys are told here.
    try:
        requires_access_dag("GET", DagAccessEntity.XCOM, dag_id)(request, user)
    except HTTPException as refusal:
        if refusal.status_code != status.HTTP_403_FORBIDDEN:
            raise
        return False
    return True


def _unless_known(request: Request, answer: Response) -> Response:
    """The answer, or a short one where the browser has the same already."""
    etag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization"}
    if request.headers.get("If-None-Match") == etag:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    answer.headers.update(headers)
    return answer
