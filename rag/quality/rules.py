"""What the quality gate looks for, and from where on it objects."""

from dataclasses import dataclass
from enum import StrEnum

from rag.quality.schema import RecordSchema


class QualityRule(StrEnum):
    """A reason to keep a document back until a person has looked at it."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    WRONG_ENCODING = "wrong_encoding"
    UNREADABLE = "unreadable"
    ENCODED_DATA = "encoded_data"
    REPETITIVE = "repetitive"
    REPEATED_PAGES = "repeated_pages"
    BLANK_PAGES = "blank_pages"
    PLACEHOLDER = "placeholder"
    LANGUAGE = "language"
    RECORD_SCHEMA = "record_schema"
    NULL_VALUES = "null_values"


@dataclass(frozen=True, slots=True)
class QualityIssue:
    """A rule that a document breaks, and how, in words for the person who decides about it."""

    rule: QualityRule
    message: str


@dataclass(frozen=True, slots=True)
class QualityRules:
    """From where on a document is kept back. Shares are of 0 to 1; a limit is the last value that is good.

    The limits lie between documents that are good and ones that were broken on purpose, nearer to the broken
    ones: a good document that is kept back costs a person's time.

    Attributes:
        off: Rules that are not applied.
        min_letters: Letters and digits that a document has at least; one of Chinese, Japanese or Korean
            counts as three. Ten are a heading of two words.
        max_broken_words: Of the words, those with characters that come from a wrong encoding, from a font
            without a character map or from damage. Of German in a wrong encoding 5 % to 15 % are, of a text
            whose dashes alone are broken 1.6 %.
        max_unreadable: Of the text, what looks neither like words of any language nor like code. More than a
            third of a good one may be formulas or tables of codes.
        max_encoded: Of the text, what is Base64, hexadecimal, escape sequences or compressed code.
        max_repeated_line: Of the text, what one line makes up that comes again and again.
        max_repeated_text: Of the text, what was said before, line by line. Definitions in code reach 0.8.
        max_page_copies: How often the same page may come.
        max_blank_pages: Of the pages, those without text.
        min_own_words: Words that a page has at least besides an error message, a login form or a menu: two
            sentences.
        languages: Languages that are let in, as ISO 639-1 or 639-3; None for all. A document whose language
            is uncertain is let in.
        record_schema: What every record must have; None for no check.
        max_null_values: Of the cells of tables and the values of records, those that are empty; None for no
            check, because forms and sparse tables are common and good.
    """

    off: frozenset[QualityRule] = frozenset()
    min_letters: int = 10
    max_broken_words: float = 0.03
    max_unreadable: float = 0.4
    max_encoded: float = 0.5
    max_repeated_line: float = 0.5
    max_repeated_text: float = 0.9
    max_page_copies: int = 3
    max_blank_pages: float = 0.8
    min_own_words: int = 15
    languages: frozenset[str] | None = None
    record_schema: RecordSchema | None = None
    max_null_values: float | None = None


DEFAULT = QualityRules()
