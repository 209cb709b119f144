import csv
import json
from pathlib import Path

import numpy as np
import pytest

from eval.fit_groundedness import (
    MeasuredSet,
    cross_fit,
    deal_folds,
    fit,
    gain,
    measure_set,
    score_set,
    word_recall,
)
from eval.groundedness import GroundednessScorer
from eval.groundedness_data import GroundednessExample, Kind, load_altered, load_begin, load_halueval
from eval.groundedness_features import FEATURES
from eval.groundedness_weights import DEFAULT
from eval.logistic import fit_logistic
from eval.metrics import auroc
from rag.models.minilm import MiniLMEmbeddings


@pytest.fixture(scope="module")
def encoder() -> MiniLMEmbeddings:
    return MiniLMEmbeddings.load(threads=1)


def synthetic(name: str, size: int, seed: int) -> MeasuredSet:
    """Answers of one or two claims, grounded exactly if no claim lacks a word; the floor is noise."""
    draws = np.random.default_rng(seed)
    rows = []
    for _ in range(size):
        matrix = np.zeros((int(draws.integers(1, 3)), len(FEATURES)))
        matrix[:, 0] = draws.integers(0, 2, len(matrix))
        rows.append(matrix)
    examples = tuple(
        GroundednessExample("a", ("b",), bool((m[:, 0] == 0).all()), str(at // 2))
        for at, m in enumerate(rows)
    )
    return MeasuredSet(name, examples, tuple(rows), draws.random(size))


def test_logistic_regression_finds_the_odds() -> None:
    # Of rows with 1, three in four are positive; with 0, one in four: log-odds of ± log 3.
    matrix = np.repeat([[0.0], [1.0]], 400, axis=0)
    labels = np.tile([True, False, False, False], 200)
    labels[400:] = ~labels[400:]
    slopes, bias = fit_logistic(matrix, labels, ridge=1e-9)

    assert slopes[0] == pytest.approx(2 * np.log(3), abs=1e-6)
    assert bias == pytest.approx(-np.log(3), abs=1e-6)


def test_what_counts_twice_is_as_if_it_stood_there_twice() -> None:
    matrix, labels = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([False, True, False, True])
    doubled = fit_logistic(np.tile(matrix, (2, 1)), np.tile(labels, 2))
    weighted = fit_logistic(matrix, labels, worth=np.full(4, 2.0))
    assert weighted[0] == pytest.approx(doubled[0])
    assert weighted[1] == pytest.approx(doubled[1])


def test_an_unsupported_sentence_among_others_is_found() -> None:
    measured = synthetic("BEGIN", 300, 0)
    weights = fit([measured])

    assert weights.slopes[0] < 0
    assert auroc(score_set(measured, weights), measured.labels) == 1.0


def test_groups_stay_on_one_side() -> None:
    measured = synthetic("BEGIN", 100, 0)
    folds = deal_folds(measured)
    by_group: dict[str, set[int]] = {}
    for example, fold in zip(measured.examples, folds.tolist(), strict=True):
        by_group.setdefault(example.group, set()).add(fold)
    assert all(len(dealt) == 1 for dealt in by_group.values())
    assert len(set(folds.tolist())) == 10


def test_cross_fitting_scores_every_answer_and_gains_over_noise() -> None:
    sets = {"BEGIN": synthetic("BEGIN", 120, 1), "HaluEval": synthetic("HaluEval", 80, 2)}
    scores = cross_fit(sets)

    assert {name: len(values) for name, values in scores.items()} == {"BEGIN": 120, "HaluEval": 80}
    assert gain(scores["BEGIN"], sets["BEGIN"]).low > 0


def test_labels_that_mean_nothing_are_not_learnt_across_folds() -> None:
    draws = np.random.default_rng(3)
    rows = tuple(draws.normal(size=(1, len(FEATURES))) for _ in range(400))
    examples = tuple(GroundednessExample("a", ("b",), bool(draws.integers(2)), str(at)) for at in range(400))
    noise = MeasuredSet("BEGIN", examples, rows, draws.random(400))
    assert 0.35 < auroc(cross_fit({"BEGIN": noise})["BEGIN"], noise.labels) < 0.6


def test_the_floor_is_the_share_of_content_words() -> None:
    assert (
        word_recall(
            GroundednessExample("backups kept offsite", ("Backup are kept",), grounded=True, group="")
        )
        == 2 / 3
    )
    assert word_recall(GroundednessExample("", ("a",), grounded=True, group="")) == 0.0


def test_judged_answers_are_read(tmp_path: Path) -> None:
    begin = tmp_path / "begin.tsv"
    with begin.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None)
        rows.writerow(["model_name", "data_source", "knowledge", "message", "response", "begin_label"])
        rows.writerow(["t5", "wow", 'say "so', "hi", "so", "Fully attributable"])
        rows.writerow(["t5", "wow", "k", "hi", "no", "Not fully attributable"])
        rows.writerow(["t5", "wow", "k", "hi", "ok", "Generic"])
    assert load_begin(begin) == [
        GroundednessExample("so", ('say "so',), grounded=True, group='say "so'),
        GroundednessExample("no", ("k",), grounded=False, group="k"),
    ]
    halueval = tmp_path / "halueval.jsonl"
    halueval.write_text(
        '{"knowledge": "k", "right_answer": "r", "hallucinated_answer": "h"}', encoding="utf-8"
    )
    assert load_halueval([halueval]) == [
        GroundednessExample("r", ("k",), grounded=True, group="k"),
        GroundednessExample("h", ("k",), grounded=False, group="k"),
    ]


def test_sentences_are_altered_in_one_thing(tmp_path: Path, encoder: MiniLMEmbeddings) -> None:
    texts = [
        "In 1889 the tower was built by Gustave Eiffel. It stands in Paris. It has 3 floors.",
        "In 1931 the tall house was built by William Lamb. It stands in Manhattan. It has 102 floors.",
    ]
    answers = ["In 1889 it was built by Gustave Eiffel in Paris.", "It was built by William Lamb."]
    records = [
        {"passages": [{"text": text}], "output": [{"answer": answer}]}
        for text, answer in zip(texts, answers, strict=True)
    ]
    file = tmp_path / "clapnq.jsonl"
    file.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")

    examples = load_altered(file, encoder)

    assert examples == load_altered(file, encoder)
    of_first = [example for example in examples if example.group == "0"]
    right = next(example for example in of_first if example.kind is Kind.RIGHT)
    assert right.answer == answers[0]
    assert texts[0] in right.sources
    assert [example.grounded for example in of_first] == [example is right for example in of_first]
    changed = {example.kind: example for example in of_first if example is not right}
    assert set(changed) == set(Kind) - {Kind.JUDGED, Kind.RIGHT}
    assert changed[Kind.PASSAGE].sources == (texts[1],)
    assert changed[Kind.NEGATED].answer == "In 1889 it was not built by Gustave Eiffel in Paris."
    assert changed[Kind.NUMBER].answer == "In 3 it was built by Gustave Eiffel in Paris."
    assert changed[Kind.DIGIT].answer != answers[0]


def test_sets_are_scored_as_answers_are(encoder: MiniLMEmbeddings) -> None:
    scorer = GroundednessScorer(encoder)
    answers = ["Yes.", "Backups are kept. Cats bark loudly.", "Backups are kept."]
    examples = [GroundednessExample(a, ("Backups are kept.",), grounded=True, group="") for a in answers]
    measured = measure_set("BEGIN", examples, scorer)

    scores = [scorer.score(example.answer, example.sources).score for example in examples]
    assert score_set(measured, DEFAULT).tolist() == pytest.approx(scores)
    assert scores[0] == 0.5
