"""The quality gate: what it keeps back of a hundred broken documents, and that it lets all good ones in.

    python -m tests.benchmarks.bench_ingest_quality

Limits were set on the even half of the sources; the broken documents that count are made of the odd half. The
share of empty values, which is off by default, is limited here.
"""

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from rag.documents import ParsedDocument
from rag.quality import QualityRule, QualityRules, check_quality
from rag.quality.amount import count_letters
from rag.quality.encoded import encoded_share
from rag.quality.encoding import broken_share
from rag.quality.readable import (
    MIN_PAIRS,
    MIN_SCORE,
    MIN_VISIBLE,
    MIN_WORDY,
    RUN,
    pair_score,
    unreadable_share,
)
from rag.quality.records import null_share
from rag.quality.repetition import commonest_line, repeated_share, split_lines
from rag.quality.sample import blocks
from rag.quality.wordiness import wordiness
from tests.benchmarks.quality.broken import BrokenDocument, Sources, broken_documents
from tests.benchmarks.quality.good import GoodDocument, good_documents
from tests.benchmarks.report import BenchmarkRow, at_least, at_most, for_information, print_table

RULES = QualityRules(max_null_values=0.8)
SEED = 20
ROUNDS = 3  # of timing; the median counts
_CYRILLIC = ("Russian", "Ukrainian", "Bulgarian", "Belarusan", "Macedonian", "Serbian (Cyrillic)")


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a document that a rule limits, from above unless it says otherwise."""

    name: str
    limit: float
    of: Callable[[ParsedDocument], float]
    from_below: bool = False


def _least_wordy(document: ParsedDocument) -> float:
    """Of the words in blocks with enough text; most documents have several blocks."""
    shares = [wordiness(block) for block in blocks(document.text)]
    return min((share for share, visible in shares if visible >= MIN_VISIBLE), default=1)


def _lowest_pair_score(document: ParsedDocument) -> float:
    scores = [pair_score(RUN.findall(block)) for block in blocks(document.text)]
    return min((score for score, pairs in scores if pairs >= MIN_PAIRS), default=9)


MEASURES = (
    Measure("letters", RULES.min_letters, lambda d: count_letters(d.text, at_most=100), from_below=True),
    Measure("words of a block", MIN_WORDY, _least_wordy, from_below=True),
    Measure("pairs of letters of a block", MIN_SCORE, _lowest_pair_score, from_below=True),
    Measure("broken words", RULES.max_broken_words, lambda d: broken_share(blocks(d.text))),
    Measure("unreadable", RULES.max_unreadable, lambda d: unreadable_share(blocks(d.text))),
    Measure("encoded", RULES.max_encoded, lambda d: encoded_share(blocks(d.text))),
    Measure("one line", RULES.max_repeated_line, lambda d: commonest_line(split_lines(d))[1]),
    Measure("repeated", RULES.max_repeated_text, lambda d: repeated_share(split_lines(d))),
    Measure("null values", RULES.max_null_values or 1, null_share),
)


def run() -> list[BenchmarkRow]:
    good = good_documents()
    return [
        *broken_rows(good, half=1),
        *good_rows(good),
        *margin_rows(good),
        *speed_rows(good),
        for_information("even half: broken documents kept back", _kept_back(_broken(good, half=0)).total()),
    ]


def broken_rows(good: Sequence[GoodDocument], *, half: int) -> list[BenchmarkRow]:
    """How many broken documents of each kind are kept back, and by which rules."""
    documents = _broken(good, half=half)
    kept_back, kinds = _kept_back(documents), Counter(broken.kind for broken in documents)
    by_rule = Counter((b.kind, rule) for b in documents for rule in _broken_rules(b.document))
    return [
        at_least(f"broken documents kept back, of {len(documents)}", kept_back.total(), 95),
        *(for_information(f"{kind}, of {count}", kept_back[kind]) for kind, count in kinds.items()),
        *(for_information(f"{kind}: {rule}", count) for (kind, rule), count in by_rule.items()),
        *(
            for_information(f"let in: {broken.kind}, {broken.variant}", 1)
            for broken in documents
            if not _broken_rules(broken.document)
        ),
    ]


def good_rows(good: Sequence[GoodDocument]) -> list[BenchmarkRow]:
    sizes = Counter(document.source for document in good)
    wrong = [document for document in good if _broken_rules(document.document)]
    kept_back = Counter(document.source for document in wrong)
    return [
        at_most(f"good documents kept back, of {len(good)}", len(wrong), 0),
        *(at_most(f"{source}, of {size}", kept_back[source], 0) for source, size in sizes.items()),
        *(for_information(f"kept back: {document.source}, {document.name}", 1) for document in wrong),
    ]


def margin_rows(good: Sequence[GoodDocument]) -> list[BenchmarkRow]:
    """The good documents that are nearest to each limit."""
    rows = []
    for measure in MEASURES:
        found = [(measure.of(d.document), d.source, d.name) for d in good]
        nearest = sorted(found, reverse=not measure.from_below)[:2]
        rows += [
            for_information(f"{measure.name}, limit {measure.limit:g}: {source}, {name[-40:]}", value)
            for value, source, name in nearest
        ]
    return rows


def speed_rows(good: Sequence[GoodDocument]) -> list[BenchmarkRow]:
    """Megabytes of UTF-8 a second, in this process' time."""
    files = [document for document in good if document.source == "aws"]
    return [
        at_least("speed, guides of AWS", _speed(files), 5, "MB/s"),
        for_information("speed, all documents, mostly of a few hundred characters", _speed(good), "MB/s"),
    ]


def _speed(documents: Sequence[GoodDocument]) -> float:
    size = sum(len(document.document.text.encode()) for document in documents)
    return size / 1e6 / median(_seconds(documents) for _ in range(ROUNDS))


def _seconds(documents: Sequence[GoodDocument]) -> float:
    started = time.process_time()
    for document in documents:
        check_quality(document.document, rules=RULES)
    return time.process_time() - started


def _broken(good: Sequence[GoodDocument], *, half: int) -> list[BrokenDocument]:
    texts: dict[str, list[str]] = {language: [] for language in ("en", "de", "es", "zh", "ru")}
    for document in good:
        if document.half != half:
            continue
        if document.source.startswith("xquad."):
            texts[document.source.removeprefix("xquad.")].append(document.document.text)
        elif document.source == "udhr" and document.name in _CYRILLIC:
            texts["ru"].append(document.document.text)
    return broken_documents(Sources(texts, random.Random(SEED + half)), half=half)  # noqa: S311  # no secret


def _kept_back(documents: Sequence[BrokenDocument]) -> Counter[str]:
    return Counter(broken.kind for broken in documents if _broken_rules(broken.document))


def _broken_rules(document: ParsedDocument) -> list[QualityRule]:
    return [issue.rule for issue in check_quality(document, rules=RULES)]


if __name__ == "__main__":
    print_table(results := run())
    sys.exit(not all(row.passed for row in results))
