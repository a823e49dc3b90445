"""The endpoint of the Imports page, and its static files."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from os import stat_result
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.batch_apis import IsAuthorizedDagRequest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import GetUserDep, ReadableXComFilterDep
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response, status
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.orm import Session

from airflow_provider_importstatus.status import ImportState
from airflow_provider_importstatus.ui import query
from airflow_provider_importstatus.ui.query import MAX_IMPORTS, Filters

__all__ = ["router", "serve"]

PAGE_SIZE = 50
#: A filter in place of a state: the imports that a task still waits for.
WAITING = "waiting"
STATES = frozenset(ImportState)
#: What the page shows of a DAG: statuses, and the states and times of the tasks that wait.
SHOWN = (DagAccessEntity.XCOM, DagAccessEntity.TASK_INSTANCE)
REFUSAL = "You do not have permission to read XComs and task instances."

Overviews = tuple[Sequence[Any], Sequence[Any]]

#: Headers of every response. One that a browser opens as a page of its own runs, loads and sends nothing, and
#: none is taken for another type than it says. Airflow's page has its own policy for the script it imports.
HEADERS = (
    (b"content-security-policy", b"default-src 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


class PageFiles(StaticFiles):
    """The files of the page."""

    def lookup_path(self, path: str) -> tuple[str, stat_result | None]:
        """Return the file's path and metadata; the metadata is None if there is no such file."""
        # The Starlette of Airflow 3.1 raises an error for a NUL, and the API server logs it.
        return ("", None) if "\x00" in path else super().lookup_path(path)


router = APIRouter(redirect_slashes=False)
router.mount("/static", PageFiles(directory=Path(__file__).parent / "static"))


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answer a request, with `HEADERS`."""

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *HEADERS]}
        await send(message)

    await router(scope, receive, send_with_headers)


@router.get("/imports")
def imports(
    request: Request,
    user: GetUserDep,
    session: SessionDep,
    readable: ReadableXComFilterDep,
    filters: Annotated[Filters, Depends()],
    page: Annotated[int, Query(ge=1)] = 1,
) -> Response:
    """Return one page of the imports that the user may see, how many there are, and the filters' options."""
    found, options = _visible(session, user, readable.value or set(), filters)
    of_any_state = [row for row in found if _matches(row, filters)]
    chosen = [row for row in of_any_state if filters.state in (None, "", *_states(row))]
    content = {
        "imports": _details(session, sorted(chosen, key=_rank)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]),
        "total": len(chosen),
        "page_size": PAGE_SIZE,
        "states": Counter(state for row in of_any_state for state in _states(row)),
        **_limits(found, filters),
        **_options(options),
    }
    return _unless_unchanged(request, JSONResponse(content))


def _visible(session: Session, user: Any, dag_ids: set[str], filters: Filters) -> Overviews:
    """Return the overviews of the DAGs whose imports the user has permission to see; refuse other users."""
    may_see = _permissions(session, user, dag_ids)
    # Before anything is read: no refusal may depend on which imports there are.
    if dag_ids and not may_see(None):
        dag_ids = set(filter(may_see, dag_ids))
        if not dag_ids:
            raise HTTPException(status.HTTP_403_FORBIDDEN, REFUSAL)
    found, options = _overviews(session, dag_ids, filters)
    if may_see(*{row.dag_id for row in (*found, *options)}):
        return found, options
    # Imports of other DAGs must not count towards the limit either.
    return _overviews(session, set(filter(may_see, dag_ids)), filters)


def _permissions(session: Session, user: Any, dag_ids: set[str]) -> Callable[..., bool]:
    """Return a function that says whether the user may see the imports of all given DAGs.

    `None` stands for DAGs in general, as `~` does in Airflow's API. An auth manager may refuse them to users
    with permissions on single DAGs.
    """
    teams: dict[str | None, str] = dict(row.tuple() for row in session.execute(query.teams(dag_ids)))

    def may_see(*dag_ids: str | None) -> bool:
        asked = [
            IsAuthorizedDagRequest(
                method="GET",
                access_entity=entity,
                details=DagDetails(id=dag_id, team_name=teams.get(dag_id)),
            )
            for dag_id in dag_ids
            for entity in SHOWN
        ]
        return get_auth_manager().batch_is_authorized_dag(asked, user=user)

    return may_see


def _overviews(session: Session, dag_ids: set[str], filters: Filters) -> Overviews:
    """Return the overview that the filters ask for, and the one whose values they may have."""
    found = session.execute(query.overview(dag_ids, filters)).all()
    if not filters.dag_id or filters.is_one_run:
        return found, found
    others = Filters(days=filters.days, before=filters.before)
    return found, session.execute(query.overview(dag_ids, others)).all()


def _matches(row: Any, filters: Filters) -> bool:
    return row.has_text and filters.vendor in (None, "", row.vendor)


def _states(row: Any) -> list[str]:
    """Return the values of the state filter that choose an import."""
    state = row.state if row.state in STATES else ImportState.UNKNOWN
    return [state, WAITING] if row.is_waited_for else [state]


def _rank(row: Any) -> tuple[Any, ...]:
    # By run: the order by any other time would change with each poll.
    return not row.is_waited_for, -row.dag_run_id, row.task_id, row.map_index


def _details(session: Session, rows: Sequence[Any]) -> list[dict[str, Any]]:
    details = {row.id: query.as_json(row) for row in session.execute(query.details([row.id for row in rows]))}
    return [one for row in rows if (one := details.get(row.id))]


def _limits(found: Sequence[Any], filters: Filters) -> dict[str, Any]:
    """Return the limit if it has been reached, and the id of the DAG run that older imports precede."""
    if filters.is_one_run:
        return {"max_imports": None, "older": None}
    runs = [row.dag_run_id for row in found if not row.is_waited_for]
    is_cut = max(len(runs), len(found) - len(runs)) >= MAX_IMPORTS
    older = None
    if len(runs) >= MAX_IMPORTS:
        # The oldest run may have been cut. One that is larger than the limit has a tab of its own.
        older = min(runs) if min(runs) == max(runs) else min(runs) + 1
    return {"max_imports": MAX_IMPORTS if is_cut else None, "older": older}


def _options(found: Sequence[Any]) -> dict[str, Any]:
    # Other operators may have written other types.
    vendors = {row.vendor for row in found if row.vendor and isinstance(row.vendor, str)}
    return {"dag_ids": sorted({row.dag_id for row in found}), "vendors": sorted(vendors)}


def _unless_unchanged(request: Request, response: Response) -> Response:
    """Return the response, or 304 Not Modified if the browser has it already."""
    etag = f'"{hashlib.sha256(bytes(response.body)).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Cookie, Authorization"}
    if request.headers.get("If-None-Match") == etag:
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response
