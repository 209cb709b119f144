"""Pure measures of an answer's citations.

Gao et al., "Enabling Large Language Models to Generate Text with Citations", EMNLP 2023. A citation is a
marker, `[n]`, of the n-th source. What supports what is told by a function that the caller gives, such as a
groundedness score with a threshold.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from eval.groundedness import split_sentences
from eval.groundedness_features import read_words
from rag.cite import MARKERS

Supports = Callable[[str, Sequence[str]], bool]
"""Whether texts together support a statement."""

_GAP = re.compile(r"(?<=[.!?…])[ \t]+(?=\[\d)")  # a marker behind a full stop belongs to what was said before


@dataclass(frozen=True, slots=True)
class CitedStatement:
    """A sentence of an answer that claims something.

    Attributes:
        text: Without its markers.
        indexes: The sources that they name, each once.
    """

    text: str
    indexes: tuple[int, ...]


def read_statements(answer: str) -> list[CitedStatement]:
    """The sentences that claim something."""
    sentences = split_sentences(_GAP.sub("", answer))
    statements = (CitedStatement(MARKERS.sub("", s).strip(), _indexes(s)) for s in sentences)
    return [statement for statement in statements if read_words(statement.text).is_claim]


def _indexes(sentence: str) -> tuple[int, ...]:
    markers = " ".join(found.group() for found in MARKERS.finditer(sentence))
    return tuple(dict.fromkeys(map(int, re.findall(r"\d+", markers))))


def citation_validity(statements: Sequence[CitedStatement], sources: int) -> float | None:
    """The share of the citations that name a source there is; None without citations."""
    return _share(1 <= index <= sources for statement in statements for index in statement.indexes)


def citation_recall(
    statements: Sequence[CitedStatement], sources: Sequence[str], supports: Supports
) -> float | None:
    """The share of the statements that their sources together support; None without statements."""
    return _share(
        _is_supported(statement.text, statement.indexes, sources, supports) for statement in statements
    )


def citation_precision(
    statements: Sequence[CitedStatement], sources: Sequence[str], supports: Supports
) -> float | None:
    """The share of the citations that serve their statement; None without citations.

    One does if the statement is supported, and either it alone supports the statement or the others don't.
    """
    return _share(
        _serves(statement, index, sources, supports)
        for statement in statements
        for index in statement.indexes
    )


def gold_citations(
    statements: Sequence[CitedStatement], documents: Sequence[str], gold: Collection[str]
) -> float:
    """The share of the citations that name one of the documents with the answer; 0 without citations.

    Args:
        statements: The answer's.
        documents: Name of each source's document, in the sources' order.
        gold: Names of those that hold the answer.
    """
    cited = [index for statement in statements for index in statement.indexes]
    return _share(1 <= n <= len(documents) and documents[n - 1] in gold for n in cited) or 0.0


def _serves(statement: CitedStatement, index: int, sources: Sequence[str], supports: Supports) -> bool:
    def supported(indexes: Iterable[int]) -> bool:
        return _is_supported(statement.text, indexes, sources, supports)

    others = [other for other in statement.indexes if other != index]
    return supported(statement.indexes) and (supported([index]) or not supported(others))


def _is_supported(text: str, indexes: Iterable[int], sources: Sequence[str], supports: Supports) -> bool:
    cited = [sources[index - 1] for index in indexes if 1 <= index <= len(sources)]
    return bool(cited) and supports(text, cited)


def _share(marks: Iterable[bool]) -> float | None:
    counted = list(marks)
    return sum(counted) / len(counted) if counted else None
