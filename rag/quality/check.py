"""The quality gate: which rules a parsed document breaks."""

from collections.abc import Iterator

from rag.documents import ParsedDocument
from rag.quality.amount import find_empty, find_too_short
from rag.quality.encoded import find_encoded
from rag.quality.encoding import find_wrong_encoding
from rag.quality.language import find_language
from rag.quality.placeholder import find_placeholder
from rag.quality.readable import find_unreadable
from rag.quality.records import find_nulls, find_schema_violations
from rag.quality.repetition import find_blank_pages, find_repeated_pages, find_repetition
from rag.quality.rules import DEFAULT, QualityIssue, QualityRule, QualityRules
from rag.quality.sample import blocks

_OF_DOCUMENT = {
    QualityRule.TOO_SHORT: find_too_short,
    QualityRule.REPEATED_PAGES: find_repeated_pages,
    QualityRule.BLANK_PAGES: find_blank_pages,
    QualityRule.PLACEHOLDER: find_placeholder,
    QualityRule.LANGUAGE: find_language,
    QualityRule.RECORD_SCHEMA: find_schema_violations,
    QualityRule.NULL_VALUES: find_nulls,
}
_OF_SAMPLE = {
    QualityRule.WRONG_ENCODING: find_wrong_encoding,
    QualityRule.ENCODED_DATA: find_encoded,
    QualityRule.UNREADABLE: find_unreadable,
}


def check_quality(document: ParsedDocument, *, rules: QualityRules = DEFAULT) -> list[QualityIssue]:
    """What speaks against letting a document in; nothing if it is good.

    Words and characters are looked at in all of a short text and in `sample.blocks` of a long one, which
    takes few milliseconds whatever the length; lines, pages and records are all looked at.
    """
    if QualityRule.EMPTY not in rules.off:
        message = find_empty(document, rules)
        if message is not None:
            return [QualityIssue(QualityRule.EMPTY, message)]
    return [
        QualityIssue(rule, message) for rule, message in _messages(document, rules) if message is not None
    ]


def _messages(document: ParsedDocument, rules: QualityRules) -> Iterator[tuple[QualityRule, str | None]]:
    """Each rule that is not switched off, in the order in which they are listed, and what it says."""
    sample = blocks(document.text)
    for rule in QualityRule:
        if rule in rules.off:
            continue
        if rule in _OF_SAMPLE:
            yield rule, _OF_SAMPLE[rule](sample, rules)
        elif rule in _OF_DOCUMENT:
            yield rule, _OF_DOCUMENT[rule](document, rules)
        elif rule is QualityRule.REPETITIVE:
            yield rule, find_repetition(document, sample, rules)
