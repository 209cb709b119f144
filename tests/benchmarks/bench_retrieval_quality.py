"""Retrieval quality of the product's own search, on public question sets, and beside other implementations.

nDCG@10 and recall are of documents, a document standing where its best passage stands. A leg alone and the
hybrid are cut at 50 passages, so that there are ten distinct documents. Comparisons with others, which give
ten passages, cut ours at ten passages as well.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from db.embedded import embedded_postgres
from db.pool import connect
from eval.metrics import Interval, bootstrap_interval
from rag.fuse import Fusion, FusionMethod
from rag.retrieve import Strategy
from tests.benchmarks.judged_search import (
    TOP_K,
    Found,
    JudgedCorpus,
    Scores,
    ndcgs,
    open_judged,
    recalls,
)
from tests.benchmarks.judged_sets import (
    JudgedSet,
    chunk_vectors,
    load_judged_sets,
    load_squad2,
    load_xquad,
    question_vectors,
)
from tests.benchmarks.peers.run import PEERS, run_bm25s, run_peer
from tests.benchmarks.peers.shell import Corpus, write_corpus
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table
from tests.benchmarks.search_database import BenchChunk

OTHER_FUSIONS = {
    "RRF .6/.4": Fusion(FusionMethod.RECIPROCAL_RANK, 0.6),
    "min-max .5": Fusion(FusionMethod.CONVEX, 0.5),
}
LEXICAL_REFERENCES = ("Cranfield", "AWS")
PEER_QUESTIONS = 300  # of a set, at most: a peer takes about as long for one as the product
K1, B = 1.2, 0.75
LANGUAGES = ("en", "de", "es", "zh")
COPIES = 5
EDITED_QUESTIONS = 300
FEW = 5  # passages that an answer is given; recall is of these

CHUNK_WORDS = "SELECT lexemes, frequencies FROM chunk_terms ORDER BY chunk_number"
LEXEMES = "SELECT number, lexeme FROM lexemes"
MAKE_PASSAGES = """
CREATE TEMP TABLE passages AS
SELECT place, to_tsvector('english', text) AS words FROM unnest($1::text[]) WITH ORDINALITY AS t (text, place)
"""
FIND_PASSAGES = """
SELECT place - 1 FROM passages, plainto_tsquery('english', $1) AS query
WHERE words @@ query ORDER BY ts_rank_cd(words, query) DESC, place LIMIT $2
"""


@dataclass(frozen=True, slots=True, eq=False)
class Searched:
    """What the product found on one set, and each question's nDCG@10 by way of searching."""

    judged: JudgedSet
    lexical: list[Found]
    hybrid: list[Found]
    vector_scores: Scores
    lexical_scores: Scores
    hybrid_scores: Scores
    other_scores: Mapping[str, Scores]
    reference_rows: Sequence[BenchmarkRow]

    def ratio(self, drawn: NDArray[np.intp]) -> float:
        """Hybrid's mean over the better leg's, on these questions."""
        better = max(self.vector_scores[drawn].mean(), self.lexical_scores[drawn].mean())
        return float(self.hybrid_scores[drawn].mean() / better)


@dataclass(frozen=True, slots=True)
class Copied:
    """Means over the questions: distinct texts among the first five, recall without copies and with them."""

    name: str
    distinct: float
    recall_apart: float
    recall: float


def run() -> list[BenchmarkRow]:
    return asyncio.run(_run())


async def _run() -> list[BenchmarkRow]:
    searched = [await _search(judged) for judged in load_judged_sets()]
    return [
        *fusion_rows(searched),
        *(row for item in searched for row in item.reference_rows),
        *await peer_rows(searched),
        *await language_rows(),
        *await copy_rows(),
    ]


async def _search(judged: JudgedSet) -> Searched:
    async with open_judged(judged) as corpus:
        lexical = await corpus.ask(Strategy.LEXICAL)
        hybrid = await corpus.ask(Strategy.HYBRID)
        return Searched(
            judged,
            lexical,
            hybrid,
            ndcgs(judged, await corpus.ask(Strategy.VECTOR)),
            ndcgs(judged, lexical),
            ndcgs(judged, hybrid),
            {
                name: ndcgs(judged, await corpus.ask(Strategy.HYBRID, fusion=fusion))
                for name, fusion in OTHER_FUSIONS.items()
            },
            await _reference_rows(corpus, lexical) if judged.name in LEXICAL_REFERENCES else (),
        )


def fusion_rows(searched: Sequence[Searched]) -> list[BenchmarkRow]:
    """The hybrid beside each leg alone."""
    ratios = [bootstrap_interval(item.ratio, len(item.judged.questions)) for item in searched]
    mean = _mean_ratio(searched)
    rows = [
        at_least(f"hybrid / better leg, mean of {len(searched)}, 95 % {_bounds(mean)}", mean.value, 1.04),
        at_least("hybrid / better leg, lowest", min(ratio.value for ratio in ratios), 0.98),
    ]
    for item, ratio in zip(searched, ratios, strict=True):
        name = item.judged.name
        absolute = float(item.hybrid_scores.mean())
        title = f"{name}: hybrid, nDCG@10, {len(item.judged.questions)} questions"
        rows += [
            at_least(title, absolute, 0.56) if name == "Cranfield" else for_information(title, absolute),
            for_information(f"{name}: hybrid / better leg, 95 % {_bounds(ratio)}", ratio.value),
            for_information(f"{name}: words alone", float(item.lexical_scores.mean())),
            for_information(f"{name}: vectors alone", float(item.vector_scores.mean())),
        ]
        rows += [
            for_information(f"{name}: {fusion}", float(scores.mean()))
            for fusion, scores in item.other_scores.items()
        ]
    return [*rows, *_recall_rows(next(item for item in searched if item.judged.name == "AWS"))]


def _mean_ratio(searched: Sequence[Searched]) -> Interval:
    """The mean of the sets' ratios; questions are drawn out of all sets at once, so sizes vary."""
    ends = np.cumsum([len(item.judged.questions) for item in searched])

    def mean(drawn: NDArray[np.intp]) -> float:
        of_set = np.searchsorted(ends, drawn, side="right")
        return float(
            np.mean(
                [
                    item.ratio(drawn[of_set == at] - (ends[at] - len(item.judged.questions)))
                    for at, item in enumerate(searched)
                ]
            )
        )

    return bootstrap_interval(mean, int(ends[-1]))


def _recall_rows(aws: Searched) -> list[BenchmarkRow]:
    hybrid, lexical = (recalls(aws.judged, found, FEW) for found in (aws.hybrid, aws.lexical))
    gain = bootstrap_interval(lambda drawn: float((hybrid - lexical)[drawn].mean()), len(hybrid))
    name = f"AWS: document recall@{FEW}, hybrid less words alone, 95 % {_bounds(gain)}"
    return [
        BenchmarkRow(name, gain.value, "", "> 0", passed=gain.value > 0),
        for_information(f"AWS: document recall@{FEW}, hybrid", float(hybrid.mean())),
        for_information(f"AWS: document recall@{FEW}, words alone", float(lexical.mean())),
    ]


async def _reference_rows(corpus: JudgedCorpus, lexical: Sequence[Found]) -> list[BenchmarkRow]:
    """The lexical leg beside bm25s on the same tokens, and beside full-text search as Postgres has it."""
    judged = corpus.judged
    found = {"bm25s": await _ask_bm25s(corpus, lexical), "AND + ts_rank_cd": await _ask_ts_rank(corpus)}
    ours = float(ndcgs(judged, lexical, passages=TOP_K).mean())
    theirs = {name: float(ndcgs(judged, of).mean()) for name, of in found.items()}
    return [
        at_least(f"{judged.name}: words alone / bm25s, nDCG@10", ours / theirs["bm25s"], 0.99),
        at_least(f"{judged.name}: words alone / AND + ts_rank_cd", ours / theirs["AND + ts_rank_cd"], 1.4),
        for_information(f"{judged.name}: words alone, ten passages", ours),
        *(for_information(f"{judged.name}: {name}, ten passages", score) for name, score in theirs.items()),
    ]


async def _ask_bm25s(corpus: JudgedCorpus, lexical: Sequence[Found]) -> list[Found]:
    async with corpus.database.database.tenant(corpus.database.tenant_id) as connection:
        lexemes = {row["number"]: row["lexeme"] for row in await connection.fetch(LEXEMES)}
        chunks = await connection.fetch(CHUNK_WORDS)
    documents = [
        [lexemes[number] for number, n in zip(*chunk, strict=True) for _ in range(n)] for chunk in chunks
    ]
    queries = [found.lexemes for found in lexical]
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        result = await asyncio.to_thread(run_bm25s, Path(folder), documents, queries, k1=K1, b=B)
    return _found(corpus.judged, result.ranked)


async def _ask_ts_rank(corpus: JudgedCorpus) -> list[Found]:
    connection = await connect(corpus.database.logins.owner)
    try:
        await connection.execute(MAKE_PASSAGES, [_plain(chunk) for chunk in corpus.judged.chunks])
        places = [
            [row[0] for row in await connection.fetch(FIND_PASSAGES, question.text, TOP_K)]
            for question in corpus.judged.questions
        ]
    finally:
        await connection.close()
    return _found(corpus.judged, places)


async def peer_rows(searched: Sequence[Searched]) -> list[BenchmarkRow]:
    """The hybrid beside other packages' over pgvector, with the same vectors and text."""
    rows, ratios = [], []
    for item in searched:
        drawn = item.judged.draw(PEER_QUESTIONS)
        sample = item.judged.only(drawn)
        ours = float(ndcgs(sample, [item.hybrid[at] for at in drawn], passages=TOP_K).mean())
        peers = await _ask_peers(sample)
        ratios.append(ours / max(peers.values()))
        name = f"{sample.name}, {len(sample.questions)} questions, ten passages"
        rows += [
            for_information(f"{name}: hybrid / best peer", ratios[-1]),
            for_information(f"{name}: hybrid", ours),
            *(for_information(f"{name}: {peer}", score) for peer, score in peers.items()),
        ]
    mean = at_least(f"hybrid / best peer, nDCG@10, mean of {len(ratios)} sets", float(np.mean(ratios)), 1.03)
    return [mean, *rows]


async def _ask_peers(judged: JudgedSet) -> dict[str, float]:
    corpus = Corpus(
        [_plain(chunk) for chunk in judged.chunks],
        chunk_vectors(judged.chunks),
        [question.text for question in judged.questions],
        question_vectors(judged.questions),
    )
    scores = {}
    with tempfile.TemporaryDirectory(prefix="groundwork-bench-") as folder:
        write_corpus(Path(folder) / "corpus", corpus)
        async with embedded_postgres(Path(folder) / "server") as server:
            for name in PEERS:
                result = await asyncio.to_thread(run_peer, name, server.admin_dsn(), Path(folder) / "corpus")
                scores[name] = float(ndcgs(judged, _found(judged, result.ranked)).mean())
    return scores


async def language_rows() -> list[BenchmarkRow]:
    """Lexical search of the same paragraphs in four languages: apart, and all in one corpus."""
    sets = [load_xquad(language) for language in LANGUAGES]
    merged = JudgedSet(
        "XQuAD",
        tuple(chunk for judged in sets for chunk in judged.chunks),
        tuple(question for judged in sets for question in judged.questions),
    )
    apart = dict(
        zip(LANGUAGES, [float(np.mean(await _lexical_recall(judged))) for judged in sets], strict=True)
    )
    together = dict(zip(LANGUAGES, np.split(await _lexical_recall(merged), len(sets)), strict=True))
    worst = min(LANGUAGES[1:], key=apart.__getitem__)
    return [
        at_most(f"XQuAD: words alone, recall@{FEW}, en less {worst}", apart["en"] - apart[worst], 0.05),
        *(for_information(f"XQuAD {name}: recall@{FEW}", score) for name, score in apart.items()),
        *(
            for_information(
                f"XQuAD {name}: recall@{FEW}, all four languages in one corpus", float(scores.mean())
            )
            for name, scores in together.items()
        ),
    ]


async def _lexical_recall(judged: JudgedSet) -> Scores:
    async with open_judged(judged, vectors=False) as corpus:
        return recalls(judged, await corpus.ask(Strategy.LEXICAL, limit=FEW), FEW)


async def copy_rows() -> list[BenchmarkRow]:
    """What copies of the very passages that are asked for leave of the first five."""
    judged = load_squad2()
    sample = judged.only(judged.draw(EDITED_QUESTIONS))
    copied, edited = await _with_copies(judged, edit=False), await _with_copies(sample, edit=True)
    return [
        at_least(f"{copied.name}, distinct texts of {FEW}", copied.distinct, 4),
        at_most(f"{copied.name}, recall@{FEW} lost", copied.recall_apart - copied.recall, 0.01),
        for_information(f"{copied.name}, recall@{FEW}", copied.recall),
        for_information(f"{edited.name}, distinct texts of {FEW}", edited.distinct),
        for_information(f"{edited.name}, recall@{FEW} lost", edited.recall_apart - edited.recall),
        for_information(f"{edited.name}, recall@{FEW}", edited.recall),
    ]


async def _with_copies(judged: JudgedSet, *, edit: bool) -> Copied:
    gold = {source for question in judged.questions for source in question.relevant}
    copies = {
        _copy(chunk, n, edit=edit): chunk.source
        for chunk in judged.chunks
        for n in range(1, COPIES + 1)
        if chunk.source in gold
    }
    original = {copy.source: source for copy, source in copies.items()}
    found = {}
    for chunks in (judged.chunks, (*judged.chunks, *copies)):
        async with open_judged(replace(judged, chunks=chunks)) as corpus:
            found[chunks] = await corpus.ask(Strategy.HYBRID, limit=FEW)
    apart, together = (
        [Found(tuple(original.get(source, source) for source in item.sources)) for item in items]
        for items in found.values()
    )
    return Copied(
        f"{judged.name}, {len(judged.questions)} questions, {COPIES} {'edited ' if edit else ''}copies",
        float(np.mean([len(item.documents()) for item in together])),
        float(recalls(judged, apart, FEW).mean()),
        float(recalls(judged, together, FEW).mean()),
    )


def _copy(chunk: BenchChunk, number: int, *, edit: bool) -> BenchChunk:
    """The chunk in another source; edited, with one word, one comma or one full stop changed."""
    text = chunk.text
    if edit and number % 2:
        words = text.split(" ")
        at = len(words) * number // (COPIES + 1)
        text = " ".join([*words[:at], "indeed", *words[at + 1 :]])
    elif edit:
        text = text.replace(", " if number % 4 else ". ", "; ", 1)
    return replace(
        chunk, source=f"{chunk.source} ({number})", title=f"Copy {number} of {chunk.title}", text=text
    )


def _plain(chunk: BenchChunk) -> str:
    """Title, headings and text, all of which the product finds a chunk by."""
    return "\n\n".join((" > ".join((chunk.title, *chunk.headings)), chunk.text))


def _found(judged: JudgedSet, ranked: Sequence[Sequence[int]]) -> list[Found]:
    """Another implementation's results, given as rows of the chunks."""
    return [Found(tuple(judged.chunks[row].source for row in rows)) for rows in ranked]


def _bounds(interval: Interval) -> str:
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    print_table(run())
