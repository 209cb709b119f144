from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from rag.documents import Heading, PageSpan, ParsedDocument, RecordSpan, TableSpan
from rag.privacy import DocumentFindings, EntityKind, Finding, PrivacyMode, apply, examine, redact_text
from tests.unit.rag.privacy.documents import DOCUMENTS, PATTERN, VALUES, ListedValues, redacted

DETECTOR = ListedValues()
TABLE = "| name | street |\n| --- | --- |\n| Anna | Elm St 1 |\n| Li | Oak St 2 |"
MAIL = "anna.smith@example.org"


def spans(document: ParsedDocument) -> Iterator[tuple[int, int]]:
    found: list[Heading | PageSpan | TableSpan | RecordSpan] = [*document.headings, *document.pages]
    for span in (*found, *document.tables, *document.records):
        yield span.start, span.end
    for table in document.tables:
        yield table.start, table.header_end


def texts(document: ParsedDocument) -> list[str]:
    return [document.text[start:end] for start, end in spans(document)]


@given(DOCUMENTS)
def test_every_span_holds_its_own_text_redacted(document: ParsedDocument) -> None:
    treated = apply(document, examine(document, DETECTOR, language=None), PrivacyMode.REDACT)
    assert treated.document.text == redacted(document.text)
    assert texts(treated.document) == [redacted(text) for text in texts(document)]
    assert treated.document.title == (None if document.title is None else redacted(document.title))
    titles = [heading.title for heading in treated.document.headings]
    assert titles == [redacted(heading.title) for heading in document.headings]
    assert [page.number for page in treated.document.pages] == [page.number for page in document.pages]


@given(DOCUMENTS)
def test_placeholders_are_where_the_findings_say(document: ParsedDocument) -> None:
    treated = apply(document, examine(document, DETECTOR, language=None), PrivacyMode.REDACT)
    shown = [treated.document.text[f.start : f.end] for f in treated.findings]
    assert shown == [f"[{VALUES[m[0]].upper()}]" for m in PATTERN.finditer(document.text)]


@given(DOCUMENTS)
def test_tagging_counts_and_leaves_the_document(document: ParsedDocument) -> None:
    findings = examine(document, DETECTOR, language=None)
    treated = apply(document, findings, PrivacyMode.TAG)
    assert treated.document == document
    assert treated.findings == findings.text
    everywhere = PATTERN.findall(document.text) + PATTERN.findall(document.title or "")
    for kind in set(VALUES.values()):
        assert treated.counts.get(kind, 0) == sum(VALUES[value] is kind for value in everywhere)


@given(DOCUMENTS)
def test_skipping_leaves_the_text_and_redacts_titles(document: ParsedDocument) -> None:
    findings = examine(document, DETECTOR, language=None)
    treated = apply(document, findings, PrivacyMode.SKIP)
    assert treated.document.text == document.text
    assert texts(treated.document) == texts(document)
    assert treated.findings == findings.text
    titles = [treated.document.title or "", *(heading.title for heading in treated.document.headings)]
    assert not any(map(PATTERN.search, titles))


def test_off_does_nothing() -> None:
    document = ParsedDocument(text=MAIL, mime_type="text/plain", title=MAIL)
    treated = apply(document, examine(document, DETECTOR, language=None), PrivacyMode.OFF)
    assert (treated.document, treated.findings, treated.counts) == (document, (), {})


SPAN = st.tuples(st.integers(0, len(TABLE)), st.integers(0, len(TABLE))).filter(
    lambda span: span[0] < span[1]
)


@given(SPAN)
def test_a_table_stays_a_table_whatever_is_found_in_it(span: tuple[int, int]) -> None:
    head = TABLE.index("\n| Anna")
    document = ParsedDocument(
        text=f"x\n\n{TABLE}\n\ny", mime_type="text/plain", tables=(TableSpan(3, 3 + head, 3 + len(TABLE)),)
    )
    found = (Finding(EntityKind.ADDRESS, 3 + span[0], 3 + span[1], 0.9),)
    treated = apply(document, DocumentFindings(text=found), PrivacyMode.REDACT).document
    (table,) = treated.tables
    lines = treated.text[table.start : table.end].split("\n")
    assert len(lines) == 4
    assert all(line.startswith("| ") and line.endswith(" |") and line.count("|") == 3 for line in lines)
    assert lines[1] == "| --- | --- |"
    assert treated.text[table.start : table.header_end].split("\n") == lines[:2]
    assert treated.text.startswith("x\n\n| ")
    assert treated.text.endswith(" |\n\ny")


def test_a_finding_across_cells_is_replaced_cell_by_cell() -> None:
    document = ParsedDocument(text=TABLE, mime_type="text/plain", tables=(TableSpan(0, 31, len(TABLE)),))
    found = (Finding(EntityKind.ADDRESS, TABLE.index("Elm"), TABLE.index("Oak") + 6, 0.9),)
    treated = apply(document, DocumentFindings(text=found), PrivacyMode.REDACT).document
    assert treated.text.split("\n")[2:] == ["| Anna | [ADDRESS] |", "| [ADDRESS] | [ADDRESS] 2 |"]


def test_a_finding_across_pages_is_replaced_on_each() -> None:
    document = ParsedDocument(
        text="at Elm St\n\f1, Oslo today",
        mime_type="application/pdf",
        pages=(PageSpan(1, 0, 9), PageSpan(2, 11, 24)),
    )
    found = (Finding(EntityKind.ADDRESS, 3, 18, 0.9),)
    treated = apply(document, DocumentFindings(text=found), PrivacyMode.REDACT).document
    assert texts(treated) == ["at [ADDRESS]", "[ADDRESS] today"]
    assert treated.text == "at [ADDRESS]\n\f[ADDRESS] today"


def test_a_finding_across_a_headings_end_leaves_the_heading_a_line_of_its_own() -> None:
    document = ParsedDocument(
        text="Anna Smith\nElm St", mime_type="text/plain", headings=(Heading(0, 10, 1, "Anna Smith"),)
    )
    found = (Finding(EntityKind.PERSON, 0, 17, 0.9),)
    treated = apply(document, DocumentFindings(text=found), PrivacyMode.REDACT).document
    assert treated.text == "[PERSON]\n[PERSON]"
    assert texts(treated) == ["[PERSON]"]


def test_web_addresses_and_dates_are_kept_unless_asked_for() -> None:
    text = "On 1 May see example.org"
    document = ParsedDocument(text=text, mime_type="text/plain")
    date, domain = Finding(EntityKind.DATE, 3, 8, 0.9), Finding(EntityKind.DOMAIN, 13, 24, 0.9)
    findings = DocumentFindings(text=(date, domain))
    kept = apply(document, findings, PrivacyMode.REDACT)
    assert (kept.document.text, kept.findings) == (text, ())
    asked = apply(document, findings, PrivacyMode.REDACT, kinds={EntityKind.DOMAIN})
    assert asked.document.text == "On 1 May see [DOMAIN]"


def test_redacting_again_changes_nothing() -> None:
    document = ParsedDocument(text=f"Write to {MAIL}.", mime_type="text/plain", title=MAIL)
    once = apply(document, examine(document, DETECTOR, language=None), PrivacyMode.REDACT).document
    assert apply(once, examine(once, DETECTOR, language=None), PrivacyMode.REDACT).document == once


def test_a_text_of_its_own_is_redacted() -> None:
    found = [Finding(EntityKind.EMAIL, 3, 10, 0.9), Finding(EntityKind.AGE, 11, 13, 0.9)]
    assert redact_text("CV a@b.org 42", found) == "CV [EMAIL] [AGE]"
    assert redact_text("CV a@b.org 42", found, kinds={EntityKind.EMAIL}) == "CV [EMAIL] 42"


def test_overlapping_findings_of_two_detectors_are_replaced_once() -> None:
    document = ParsedDocument(text=MAIL, mime_type="text/plain")
    one = Finding(EntityKind.EMAIL, 0, len(MAIL), 0.99)
    findings = DocumentFindings(text=(one, replace(one, kind=EntityKind.USERNAME, end=10, score=0.8)))
    assert apply(document, findings, PrivacyMode.REDACT).document.text == "[EMAIL]"
