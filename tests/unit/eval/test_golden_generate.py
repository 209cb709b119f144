from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from db.repositories.golden_set import ChunkPlace, StoredChunk
from eval.cases import EvaluationCase, parse_cases, write_cases
from eval.golden.answerability import AnswerabilityCheck
from eval.golden.generate import Generator, Tools
from eval.golden.progress import Done, Progress
from eval.golden.templates import TemplateWriter
from eval.golden.traffic import AnsweredQuestion, cases_of
from eval.golden.types import Intent
from rag.models.minilm import MiniLMEmbeddings
from rag.ports import Passage
from rag.privacy import LocalDetector
from tests.unit.eval.golden_chunks import passage, place, stored

TEXTS = [
    "Backups are kept for 35 days and are encrypted.",
    "Nothing can be asked about that one.",
    "An IAM role is an identity within your account that has permissions.",
    "Passwords must have at least 14 characters. To reset a forgotten password, call the help desk.",
    "Backups of mail are kept for 35 days. Mail is sent.",  # says the answer of the first as well
    "Parking permits are issued within 3 days.",
    "Parking permits are issued within 3 days. Ask at the gate.",
    "You can borrow up to 4 bicycles per month.",
    "You can borrow up to 6 bicycles per month.",  # asks the same
]
PASSAGES = [passage(text, source=f"doc-{n}.md", start=10 * n) for n, text in enumerate(TEXTS)]
PLACES = [place(each) for each in PASSAGES]


class WrongCallError(Exception):
    """Stands for whatever breaks a run."""


def generator(encoder: MiniLMEmbeddings, *, breaks_at: int = 99) -> Generator:
    async def find(question: str, limit: int) -> list[Passage]:
        return PASSAGES[:limit]

    async def read(wanted: ChunkPlace) -> StoredChunk | None:
        at = PLACES.index(wanted)
        if at == breaks_at:
            raise WrongCallError
        return stored(PASSAGES[at]) if at != 5 else None  # deleted meanwhile

    tools = Tools(TemplateWriter(), AnswerabilityCheck(encoder), find, read, encoder)
    return Generator(tools, tuple(Intent), seed=7)


async def make(
    made: Generator, progress: Progress, *, samples: int = 9, traffic: Sequence[EvaluationCase] = ()
) -> list[Done]:
    return [done async for done in made.generate(PLACES, progress, samples=samples, traffic=traffic)]


def cases(done: Sequence[Done]) -> list[EvaluationCase]:
    return [case for each in done for case in each.cases]


async def test_questions_are_kept_or_counted_by_the_reason_that_left_them_out(
    encoder: MiniLMEmbeddings, tmp_path: Path
) -> None:
    done = await make(generator(encoder), Progress.start(tmp_path / "p", {}))
    assert [case.query for case in cases(done)] == [
        "What is an IAM role?",
        "How many characters must passwords have?",
        "How do I reset a forgotten password?",
        "How long are backups of mail kept?",
        "How many bicycles can I borrow per month?",
    ]
    assert done[0].counts == {"written": 1, "answered_elsewhere": 1, "kept": 0}
    assert done[1].counts == {"written": 0, "kept": 0}
    assert done[5] == Done(5)


async def test_a_case_says_where_it_comes_from(encoder: MiniLMEmbeddings, tmp_path: Path) -> None:
    done = await make(generator(encoder), Progress.start(tmp_path / "p", {}))
    case = cases(done)[2]
    assert case.ground_truth_docs == ["doc-3.md"]
    assert (case.expected_answer, case.tags, case.source) == (
        "call the help desk",
        ["question"],
        "generated: template",
    )
    start, end = case.metadata["start"], case.metadata["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert TEXTS[3][start - 30 : end - 30] == case.metadata["evidence"]
    assert case.metadata == {
        "chunk_id": str(PASSAGES[3].chunk_id),
        "version": 1,
        "content_sha256": "ab" * 32,
        "evidence": "To reset a forgotten password, call the help desk.",
        "start": 30 + 44,
        "end": 30 + 94,
        "generator": "template",
        "prompt_version": "template-1",
        "seed": 7,
    }
    assert len(parse_cases(write_cases(cases(done)), "set", place="set").cases) == len(cases(done))


@pytest.mark.parametrize("breaks_at", range(len(TEXTS)))
async def test_a_broken_run_goes_on_to_the_same_set(
    encoder: MiniLMEmbeddings, tmp_path: Path, breaks_at: int
) -> None:
    whole = await make(generator(encoder), Progress.start(tmp_path / "whole", {}))
    broken = Progress.start(tmp_path / "broken", {})
    try:
        await make(generator(encoder, breaks_at=breaks_at), broken)
    except WrongCallError:
        resumed = await make(generator(encoder), Progress.resume(tmp_path / "broken", {}))
        assert resumed == whole
        assert (tmp_path / "broken").read_bytes() == (tmp_path / "whole").read_bytes()
    assert len(cases(whole)) == 5


TRAFFIC = [
    EvaluationCase(query=query, ground_truth_docs=["a"])
    for query in ("What is an IAM role?", "When is lunch?")
]


async def test_what_users_asked_comes_first_and_is_not_asked_again(
    encoder: MiniLMEmbeddings, tmp_path: Path
) -> None:
    doubled = [*TRAFFIC, TRAFFIC[1].model_copy(update={"query": "When is lunch"})]
    done = await make(generator(encoder), Progress.start(tmp_path / "p", {}), samples=1, traffic=doubled)
    assert [case.query for case in cases(done)] == [
        "What is an IAM role?",
        "When is lunch?",
        "How many characters must passwords have?",
    ]
    assert done[3].counts["duplicate"] == 1
    resumed = await make(generator(encoder), Progress.resume(tmp_path / "p", {}), samples=1, traffic=doubled)
    assert resumed == done


CITED, GONE = uuid4(), uuid4()


def asked(query: str, *cited: UUID) -> AnsweredQuestion:
    return AnsweredQuestion(uuid4(), query, cited or (CITED,))


def test_a_question_of_a_user_expects_the_cited_documents_and_waits_for_review() -> None:
    question = asked("Where can I park my bike?", CITED, CITED)
    (case,) = cases_of([question], {CITED: "parking.md"}, LocalDetector())
    assert case.ground_truth_docs == ["parking.md"]
    assert (case.source, case.expected_answer) == ("traffic", None)
    assert case.metadata == {"trace_id": str(question.trace_id), "to_be_reviewed": True}


def test_personal_data_of_users_is_taken_out() -> None:
    (case,) = cases_of(
        [asked("Why did erika.muster@example.com get my bill?")], {CITED: "a"}, LocalDetector()
    )
    assert case.query == "Why did [EMAIL] get my bill?"


def test_questions_that_repeat_or_whose_sources_have_changed_are_left_out() -> None:
    questions = [
        asked("Where can I park?"),
        asked("where can I PARK?"),
        asked("Where can I park a car?", CITED, GONE),
        asked("parking"),
        asked("\0 \0"),
    ]
    found = cases_of(questions, {CITED: "parking.md"}, LocalDetector())
    assert [case.query for case in found] == ["Where can I park?"]
