import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.services import Services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from db.repositories import tenants
from rag.ingest import IncomingFile
from rag.ports import SearchScope, SourceLabels
from tests.integration.conftest import settings_for
from tests.integration.scripts.programs import run_script

SUBJECTS = ["vacation days", "coffee", "parking", "salaries", "laptops", "visitors", "printers", "heating"]
NAMES = ["qurbex", "vontil", "zamrik", "pludan", "trevok", "hasmol", "dilfen", "gorpas", "wexlin", "nistor"]
QUESTIONS = [
    (f"What does rule {name} say of {SUBJECTS[n % 8]}?", f"{name}.txt") for n, name in enumerate(NAMES, 3)
]
WORDS_ALONE = {"fusion": "convex", "vector_weight": 0.0, "k1": 1.5, "b": 0.5}
VECTORS_ALONE = WORDS_ALONE | {"vector_weight": 1.0}


@pytest.fixture(scope="module")
async def corpus(services: Services) -> Services:
    """Documents whose rare names tell them apart; each question speaks of another one's subject."""
    for number, name in enumerate(NAMES):
        text = (
            f"Rule {name} is the one that the office has for {SUBJECTS[number % 8]}, since {1990 + number}."
        )
        labels = SourceLabels(f"{name}.txt", title=name, acl=("hr",) if name == "nistor" else None)
        await services.ingestor.ingest(services.default_identity.writer(), IncomingFile(text, labels))
    return services


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return write(tmp_path, [{"query": query, "relevant": [name]} for query, name in QUESTIONS])


def write(folder: Path, questions: Sequence[object]) -> Path:
    path = folder / "judged.jsonl"
    path.write_text("\n".join(map(json.dumps, questions)), encoding="utf-8")
    return path


@pytest.fixture
def environment(logins: DatabaseLogins) -> dict[str, str]:
    fields = settings_for(logins).model_dump(
        include={name for name in Settings.model_fields if "url" in name}
    )
    urls = {name.upper(): url.get_secret_value() for name, url in fields.items() if url}
    return urls | {"MIGRATE_ON_START": "false"}


class Tuner:
    """The script on the module's database, and the settings of the tenant that it works on."""

    def __init__(
        self, environment: dict[str, str], folder: Path, database: Database, tenant_id: UUID
    ) -> None:
        self._environment = environment
        self._folder = folder
        self._database = database
        self._tenant_id = tenant_id

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run_script("tune_retrieval.py", *arguments, folder=self._folder, environment=self._environment)

    async def settings(self) -> dict[str, Any]:
        async with self._database.tenant(self._tenant_id) as connection:
            return await tenants.retrieval(connection, self._tenant_id)

    async def set(self, settings: dict[str, Any]) -> None:
        async with self._database.tenant(self._tenant_id) as connection:
            await tenants.set_retrieval(connection, self._tenant_id, settings)


@pytest.fixture
def tuner(
    corpus: Services, environment: dict[str, str], tmp_path: Path, database: Database, tenant_id: UUID
) -> Tuner:
    return Tuner(environment, tmp_path, database, tenant_id)


async def answered(services: Services) -> int:
    """How many of the questions find their document first."""
    scope = SearchScope(services.default_identity.tenant_id)
    found = [(await services.spaces.retrieve(query, scope)).passages[0] for query, _ in QUESTIONS]
    names = [best.passage.source_document_id for best in found]
    return sum(best == name for best, (_, name) in zip(names, QUESTIONS, strict=True))


async def test_a_better_fusion_is_recommended_and_changes_nothing_until_it_is_applied(
    tuner: Tuner, judged: Path, corpus: Services
) -> None:
    await tuner.set(VECTORS_ALONE)
    before = await answered(corpus)

    shown = tuner(judged)
    assert shown.returncode == 0, shown.stderr
    assert "Recommended: " in shown.stdout
    assert "current                           convex 1.00" in shown.stdout
    assert await tuner.settings() == VECTORS_ALONE

    applied = tuner(judged, "--apply")
    assert applied.returncode == 0, applied.stderr
    assert applied.stdout.startswith(shown.stdout), "the same seed, the same result"
    settings = await tuner.settings()
    assert settings["vector_weight"] < 1
    assert (settings["k1"], settings["b"]) == (1.5, 0.5)
    assert f"Set {settings['fusion']} {settings['vector_weight']:.2f} for default." in applied.stdout
    assert await answered(corpus) > before


async def test_what_is_not_recommended_is_applied_by_force_alone(tuner: Tuner, judged: Path) -> None:
    await tuner.set(WORDS_ALONE)
    refused = tuner(judged, "--apply")
    assert refused.returncode == 1
    assert "No change is recommended" in refused.stdout
    assert await tuner.settings() == WORDS_ALONE
    forced = tuner(judged, "--apply", "--force", "--metric", "recall@5", "--folds", "3", "--seed", "7")
    assert forced.returncode == 0, forced.stderr
    assert "Set convex 0.00 for default." in forced.stdout
    assert "recall@5" in forced.stdout


async def test_documents_with_an_access_list_are_judged_for_their_groups(tuner: Tuner, judged: Path) -> None:
    without = tuner(judged, "--metric", "recall@5").stdout
    assert "9 questions; 1 unknown ids, such as 'nistor.txt'; 1 questions left out" in without
    assert "10 questions\n" in tuner(judged, "--metric", "recall@5", "--group", "hr").stdout


async def test_ids_of_nothing_are_counted_and_left_out(tuner: Tuner, tmp_path: Path) -> None:
    questions = [{"query": query, "relevant": [name, f"old-{name}"]} for query, name in QUESTIONS[:6]]
    result = tuner(write(tmp_path, [*questions, {"query": "x", "relevant": ["gone"]}]))
    assert result.returncode == 0, result.stderr
    assert "6 questions; 7 unknown ids, such as 'gone'; 1 questions left out" in result.stdout
    nothing = tuner(write(tmp_path, [{"query": "x", "relevant": ["gone"]}]))
    assert (nothing.returncode, nothing.stderr.strip()) == (2, "Cannot tune: no question has a known id")


ONE = '{"query": "x", "relevant": ["qurbex.txt"]}'


@pytest.mark.parametrize(
    ("content", "arguments", "code", "said"),
    [
        ('{"query": "x"}', [], 2, "line 1: relevant: Field required"),
        ("", [], 2, "has no questions"),
        (ONE, [], 2, "1 questions can't be divided into 5 folds"),
        (ONE, ["--tenant", "nobody"], 1, "no tenant 'nobody'"),
        ("", ["--metric", "map@10"], 2, "'map@10' is no metric"),
        ("", ["--seed", "-1"], 2, "not a whole number"),
    ],
)
async def test_what_is_wrong_is_named(
    tuner: Tuner, tmp_path: Path, *, content: str, arguments: list[str], code: int, said: str
) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_text(content, encoding="utf-8")
    result = tuner(path, *arguments)
    assert said in result.stderr
    assert result.returncode == code
    assert "Traceback" not in result.stderr


async def test_settings_that_nobody_understands_are_named(tuner: Tuner, judged: Path) -> None:
    await tuner.set({"fusion": "magic"})
    result = tuner(judged)
    assert "the tenant's retrieval settings are wrong: 'magic'" in result.stderr
    assert result.returncode == 2
    await tuner.set({})
