import pytest

from eval.groundedness import GroundednessScorer
from eval.groundedness_features import FEATURES, choose_evidence, read_words
from rag.errors import InvalidInputError
from rag.models.minilm import MiniLMEmbeddings

SOURCES = [
    "Application logs are kept for 90 days. Backups are kept for 35 days and are encrypted.",
    "The plan includes 5GB. Dr. Ada Brown leads the team in Zurich.",
]


@pytest.fixture(scope="module")
def scorer() -> GroundednessScorer:
    return GroundednessScorer(MiniLMEmbeddings.load(threads=1))


def score(scorer: GroundednessScorer, answer: str) -> float:
    return scorer.score(answer, SOURCES).score


@pytest.mark.parametrize(
    "answer",
    [
        "Backups are kept for 35 days and are encrypted.",
        "Backups are encrypted [1].",
        "The plan includes 5 GB. [2]",
        "Ada Brown leads the team.",
        "Yes. Backups are kept for 35 days.",
    ],
)
def test_what_the_sources_say_is_supported(scorer: GroundednessScorer, answer: str) -> None:
    assert score(scorer, answer) > 0.7


@pytest.mark.parametrize(
    "answer",
    [
        "Backups are kept for 36 days.",
        "Backups are kept for 90 days.",  # the logs are
        "Backups are not encrypted.",
        "Ada Miller leads the team.",
        "I think backups are a nuisance.",
        "Penguins live in Antarctica.",
    ],
)
def test_what_they_do_not_say_is_not(scorer: GroundednessScorer, answer: str) -> None:
    assert score(scorer, answer) < 0.5


def test_the_worst_sentence_decides(scorer: GroundednessScorer) -> None:
    found = scorer.score("Yes. Backups are encrypted. Penguins live in Antarctica.", SOURCES)

    assert [sentence.text for sentence in found.sentences] == [
        "Backups are encrypted.",
        "Penguins live in Antarctica.",
    ]
    assert found.score == found.sentences[1].score < found.sentences[0].score


@pytest.mark.parametrize(
    ("answer", "expected"), [("", 0), (" \n", 0), ("[1]", 0), ("?!", 0), ("Yes.", 0.5), ("it is [1]", 0.5)]
)
def test_an_answer_that_claims_nothing_is_undecided_and_one_without_words_scores_0(
    scorer: GroundednessScorer, answer: str, expected: float
) -> None:
    found = scorer.score(answer, SOURCES)
    assert (found.score, found.sentences) == (expected, ())


@pytest.mark.parametrize("sources", [[], ["", " \n"]])
def test_without_sources_nothing_is_supported(scorer: GroundednessScorer, sources: list[str]) -> None:
    assert scorer.score("Backups are encrypted.", sources).score == 0.0
    assert scorer.score("Yes.", sources).score == 0.0


@pytest.mark.parametrize("text", ["\0", "日本の首都は東京です。", "x" * 5000, "🦊" * 300, "§§§", "1\n" * 500])
def test_any_text_gives_a_score(scorer: GroundednessScorer, text: str) -> None:
    for answer, source in ((text, "a word"), ("a word", text), (text, text)):
        assert 0 <= scorer.score(answer, [source]).score <= 1


def test_text_that_is_not_unicode_is_refused(scorer: GroundednessScorer) -> None:
    with pytest.raises(InvalidInputError, match="Unicode"):
        scorer.score("a word \ud800", ["a word"])


def test_the_order_of_the_sources_does_not_matter(scorer: GroundednessScorer) -> None:
    answer = "Backups are kept for 35 days and the plan includes 5 GB."
    assert scorer.score(answer, SOURCES).score == pytest.approx(scorer.score(answer, SOURCES[::-1]).score)


def test_words_are_compared_by_stem_and_numerals_by_digits() -> None:
    words = read_words("Two admins retained 1,500 logs of 5GB.")
    assert words.keys == ("2", "admin", "retain", "1500", "log", "of", "5", "gb")


def test_evidence_is_what_adds_most_words_best_first() -> None:
    claim = read_words("The red lamp costs 20 EUR in Rome")
    sources = [
        read_words(text) for text in ("It is in Rome.", "Boats float.", "A red lamp costs 20.", "Red lamp")
    ]

    assert [words.text for words in choose_evidence(claim, sources)] == [
        "A red lamp costs 20.",
        "It is in Rome.",
    ]
    assert choose_evidence(claim, []) == []
    assert choose_evidence(claim, [read_words("Boats float")]) == []


@pytest.mark.parametrize(
    ("answer", "feature", "value"),
    [
        ("Backups are kept for 36 days.", "missing_numbers", 1),
        ("Backups are kept for 90 days.", "missing_numbers", 0),
        ("Backups are kept for 90 days.", "displaced_numbers", 1),
        ("Backups are kept for 35 days.", "displaced_numbers", 0),
        ("The leader is Eve Brown.", "missing_names", 1),
        ("Backups aren't encrypted.", "negation", 1),
        ("I know that backups are encrypted.", "first_person", 1),
        ("Backups are encrypted.", "missing", 0),
        ("Backups are encrypted.", "function_words", 1),
    ],
)
def test_small_differences_are_measured(
    scorer: GroundednessScorer, answer: str, feature: str, value: float
) -> None:
    assert scorer.measure(answer, SOURCES).matrix[0][FEATURES.index(feature)] == value
