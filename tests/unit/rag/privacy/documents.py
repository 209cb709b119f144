"""Documents with personal data in every kind of place, and detectors that are told what to find."""

import re
from dataclasses import dataclass

from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.parse.builder import DocumentBuilder
from rag.privacy import EntityKind, Finding

# Longer than its placeholder, as long, and shorter.
VALUES = {
    "anna.smith@example.org": EntityKind.EMAIL,
    "a@b.org": EntityKind.EMAIL,
    "+44 20 7946 0958": EntityKind.PHONE,
    "10.2.3.44": EntityKind.IP_ADDRESS,
}
PATTERN = re.compile("|".join(map(re.escape, VALUES)))


@dataclass(frozen=True, slots=True)
class ListedValues:
    """Finds the values above wherever they stand."""

    def detect(self, text: str, language: str | None) -> list[Finding]:
        return [Finding(VALUES[m[0]], m.start(), m.end(), 0.9) for m in PATTERN.finditer(text)]


def redacted(text: str) -> str:
    """By another way than the one under test: search and replace."""
    return PATTERN.sub(lambda m: f"[{VALUES[m[0]].upper()}]", text)


WORDS = st.lists(st.sampled_from([*VALUES, "word", "and", "ß", "😀"]), min_size=1, max_size=4).map(" ".join)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("heading"), WORDS),
        st.tuples(st.just("paragraph"), WORDS),
        st.tuples(st.just("item"), WORDS),
        st.tuples(
            st.just("table"), st.lists(st.lists(WORDS, min_size=2, max_size=3), min_size=2, max_size=4)
        ),
    ),
    max_size=6,
)


def built(pages: list[list[tuple[str, object]]], title: str | None) -> ParsedDocument:
    builder = DocumentBuilder()
    for number, steps in enumerate(pages, start=1):
        with builder.page(number), builder.record():
            for kind, value in steps:
                if kind == "heading":
                    builder.heading(str(value), 2)
                else:
                    getattr(builder, kind)(value)
    return builder.build("text/plain", title=title)


DOCUMENTS = st.builds(built, st.lists(STEPS, min_size=1, max_size=3), WORDS | st.none())
