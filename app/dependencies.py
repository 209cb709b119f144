"""What routes ask for."""

from typing import Annotated, cast

from fastapi import Depends, Request

from app.access.identity import Identity
from app.services import Services


def _services(request: Request) -> Services:
    return cast("Services", request.state.services)


def _identity(services: "ServicesDep") -> Identity:
    return services.default_identity


def _request_id(request: Request) -> str:
    return cast("str", request.state.request_id)


ServicesDep = Annotated[Services, Depends(_services)]
IdentityDep = Annotated[Identity, Depends(_identity)]
RequestIdDep = Annotated[str, Depends(_request_id)]
