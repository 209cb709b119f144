import json
import math
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from rag.errors import InvalidInputError
from rag.model_registry.folder import FolderRegistry
from rag.model_registry.types import ModelState
from rag.models.learned_reranker import (
    MODEL_FILE,
    LearnedReranker,
    RerankerWeights,
    read_weights,
    write_weights,
)
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.models.rerank_features import FEATURES, RerankCandidate, feature_matrix
from rag.ports import Passage, RetrievedPassage
from rag.rerank import rerank

WIDTH = len(FEATURES)


def weighing(**weights: float) -> RerankerWeights:
    """A model of these features alone, not standardised."""
    return RerankerWeights(
        features=FEATURES,
        mean=(0.0,) * WIDTH,
        scale=(1.0,) * WIDTH,
        weights=tuple(weights.get(name, 0.0) for name in FEATURES),
    )


def candidate(text: str, **changes: object) -> RerankCandidate:
    made = RerankCandidate(text, "", (), 0, None, None, None, None, 0.0)
    return replace(made, **changes)  # type: ignore[arg-type]


def retrieved(text: str, rank: int) -> RetrievedPassage:
    passage = Passage(
        uuid4(), uuid4(), f"{rank}", 1, f"{rank}", None, text, 0, len(text), None, (), rank, 3, {}
    )
    return RetrievedPassage(passage, 1 / rank, rank, 1 / rank)


def feature(name: str, question: str, *candidates: RerankCandidate) -> list[float]:
    column: list[float] = feature_matrix(question, candidates)[:, FEATURES.index(name)].tolist()
    return column


def test_scores_of_the_search_become_features() -> None:
    found = (
        candidate("a", vector_rank=2, vector_score=0.8, lexical_rank=None, fused_score=0.5),
        candidate("b", lexical_rank=1, lexical_score=3.0, fused_score=0.4),
        candidate("c", vector_rank=1, vector_score=0.6, lexical_score=1.5, fused_score=0.1),
    )
    assert feature("vector_score", "q", *found) == [0.8, 0.6, 0.6]  # the least of the others
    assert feature("vector_rank", "q", *found) == [60 / 62, 0.0, 60 / 61]
    assert feature("lexical_score", "q", *found) == pytest.approx([0, math.log(1 + 3), math.log(1 + 1.5)])
    assert feature("lexical_share", "q", *found) == [0.0, 1.0, 0.5]
    assert feature("fused_share", "q", *found) == pytest.approx([1.0, 0.75, 0.0])


def test_words_weigh_by_how_few_of_the_candidates_have_them() -> None:
    found = (candidate("backups kept"), candidate("backups"), candidate("lunch"))
    # "backups" is in two of three, "kept" in one: log(1 + 3/2) and log(1 + 3/1).
    backups, kept = math.log(2.5), math.log(4)
    shares = feature("coverage", "How are backups kept?", *found)
    assert shares == pytest.approx([1.0, backups / (backups + kept), 0.0])
    counts = feature("frequency", "How are backups kept?", *found)
    assert counts[1] == pytest.approx(backups * (1 / 2.2) / (backups + kept))


def test_titles_neighbouring_words_and_closeness_tell() -> None:
    apart = "travel " + "filler " * 30 + "budget"
    found = (candidate("the travel budget"), candidate(apart), candidate("x", title="Travel budget"))
    assert feature("pairs", "travel budget", *found) == [1.0, 0.0, 0.0]
    assert feature("title_coverage", "travel budget", *found) == pytest.approx([0.0, 0.0, 1.0])
    assert feature("closeness", "travel budget", *found) == pytest.approx([1.0, 0.5, 0.0])


def test_what_says_the_same_as_the_best_is_pulled_up() -> None:
    found = (
        candidate("wing lift drag flow", fused_score=1.0),
        candidate("lunch canteen noon", fused_score=0.5),
        candidate("wing lift drag speed", fused_score=0.0),
    )
    shares = feature("neighbours", "anything", *found)
    assert shares[2] > shares[1]
    assert shares[2] == pytest.approx(1.0)  # its only neighbour is the best


def test_texts_of_any_kind_have_features() -> None:
    found = [candidate(text) for text in ("", "的是 在", "\ud800", "… !", "x" * 5000)]
    matrix = feature_matrix("？", found)
    assert matrix.shape == (5, WIDTH)
    assert bool((abs(matrix) < 1e6).all())
    assert feature_matrix("nothing found", []).shape == (0, WIDTH)


async def test_it_reorders_what_the_search_found() -> None:
    passages = [retrieved("lunch is at noon", 1), retrieved("backups are kept for 35 days", 2)]
    reranker = LearnedReranker(weights=weighing(coverage=2.0))
    ranked = await rerank(reranker, "How long are backups kept?", passages, top_k=2)
    assert [found.passage.text for found in ranked.passages] == [
        passages[1].passage.text,
        passages[0].passage.text,
    ]
    assert ranked.degraded == []
    assert ranked.passages[0].rerank_score == pytest.approx(1 / (1 + math.exp(-2.0 * 2 / 3)), abs=0.2)
    assert ranked.passages[1].rerank_score == 0.5


async def test_without_a_difference_the_order_of_the_search_stays() -> None:
    passages = [retrieved(f"passage {rank}", rank) for rank in range(1, 30)]
    ranked = await rerank(LearnedReranker(weights=weighing()), "q", passages, top_k=29)
    assert [found.fused_rank for found in ranked.passages] == list(range(1, 30))


def test_a_model_file_is_read_as_it_was_written() -> None:
    weights = weighing(coverage=1 / 3, pairs=-2e-17)
    assert read_weights(write_weights(weights), place="model.json") == weights


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": [*FEATURES[:-1], "clicks"]}, "it was made for other features: clicks, is_first"),
        ({"features": [*FEATURES[1:], FEATURES[0]]}, "it was made for other features: their order"),
        ({"weights": [math.nan] * WIDTH}, "weights.0: Input should be a finite number"),
        ({"mean": [math.inf] * WIDTH}, "mean.0: Input should be a finite number"),
        ({"scale": [0.0] * WIDTH}, "a scale is not above 0"),
        ({"weights": [1.0]}, f"are not {WIDTH} numbers each"),
        ({"question": "How long?"}, "question: Extra inputs are not permitted"),
    ],
)
def test_a_model_file_that_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    data = json.dumps(json.loads(write_weights(weighing())) | change).encode()
    with pytest.raises(InvalidInputError, match=f"model.json: .*{message}"):
        read_weights(data, place="model.json")


def test_what_is_no_model_file_is_refused() -> None:
    for data in (b"", b"[]", b"\xff", b"{" * 200_000):
        with pytest.raises(InvalidInputError, match=r"model\.json"):
            read_weights(data, place="model.json")


def test_a_setting_names_a_version_of_a_registry(tmp_path: Path) -> None:
    registry = FolderRegistry(tmp_path)
    model = registry.register("team", {MODEL_FILE: write_weights(weighing(pairs=1.0))}, by="ann")
    models = Models(ModelOptions(model_registry=str(tmp_path)))
    assert models.reranker("local:team@1") is not None
    for name, message in (
        ("local:team@2", "there is no model team@2"),
        ("local:other@1", "there is no model other@1"),
        ("local:team", "write bedrock:.* local:<name>@<version>"),
        ("local:../team@1", "write bedrock:.* local:<name>@<version>"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            models.reranker(name)
    registry.set_state(model, ModelState.REJECTED, by="ann")
    with pytest.raises(InvalidInputError, match="local:team@1: it was rejected"):
        models.reranker("local:team@1")
