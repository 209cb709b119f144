"""How often a fault is found for what it is, and the loop from complaints to a gate that fails for them.

Questions about the half of SQuAD 2.0's articles that no threshold was chosen on. 50 requests of each kind
that a service which answers right without the fault gives with it, and 50 without one, each with the data
set's answer as its user's correction. A document counts as deleted only if the answer then says nothing that
is right; other documents may still say it.
"""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.evaluation.corpus import folder_services
from app.services import Services, open_services
from app.settings import Settings
from eval.datasets import load_squad, split_by_article
from eval.gate import GateReport, Verdict
from feedback.triage.types import Diagnosis
from rag.models.local import LocalModels
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_least, for_information, print_table
from tests.integration.conftest import settings_for
from tests.integration.feedback.faults import diagnosed, meet_faults
from tests.integration.feedback.loop import KnownCorpus, differing, squad_corpus
from tests.integration.feedback.round_trip import BAD_FLOOR, RoundTrip, make_round_trip, verdict_on

EACH, RIGHT = 50, 0.90
QUESTIONS, DOWNVOTES = 200, 40
Confusion = Counter[tuple[Diagnosis, Diagnosis]]


def load_corpus() -> KnownCorpus:
    dataset = load_squad(DATA / "squad2_dev_half" / "dev-v2.0.json")
    corpus = squad_corpus(split_by_article(dataset)[1])
    questions = differing(corpus.questions)
    random.Random(8).shuffle(questions)  # noqa: S311 - not a secret
    return KnownCorpus(corpus.documents, tuple(questions))


@asynccontextmanager
async def serving(corpus: KnownCorpus, local: LocalModels, folder: Path) -> AsyncIterator[Services]:
    documents = folder / "documents"
    documents.mkdir(parents=True)
    for name, text in corpus.documents.items():
        (documents / name).write_text(text, encoding="utf-8")
    async with folder_services([documents], Settings(_env_file=None), local=local) as services:
        yield services


async def find_faults(corpus: KnownCorpus, local: LocalModels, folder: Path) -> Confusion:
    found: Confusion = Counter()
    async with serving(corpus, local, folder) as services:
        async for some in meet_faults(services, corpus.questions, each=EACH):
            said = await diagnosed(services, some, local)
            found.update((one.right, each.diagnosis) for one, each in zip(some, said, strict=True))
    return found


async def go_round(corpus: KnownCorpus, local: LocalModels, folder: Path) -> RoundTrip:
    async with serving(corpus, local, folder) as fixed:
        settings = settings_for(
            fixed.logins, data_dir=fixed.settings.data_dir, role="api", relevance_floor=BAD_FLOOR
        )
        async with open_services(settings, local=local) as bad:
            questions = corpus.questions[:QUESTIONS]
            return await make_round_trip(bad, fixed, questions, folder, downvotes=DOWNVOTES)


def diagnosis_rows(found: Confusion) -> list[BenchmarkRow]:
    rows = []
    for right in dict.fromkeys(right for right, _ in found):
        met = sum(count for (kind, _), count in found.items() if kind is right)
        rows.append(at_least(f"{right}: found as such, of {met}", found[right, right] / met, RIGHT))
        wrong = (
            (said, count) for (kind, said), count in found.items() if kind is right and said is not right
        )
        rows += [for_information(f"… said to be {said}", float(count)) for said, count in wrong]
    return rows


def round_trip_rows(trip: RoundTrip) -> list[BenchmarkRow]:
    dropped = next(c for c in trip.bad.changes if c.metric == "answer_correctness").difference
    return [
        for_information("questions asked", trip.asked),
        for_information("answered right by the bad configuration", trip.right),
        for_information("downvoted", trip.downvoted),
        for_information("exported", trip.outcome.cases),
        *(
            for_information(f"… diagnosed as {name}", count)
            for name, count in sorted(trip.outcome.diagnoses.items())
        ),
        for_information("promoted", len(trip.promoted)),
        for_information("answer_correctness: change of the bad configuration", dropped.value),
        for_information("… at most", dropped.high),
        at_least("without the new cases, the bad one does not fail", _is(trip.before, fails=False), 1),
        at_least("with them it fails", _is(trip.bad, fails=True), 1),
        at_least("… for no other cases", float(trip.worse <= trip.promoted), 1),
        for_information("… of which it answers worse", len(trip.worse)),
        at_least("the fixed one passes", float(verdict_on(trip.fixed) is Verdict.PASS), 1),
    ]


def _is(report: GateReport, *, fails: bool) -> float:
    return float((verdict_on(report) is Verdict.FAIL) is fails)


async def measure(folder: Path) -> list[BenchmarkRow]:
    corpus, local = load_corpus(), LocalModels()
    found = await find_faults(corpus, local, folder / "faults")
    trip = await go_round(corpus, local, folder / "trip")
    return [*diagnosis_rows(found), *round_trip_rows(trip)]


def run() -> list[BenchmarkRow]:
    with tempfile.TemporaryDirectory(prefix="groundwork-loop-") as folder:
        Path(folder).chmod(0o755)
        return asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    print_table(run())
