"""What routes ask for."""

from dataclasses import dataclass
from typing import Annotated, Any, cast

import structlog
from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from app.access.identity import Identity
from app.access.roles import Permission
from app.services import Services
from rag.errors import ForbiddenError


def _services(request: Request) -> Services:
    return cast("Services", request.state.services)


def _request_id(request: Request) -> str:
    return cast("str", request.state.request_id)


ServicesDep = Annotated[Services, Depends(_services)]
RequestIdDep = Annotated[str, Depends(_request_id)]


# How the OpenAPI document describes the other header that a key may stand in.
KEY_HEADER = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key."}


@dataclass(frozen=True, slots=True)
class Requirement(SecurityBase):
    """Finds out who asks, and lets them on if they may do that and have not had their share."""

    permission: Permission

    # For the OpenAPI document.
    model = HTTPBearer(description="An API key, or a token of the OpenID Connect issuer.")
    scheme_name = "bearer"

    async def __call__(self, request: Request, services: ServicesDep) -> Identity:
        # With authentication, a middleware has found it out before the body was read.
        identity: Identity | None = getattr(request.state, "caller", None)
        if identity is None:
            identity = await services.authenticator.identify(request.headers)
        request.state.identity = identity  # whoever is refused below is known to the audit log
        structlog.contextvars.bind_contextvars(tenant=str(identity.tenant_id))
        if not identity.may(self.permission):
            raise ForbiddenError(f"the role {identity.role} lacks the permission {self.permission}")
        admission = await services.limits.admit(identity, f"{request.method} {request.url.path}")
        request.state.admission = admission  # for the headers of the response, a refusal's too
        admission.check()
        return identity


def requires(permission: Permission) -> Any:
    """Who asks, if they may do that: for a route's parameter `identity: Annotated[Identity, ...]`."""
    return Depends(Requirement(permission))
