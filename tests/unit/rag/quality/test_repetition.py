from collections.abc import Sequence

import pytest

from rag.documents import PageSpan, ParsedDocument
from rag.parse.builder import DocumentBuilder
from rag.quality import QualityRule, check_quality
from tests.unit.rag.quality.texts import CHINESE, ENGLISH, GERMAN, SPANISH, broken_rules, plain

REPETITIVE = [QualityRule.REPETITIVE]
LINE = "Click here to read the whole article in our archive of newsletters."
DIFFERENT = [
    f"{word} {line}" for word in ENGLISH.split()[:20] for line in ("opens at nine", "closes at noon")
]


def _paged(pages: Sequence[str]) -> ParsedDocument:
    text, spans = "", []
    for number, page in enumerate(pages, start=1):
        spans.append(PageSpan(number, len(text), len(text) + len(page)))
        text += f"{page}\n\f"
    return ParsedDocument(text=text, mime_type="application/pdf", pages=tuple(spans))


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([LINE] * 20),
        "\n".join([*DIFFERENT[:10], *[LINE] * 12]),
        "\n\n".join(text for pair in zip(DIFFERENT[:12], [LINE] * 12, strict=True) for text in pair),
        "\n".join([LINE, GERMAN, SPANISH] * 20),
        f"{LINE} " * 20,
        "buy now " * 200,
        "\n".join([CHINESE[:30]] * 20),
    ],
)
def test_a_text_that_says_the_same_again_and_again(text: str) -> None:
    assert broken_rules(text) == REPETITIVE


@pytest.mark.parametrize(
    "text",
    [
        "\n".join([*DIFFERENT, *[LINE] * 8]),
        "\n".join([LINE] * 5),
        "Row, row, row your boat\nGently down the stream\nMerrily, merrily, merrily\nLife is a dream\n" * 3,
        "\n".join(f"{a}: yes" for a in range(100)),
        "\n".join(["}", "{", "}", "", "};"] * 50) + ENGLISH,
        "\n".join("0.00\t0.00\t0.00\t0.00" for _ in range(100)),
        "\n".join(
            f"def f{a}(x):\n    if x is None:\n        return None\n    return x * {a}" for a in range(50)
        ),
    ],
    ids=lambda text: text[:20],
)
def test_a_few_lines_may_come_often(text: str) -> None:
    assert broken_rules(text) == []


def test_the_message_names_the_line() -> None:
    (issue,) = check_quality(plain("\n".join([LINE] * 20)))
    assert issue.message == f'100% of the text is the same line: "{LINE}"'


def test_rows_of_a_table_may_be_the_same() -> None:
    builder = DocumentBuilder()
    builder.table([["day", "open", "note"], *[["weekday", "yes", "by appointment only"]] * 40])
    assert broken_rules(builder.build("text/csv")) == []


def test_records_are_compared_as_wholes() -> None:
    same, different = DocumentBuilder(), DocumentBuilder()
    for number in range(30):
        with different.record():
            different.paragraph(
                f"id: {number}\nkind: sensor\nplace: main building, second floor, on the left"
            )
        with same.record():
            same.paragraph("id: 1\nkind: sensor\nunit: degrees Celsius\nplace: main building")
    assert broken_rules(different.build("application/jsonl")) == []
    assert broken_rules(same.build("application/jsonl")) == REPETITIVE


@pytest.mark.parametrize(("copies", "expected"), [(3, []), (4, [QualityRule.REPEATED_PAGES])])
def test_a_page_may_come_three_times(copies: int, expected: list[QualityRule]) -> None:
    document = _paged([*[ENGLISH] * copies, GERMAN, SPANISH, f"{SPANISH} {GERMAN}"])
    assert broken_rules(document) == expected


def test_pages_with_little_text_may_come_often() -> None:
    note = "This page is intentionally left blank."
    texts = [f"{number}. {text}" for number, text in enumerate([ENGLISH, GERMAN, SPANISH] * 2)]
    assert broken_rules(_paged([part for text in texts for part in (text, note)])) == []


@pytest.mark.parametrize(("blank", "expected"), [(8, []), (9, [QualityRule.BLANK_PAGES])])
def test_most_pages_hold_text(blank: int, expected: list[QualityRule]) -> None:
    document = _paged([*[""] * blank, *[ENGLISH, GERMAN][: 10 - blank]])
    assert broken_rules(document) == expected


def test_few_blank_pages_say_nothing() -> None:
    assert broken_rules(_paged(["", "", "", ENGLISH]), max_blank_pages=0.5) == []
    assert broken_rules(_paged(["", "", "", "", ENGLISH]), max_blank_pages=0.5) == [QualityRule.BLANK_PAGES]
