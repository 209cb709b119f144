"""How long a tenant's data is kept: `scripts/retention.py [--tenant SLUG] [--set '{"traces_days": 30}']`.

What the tenant has of its own replaces KEEP_CONVERSATIONS_DAYS, KEEP_TRACES_DAYS, KEEP_USAGE_DAYS and
KEEP_AUDIT_DAYS; null is for ever, and `--set '{}'` goes back to the settings.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.access.identity import Identity
from app.audit import script_identity
from app.retention import Retention
from app.services import Services
from db.repositories import tenants
from rag.errors import GroundworkError, InvalidInputError
from scripts.ingest_commands import services_for


async def change(services: Services, identity: Identity, own: Mapping[str, Any]) -> None:
    """Replace what the tenant has of its own.

    Raises:
        InvalidInputError: It makes no sense.
    """
    Retention.of(services.settings).changed_by(own)
    async with services.database.tenant(identity.tenant_id) as connection:
        await tenants.set_retention(connection, identity.tenant_id, own)
        await services.audit.record(
            identity,
            "tenant.set_retention",
            object_type="tenant",
            object_id=identity.tenant_id,
            details=own,
            connection=connection,
        )


async def run(slug: str, own: Mapping[str, Any] | None) -> Retention:
    """What holds for the tenant, after the change if one was asked for."""
    async with services_for(works=False) as services:
        async with services.database.system() as connection:
            tenant = await tenants.find(connection, slug)
        if tenant is None:
            raise InvalidInputError(f"there is no tenant {slug}")
        if own is not None:
            identity = replace(script_identity(services.default_identity), tenant_id=tenant.id)
            await change(services, identity, own)
        async with services.database.tenant(tenant.id) as connection:
            stored = await tenants.retention(connection, tenant.id)
        return Retention.of(services.settings).changed_by(stored)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise argparse.ArgumentTypeError(f"not JSON: {text}") from exc
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {text}")
    return value


def main() -> int:
    parser = argparse.ArgumentParser(description="Show or change how long a tenant's data is kept.")
    parser.add_argument("--tenant", default="default", metavar="SLUG")
    parser.add_argument("--set", type=_object, help='a JSON object, such as {"traces_days": 30}')
    arguments = parser.parse_args()
    try:
        kept = asyncio.run(run(arguments.tenant, arguments.set))
    except GroundworkError as exc:
        print(f"Cannot do that: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, InvalidInputError) else 1
    for name, days in kept.model_dump().items():
        print(f"{name}: {'for ever' if days is None else days}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
