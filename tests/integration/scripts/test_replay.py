"""The command that runs a stored request again, and what it shows of each stage."""

import json
from pathlib import Path

import pytest

from app.services import Services
from feedback.replay import compare
from rag.ingest import IncomingFile
from rag.ports import SourceLabels
from rag.retrieve import Strategy
from tests.integration.scripts.test_export_feedback import ask, run, services

__all__ = ["services"]
STAGES = ["corpus", "retrieved", "order", "sources", "prompt", "model", "answer", "citations", "abstained"]


async def test_a_request_run_again_differs_in_nothing_but_what_has_changed(
    services: Services, tmp_path: Path
) -> None:
    answer = await ask(services, "What does a parking space cost?")
    same = run(services, "replay.py", answer.request_id, "--json")
    assert same.returncode == 0, same.stderr
    stages = json.loads(same.stdout)
    assert [stage["stage"] for stage in stages] == STAGES
    assert [stage["stage"] for stage in stages if stage["differs"]] == []

    configuration = tmp_path / "strict.toml"
    configuration.write_text('name = "strict"\n[settings]\nrelevance_floor = 1.0\ntop_k = 1\n')
    other = run(services, "replay.py", answer.request_id, "--config", str(configuration))
    assert other.returncode == 0, other.stderr
    lines = other.stdout.splitlines()
    assert {"retrieved: the same", "sources: differs", "answer: differs", "abstained: differs"} <= set(lines)
    assert "  - no" in lines
    assert "  + yes" in lines


def test_a_request_or_configuration_that_is_not_there_is_said_so(services: Services, tmp_path: Path) -> None:
    missing = run(services, "replay.py", "none")
    assert (missing.returncode, "there is no request none" in missing.stderr) == (4, True)
    configuration = tmp_path / "small.toml"
    configuration.write_text("[settings]\nchunk_tokens = 64\nchunk_overlap_tokens = 0\n")
    corpus = run(services, "replay.py", "none", "--config", str(configuration))
    assert (corpus.returncode, "changes how documents are taken in" in corpus.stderr) == (4, True)


@pytest.mark.parametrize("is_gone", [False, True])
async def test_a_document_that_has_changed_shows_in_each_stage(
    services: Services, tmp_path: Path, *, is_gone: bool
) -> None:
    name = f"lunch-{is_gone}.md"
    (path := tmp_path / name).write_text(f"# Lunch {is_gone}\n\nThe lunch {is_gone} is served at noon.\n")
    writer = services.default_identity.writer()
    await services.ingestor.ingest(writer, IncomingFile(path, SourceLabels(name), filename=name))
    answer = await ask(services, f"When is the lunch {is_gone} served?")
    if is_gone:
        async with services.database.tenant(writer.tenant_id) as connection:
            await connection.execute("DELETE FROM source_documents WHERE source_document_id = $1", name)
    else:
        path.write_text(f"# Lunch {is_gone}\n\nThe lunch {is_gone} is served at one.\n")
        await services.ingestor.ingest(writer, IncomingFile(path, SourceLabels(name), filename=name))
    reader, scope = services.feedback_export.reader, services.default_identity.scope()
    asked = await reader.of_request(scope.tenant_id, answer.request_id)
    kept = await reader.chunks(scope, asked.prompt)
    rerun = await services.replayer.run(asked.query, scope, Strategy.AUTO)
    texts = {chunk_id: chunk.passage for chunk_id, chunk in kept.items()}
    stages = {stage.stage: stage for stage in compare(asked, texts, rerun, corpus_version=99)}
    assert stages["corpus"].differs
    assert stages["answer"].differs
    label = "(gone)" if is_gone else f"{name}#0"
    assert f"{label}: not among the first 50" in stages["retrieved"].now
