"""What happened in one request."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.access.identity import Identity
from app.access.roles import Permission
from app.audit import audited
from app.dependencies import ServicesDep, requires
from app.field_types import Text
from app.schemas.traces import TraceOut

router = APIRouter(tags=["traces"])

RequestId = Annotated[Text, Path(min_length=1, max_length=128)]


@router.get("/traces/{request_id}", dependencies=[audited("trace.read", object_type="request")])
async def show_trace(
    request_id: RequestId,
    services: ServicesDep,
    identity: Annotated[Identity, requires(Permission.READ_TRACES)],
    *,
    replay: bool = False,
) -> TraceOut:
    """The whole story of a request of your tenant: `primary_cause` says what went wrong, if anything did.

    `replay` searches today's documents again for what the search had missed.
    """
    return await services.explainer.explain(identity, request_id, replay=replay)
