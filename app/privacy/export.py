"""All that is held about a person, as JSON Lines: one object `{"table": …, "row": …}` a line."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO
from uuid import UUID

from app.privacy.field_keys import FieldKeys
from app.privacy.person import Person
from app.privacy.sealed import key_versions, unsealed_row
from app.worker import Report
from db.pool import Database
from db.repositories import catalogue, jobs, subjects
from db.repositories.jobs import Claim, JobState
from db.repositories.subjects import Names
from rag.artifacts import Artifacts
from rag.encryption.sealing import Place, versions_of

PART_BYTES = 8_000_000  # of records in memory at a time
JSON_LINES = "application/x-ndjson"
MANIFEST = "manifest.json"


async def names_of(database: Database, tenant_id: UUID, person: Person) -> Names:
    """What the person is called in the tenant's tables."""
    if not person.across_keys:
        return Names((person.subject,))
    async with database.tenant(tenant_id) as connection:
        tables = await catalogue.tables(connection)
        return await subjects.names_of_user(connection, tenant_id, tables, person.subject)


class ExportFiles:
    """Where exports lie: `exports/<tenant>/<job>/`, a manifest and numbered parts, sealed if fields are."""

    def __init__(self, artifacts: Artifacts, keys: FieldKeys) -> None:
        self._artifacts = artifacts
        self._keys = keys

    async def add_part(self, tenant_id: UUID, job_id: UUID, number: int, data: str) -> None:
        ring = await self._keys.ring(tenant_id)
        sealed = ring.seal(_place(job_id, number), data) or ""
        await self._artifacts.write(_part(tenant_id, job_id, number), sealed.encode(), JSON_LINES)

    async def finish(self, tenant_id: UUID, job_id: UUID, manifest: Mapping[str, Any]) -> None:
        data = json.dumps(manifest, indent=2, ensure_ascii=False).encode()
        await self._artifacts.write(f"{_folder(tenant_id, job_id)}{MANIFEST}", data, "application/json")

    async def part(self, tenant_id: UUID, job_id: UUID, number: int) -> bytes:
        """The records of one part.

        Raises:
            NotFoundError: The export is gone.
            UnavailableError: It can't be read now.
        """
        stored = (await self._artifacts.read(_part(tenant_id, job_id, number))).decode()
        ring = await self._keys.ring(tenant_id, reading=versions_of([stored]))
        return (ring.unseal(_place(job_id, number), stored) or "").encode()

    async def people(self, tenant_id: UUID) -> AsyncIterator[tuple[UUID, Person]]:
        """The tenant's finished exports: their jobs, and whom they are about."""
        for name in await self._artifacts.names(f"exports/{tenant_id}/"):
            if name.endswith(f"/{MANIFEST}"):
                manifest = json.loads(await self._artifacts.read(name))
                yield UUID(name.split("/")[2]), Person.of(manifest)

    async def job_ids(self, tenant_id: UUID) -> set[UUID]:
        """Jobs that have written anything."""
        names = await self._artifacts.names(f"exports/{tenant_id}/")
        return {UUID(name.split("/")[2]) for name in names}

    async def delete(self, tenant_id: UUID, job_id: UUID) -> int:
        """Delete all that the job wrote, the manifest last, by which it is found; how many files."""
        names = await self._artifacts.names(_folder(tenant_id, job_id))
        for name in sorted(names, key=lambda name: name.endswith(MANIFEST)):
            await self._artifacts.delete(name)
        return len(names)


@dataclass(slots=True)
class _Writing:
    """An export that is being written."""

    files: ExportFiles
    claim: Claim
    parts: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    lines: list[str] = field(default_factory=list)
    size: int = 0
    rows: Counter[str] = field(default_factory=Counter)

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        line = json.dumps({"table": table, "row": row}, ensure_ascii=False) + "\n"
        self.lines.append(line)
        self.size += len(line)
        self.rows[table] += 1

    async def flush(self) -> None:
        data = "".join(self.lines)
        if data:
            self.parts += 1
            self.digest.update(data.encode())
            await self.files.add_part(self.claim.tenant_id, self.claim.id, self.parts, data)
        self.lines, self.size = [], 0


class ExportHandler:
    """`app.worker.Handler` of the kind "export".

    Args:
        database: What to read.
        files: Where to write it.
        keys: Open what is sealed.
    """

    def __init__(self, database: Database, files: ExportFiles, keys: FieldKeys) -> None:
        self._database = database
        self._files = files
        self._keys = keys

    async def __call__(self, claim: Claim, report: Report) -> None:
        """Read everything, write it down, and end the job."""
        person = Person.of(claim.payload)
        await self._files.delete(claim.tenant_id, claim.id)  # what an earlier attempt left
        writing = _Writing(self._files, claim)
        with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
            ring = await self._keys.ring(
                claim.tenant_id, reading=await self._spool(claim.tenant_id, person, spool)
            )
            spool.seek(0)
            for line in spool:
                table, row = json.loads(line)
                if writing.size >= PART_BYTES:
                    await report({"rows": writing.rows.total()})  # raises once the job is not ours any more
                    await writing.flush()
                writing.add(table, unsealed_row(ring, table, row))
            await report({"rows": writing.rows.total()})
            await writing.flush()
        manifest = {
            **person.payload,
            "made_at": datetime.now(UTC).isoformat(),
            "rows": dict(writing.rows),
            "parts": writing.parts,
            "sha256": writing.digest.hexdigest(),
        }
        await self._files.finish(claim.tenant_id, claim.id, manifest)
        async with self._database.tenant(claim.tenant_id) as connection:
            await jobs.end(connection, claim, JobState.SUCCEEDED, result=manifest)

    async def _spool(self, tenant_id: UUID, person: Person, spool: TextIO) -> set[int]:
        """Write the rows down as they are stored; the keys that open them.

        So no connection waits for KMS or the artifacts' store.
        """
        names = await names_of(self._database, tenant_id, person)
        versions: set[int] = set()
        async with self._database.tenant(tenant_id) as connection:
            tables = await catalogue.tables(connection)
            for table in subjects.held_tables(tables):
                async for batch in subjects.read_held(connection, tenant_id, tables, table, names):
                    versions |= key_versions(table.name, batch)
                    spool.writelines(json.dumps((table.name, row)) + "\n" for row in batch)
        return versions


def _folder(tenant_id: UUID, job_id: UUID) -> str:
    return f"exports/{tenant_id}/{job_id}/"


def _part(tenant_id: UUID, job_id: UUID, number: int) -> str:
    return f"{_folder(tenant_id, job_id)}records-{number:05}.jsonl"


def _place(job_id: UUID, number: int) -> Place:
    return Place("exports", "records", f"{job_id}:{number}")
