"""A hundred documents that a quality gate must keep back, made of good ones and of noise, the same each time.

Each kind comes in several variants. Texts come from sources that the caller gives, so that one half of the
sources can serve to set limits and the other to measure.
"""

import random
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.documents import PageSpan, ParsedDocument
from rag.parse.builder import DocumentBuilder
from tests.benchmarks.quality.encodings import encoded_texts
from tests.benchmarks.quality.pages import EMPTY, ERROR_PAGES, MENUS, NEARLY_EMPTY

MIME = "text/plain"
_PRINTABLE = range(33, 127)  # ASCII's visible characters
# What dirt on a scan is read as: strokes, and shapes of letters.
_STROKES = tuple("|liI1.,';:-_~=\\/()[]{")
_SHAPES = (*"eocas4¢°«»—‘’é€*®§7", "rn", "vv", "ii", "Ii", "tl", "lI", "Wy", "oF", "fi")
# The language, the encoding that its text is written in, and the one that it is read in.
_MISREAD = (
    ("de", "utf-8", "cp1252"),
    ("es", "utf-8", "latin-1"),
    ("zh", "utf-8", "cp1252"),
    ("ru", "utf-8", "cp1251"),
    ("ru", "cp1251", "cp1252"),
    ("ru", "koi8-r", "cp1251"),
    ("ru", "cp866", "cp1251"),
    ("zh", "utf-8", "gbk"),
    ("zh", "gbk", "latin-1"),
    ("es", "utf-8", "mac-roman"),
    ("de", "utf-8", "cp437"),
    ("zh", "utf-8", "ascii"),
    ("de", "utf-8", "cp1250"),
)


@dataclass(frozen=True, slots=True)
class BrokenDocument:
    kind: str
    variant: str
    document: ParsedDocument


@dataclass(frozen=True, slots=True)
class Sources:
    """Good paragraphs by language, and a random generator that decides which are taken."""

    paragraphs: Mapping[str, Sequence[str]]
    rng: random.Random

    def text(self, language: str, count: int = 3) -> str:
        return "\n\n".join(self.rng.choice(self.paragraphs[language]) for _ in range(count))


def broken_documents(sources: Sources, *, half: int) -> list[BrokenDocument]:
    """100 documents; `half`, 0 or 1, decides which of the pages and labels that have no source are used."""
    texts = {
        "mojibake": _mojibake(sources),
        "wrong glyphs": _wrong_glyphs(sources),
        "encoded data": encoded_texts(sources.text("en", 1), sources.text("zh", 4), sources.rng),
        "menu": _menus(sources.rng, half),
        "error page": ((text.partition("\n")[0][:40], text) for text in ERROR_PAGES[half]),
        "empty": ((repr(text[:20]), text) for text in EMPTY[half]),
        "nearly empty": ((repr(text), text) for text in NEARLY_EMPTY[half]),
        "random bytes": _random_bytes(sources.rng),
        "noise": _noise(sources),
        "repetition": _repeated(sources),
    }
    plain = [
        BrokenDocument(kind, variant, ParsedDocument(text=text, mime_type=MIME))
        for kind, variants in texts.items()
        for variant, text in variants
    ]
    return [*plain, *_null_values(sources.rng), *_repeated_pages(sources)]


def _mojibake(sources: Sources) -> Iterator[tuple[str, str]]:
    for language, written, read in _MISREAD:
        text = sources.text(language).encode(written, "replace").decode(read, "replace")
        yield f"{language}: {written} read as {read}", text


def _wrong_glyphs(sources: Sources) -> Iterator[tuple[str, str]]:
    """PDFs whose fonts have no character map: the numbers of glyphs, taken for characters."""
    for language in ("en", "de", "es"):
        yield f"{language}: 29 codes lower", _shifted(sources.text(language), -29)  # TrueType's usual order
    for language, offset in (("en", 31), ("es", -5), ("de", 13)):
        yield f"{language}: {offset:+} codes", _shifted(sources.text(language), offset)
    for language in ("en", "de"):
        yield f"{language}: numbered by first use", _numbered(sources.text(language))
    for language in ("en", "es"):
        yield f"{language}: letters exchanged", _exchanged(sources.text(language), sources.rng)
    private = (chr(0xE000 + ord(sign)) if sign.isalnum() else sign for sign in sources.text("en"))
    yield "en: private use", "".join(private)


def _shifted(text: str, offset: int) -> str:
    """Each visible ASCII character `offset` further, around the end."""
    first, count = _PRINTABLE.start, len(_PRINTABLE)
    table = {code: (code - first + offset) % count + first for code in _PRINTABLE}
    return text.translate(table)


def _numbered(text: str) -> str:
    numbers: dict[str, str | int | None] = {}
    for sign in text:
        if not sign.isspace():
            numbers.setdefault(sign, chr(_PRINTABLE[len(numbers) % len(_PRINTABLE)]))
    return text.translate(str.maketrans(numbers))


def _exchanged(text: str, rng: random.Random) -> str:
    other = "".join(rng.sample(string.ascii_lowercase, 26))
    return text.translate(str.maketrans(string.ascii_letters, other + other.upper()))


def _menus(rng: random.Random, half: int) -> Iterator[tuple[str, str]]:
    """Menus of pages, each with its labels in another order and in another layout."""
    layouts: dict[str, Callable[[list[str]], str]] = {
        "lines": "\n".join,
        "links": lambda labels: "\n".join(f"- [{label}](/{number})" for number, label in enumerate(labels)),
        "paragraphs": "\n\n".join,
        "a list": lambda labels: "\n".join(f"* {label}" for label in labels),
        "one line": " | ".join,
        "lines, twice": lambda labels: "\n".join(labels * 2),
    }
    for number, (name, layout) in enumerate(layouts.items()):
        labels = MENUS[(number + 3 * half) % len(MENUS)]
        yield name, layout(rng.sample(labels, len(labels)))


def _random_bytes(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Bytes as a careless program reads them, some without control characters, as a careful one does."""
    for codec in ("latin-1", "cp1252", "utf-8", "cp1251", "gbk", "utf-16-le"):
        yield f"as {codec}", rng.randbytes(3000).decode(codec, "replace")
    for codec in ("latin-1", "cp1252", "mac-roman"):
        text = rng.randbytes(6000).decode(codec, "ignore")
        yield f"as {codec}, visible ones", "".join(filter(str.isprintable, text))


def _noise(sources: Sources) -> Iterator[tuple[str, str]]:
    """What the recognition of dirt, pictures and rotated pages gives, and some words of the page."""
    rng = sources.rng
    for share in (0.0, 0.0, 0.05, 0.1, 0.15, 0.2, 0.25):
        words = list(filter(str.isalpha, sources.text("en", 2).split()))
        tokens = [rng.choice(words) if rng.random() < share else _speck(rng) for _ in range(400)]
        yield f"{share:.0%} words", "\n".join(" ".join(tokens[at : at + 9]) for at in range(0, 400, 9))
    yield "letters apart", " ".join(sources.text("en"))
    yield "letters below each other", "\n".join(sources.text("de").replace(" ", ""))


def _speck(rng: random.Random) -> str:
    """One to four signs that dirt resembles."""
    kinds = rng.choices((_STROKES, _SHAPES), weights=(3, 2), k=rng.randint(1, 4))
    return "".join(rng.choice(kind) for kind in kinds)


def _repeated(sources: Sources) -> Iterator[tuple[str, str]]:
    line = sources.text("en", 1).split(". ")[0][:120]
    other = sources.text("en", 2).split(". ")
    mixed = [*other[:8], *[line] * 30]
    sources.rng.shuffle(mixed)
    yield "one line", "\n".join([line] * 40)
    yield "one line below others", "\n".join([*other[:6], *[line] * 25])
    yield "one line between others", "\n\n".join(mixed)
    yield "two lines in turn", "\n".join([line, other[0]] * 20)
    yield "one sentence, without line ends", f"{line}. " * 40
    yield "one word", "test " * 500
    yield "a paragraph", "\n\n".join([sources.text("de", 1)] * 30)
    yield "a line in Chinese", "\n".join([sources.text("zh", 1)[:30]] * 30)


def _repeated_pages(sources: Sources) -> Iterator[BrokenDocument]:
    same = [sources.text("es", 1)] * 6
    yield BrokenDocument("repetition", "a page six times", _paged([*same, sources.text("es", 1)]))
    yield BrokenDocument("repetition", "blank pages", _paged([sources.text("en", 1), *[""] * 19]))


def _paged(pages: Sequence[str]) -> ParsedDocument:
    text, spans = "", []
    for number, page in enumerate(pages, start=1):
        spans.append(PageSpan(number, len(text), len(text) + len(page)))
        text += f"{page}\n\f"
    return ParsedDocument(text=text, mime_type="application/pdf", pages=tuple(spans))


def _null_values(rng: random.Random) -> Iterator[BrokenDocument]:
    for null in ("", "", "", "n/a", "NULL", "-", "nan"):
        filled = rng.uniform(0.02, 0.08)
        builder = DocumentBuilder()
        rows = [_row(rng, null, filled) for _ in range(30)]
        builder.table([["name", *string.ascii_uppercase[:11]], *rows])
        yield BrokenDocument("null values", f"{filled:.0%} filled, else {null!r}", builder.build(MIME))
    builder = DocumentBuilder()
    for number in range(40):
        with builder.record():
            builder.paragraph(f"id: {number}\nfield{number % 20}: {rng.randint(1, 99)}")
    yield BrokenDocument("null values", "records of which each has another field", builder.build(MIME))


def _row(rng: random.Random, null: str, filled: float) -> list[str]:
    values = (str(rng.randint(1, 9999)) if rng.random() < filled else null for _ in range(11))
    return [f"row {rng.randint(1, 999)}", *values]
