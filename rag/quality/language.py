"""Whether a document is in a language that is let in."""

from rag.documents import ParsedDocument
from rag.language import document_language
from rag.quality.rules import QualityRules


def find_language(document: ParsedDocument, rules: QualityRules) -> str | None:
    """Says so when the document is in another language than those allowed, for certain."""
    if rules.languages is None:
        return None
    language = document_language(document.text)
    if language is None or language in rules.languages:
        return None
    allowed = ", ".join(sorted(rules.languages))
    return f"the document's language seems to be {language}; allowed are {allowed}"
