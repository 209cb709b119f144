"""Backups of the embedded database: what comes back, and what is refused."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from app.services import Services, open_services
from app.settings import Settings
from db.addresses import Login
from db.backup import Manifest, create_backup, restore_backup, verify_backup
from db.backup.manifest import MANIFEST, KeptFile, write_manifest
from db.embedded import embedded_postgres
from db.pool import connect
from rag.errors import InvalidInputError, UnavailableError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SourceLabels
from scripts.backup import main, try_out

HANDBOOK = {
    "leave.md": "# Leave\n\nUp to five vacation days can be carried over to the next year.\n",
    "parking.md": "# Parking\n\nA parking space costs 40 euros a month.\n",
    "salaries.md": "# Salaries\n\nSalaries are paid on the 25th of each month.\n",
}
QUESTIONS = (
    "How many vacation days can be carried over?",
    "What does a parking space cost?",
    "When is payday?",
)

# All that keeps tenants and roles apart, and all that a search is fast by.
PROTECTION = """
SELECT format('owner %s', pg_get_userbyid(datdba)) FROM pg_database WHERE datname = current_database()
UNION ALL SELECT format('schema %s', nspacl) FROM pg_namespace WHERE nspname = 'public'
UNION ALL SELECT format('%s %s %s %s %s %s', relname, relkind, pg_get_userbyid(relowner), relrowsecurity,
                        relforcerowsecurity, relacl) FROM pg_class WHERE relnamespace = 'public'::regnamespace
UNION ALL SELECT format('%s %s %s %s %s %s', tablename, policyname, roles, cmd, qual, with_check)
    FROM pg_policies
UNION ALL SELECT format('role %s %s %s %s %s', rolname, rolsuper, rolbypassrls, rolcanlogin, rolinherit)
    FROM pg_roles WHERE rolname LIKE 'groundwork%'
UNION ALL SELECT format('%s in %s', member::regrole, roleid::regrole) FROM pg_auth_members
UNION ALL SELECT format('%s %s %s', oid::regprocedure, prosecdef, proacl) FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT format('%s at %s', sequencename, last_value) FROM pg_sequences
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the service says: hits of each question, and the tenant's documents."""

    found: list[list[tuple[UUID, str, float | None]]]
    sources: list[str]


@dataclass(frozen=True, slots=True)
class Kept:
    """A data folder, its backup, and what the service said and was made of when it was made."""

    data_dir: Path
    folder: Path
    manifest: Manifest
    answers: Answers
    protection: list[str]


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="groundwork-backup-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as another user, who must get in
        yield Path(folder)


@pytest.fixture(scope="module")
async def kept(scratch: Path, local_models: LocalModels) -> Kept:
    data_dir = scratch / "data"
    async with serving(data_dir, local_models) as services:
        for name, text in HANDBOOK.items():
            await take_in(services, scratch / name, text)
        await services.artifacts.write("reports/june.json", b"{}", "application/json")
        answers, protection = await ask(services), await protection_of(data_dir)
        manifest = await create_backup(data_dir, scratch / "backup")
        await take_in(services, scratch / "later.md", "# Later\n\nWritten after the backup.\n")
        assert await ask(services) != answers
    return Kept(data_dir, scratch / "backup", manifest, answers, protection)


@asynccontextmanager
async def serving(data_dir: Path, local_models: LocalModels) -> AsyncIterator[Services]:
    settings = Settings(_env_file=None, data_dir=data_dir, sample_documents=False)
    async with open_services(settings, local=local_models) as services:
        yield services


async def take_in(services: Services, path: Path, text: str) -> None:
    await asyncio.to_thread(path.write_text, text)
    upload = IncomingFile(path, SourceLabels(path.name), filename=path.name)
    await services.ingestor.ingest(services.default_identity.writer(), upload)


async def ask(services: Services) -> Answers:
    scope = services.default_identity.scope()
    found = [await services.spaces.retrieve(question, scope, top_k=3) for question in QUESTIONS]
    async with services.database.tenant(scope.tenant_id) as connection:
        rows = await connection.fetch("SELECT source_document_id FROM source_documents ORDER BY 1")
    hits = [
        [(hit.passage.chunk_id, hit.passage.text, hit.vector_score) for hit in retrieval.passages]
        for retrieval in found
    ]
    return Answers(hits, [row["source_document_id"] for row in rows])


async def protection_of(data_dir: Path) -> list[str]:
    async with embedded_postgres(data_dir) as address:
        connection = await connect(Login(address.admin_dsn("groundwork")))
        try:
            return [row[0] for row in await connection.fetch(PROTECTION)]
        finally:
            await connection.close()


async def test_what_was_there_at_the_backup_comes_back_with_its_walls_and_answers_the_same(
    kept: Kept, scratch: Path, local_models: LocalModels
) -> None:
    await restore_backup(kept.folder, scratch / "restored")
    assert await protection_of(scratch / "restored") == kept.protection
    assert any("leave" in text.lower() for hits in kept.answers.found for _, text, _ in hits)
    async with serving(scratch / "restored", local_models) as services:
        assert await ask(services) == kept.answers
        assert await services.artifacts.read("reports/june.json") == b"{}"
        async with services.database.tenant(UUID(int=1)) as connection:
            assert await connection.fetchval("SELECT count(*) FROM documents") == 0, "another tenant"
        await take_in(services, scratch / "next.md", "# Next\n\nNumbers go on after the restored ones.\n")


@pytest.mark.slow
async def test_a_restore_that_fails_leaves_an_empty_folder_for_the_next_try(
    kept: Kept, scratch: Path
) -> None:
    broken = shutil.copytree(kept.folder, scratch / "broken")
    write_manifest(broken, replace(kept.manifest, rows=dict(kept.manifest.rows) | {"documents": 4}))
    target = scratch / "second_try"
    with pytest.raises(UnavailableError, match="other rows than were kept came back in documents"):
        await restore_backup(broken, target)
    assert not (target / "artifacts").exists()
    assert await try_out(kept.folder) == kept.manifest
    await restore_backup(kept.folder, target)
    with pytest.raises(InvalidInputError, match="has files"):
        await restore_backup(kept.folder, target)
    shutil.rmtree(target / "artifacts")
    with pytest.raises(InvalidInputError, match="has a database"):
        await restore_backup(kept.folder, target)


def cut_off(folder: Path) -> None:
    path = max((folder / "database").iterdir(), key=lambda path: path.stat().st_size)
    path.write_bytes(path.read_bytes()[:-1])


def alter(folder: Path) -> None:
    path = folder / "database" / "toc.dat"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


def lose_rows(folder: Path) -> None:
    manifest = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(manifest.replace('"documents": 3', '"documents": 2'))


def unfinish(folder: Path) -> None:
    (folder / MANIFEST).unlink()


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (cut_off, r"bytes instead of"),
        (alter, r"toc\.dat was altered"),
        (lambda folder: (folder / "artifacts/reports/june.json").unlink(), r"june\.json is missing"),
        (lambda folder: (folder / "extra").touch(), r"extra was added"),
        (lose_rows, r"backup\.json was altered"),
        (lambda folder: (folder / MANIFEST).write_text('{"format": 1'), r"backup\.json is damaged"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), r"backup\.json is damaged"),
        (unfinish, r"no backup, or an unfinished one"),
    ],
)
def test_a_damaged_backup_is_told(
    kept: Kept, tmp_path: Path, harm: Callable[[Path], None], complaint: str
) -> None:
    copy = shutil.copytree(kept.folder, tmp_path / "copy")
    assert verify_backup(copy) == kept.manifest
    harm(copy)
    with pytest.raises(InvalidInputError, match=complaint):
        verify_backup(copy)


async def test_nothing_is_restored_of_a_backup_of_a_newer_release(kept: Kept, tmp_path: Path) -> None:
    copy = shutil.copytree(kept.folder, tmp_path / "copy")
    for newer in (replace(kept.manifest, revision="9999"), replace(kept.manifest, postgres=99)):
        write_manifest(copy, newer)
        with pytest.raises(InvalidInputError, match=r"9999|Postgres 99"):
            await restore_backup(copy, tmp_path / "target")
    assert not (tmp_path / "target").exists()


async def test_a_backup_is_a_new_folder_of_a_database_that_is_there(kept: Kept, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="exists"):
        await create_backup(kept.data_dir, kept.folder)
    with pytest.raises(InvalidInputError, match="no embedded database"):
        await create_backup(tmp_path, tmp_path / "backup")
    assert not any((tmp_path / name).exists() for name in ("backup", "postgres"))


def test_the_command_says_what_a_backup_holds_and_how_it_is_damaged(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["backup.py", "verify", str(kept.folder)])
    assert main() == 0
    assert f"schema {kept.manifest.revision}, " in capsys.readouterr().out
    copy = shutil.copytree(kept.folder, tmp_path / "copy")
    unfinish(copy)
    monkeypatch.setattr(sys, "argv", ["backup.py", "verify", str(copy)])
    assert main() == 2
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/groundwork")
    monkeypatch.setattr(sys, "argv", ["backup.py", "create", str(tmp_path / "new")])
    assert main() == 2
    assert "by its own means" in capsys.readouterr().err


def test_sizes_and_checksums_are_of_the_files(kept: Kept) -> None:
    assert kept.manifest.files["artifacts/reports/june.json"] == KeptFile(
        2, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    )
    assert kept.manifest.rows["documents"] == len(HANDBOOK)
