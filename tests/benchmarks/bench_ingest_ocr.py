"""OCR of pages whose text is known: pages of real PDFs, drawn at 150 dots per inch, against their text layer.

The error rate is the Levenshtein distance over the length of the text layer, white space counted as one
space, words split at line ends put together in both. How scans are prepared was chosen on other documents
(`AMAZON_2017_10K`, `redp5110_sampled`, `multi-column-2p`).
"""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pypdfium2
from PIL import Image

from rag.parse.ocr import ocr_image
from rag.parse.page.text import PageText
from rag.parse.tesseract import ocr_available
from tests.benchmarks.data import DATA
from tests.benchmarks.report import BenchmarkRow, at_most, for_information, print_table

FILES = (
    "financebench/pdfs/BESTBUY_2023_10K.pdf",
    "financebench/pdfs/ULTABEAUTY_2023Q4_EARNINGS.pdf",
    "documents/unstructured/copy-protected.pdf",
    "documents/unstructured/interface-config-guide-p93.pdf",
    "documents/unstructured/invalid-pdf-structure-pdfminer-one-page.pdf",
    "documents/unstructured/negative-coords.pdf",
)
DOTS_PER_INCH = 150
PAGES = 20
MIN_CHARACTERS = 1000  # of a page: a shorter one says little
_pdfium: Any = pypdfium2  # an untyped package


def run() -> list[BenchmarkRow]:
    """The error rate over all pages together, and what else tells about it."""
    if not ocr_available():
        return []
    pages = [page for name in FILES for page in _pages(name)]
    chosen = [pages[n * len(pages) // PAGES] for n in range(PAGES)]
    errors, rates = 0, []
    start = time.perf_counter()
    for text, image in chosen:
        wrong = distance(text, " ".join(ocr_image(image, languages="eng").split()))
        errors += wrong
        rates.append(wrong / len(text))
    seconds = time.perf_counter() - start
    return [
        at_most("ocr, character error rate", errors / sum(len(text) for text, _ in chosen), 0.05),
        for_information("ocr, character error rate, median page", sorted(rates)[PAGES // 2]),
        for_information("ocr, character error rate, worst page", max(rates)),
        for_information("ocr, a page", seconds / PAGES, "s"),
    ]


def _pages(name: str) -> Iterator[tuple[str, Image.Image]]:
    with closing(_pdfium.PdfDocument(DATA / name)) as document:
        for page in document:
            raw = page.get_textpage().get_text_range()
            text = " ".join(PageText.of([raw]).tidy(raw).split())
            if len(text) >= MIN_CHARACTERS:
                yield text, page.render(scale=DOTS_PER_INCH / 72, grayscale=True).to_pil().copy()


def distance(left: str, right: str) -> int:
    """Levenshtein's distance; a row of the matrix is the bits of a number (Myers 1999, Hyyrö 2003)."""
    if not left:
        return len(right)
    places: dict[str, int] = {}
    for n, character in enumerate(left):
        places[character] = places.get(character, 0) | 1 << n
    everywhere, last = (1 << len(left)) - 1, 1 << (len(left) - 1)
    up, down, score = everywhere, 0, len(left)
    for character in right:
        same = places.get(character, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        risen, fallen = down | (~(diagonal | up) & everywhere), up & diagonal
        score += bool(risen & last) - bool(fallen & last)
        risen, fallen = ((risen << 1) | 1) & everywhere, (fallen << 1) & everywhere
        up, down = fallen | (~(same | down | risen) & everywhere), risen & (same | down)
    return score


if __name__ == "__main__":
    print_table(run())
