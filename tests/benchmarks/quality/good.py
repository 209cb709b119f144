"""Documents that a quality gate must let in: real texts of many kinds, in two halves by their names.

The limits of `rag.quality` were set on the even half. The odd half is for measuring.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rag.documents import ParsedDocument
from rag.errors import GroundworkError
from rag.parse import parse
from tests.benchmarks.data import DATA

_XQUAD_LANGUAGES = ("en", "de", "es", "zh")
_UDHR = DATA / "documents" / "unstructured" / "UDHR_first_article_all.txt"


@dataclass(frozen=True, slots=True)
class GoodDocument:
    """A document and where it is from, such as "xquad.de"."""

    source: str
    name: str
    document: ParsedDocument

    @property
    def half(self) -> int:
        return half_of(f"{self.source}/{self.name}")


def half_of(name: str) -> int:
    """0 or 1, by a hash of a name."""
    return hashlib.sha256(name.encode()).digest()[0] % 2


@cache
def good_documents() -> tuple[GoodDocument, ...]:
    return (*_files("aws", DATA / "aws_docs_qa_dev" / "documents", "*.md"), *_other_files(), *_passages())


def _other_files() -> Iterator[GoodDocument]:
    yield from _files("documents", DATA / "documents", "*.*")
    yield from _files("financebench", DATA / "financebench" / "pdfs", "*.pdf")
    yield from _files("tau2", DATA / "tau2_support", "*.md")


def _files(source: str, folder: Path, pattern: str) -> Iterator[GoodDocument]:
    """The files that can be read; what cannot be is refused before its quality matters."""
    for file in sorted(folder.rglob(pattern)):
        if file.is_file() and file.name != "manifest.tsv":
            try:
                document = parse(file.read_bytes(), filename=file.name, mime_type=None)
            except GroundworkError:
                continue
            yield GoodDocument(source, str(file.relative_to(folder)), document)


def _passages() -> Iterator[GoodDocument]:
    for source, name, text in (*_squad(), *_clapnq(), *_products(), *_declarations(), *_others()):
        yield GoodDocument(source, name, ParsedDocument(text=text, mime_type="text/plain"))


def _squad() -> Iterator[tuple[str, str, str]]:
    files = {f"xquad.{language}": DATA / "xquad" / f"xquad.{language}.json" for language in _XQUAD_LANGUAGES}
    for source, file in {"squad": DATA / "squad2_dev_half" / "dev-v2.0.json", **files}.items():
        for article in json.loads(file.read_text("utf-8"))["data"]:
            for number, paragraph in enumerate(article["paragraphs"]):
                yield source, f"{article['title']}/{number}", paragraph["context"]


def _clapnq() -> Iterator[tuple[str, str, str]]:
    for kind in ("answerable", "unanswerable"):
        for number, item in enumerate(_lines(DATA / "clapnq_dev" / f"clapnq_dev_{kind}.jsonl")):
            for passage in item["passages"]:
                yield "clapnq", f"{kind}/{number}", passage["text"]


def _products() -> Iterator[tuple[str, str, str]]:
    """Each product as JSON and as lines of keys and values."""
    for number, item in enumerate(_lines(DATA / "shop_catalog" / "products_sample_2976.jsonl")):
        yield "products.json", str(number), json.dumps(item, ensure_ascii=False)
        yield "products", str(number), "\n".join(f"{key}: {value}" for key, value in item.items())


def _declarations() -> Iterator[tuple[str, str, str]]:
    """The first article of the Universal Declaration of Human Rights in each language."""
    articles = _UDHR.read_text("utf-8").partition("------\n")[2]
    for article in re.split(r"\n\n+", articles):
        language, _, text = article.strip().partition("\n")
        if text.strip():
            yield "udhr", language, text.strip()


def _others() -> Iterator[tuple[str, str, str]]:
    articles = json.loads((DATA / "multihop_hotpotqa" / "hotpotqa_train_corpus.json").read_text("utf-8"))
    yield from (("hotpotqa", title, "".join(sentences)) for title, sentences in articles.items())
    for item in _lines(DATA / "ir_cranfield" / "corpus.jsonl"):
        if item["text"].strip():
            yield "cranfield", item["_id"], item["text"]


def _lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
