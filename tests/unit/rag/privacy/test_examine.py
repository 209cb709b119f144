from rag.documents import Heading, ParsedDocument
from rag.privacy import EntityKind, Finding, LocalDetector, PrivacyMode, apply, examine

MARKDOWN = "# Call 668 5702\n\nText.\n\n## anna\\_b@example.org\n\nText.\n\n## Plain\n\nText."
DOCUMENT = ParsedDocument(
    text=MARKDOWN,
    mime_type="text/markdown",
    title="CV of anna_b@example.org",
    headings=(
        Heading(0, 15, 1, "668 5702"),  # its own words would not tell
        Heading(24, 47, 2, "anna_b@example.org"),  # not in the text as it is here
        Heading(56, 64, 2, "Plain"),
    ),
)


class Recorder:
    """Finds nothing, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []

    def detect(self, text: str, language: str | None) -> list[Finding]:
        self.asked.append((text, language))
        return []


def test_titles_are_redacted_whatever_tells() -> None:
    treated = apply(DOCUMENT, examine(DOCUMENT, LocalDetector(), language="en"), PrivacyMode.REDACT).document
    assert treated.title == "CV of [EMAIL]"
    assert [heading.title for heading in treated.headings] == ["[PHONE]", "[EMAIL]", "Plain"]
    assert "668 5702" not in treated.text
    assert "example.org" not in treated.text


def test_what_the_text_shows_to_be_personal_is_found_in_the_title() -> None:
    document = ParsedDocument(text="Phone: 668 5702", mime_type="text/plain", title="668 5702 (668 5702)")
    found = examine(document, LocalDetector(), language=None).title
    assert found == (Finding(EntityKind.PHONE, 0, 8, 1.0), Finding(EntityKind.PHONE, 10, 18, 1.0))


def test_of_two_findings_in_a_title_the_longer_stays() -> None:
    class Half:
        def detect(self, text: str, language: str | None) -> list[Finding]:
            whole = len(text) > len("Anna Smith")
            return [Finding(EntityKind.PERSON, 0, 10 if whole else 4, 0.9)]

    document = ParsedDocument(text="Anna Smith, born", mime_type="text/plain", title="Anna Smith")
    assert examine(document, Half(), language=None).title == (Finding(EntityKind.PERSON, 0, 10, 1.0),)


def test_a_document_is_two_questions_however_many_headings_it_has() -> None:
    recorder = Recorder()
    findings = examine(DOCUMENT, recorder, language="es")
    assert recorder.asked[0] == (MARKDOWN, "es")
    assert len(recorder.asked) == 2
    assert (findings.text, findings.title, findings.headings) == ((), (), ())


def test_a_document_without_text_and_title_is_no_question() -> None:
    recorder = Recorder()
    examine(ParsedDocument(text="", mime_type="text/plain"), recorder, language=None)
    assert recorder.asked == []


def test_findings_of_joined_titles_go_to_the_title_they_are_in() -> None:
    class WholeText:
        def detect(self, text: str, language: str | None) -> list[Finding]:
            return (
                [Finding(EntityKind.PERSON, text.index("b@"), text.index("b@") + 9, 0.9)]
                if "b@" in text
                else []
            )

    document = ParsedDocument(
        text="x", mime_type="text/plain", title="one", headings=(Heading(0, 1, 1, "a b@c.de f"),)
    )
    findings = examine(document, WholeText(), language=None)
    assert findings.title == ()
    assert findings.headings == ((Finding(EntityKind.PERSON, 2, 10, 1.0),),)  # cut at the title's end
