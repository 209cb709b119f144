"""The commands that export what went wrong and that run a stored request again, against a real service."""

import json
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest

from app.schemas.chat import ChatRequest, ChatResponse
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import DatabaseLogins
from feedback.collect import Rating
from feedback.triage.cases import read_unannotated
from feedback.triage.export import ExportLimits
from rag.errors import InvalidInputError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SourceLabels
from scripts import export_feedback
from tests.integration.conftest import settings_for
from tests.integration.scripts.programs import run_script

PAGES = {
    "backups.md": "# Backups\n\nBackups are kept for 35 days and are encrypted.\n",
    "parking.md": "# Parking\n\nA parking space costs 40 euros a month.\n",
}


@pytest.fixture(scope="module")
async def services(
    logins: DatabaseLogins, local_models: LocalModels, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Services]:
    settings = settings_for(logins, data_dir=tmp_path_factory.mktemp("data"), role="api")
    async with open_services(settings, local=local_models) as opened:
        for name, text in PAGES.items():
            (path := settings.data_dir / name).write_text(text, encoding="utf-8")
            file = IncomingFile(path, SourceLabels(name), filename=name)
            await opened.ingestor.ingest(opened.default_identity.writer(), file)
        yield opened


async def ask(services: Services, question: str) -> ChatResponse:
    run = await services.answerer.begin(
        services.default_identity, ChatRequest(query=question), request_id=uuid4().hex
    )
    return await services.answerer.answer(run)


def run(services: Services, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    names = {name for name in Settings.model_fields if "url" in name}
    fields = services.settings.model_dump(include=names)
    urls = {name.upper(): url.get_secret_value() for name, url in fields.items() if url}
    own = {"DATA_DIR": str(services.settings.data_dir), "MIGRATE_ON_START": "false"}
    return run_script(script, *arguments, folder=services.settings.data_dir, environment=own | urls)


async def test_what_went_wrong_is_exported_once(services: Services) -> None:
    answer = await ask(services, "How long are backups kept?")
    said = Rating(answer.request_id, -1, correction="35 days")
    await services.feedback.collect(services.default_identity.tenant_id, said, is_own=lambda subject: True)
    done = run(services, "export_feedback.py", "--min", "1", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["cases"], outcome["diagnoses"]) == (1, {"none": 1})
    path = services.settings.data_dir / "artifacts" / outcome["artifact"]
    assert path.as_uri() == outcome["uri"]
    assert [case.metadata.request_id for case in read_unannotated(path)] == [answer.request_id]
    again = await services.feedback_export.export(services.default_identity.scope())
    assert export_feedback.describe(again).splitlines() == [
        "1 requests were exported before",
        "Skipped: of 0 requests too few differ: it takes 5 cases",
    ]


def test_limits_that_are_given_stand_in_place_of_the_settings() -> None:
    limits = ExportLimits(fewest=5, most=50, within=timedelta(days=7))
    given = export_feedback.parse_arguments(["--min", "2", "--days", "30", "--seed", "3"])
    changed = ExportLimits(fewest=2, most=50, within=timedelta(days=30), seed=3)
    assert export_feedback.changed(limits, given) == changed
    crossed = export_feedback.parse_arguments(["--min", "9", "--max", "8"])
    with pytest.raises(InvalidInputError, match="--min 9 is more than --max 8"):
        export_feedback.changed(limits, crossed)
