"""Curated answers of the caller's tenant."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response, status

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import RequestAuditDep, audited
from app.cursors import read_cursor, write_cursor
from app.dependencies import ServicesDep, requires
from app.privacy.export import JSON_LINES
from app.schemas.curated import CuratedChanges, CuratedOut, CuratedPage, NewCurated
from eval.cases import write_cases

router = APIRouter(prefix="/admin/curated", tags=["admin"])

CuratorDep = Annotated[Identity, requires(Permission.CURATE)]


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[audited("curated.create")])
async def pin_answer(
    new: NewCurated, services: ServicesDep, identity: CuratorDep, audit: RequestAuditDep
) -> CuratedOut:
    """Pin an answer to a question: `POST /chat` gives it, with `curated: true`, to all that mean the same."""
    row = await services.curated.create(identity.writer(), new.to_fields(), note=audit.enter)
    return CuratedOut.model_validate(row)


@router.get("")
async def list_curated(
    services: ServicesDep,
    identity: CuratorDep,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> CuratedPage:
    """In the order of their making; those for groups that you are not in are left out."""
    after = read_cursor(cursor) if cursor else None
    found = await services.curated.page(identity.writer(), limit=limit + 1, after=after)
    shown = found[:limit]
    return CuratedPage(
        curated=[CuratedOut.model_validate(row) for row in shown],
        next_cursor=write_cursor(shown[-1].created_at, shown[-1].id) if len(found) > limit else None,
    )


@router.get(
    "/export",
    response_class=Response,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def export_curated(services: ServicesDep, identity: CuratorDep) -> Response:
    """Those that are switched on as an evaluation set, a case a line: what the documents should answer."""
    cases = await services.curated.cases(identity.writer())
    return Response(write_cases(cases), media_type=JSON_LINES)


@router.get("/{curated_id}")
async def get_curated(curated_id: UUID, services: ServicesDep, identity: CuratorDep) -> CuratedOut:
    return CuratedOut.model_validate(await services.curated.get(identity.writer(), curated_id))


@router.patch("/{curated_id}", dependencies=[audited("curated.change")])
async def change_curated(
    curated_id: UUID,
    changes: CuratedChanges,
    services: ServicesDep,
    identity: CuratorDep,
    audit: RequestAuditDep,
) -> CuratedOut:
    """Change some of its fields. It counts here at once, on other replicas within two seconds."""
    row = await services.curated.change(identity.writer(), curated_id, changes.to_changes(), note=audit.enter)
    return CuratedOut.model_validate(row)


@router.delete(
    "/{curated_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[audited("curated.delete")]
)
async def delete_curated(
    curated_id: UUID, services: ServicesDep, identity: CuratorDep, audit: RequestAuditDep
) -> None:
    """Delete it: the documents answer its question again."""
    await services.curated.delete(identity.writer(), curated_id, note=audit.enter)
