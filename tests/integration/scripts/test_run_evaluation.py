"""The command that evaluates, over a folder's documents and over a tenant's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.services import Services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.repositories import evaluations
from eval.report.results import read_results
from rag.ingest import IncomingFile
from rag.ports import SourceLabels
from tests.integration.conftest import settings_for
from tests.integration.scripts.programs import run_script
from tests.standins.judge_model import judge_server

ROOT = Path(__file__).parents[3]
SUBJECTS = ["Backups", "Parking", "Lunch", "Laptops", "Visitors", "Heating"]
DAYS = dict(zip(SUBJECTS, (35, 40, 45, 50, 55, 60), strict=True))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for subject, days in DAYS.items():
        text = f"# {subject}\n\nThe {subject.lower()} plan is looked at every {days} days by the office.\n"
        (folder / f"{subject.lower()}.md").write_text(text, encoding="utf-8")
    return folder


def cases() -> list[dict[str, Any]]:
    return [
        {
            "id": subject.lower(),
            "query": f"How often is the {subject.lower()} plan looked at?",
            "expected_answer": f"every {days} days",
            "ground_truth_docs": [f"{subject.lower()}.md"],
        }
        for subject, days in DAYS.items()
    ]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return written(tmp_path / "set.jsonl", cases())


def written(path: Path, listed: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, listed)), encoding="utf-8")
    return path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "scripts" / "run_evaluation.py"), *map(str, arguments)]


def run(folder: Path, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_script("run_evaluation.py", *arguments, folder=folder, environment=environment)


def test_the_same_documents_and_questions_give_the_same_scores(
    corpus: Path, dataset: Path, tmp_path: Path
) -> None:
    forms = ("--summary", "out.md", "--junit", "out.xml", "--html", "out.html")
    first = run(tmp_path, "--dataset", dataset, "--corpus", corpus, "--output", "a.json", *forms)
    assert first.returncode == 0, first.stderr
    assert "recall@5: 1.0000" in first.stdout
    again = run(
        tmp_path, "--dataset", dataset, "--corpus", corpus, "--output", "b.json", "--concurrency", "4"
    )
    assert again.returncode == 0, again.stderr

    runs = [read_results(tmp_path / name) for name in ("a.json", "b.json")]
    assert [case.id for case in runs[0].cases] == [case["id"] for case in cases()]
    scores, answers = (
        [{case.id: getattr(case, of) for case in one.cases} for one in runs] for of in ("metrics", "answer")
    )
    assert scores[0] == scores[1]
    assert answers[0] == answers[1]
    assert runs[0].dataset == runs[1].dataset
    assert "6 cases of set" in (tmp_path / "out.md").read_text()
    assert (tmp_path / "out.xml").read_text().startswith("<?xml")
    assert "<html" in (tmp_path / "out.html").read_text()
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on(corpus: Path, dataset: Path, tmp_path: Path) -> None:
    partial = tmp_path / "results.json.partial"
    arguments = ("--dataset", dataset, "--corpus", corpus, "--output", "results.json", "--concurrency", "1")
    process = subprocess.Popen(
        command(*arguments),
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    while not partial.exists() or partial.read_bytes().count(b"\n") < 2:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "results.json").exists()
    marked = partial.read_text().replace("How often is", "How often was", 1)
    partial.write_text(marked)

    refused = run(tmp_path, *arguments)
    assert (refused.returncode, "--resume" in refused.stderr) == (4, True)
    resumed = run(tmp_path, *arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    questions = [case.question for case in read_results(tmp_path / "results.json").cases]
    assert len(questions) == len(cases())
    assert sum(question.startswith("How often was") for question in questions) == 1  # was not asked again
    assert not partial.exists()


async def test_a_tenants_documents_are_asked_and_the_run_is_kept(
    services: Services, logins: DatabaseLogins, corpus: Path, dataset: Path, tmp_path: Path
) -> None:
    for name in (case["ground_truth_docs"][0] for case in cases()):
        file = IncomingFile(corpus / name, SourceLabels(name), filename=name)
        await services.ingestor.ingest(services.default_identity.writer(), file)
    fields = settings_for(logins).model_dump(
        include={name for name in Settings.model_fields if "url" in name}
    )
    urls = {name.upper(): url.get_secret_value() for name, url in fields.items() if url}
    named = ("--dataset", dataset, "--output", "results.json", "--model-version", "candidate")
    found = run(tmp_path, *named, "--samples", "3", MIGRATE_ON_START="false", **urls)
    assert found.returncode == 0, found.stderr

    tenant_id = services.default_identity.tenant_id
    async with services.database.tenant(tenant_id) as connection:
        (stored,) = await evaluations.page(connection, tenant_id, (), limit=5)
        kept = await evaluations.cases(connection, stored.id)
    assert (stored.model_version, stored.num_examples, len(kept)) == ("candidate", 3, 3)
    assert stored.metrics["recall@5_mean"] == 1.0


@pytest.mark.slow
def test_a_model_judges_the_answers_too(corpus: Path, dataset: Path, tmp_path: Path) -> None:
    options = ("--corpus", corpus, "--output", "results.json", "--samples", "2", "--judge", "openai:judge")
    cached = ("--judge-cache", "verdicts", "--judge-repetitions", "3")
    with judge_server() as server:
        key = {"OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{server.url}/v1"}
        found = run(tmp_path, "--dataset", dataset, *options, *cached, **key)
        assert found.returncode == 0, found.stderr
        asked = len(server.prompts)
        again = run(tmp_path, "--dataset", dataset, *options, *cached, **key)
        assert again.returncode == 0, again.stderr

    results = read_results(tmp_path / "results.json")
    assert results.configuration.models["judge"] == "openai:judge"
    assert [case.metrics["faithfulness"] for case in results.cases] == [1.0, 1.0]
    assert [case.spread["faithfulness"] for case in results.cases] == [0.0, 0.0]
    assert "faithfulness: 1.0000" in found.stdout
    assert len(server.prompts) == asked > 0  # the second time, all verdicts were known


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--dataset", "nothing.jsonl"), "nothing.jsonl: No such file"),
        (("--dataset", "set.jsonl", "--corpus", "nowhere"), "nowhere has no files"),
        (("--dataset", "bad.jsonl"), "bad.jsonl, line 1"),
        (("--dataset", "set.jsonl", "--output", "nowhere/results.json"), "nowhere is no folder"),
        (("--dataset", "set.jsonl", "--samples", "0"), "must be at least 1"),
        (("--dataset", "set.jsonl", "--seed", "x"), "invalid int value"),
        (("--dataset", "set.jsonl", "--corpus", ".", "--judge", "local:extractive"), "can't judge"),
    ],
)
def test_bad_input_says_what_is_wrong(
    dataset: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    (tmp_path / "bad.jsonl").write_text('{"query": "Why?", "answer": "no such field"}\n')
    output = () if "--output" in arguments else ("--output", "results.json")
    found = run(tmp_path, *arguments, *output)
    assert found.returncode == 4
    assert said in found.stderr
    assert not (tmp_path / "results.json").exists()
