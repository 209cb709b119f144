"""The evaluation of a pull request: its speed over 300 cases, its repeatability, and what the gate catches.

The cases are of the half of SQuAD 2.0 that the extractive model was not fitted on, half of them without an
answer; the corpus is the paragraphs of both halves, taken in anew for each of the two runs. The changes are
those of `tests.eval.regressions`, each evaluated in a copy of the sources.
"""

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from app.evaluation.corpus import folder_services
from app.evaluation.evaluator import EvaluationOrder
from app.settings import Settings
from eval.baseline import means
from eval.cases import EvaluationCase, EvaluationSet
from eval.datasets import SquadDataset, SquadQuestion, load_squad, split_by_article
from eval.report.results import CaseResult, RunResults
from rag.models.local import LocalModels
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table
from tests.eval.regressions.changes import Kind
from tests.eval.regressions.run import CHANGES, Outcome, evaluate_all

FILE = DATA / "squad2_dev_half" / "dev-v2.0.json"
CASES_OF_EACH = 150  # with an answer, and without one
SHOWN = ("answer_correctness", "abstention", "recall@5", "mrr@10", "groundedness")
KEPT = os.environ.get("GROUNDWORK_BENCH_CHANGES")  # folder of the changes' reports, if they are to be kept


@dataclass(frozen=True, slots=True)
class TimedRun:
    """A run, and the seconds that its questions took."""

    results: RunResults
    seconds: float


def choose_cases(dataset: SquadDataset) -> EvaluationSet:
    """The same in each run, of the half that the model was not fitted on."""
    held_out = {question.id for question in split_by_article(dataset)[1].questions}
    draw = random.Random(0)  # noqa: S311 - not a secret
    chosen: list[SquadQuestion] = []
    for answerable in (True, False):
        questions = [each for each in dataset.questions if each.is_answerable is answerable]
        chosen += draw.sample([each for each in questions if each.id in held_out], CASES_OF_EACH)
    return EvaluationSet("squad2", tuple(map(_case, chosen)))


def _case(question: SquadQuestion) -> EvaluationCase:
    return EvaluationCase(
        id=question.id,
        query=question.text,
        answerable=question.is_answerable,
        expected_answer=list(dict.fromkeys(question.answers)) or None,
        ground_truth_docs=[_name(question.paragraph)] if question.is_answerable else [],
    )


def write_corpus(dataset: SquadDataset, folder: Path) -> None:
    for at, paragraph in enumerate(dataset.paragraphs):
        title = paragraph.article.replace("_", " ")
        (folder / _name(at)).write_text(f"{title}\n\n{paragraph.text}\n", encoding="utf-8")


def _name(paragraph: int) -> str:
    return f"{paragraph:04}.txt"


async def evaluate(cases: EvaluationSet, folder: Path, local: LocalModels) -> TimedRun:
    """Take the folder in, and ask."""
    async with folder_services([folder], Settings(_env_file=None), local=local) as services:
        order = EvaluationOrder(
            run_id=uuid4(), dataset=cases, model_version="bench", scope=services.default_identity.scope()
        )
        began = time.perf_counter()
        results = await services.evaluator.evaluate(order, keep=_no_keeping)
        return TimedRun(results, time.perf_counter() - began)


async def _no_keeping(_: CaseResult) -> None:
    pass


def offline_rows() -> list[BenchmarkRow]:
    dataset = load_squad(FILE)
    cases, local = choose_cases(dataset), LocalModels()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_corpus(dataset, folder)
        first, second = (asyncio.run(evaluate(cases, folder, local)) for _ in range(2))
    pairs = zip(first.results.cases, second.results.cases, strict=True)
    different = sum((one.metrics, one.answer) != (other.metrics, other.answer) for one, other in pairs)
    found = means(first.results)
    return [
        for_information("paragraphs", len(dataset.paragraphs)),
        for_information("cases", len(cases.cases)),
        at_most("asking them", first.seconds, 120, "s"),
        at_most("asking them again, of documents taken in anew", second.seconds, 120, "s"),
        at_most("cases of which a score or the answer differs", different, 0),
        *(for_information(name, found[name]) for name in SHOWN),
    ]


def change_rows(outcomes: Sequence[Outcome]) -> list[BenchmarkRow]:
    """What the gate said of each, with the primary metric's change, and how many it judged right."""
    right = {kind: sum(o.is_as_wanted for o in outcomes if o.change.kind is kind) for kind in Kind}
    return [
        *(for_information(_told(outcome), outcome.primary_change) for outcome in outcomes),
        at_least("regressions that failed, of 10", right[Kind.REGRESSION], 9),
        at_least("refactorings that passed, of 10", right[Kind.REFACTORING], 10),
    ]


def _told(outcome: Outcome) -> str:
    change = outcome.change
    why = f" by {', '.join(outcome.failed_checks)}" if outcome.failed_checks else ""
    return f"{change.kind}, {change.part}: {change.name}: {outcome.report.verdict}{why}"


def evaluate_changes() -> list[Outcome]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(KEPT or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        return list(evaluate_all(CHANGES, folder))


def run() -> list[BenchmarkRow]:
    return [*offline_rows(), *change_rows(evaluate_changes())]


if __name__ == "__main__":
    print_table(run())
