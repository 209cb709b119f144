import asyncio
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, ModelError
from rag.models.bert_onnx import BertEncoder, check_sha256
from rag.models.minilm import MAX_TOKENS, WEIGHTS_SHA256, MiniLMEmbeddings, plan_batches
from rag.models.shared_batches import BATCH_TOKENS, RUN_COST

REFERENCE = json.loads((Path(__file__).parent / "data" / "minilm_reference.json").read_text("utf-8"))["cases"]
TEXTS = [case["text"] for case in REFERENCE]
LONG = "one two three four five six seven eight nine ten " * 40  # 400 word pieces


@pytest.fixture(scope="module")
def minilm() -> MiniLMEmbeddings:
    return MiniLMEmbeddings.load(threads=2)


def test_gives_the_vectors_of_sentence_transformers(minilm: MiniLMEmbeddings) -> None:
    expected = np.array([case["vector"] for case in REFERENCE])
    assert ((minilm.encode(TEXTS) * expected).sum(axis=1) >= 0.999).all()
    assert max(minilm.count_tokens(TEXTS)) > MAX_TOKENS  # the sample covers truncation


def test_vectors_have_unit_length_and_single_precision(minilm: MiniLMEmbeddings) -> None:
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), minilm.dimensions)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_vector_does_not_depend_on_its_neighbours(minilm: MiniLMEmbeddings) -> None:
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    assert minilm.encode(TEXTS) == pytest.approx(alone, abs=1e-5)
    assert minilm.encode(TEXTS[::-1])[::-1] == pytest.approx(alone, abs=1e-5)


def test_concurrent_calls_do_not_mix_up_their_results(minilm: MiniLMEmbeddings) -> None:
    expected = minilm.encode(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(lambda _: minilm.encode(TEXTS), range(4)):
            assert vectors == pytest.approx(expected, abs=1e-5)


def test_what_is_done_in_the_background_is_the_same(minilm: MiniLMEmbeddings) -> None:
    assert minilm.encode(TEXTS, background=True) == pytest.approx(minilm.encode(TEXTS), abs=1e-5)
    in_front, behind = minilm.encode_tokens(TEXTS), minilm.encode_tokens(TEXTS, background=True)
    for one, other in zip(in_front, behind, strict=True):
        assert one.tokens == pytest.approx(other.tokens, abs=1e-4)
    assert minilm.embed_documents([]) == []


def test_different_texts_get_different_vectors(minilm: MiniLMEmbeddings) -> None:
    similarities = (vectors := minilm.encode(TEXTS)) @ vectors.T
    assert similarities[~np.eye(len(TEXTS), dtype=bool)].max() < 0.9


def test_similar_meaning_is_nearer_than_similar_words(minilm: MiniLMEmbeddings) -> None:
    question, answer, other = minilm.encode(
        ["How do I reset my password?", "Choose a new login secret here.", "How do I reset my clock?"]
    )
    assert question @ answer > 0.3
    assert minilm.encode(["How can I change my password?"])[0] @ question > question @ other


def test_text_beyond_the_limit_is_ignored(minilm: MiniLMEmbeddings) -> None:
    pieces = minilm.token_spans(LONG)
    kept = LONG[: pieces[MAX_TOKENS - 2 - 1][1]]  # [CLS] and [SEP] take two places
    whole, cut = minilm.encode([LONG, kept])
    assert whole == pytest.approx(cut, abs=1e-5)
    assert not np.allclose(whole, minilm.encode([kept.rsplit(" ", 1)[0]])[0], atol=1e-5)


def test_langchain_methods_give_lists_of_the_same_vectors(minilm: MiniLMEmbeddings) -> None:
    assert minilm.embed_query("a question") == minilm.encode(["a question"])[0].tolist()
    assert minilm.embed_documents(["a", "b"]) == minilm.encode(["a", "b"]).tolist()


async def test_async_methods_give_the_same_vectors(minilm: MiniLMEmbeddings) -> None:
    assert await minilm.aembed_query("a question") == minilm.embed_query("a question")
    assert await minilm.aembed_documents(["a", "b"]) == minilm.embed_documents(["a", "b"])


def test_a_query_needs_not_wait_for_the_documents_in_the_background(minilm: MiniLMEmbeddings) -> None:
    async def ask() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        documents = [
            asyncio.create_task(minilm.aembed_documents(["long text " * 120] * 16)) for _ in range(4)
        ]
        await asyncio.sleep(0.05)  # the first of them has begun
        await minilm.aembed_query("a question")
        assert not any(task.done() for task in documents)
        for task in documents:
            task.cancel()
        await asyncio.gather(*documents, return_exceptions=True)

    asyncio.run(ask())  # a loop of its own, whose only thread nothing else needs


def test_token_states_share_the_text_vector_of_encode(minilm: MiniLMEmbeddings) -> None:
    states = minilm.encode_tokens(TEXTS)
    assert np.stack([state.vector for state in states]) == pytest.approx(minilm.encode(TEXTS), abs=1e-5)


def test_token_states_line_up_with_the_text(minilm: MiniLMEmbeddings) -> None:
    text = "Réunion's embeddings!"
    (state,) = minilm.encode_tokens([text])
    pieces = [text[start:end] for start, end in state.offsets]
    assert pieces == ["Réunion", "'", "s", "em", "bed", "ding", "s", "!"]
    assert state.tokens.shape == (8, 384)
    assert state.ids.shape == (8,)
    assert np.linalg.norm(state.tokens, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_token_states_of_a_long_text_stop_at_the_limit(minilm: MiniLMEmbeddings) -> None:
    (state,) = minilm.encode_tokens([LONG])
    assert state.tokens.shape == (MAX_TOKENS - 2, 384)
    assert state.offsets.tolist() == [list(span) for span in minilm.token_spans(LONG)[: MAX_TOKENS - 2]]


def test_tokens_are_counted_without_limit_padding_or_special_ones(minilm: MiniLMEmbeddings) -> None:
    assert minilm.count_tokens(["", "word", "two words", LONG]) == [0, 1, 2, 400]


def test_token_spans_cut_the_text_into_its_pieces(minilm: MiniLMEmbeddings) -> None:
    text = "Ünïcode 漢字, tokenisation"
    assert [text[start:end] for start, end in minilm.token_spans(text)] == [
        "Ünïcode", "漢", "字", ",", "token", "isation",
    ]  # fmt: skip
    assert len(minilm.token_spans(LONG)) == 400


def test_an_empty_text_has_a_vector_and_no_tokens(minilm: MiniLMEmbeddings) -> None:
    assert np.linalg.norm(minilm.embed_query("")) == pytest.approx(1.0, abs=1e-5)
    assert minilm.token_spans("") == []
    (state,) = minilm.encode_tokens([""])
    assert (state.tokens.shape, state.offsets.shape) == ((0, 384), (0, 2))


def test_no_texts_give_no_vectors(minilm: MiniLMEmbeddings) -> None:
    assert minilm.encode([]).shape == (0, 384)
    assert minilm.embed_documents([]) == []
    assert minilm.encode_tokens([]) == []
    assert minilm.count_tokens([]) == []


@pytest.mark.parametrize("text", ["\x00", "\u200b\u200e", "a" * 5000, "😀" * 300, "[CLS] [SEP]", "\n\t "])
def test_odd_texts_have_a_vector(minilm: MiniLMEmbeddings, text: str) -> None:
    assert np.linalg.norm(minilm.embed_query(text)) == pytest.approx(1.0, abs=1e-5)


def test_a_lone_surrogate_is_the_callers_mistake(minilm: MiniLMEmbeddings) -> None:
    for call in (minilm.encode, minilm.encode_tokens, minilm.count_tokens):
        with pytest.raises(InvalidInputError, match="character 3"):
            call(["bad\ud800"])
    with pytest.raises(InvalidInputError):
        minilm.token_spans("\udfff")


def test_other_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(ModelError, match="SHA-256"):
        BertEncoder.open(tmp_path / "model.safetensors", WEIGHTS_SHA256)


@pytest.mark.parametrize("content", [None, b""])
def test_missing_or_empty_weights_are_a_model_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError):
        BertEncoder.open(path, WEIGHTS_SHA256)


def test_the_right_checksum_passes_and_no_other() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"  # SHA-256 of no bytes
    check_sha256(b"", empty, "nothing")
    with pytest.raises(ModelError, match="something"):
        check_sha256(b"\0", empty, "something")


def test_torch_is_not_imported(minilm: MiniLMEmbeddings) -> None:
    assert minilm.dimensions == 384
    assert "torch" not in sys.modules


@given(st.lists(st.integers(min_value=2, max_value=MAX_TOKENS), max_size=80))
def test_batches_hold_each_text_once_within_the_budget(lengths: list[int]) -> None:
    batches = plan_batches(lengths)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert longest * len(batch) <= BATCH_TOKENS
        assert longest - min(lengths[index] for index in batch) <= RUN_COST


def test_neighbours_in_length_share_a_batch() -> None:
    assert plan_batches([10, 200, 18, 9, 199, 202]) == [[5, 1], [4], [2, 0], [3]]


def test_telemetry_of_the_runtime_is_off(minilm: MiniLMEmbeddings) -> None:
    assert minilm.dimensions == 384  # loaded
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
