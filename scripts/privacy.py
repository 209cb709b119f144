"""Exports, erasures and keys of sealed texts: `scripts/privacy.py export|erase|rotate|new-key`.

Works beside a running server: both use the same database and queue. Exit code 1 if it failed, 2 for wrong
usage.
"""

import argparse
import asyncio
import base64
import json
import secrets
import sys
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from app.access.identity import Identity
from app.audit import script_identity
from app.privacy.jobs import PrivacyKind
from app.privacy.person import Person
from app.services import Services, open_services
from app.settings import Settings
from db.repositories import tenants
from db.repositories.jobs import Job, JobState
from observability.logs import configure_logs
from rag.encryption.wrapping import KEY_BYTES
from rag.errors import GroundworkError, NotFoundError


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What is held about users.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    export = commands.add_parser("export", help="write all that is held about a subject to a file")
    erase = commands.add_parser("erase", help="erase all that is held about a subject, and report")
    rotate = commands.add_parser("rotate", help="seal from now on by a new key; old ones stay readable")
    commands.add_parser("new-key", help="print a random key for FIELD_ENCRYPTION_KEY")
    for command in (export, erase):
        command.add_argument("subject", help="as it stands with traces, such as key:<id>:<user_id>")
        command.add_argument(
            "--across-keys", action="store_true", help="SUBJECT is a user_id, under whichever key"
        )
    export.add_argument("output", type=Path)
    for command in (export, erase, rotate):
        command.add_argument("--tenant", default="default", metavar="SLUG")
    return parser.parse_args()


async def run(arguments: argparse.Namespace) -> bool:
    """Whether it worked."""
    async with open_services(Settings(sample_documents=False)) as services:
        tenant_id = await _tenant(services, arguments.tenant)
        if arguments.command == "rotate":
            version = await services.privacy.keys.rotate(tenant_id)
            await _note(services, tenant_id, "data_key.rotate", str(version))
            print(f"version {version} of the key seals from now on; other processes follow in minutes")
            return True
        person = Person(arguments.subject, arguments.across_keys)
        if arguments.command == "erase":
            return await _erase(services, tenant_id, person)
        return await _export(services, tenant_id, person, arguments.output)


async def _tenant(services: Services, slug: str) -> UUID:
    async with services.database.system() as connection:
        tenant = await tenants.find(connection, slug)
    if tenant is None:
        raise NotFoundError(f"there is no tenant {slug}")
    return tenant.id


async def _work_off(services: Services, tenant_id: UUID, kind: PrivacyKind, person: Person) -> Job:
    job = await services.privacy.jobs.submit(tenant_id, kind, person)
    action = "erasure.create" if kind is PrivacyKind.ERASE else "export.create"
    await _note(services, tenant_id, action, str(job.id))
    return await services.queue.until_ended(tenant_id, job)


async def _note(services: Services, tenant_id: UUID, action: str, object_id: str) -> None:
    identity = script_identity(Identity(tenant_id))
    object_type = action.partition(".")[0]
    await services.audit.record(identity, action, object_type=object_type, object_id=object_id)


async def _erase(services: Services, tenant_id: UUID, person: Person) -> bool:
    job = await _work_off(services, tenant_id, PrivacyKind.ERASE, person)
    print(json.dumps(job.result or {"error": job.error}, indent=2))
    return job.state is JobState.SUCCEEDED


async def _export(services: Services, tenant_id: UUID, person: Person, output: Path) -> bool:
    job = await _work_off(services, tenant_id, PrivacyKind.EXPORT, person)
    if job.state is not JobState.SUCCEEDED or job.result is None:
        print(f"failed: {job.error}", file=sys.stderr)
        return False
    with output.open("wb") as file:
        for number in range(1, job.result["parts"] + 1):
            data = await services.privacy.files.part(tenant_id, job.id, number)
            await asyncio.to_thread(file.write, data)
    print(json.dumps(job.result["rows"], indent=2))
    return True


def main() -> int:
    arguments = parse_arguments()
    if arguments.command == "new-key":
        print(base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode())
        return 0
    configure_logs(level="WARNING")
    try:
        worked = asyncio.run(run(arguments))
    except (ValidationError, GroundworkError, OSError) as exc:
        print(f"failed: {exc}", file=sys.stderr)
        return 1
    return 0 if worked else 1


if __name__ == "__main__":
    sys.exit(main())
