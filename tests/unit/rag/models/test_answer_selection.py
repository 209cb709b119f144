"""The extractive answerer's choice of sentences, with the real embedder and with a toy one."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rag.models.answer_question import read_question, word_weight
from rag.models.answer_quote import QUOTE_WORDS
from rag.models.answer_selection import AnswerSelector, Selection
from rag.models.answer_text import Expects, contradicts, expects, is_negated, stem, word_count
from rag.models.answer_weights import ANSWER_THRESHOLD
from rag.models.minilm import MiniLMEmbeddings

LIGHTHOUSE = [
    "The lighthouse at Cape Orrin was built in 1843 by Agnes Tull.",
    "It is painted with red and white bands.",
    "Its keepers lived on the island until the lamp was automated in 1971.",
]
HARBOUR = [
    "The harbour of Orrin freezes in most winters.",
    "Fishing boats bring in 900 tons of herring each year.",
]


@dataclass(frozen=True, slots=True)
class ToyStates:
    vector: NDArray[np.float32]
    tokens: NDArray[np.float32]
    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]


class ToyEncoder:
    """A fixed random direction per word; sees 40 words of a text, as a real model sees so many pieces."""

    def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> list[ToyStates]:
        return [self._states(text) for text in texts]

    @staticmethod
    def _states(text: str) -> ToyStates:
        words = list(re.finditer(r"\w+|[^\w\s]", text))[:40]
        tokens = np.zeros((len(words), 8), np.float32)
        for row, word in enumerate(words):
            tokens[row] = np.random.default_rng(crc32(word.group().lower().encode())).normal(size=8)
        tokens /= np.maximum(np.linalg.norm(tokens, axis=1, keepdims=True), 1e-9)
        vector = tokens.mean(0) if len(words) else np.zeros(8, np.float32)
        ids = np.array([3000 + crc32(w.group().encode()) % 20_000 for w in words], np.int32)
        offsets = np.array([w.span() for w in words], np.int32).reshape(-1, 2)
        return ToyStates(vector, tokens, ids, offsets)


@pytest.fixture(scope="module")
def selector() -> AnswerSelector:
    return AnswerSelector(MiniLMEmbeddings.load())


def assert_verbatim(selection: Selection, sources: Sequence[Sequence[str]]) -> None:
    for pick in selection.picks:
        sentence = sources[pick.source][pick.sentence]
        assert sentence[pick.start : pick.start + len(pick.text)] == pick.text
        assert pick.text.strip() == pick.text != ""


def quoted(selection: Selection) -> str:
    return " ".join(pick.text for pick in selection.picks)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("When was the lighthouse at Cape Orrin built?", "1843"),
        ("How many tons of herring do the boats bring?", "900 tons"),
        ("Until when did keepers live on the island?", "1971"),
        ("What colours is the lighthouse painted in?", "red and white"),
    ],
)
def test_quotes_the_sentence_that_answers(selector: AnswerSelector, question: str, answer: str) -> None:
    selection = selector.select(question, [LIGHTHOUSE, HARBOUR])

    assert answer in quoted(selection)
    assert_verbatim(selection, [LIGHTHOUSE, HARBOUR])


def test_an_answered_question_is_likelier_answerable_than_a_foreign_one(selector: AnswerSelector) -> None:
    answered = selector.select("Who built the lighthouse at Cape Orrin?", [LIGHTHOUSE])
    foreign = selector.select("Which encryption keys does the queue service support?", [LIGHTHOUSE])

    assert answered.answerable > 0.5
    assert foreign.answerable < ANSWER_THRESHOLD


def test_another_year_makes_an_answer_less_likely(selector: AnswerSelector) -> None:
    right = selector.select("What was built by Agnes Tull in 1843?", [LIGHTHOUSE])
    wrong = selector.select("What was built by Agnes Tull in 1912?", [LIGHTHOUSE])

    assert wrong.answerable < right.answerable


def test_a_negation_that_the_text_lacks_makes_an_answer_less_likely(selector: AnswerSelector) -> None:
    plain = selector.select("Who built the lighthouse?", [LIGHTHOUSE])
    negated = selector.select("Who never built the lighthouse?", [LIGHTHOUSE])

    assert negated.answerable < plain.answerable


def test_picks_stand_in_reading_order(selector: AnswerSelector) -> None:
    selection = selector.select("How is the lighthouse painted and who built it?", [HARBOUR, LIGHTHOUSE])

    places = [(pick.source, pick.sentence) for pick in selection.picks]
    assert len(places) == 2
    assert places == sorted(places)


def test_a_sentence_too_long_is_quoted_in_part(selector: AnswerSelector) -> None:
    filler = "and then there came a quiet year in which nothing of note was written down by anyone at all"
    sentence = (
        f"The chronicle opens, {filler}, {filler}, {filler}, the bell of Orrin was cast in 1702, {filler}."
    )

    selection = selector.select("When was the bell of Orrin cast?", [[sentence]])

    assert word_count(sentence) > QUOTE_WORDS
    assert "cast in 1702" in quoted(selection)
    assert word_count(quoted(selection)) <= QUOTE_WORDS
    assert_verbatim(selection, [[sentence]])


def test_a_heading_is_not_an_answer(selector: AnswerSelector) -> None:
    source = ["## Maximum size of a message", "It is 256 KB.", "Larger ones are refused."]

    selection = selector.select("What is the maximum size of a message?", [source])

    assert "256 KB" in quoted(selection)
    assert all(not pick.text.startswith("#") for pick in selection.picks)


def test_chinese_is_quoted_within_the_limit(selector: AnswerSelector) -> None:
    source = ["灯塔建于1843年。", "海港在冬天结冰。" * 40]

    selection = selector.select("灯塔建于哪一年?", [source])

    assert "1843" in quoted(selection)
    assert sum(word_count(pick.text) for pick in selection.picks) <= QUOTE_WORDS


@pytest.mark.parametrize("sources", [[], [[]], [[], []], [["", "  \n"]]])
def test_no_sentence_means_no_answer(sources: list[list[str]]) -> None:
    assert AnswerSelector(ToyEncoder()).select("Who?", sources) == Selection((), 0.0)


def test_an_empty_question_has_no_answer() -> None:
    assert AnswerSelector(ToyEncoder()).select("  ", [LIGHTHOUSE]) == Selection((), 0.0)


def test_many_sources_are_encoded_only_in_part() -> None:
    class Counting(ToyEncoder):
        words = 0

        def encode_tokens(self, texts: Sequence[str], *, background: bool = False) -> list[ToyStates]:
            self.words += sum(map(word_count, texts))
            return super().encode_tokens(texts)

    encoder = Counting()
    sources = [
        [f"Pebble number {i} of {j} lies on the long grey beach." for i in range(20)] for j in range(20)
    ]
    sources[17].append("The heron nests in the ruined mill.")

    selection = AnswerSelector(encoder).select("Where does the heron nest?", sources)

    assert "ruined mill" in quoted(selection)
    assert encoder.words < 500


WORDS = st.sampled_from(
    [
        "the",
        "Orrin",
        "lighthouse",
        "was",
        "built",
        "in",
        "1843",
        "by",
        "keepers,",
        "who",
        "(never)",
        "slept;",
        "it",
        "is",
        "灯塔",
        "naïve",
        "#",
        "|",
        "--",
        "…",
        "can't",
        "7%",
    ]
)
SENTENCES = st.lists(WORDS, max_size=90).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(
    question=st.lists(WORDS, max_size=12).map(" ".join),
    sources=st.lists(st.lists(SENTENCES, max_size=6), max_size=4),
)
def test_quotes_are_verbatim_short_and_few(question: str, sources: list[list[str]]) -> None:
    selection = AnswerSelector(ToyEncoder()).select(question, sources)

    assert_verbatim(selection, sources)
    assert len(selection.picks) <= 2
    assert sum(word_count(pick.text) for pick in selection.picks) <= QUOTE_WORDS
    assert len({(pick.source, pick.sentence) for pick in selection.picks}) == len(selection.picks)
    assert 0 <= selection.answerable <= 1


@settings(max_examples=50, deadline=None)
@given(question=st.text(max_size=60), sentence=st.text(max_size=200))
def test_any_text_can_be_asked_and_read(question: str, sentence: str) -> None:
    selection = AnswerSelector(ToyEncoder()).select(question, [[sentence]])

    assert_verbatim(selection, [[sentence]])


def test_the_weight_of_a_word_follows_its_rank_in_the_vocabulary() -> None:
    assert word_weight([2000]) < word_weight([9000]) < word_weight([28_000]) < word_weight([2000, 2001]) == 1


def test_capitals_name_nothing_where_most_words_have_one() -> None:
    def names(text: str) -> list[float]:
        return list(read_question(text, ToyEncoder().encode_tokens([text])[0]).is_name)

    assert names("where is Cape Orrin lighthouse") == [1, 1, 0]
    assert names("THE HARBOUR OF ORRIN FREEZES OFTEN") == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many boats are there?", Expects.NUMBER),
        ("In what year did it open?", Expects.TIME),
        ("Who opened it?", Expects.PERSON),
        ("Which city is it in?", Expects.PLACE),
        ("Why is it red?", Expects.REASON),
        ("How is it lit?", Expects.MANNER),
        ("What is it?", Expects.THING),
        ("Can I visit it?", Expects.THING),
    ],
)
def test_question_words_announce_a_kind(question: str, kind: Expects) -> None:
    assert expects(question) is kind


def test_stems_of_one_family_agree() -> None:
    assert stem("encrypts") == stem("encrypted") == stem("encrypting")
    assert stem("1,000") == "1000"
    assert stem("1843") != stem("1844")


def test_negations_and_opposites() -> None:
    assert is_negated("It doesn't open")
    assert is_negated("an unpainted tower")
    assert not is_negated("the university under the hill, at least")
    assert contradicts("Who won first prize?", "She took the last prize.")
    assert not contradicts("Who came first?", "The first and the last came.")
