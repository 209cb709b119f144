import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from app.schemas.chat import ChatRequest, ChatResponse
from app.services import Services, open_services
from app.settings import Settings
from db.addresses import DatabaseLogins
from db.pool import Database
from eval.cases import EvaluationSet, read_cases
from feedback.collect import Rating
from rag.errors import GroundworkError, InvalidInputError, NotFoundError
from rag.ingest import IncomingFile
from rag.models.local import LocalModels
from rag.ports import SourceLabels
from scripts.generate_golden_dataset import main, parse_arguments, run
from tests.integration.conftest import settings_for
from tests.standins.chat_servers import ChatServer, chat_server

ROOT = Path(__file__).parents[3]
TEXTS = {
    "backups.md": "# Backups\n\nBackups are kept for 35 days and are encrypted.\n",
    "passwords.md": "# Passwords\n\nPasswords must have at least 14 characters.\n",
    "roles.md": "# Roles\n\nAn IAM role is an identity within your account that has permissions.\n",
    "groups.md": "# Groups\n\nAn IAM group is an identity that holds several users of an account.\n",
    "bicycles.md": "# Bicycles\n\nYou can borrow up to 4 bicycles per month. Ask at the gate.\n",
    "parking.md": "# Parking\n\nTo get a permit for the car park, call the front desk.\n",
    "salaries.md": "# Salaries\n\nSalary letters are sent within 3 days.\n",
}
CLOSED = "salaries.md"
MODEL = "openai:gpt-4o-mini"

Generate = Callable[..., Awaitable[int]]


@pytest.fixture(scope="module")
async def corpus(services: Services) -> Services:
    for name, text in TEXTS.items():
        labels = SourceLabels(name, acl=("hr",) if name == CLOSED else None)
        await services.ingestor.ingest(services.default_identity.writer(), IncomingFile(text, labels))
    return services


@pytest.fixture
def environment(logins: DatabaseLogins, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = settings_for(logins).model_dump(
        include={name for name in Settings.model_fields if "url" in name}
    )
    for name, url in fields.items():
        if url:
            monkeypatch.setenv(name.upper(), url.get_secret_value())
    for name, value in {"MIGRATE_ON_START": "false", "ROLE": "api", "MODEL_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield running


@pytest.fixture
def generate(corpus: Services, environment: None, local_models: LocalModels) -> Generate:
    async def call(output: Path, *arguments: str) -> int:
        return await run(parse_arguments(["--output", str(output), *arguments]), local_models)

    return call


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def queries(found: EvaluationSet) -> set[str]:
    return {case.query for case in found.cases}


async def test_templates_make_a_set_whose_cases_say_where_they_come_from(
    generate: Generate, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "set.jsonl"
    assert await generate(output) == 0
    found = read_cases(output)
    assert {
        "How long are backups kept?",
        "How many characters must passwords have?",
        "How many bicycles can I borrow per month?",
        "How do I get a permit for the car park?",
        "What is an IAM role?",
    } <= queries(found)
    assert any("difference between an IAM" in query for query in queries(found))
    assert not any("salary" in query.lower() for query in queries(found)), "only the group hr may read it"
    case = next(case for case in found.cases if "bicycles" in case.query)
    text = TEXTS["bicycles.md"]
    start, end = case.metadata["start"], case.metadata["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert text[start:end] == case.metadata["evidence"] == "You can borrow up to 4 bicycles per month."
    assert case.ground_truth_docs == ["bicycles.md"]
    assert f"{len(found.cases)} cases on 6 documents" in capsys.readouterr().out
    assert names(tmp_path) == ["set.jsonl"]


async def test_groups_seed_and_intents_are_followed(generate: Generate, tmp_path: Path) -> None:
    output = tmp_path / "set.jsonl"
    assert await generate(output, "--group", "hr", "--intents", "attribute") == 0
    found = read_cases(output)
    assert "How soon are salary letters sent?" in queries(found)
    assert {tag for case in found.cases for tag in case.tags} == {"attribute"}
    first = output.read_bytes()
    assert await generate(output, "--group", "hr", "--intents", "attribute", "--force") == 0
    assert output.read_bytes() == first
    assert await generate(output, "--samples", "2", "--seed", "5", "--force") == 0
    assert len(read_cases(output).cases) == 2


def question(intent: str, asked: str, answer: str, evidence: str) -> dict[str, str]:
    return {"intent": intent, "question": asked, "answer": answer, "evidence": evidence}


# The stand-in gives the same reply for each chunk, so that each question has evidence in one of them at most.
REPLY = {
    "questions": [
        question(
            "attribute",
            "After how much time do old backups disappear?",
            "After 35 days",
            "Backups are kept for 35 days and are encrypted.",
        ),
        question("question", "Whom do I ask for a car permit?", "The front desk", "call the front desk"),
        question("attribute", "How long is a password?", "at least 15 characters", "at least 15 characters"),
        question("riddle", "?", "x", "y"),
    ]
}


async def test_a_model_writes_questions_and_what_is_not_in_the_chunk_is_left_out(
    generate: Generate, model: ChatServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.reply = json.dumps(REPLY)
    output = tmp_path / "set.jsonl"
    assert await generate(output, "--model", MODEL) == 0
    found = read_cases(output)
    assert queries(found) == {question["question"] for question in REPLY["questions"][:2]}
    assert {case.source for case in found.cases} == {f"generated: {MODEL}"}
    assert found.cases[0].metadata["prompt_version"] == "golden-1"
    printed = capsys.readouterr().out
    assert "invalid             6\n" in printed, "a riddle for each of the six chunks"
    assert "no_evidence         15\n" in printed, (
        "three a chunk, but for two that are kept and one of a kept intent"
    )
    assert len(model.calls) == 6
    assert "&lt;" not in model.calls[0][1]["messages"][0]["content"]


async def test_a_model_that_fails_half_way_is_gone_on_with(
    generate: Generate, model: ChatServer, tmp_path: Path
) -> None:
    model.reply = json.dumps(REPLY)
    whole, broken = tmp_path / "whole.jsonl", tmp_path / "broken.jsonl"
    await generate(whole, "--model", MODEL)
    done = len(model.calls)
    partial = tmp_path / "broken.jsonl.partial"
    model.failure = (500, {})
    with pytest.raises(GroundworkError):
        await generate(broken, "--model", MODEL)
    assert not broken.exists()
    assert partial.read_text().count("\n") == 1, "begun, and nothing done"
    with pytest.raises(InvalidInputError, match="--resume goes on"):
        await generate(broken, "--model", MODEL)
    with pytest.raises(InvalidInputError, match="begun with other seed"):
        await generate(broken, "--model", MODEL, "--resume", "--seed", "8")
    model.failure = None
    assert await generate(broken, "--model", MODEL, "--resume") == 0
    assert broken.read_bytes() == whole.read_bytes()
    assert not partial.exists()
    assert len(model.calls) - done >= 6


def command(output: Path, *arguments: str) -> "subprocess.Popen[str]":
    script = ROOT / "scripts" / "generate_golden_dataset.py"
    return subprocess.Popen(
        [sys.executable, str(script), "--output", str(output), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
async def test_a_killed_run_goes_on_to_the_set_of_an_unbroken_one(generate: Generate, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    await generate(whole)
    partial = tmp_path / "killed.jsonl.partial"
    running = command(killed)
    try:
        while not partial.exists() or partial.read_bytes().count(b"\n") < 3:
            assert running.poll() is None
            time.sleep(0.005)  # noqa: ASYNC251 - nothing else runs
    finally:
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert not killed.exists()
    assert await generate(killed, "--resume") == 0
    assert killed.read_bytes() == whole.read_bytes()


async def answered(services: Services, query: str) -> ChatResponse:
    begun = await services.answerer.begin(
        services.default_identity, ChatRequest(query=query), request_id=str(uuid4())
    )
    return await services.answerer.answer(begun)


async def test_what_users_asked_becomes_cases_for_review(
    generate: Generate, corpus: Services, database: Database, tenant_id: UUID, tmp_path: Path
) -> None:
    good = await answered(corpus, "How many bicycles may I borrow in a month?")
    assert good.citations
    disliked = await answered(corpus, "For how long are the encrypted backups kept?")
    assert disliked.citations
    assert (await answered(corpus, "Who won the football match in Rome?")).abstained
    rating = Rating(disliked.request_id, rating=-1)
    await corpus.feedback.collect(tenant_id, rating, is_own=lambda subject: True)
    output = tmp_path / "set.jsonl"
    assert await generate(output, "--from-traffic", "7", "--samples", "1") == 0
    seed, generated = read_cases(output).cases
    assert (seed.query, seed.source) == ("How many bicycles may I borrow in a month?", "traffic")
    assert seed.ground_truth_docs == ["bicycles.md"]
    assert seed.metadata["to_be_reviewed"] is True
    assert generated.source == "generated: template"


async def test_questions_that_are_stored_sealed_are_read(
    generate: Generate,
    corpus: Services,
    *,
    logins: DatabaseLogins,
    local_models: LocalModels,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    settings = settings_for(logins, field_encryption="local", field_encryption_key=key)
    async with open_services(settings, local=local_models) as sealing:
        asked = "Which desk do I call for a car park permit?"
        assert (await answered(sealing, asked)).citations
    monkeypatch.setenv("FIELD_ENCRYPTION", "local")
    monkeypatch.setenv("FIELD_ENCRYPTION_KEY", key)
    assert await generate(tmp_path / "set.jsonl", "--from-traffic", "1", "--samples", "1") == 0
    assert asked in queries(read_cases(tmp_path / "set.jsonl"))


async def test_nothing_is_overwritten_unless_it_is_forced(generate: Generate, tmp_path: Path) -> None:
    output = tmp_path / "set.jsonl"
    output.write_text("mine")
    with pytest.raises(InvalidInputError, match="there already; --force"):
        await generate(output, "--resume")
    assert output.read_text() == "mine"
    assert await generate(output, "--samples", "1", "--force") == 0
    assert len(read_cases(output).cases) == 1


async def test_what_can_not_be_is_refused_and_leaves_nothing(
    generate: Generate, model: ChatServer, tmp_path: Path
) -> None:
    wrong: list[tuple[type[GroundworkError], str, list[str]]] = [
        (NotFoundError, "no tenant 'nobody'", ["--tenant", "nobody"]),
        (InvalidInputError, "only quotes", ["--model", "local:extractive"]),
        (InvalidInputError, "not a model name", ["--model", "gpt"]),
        (InvalidInputError, "takes one model", ["--model", f"{MODEL},{MODEL}"]),
    ]
    for error, said, arguments in wrong:
        with pytest.raises(error, match=said):
            await generate(tmp_path / "set.jsonl", *arguments)
    with pytest.raises(InvalidInputError, match="can't be written"):
        await generate(tmp_path / "nowhere" / "set.jsonl")
    with pytest.raises(InvalidInputError, match="is there already"):
        await generate(tmp_path)
    assert names(tmp_path) == []


async def test_a_tenant_without_documents_and_documents_without_questions_end_in_a_word(
    generate: Generate,
    model: ChatServer,
    database: Database,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with database.system() as connection:
        await connection.execute("INSERT INTO tenants (slug, name) VALUES ('empty', 'Empty')")
    with pytest.raises(NotFoundError, match="'empty' has no documents"):
        await generate(tmp_path / "set.jsonl", "--tenant", "empty")
    model.reply = "I would rather not."
    assert await generate(tmp_path / "set.jsonl", "--model", MODEL) == 1
    captured = capsys.readouterr()
    assert "No question was fit: nothing is written." in captured.err
    assert "invalid             6\n" in captured.out
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--samples", "0"], "must be at least 1"),
        (["--seed", "-1"], "not a whole number"),
        (["--intents", "riddle"], "there are attribute, comparative, conceptual, question"),
        (["--from-traffic", "99999"], "at most 3650 days"),
    ],
)
def test_wrong_usage_has_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse_arguments(["--output", str(tmp_path / "set.jsonl"), *arguments])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--tenant", "nobody"], 2, "Cannot generate: there is no tenant 'nobody'"),
        (["--model", "gpt"], 2, "Cannot generate: 'gpt' is not a model name"),
    ],
)
def test_errors_become_exit_codes(
    corpus: Services,
    environment: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    assert main(["--output", str(tmp_path / "set.jsonl"), *arguments]) == code
    assert capsys.readouterr().err.startswith(said)
