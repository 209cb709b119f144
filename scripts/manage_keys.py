"""Make tenants and API keys from the service's own machine, the first ones too: `scripts/manage_keys.py`."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from pydantic import ValidationError

from app.access.api_keys import KeyRequest
from app.access.identity import Identity
from app.access.roles import Role
from app.audit import script_identity
from app.schemas.keys import NewKeyRequest, RotateRequest
from app.schemas.tenants import NewTenantRequest
from app.services import Services
from app.setting_problems import SettingsError
from db.repositories import tenants
from db.repositories.api_keys import ApiKey
from rag.errors import GroundworkError, InvalidInputError
from scripts.ingest_commands import services_for

LISTED = 1000
Command: TypeAlias = Callable[[Services, argparse.Namespace], Awaitable[list[str]]]


async def create_tenant(services: Services, arguments: argparse.Namespace) -> list[str]:
    new = NewTenantRequest(slug=arguments.slug, name=arguments.name or arguments.slug)
    created = await services.tenants.create(slug=new.slug, name=new.name)
    caller = _operator(services, created.id)
    await services.audit.record(caller, "tenant.create", object_type="tenant", object_id=created.id)
    return [f"{created.slug}: {created.id}"]


async def create(services: Services, arguments: argparse.Namespace) -> list[str]:
    days = arguments.expires_days
    new = NewKeyRequest(
        name=arguments.name,
        role=arguments.role,
        groups=arguments.group,
        expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
    )
    caller = await _operator_of(services, arguments.tenant)
    wanted = KeyRequest(new.name, new.role, tuple(new.groups), new.expires_at)
    issued = await services.keys.create(caller, wanted)
    await _enter(services, "key.create", issued.key)
    return [_line(issued.key), issued.secret]


async def show(services: Services, arguments: argparse.Namespace) -> list[str]:
    caller = await _operator_of(services, arguments.tenant)
    return [_line(key) for key in await services.keys.page(caller, limit=LISTED)]


async def rotate(services: Services, arguments: argparse.Namespace) -> list[str]:
    overlap = RotateRequest(overlap_s=arguments.overlap_s).overlap_s
    caller = _operator(services, services.default_identity.tenant_id)
    issued = await services.keys.rotate(caller, arguments.key_id, overlap=timedelta(seconds=overlap))
    await _enter(services, "key.rotate", issued.key)
    return [_line(issued.key), issued.secret]


async def revoke(services: Services, arguments: argparse.Namespace) -> list[str]:
    caller = _operator(services, services.default_identity.tenant_id)
    revoked = await services.keys.revoke(caller, arguments.key_id)
    await _enter(services, "key.revoke", revoked)
    return [_line(revoked)]


async def _operator_of(services: Services, slug: str) -> Identity:
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise InvalidInputError(f"there is no tenant {slug}")
    return _operator(services, tenant.id)


def _operator(services: Services, tenant_id: UUID) -> Identity:
    identity = script_identity(services.default_identity)
    return replace(identity, tenant_id=tenant_id, role=Role.OPERATOR)


async def _enter(services: Services, action: str, key: ApiKey) -> None:
    caller = _operator(services, key.tenant_id)
    await services.audit.record(caller, action, object_type="key", object_id=key.id)


def _line(key: ApiKey) -> str:
    now = datetime.now(UTC)
    ended = key.revoked_at or (key.expires_at if key.expires_at and key.expires_at <= now else None)
    groups = f" ({', '.join(key.groups)})" if key.groups else ""
    state = f", ended {ended:%Y-%m-%d}" if ended else ""
    return f"{key.id} gw_{key.prefix}_… {key.role}{groups}: {key.name}{state}"


def parser() -> argparse.ArgumentParser:
    every = argparse.ArgumentParser(description=__doc__)
    commands = every.add_subparsers(required=True, metavar="COMMAND")
    made = _command(commands, "create-tenant", create_tenant, "Make a tenant.")
    made.add_argument("slug")
    made.add_argument("--name")
    made = _command(commands, "create", create, "Make a key, and print it this once.")
    made.add_argument("--tenant", default="default", metavar="SLUG")
    made.add_argument("--name", required=True, help="what it is for")
    made.add_argument("--role", type=Role, choices=list(Role), default=Role.ADMIN)
    made.add_argument("--group", action="append", default=[], help="may be given several times")
    made.add_argument("--expires-days", type=int, metavar="DAYS")
    _command(commands, "list", show, "List a tenant's keys.").add_argument("--tenant", default="default")
    made = _command(commands, "rotate", rotate, "Give a key a new secret, and print it this once.")
    made.add_argument("key_id", type=UUID)
    made.add_argument("--overlap-s", type=int, default=86_400, help="how long the old one stays good")
    _command(commands, "revoke", revoke, "Revoke a key.").add_argument("key_id", type=UUID)
    return every


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, run: Command, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


async def run(arguments: argparse.Namespace) -> list[str]:
    async with services_for(works=False) as services:
        lines: list[str] = await arguments.run(services, arguments)
        return lines


def main() -> int:
    try:
        for line in asyncio.run(run(parser().parse_args())):
            print(line)
    except (GroundworkError, ValidationError) as exc:
        print(f"Cannot do that: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
