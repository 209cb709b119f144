import json
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from langchain_core.callbacks import Callbacks
from langchain_core.documents import Document
from langchain_core.documents.compressor import BaseDocumentCompressor

from eval.cases import EvaluationCase, EvaluationSet, parse_cases
from feedback.flywheel.card import CARD_JSON, CARD_MARKDOWN, Origin, model_files
from feedback.flywheel.judge import Judgement, judge, rank_golden
from feedback.flywheel.learn import learn
from feedback.flywheel.screen import Screened
from rag.errors import InvalidInputError, ModelError
from rag.models.learned_reranker import MODEL_FILE, read_weights
from rag.ports import Passage, RetrievedPassage
from tests.benchmarks.click_simulation import simulate
from tests.unit.feedback.flywheel.made_lists import BY_PEOPLE, made_lists

CASES = 60


class Ordering(BaseDocumentCompressor):
    """Ranks passages by a number in their text, backwards on some of them."""

    reverse: bool = True
    fails: bool = False

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> Sequence[Document]:
        if self.fails:
            raise RuntimeError("of a test")
        return sorted(documents, key=lambda document: int(document.page_content), reverse=self.reverse)


def golden(cases: int = CASES) -> EvaluationSet:
    lines = [json.dumps({"query": f"q{at}", "ground_truth_docs": ["gold"]}) for at in range(cases)]
    return parse_cases("\n".join(lines).encode(), "golden", place="golden")


async def search(case: EvaluationCase) -> list[RetrievedPassage]:
    """The gold passage stands second of four, and has the highest number."""
    return [_found(rank, name) for rank, name in enumerate(("a", "gold", "b", "c"), start=1)]


def _found(rank: int, name: str) -> RetrievedPassage:
    text = "9" if name == "gold" else str(rank)
    passage = Passage(uuid4(), uuid4(), name, 1, name, None, text, 0, 1, None, (), 0, 1, {})
    return RetrievedPassage(passage, 1 / rank, rank, 1 / rank)


async def judged(candidate: BaseDocumentCompressor | None, cases: int = CASES) -> Judgement:
    runs = await rank_golden(golden(cases), search, {"current": None, "candidate": candidate})
    return judge(runs["current"], runs["candidate"])


async def test_a_reranker_that_puts_gold_first_is_promoted() -> None:
    judgement = await judged(Ordering())
    assert judgement.gain == pytest.approx(1 / (1 / 2))
    assert (judgement.refusals, judgement.is_promoted, judgement.cases) == ((), True, CASES)
    assert judgement.changes[0].metric == "mrr@10"


async def test_one_that_changes_nothing_is_refused_with_the_figures() -> None:
    judgement = await judged(None)
    assert judgement.refusals[0] == "mrr@10 is 1.0000 times today's, and 1.02 times is needed"
    assert "may be chance: +0.0000 [+0.0000, +0.0000] on 60 cases" in judgement.refusals[1]


async def test_one_that_is_worse_is_refused_for_each_metric_beyond_its_margin() -> None:
    judgement = await judged(Ordering(reverse=False))  # gold last
    assert judgement.gain == pytest.approx((1 / 4) / (1 / 2))
    assert any(
        refusal.startswith("a drop of ndcg@10 by 0.02 is not ruled out") for refusal in judgement.refusals
    )
    assert any(refusal.startswith("recall@3 has dropped") for refusal in judgement.refusals)


async def test_too_few_golden_cases_decide_nothing() -> None:
    judgement = await judged(Ordering(), cases=20)
    assert judgement.refusals == ("20 cases are too few to decide by: it takes 30",)


async def test_a_set_without_documents_and_a_reranker_that_fails_are_errors() -> None:
    nothing = parse_cases(b'{"query": "q", "expected_answer": "a"}', "golden", place="golden")
    with pytest.raises(InvalidInputError, match="no case of golden names documents"):
        await rank_golden(nothing, search, {"candidate": Ordering()})
    with pytest.raises(ModelError, match="a reranker failed"):
        await rank_golden(golden(), search, {"candidate": Ordering(fails=True)})


def test_ratings_alone_are_enough_to_learn_from() -> None:
    lists = made_lists(40, seed=7)
    sessions = [
        replace(s, approved=s.clicked, clicked=s.approved) for s in simulate([lists], range(40), 900, 7)
    ]
    learned = learn(Screened(tuple(sessions), 0, ("golden",)))
    assert (learned.propensities.method, learned.counts["clicks"]) == ("none", 0)
    assert learned.features[0].weight > 0


async def test_the_card_says_where_a_model_comes_from_and_what_it_is_worth() -> None:
    rankings = [made_lists(60, seed=6, noise=noise) for noise in (0.0, 0.7)]
    sessions = simulate(rankings, range(60), 1500, seed=6)
    learned = learn(Screened(tuple(sessions), 3, ("golden",)))
    judgement = await judged(Ordering())
    origin = Origin(
        name="team",
        tenant_id="t-1",
        created_by="script:ann",
        created_at="2026-03-02T12:00:00+00:00",
        git_revision="abc",
        days=90,
        current="RERANK_MODEL=none",
        collected={"answers_read": 1503},
    )
    files = model_files(learned, judgement, origin)
    card = json.loads(files[CARD_JSON])
    assert card["data_version"] == learned.data_version
    assert card["counts"]["left_out_as_golden"] == 3
    assert card["evaluation"]["metrics"][0]["difference"] == pytest.approx(0.5)
    assert len(card["propensities"]["values"]) == 10
    # SHAP values of a linear model: weight · (x − mean) / scale, over the sessions with something to tell.
    rows = np.vstack([session.features for session in sessions if session.is_telling])
    weights = read_weights(files[MODEL_FILE], place=MODEL_FILE)
    one = weights.weights[BY_PEOPLE] / weights.scale[BY_PEOPLE]
    expected = np.abs(one * (rows[:, BY_PEOPLE] - weights.mean[BY_PEOPLE])).mean()
    shap = {feature["name"]: feature["mean_abs_shap"] for feature in card["features"]}
    assert shap["pairs"] == pytest.approx(expected)
    assert card["features"][0]["name"] == "pairs"
    page = files[CARD_MARKDOWN].decode()
    assert "2.0000 times the mean reciprocal rank of RERANK_MODEL=none" in page
    assert "| mrr@10 | 0.500 | 1.000 | +0.500 [+0.500, +0.500] |" in page
    assert "question" not in files[MODEL_FILE].decode()
