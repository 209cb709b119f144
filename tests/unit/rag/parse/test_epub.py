import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse import FileType, parse
from tests.unit.rag.parse.zip_files import CONTAINER, epub_file, zip_file

NCX = (
    '<!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "ncx-2005-1.dtd">'
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>The sea</text>'
    '</navLabel><content src="two%20b.xhtml#start"/></navPoint></navMap></ncx>'
)


def chapter(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml">'
        f'<head><title/><script src="x.js"/></head><body>{body}</body></html>'
    )


def encryption(path: str, algorithm: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" '
        'xmlns:e="http://www.w3.org/2001/04/xmlenc#"><e:EncryptedData>'
        f'<e:EncryptionMethod Algorithm="{algorithm}"/><e:CipherData><e:CipherReference URI="{path}"/>'
        "</e:CipherData></e:EncryptedData></encryption>"
    )


def read_book(data: bytes) -> ParsedDocument:
    return parse(data, filename="a.epub", mime_type=None)


def test_chapters_stand_in_the_order_of_the_spine() -> None:
    book = epub_file(
        {
            "cover.xhtml": chapter('<img src="cover.jpg"/>'),
            "one.xhtml": chapter("<h1>One</h1><p>First.</p><h2>Inside</h2><p>Deeper.</p>"),
            "two b.xhtml": chapter("<p>Second.</p><table><tr><th>a<th>b<tr><td>1<td>2</table>"),
        },
        title="Winds &amp; waves",
        spine=["cover.xhtml", "two b.xhtml", "one.xhtml"],
        manifest='<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>',
        extra={"OEBPS/toc.ncx": NCX},
    )
    document = read_book(book)
    assert (document.mime_type, document.title, document.warnings) == (FileType.EPUB, "Winds & waves", ())
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert document.text == f"The sea\n\nSecond.\n\n{table}\n\nOne\n\nFirst.\n\nInside\n\nDeeper."
    assert [(document.text[h.start : h.end], h.level) for h in document.headings] == [
        ("The sea", 1),  # the chapter has no heading: its name is in the table of contents
        ("One", 1),
        ("Inside", 2),
    ]
    assert [document.text[t.start : t.end] for t in document.tables] == [table]


def test_the_table_of_contents_is_no_chapter() -> None:
    nav = chapter('<nav><ol><li><a href="one.xhtml">The <b>start</b></a></li></ol></nav>')
    book = epub_file(
        {"one.xhtml": chapter("<p>Text</p>")},
        spine=["nav", "one.xhtml"],
        manifest='<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>',
        extra={"OEBPS/nav.xhtml": nav},
    )
    assert read_book(book).text == "The start\n\nText"


def test_chapters_that_are_missing_or_damaged_are_named() -> None:
    book = epub_file(
        {"one.xhtml": chapter("<p>Text</p>"), "two.xhtml": "\x00\x01\x02 binary"},
        spine=["one.xhtml", "gone", "two.xhtml"],
        manifest='<item id="gone" href="gone.xhtml" media-type="application/xhtml+xml"/>',
    )
    document = read_book(book)
    assert document.text == "Text"
    assert document.warnings[0] == "OEBPS/gone.xhtml: missing in the book"
    assert document.warnings[1].startswith("OEBPS/two.xhtml: the file")


def test_a_chapter_may_have_an_encoding_of_its_own() -> None:
    page = chapter("<p>naïve</p>").replace("utf-8", "iso-8859-1").encode("latin-1")
    book = epub_file(
        {"one.xhtml": "x"},
        extra={"OEBPS/two.xhtml": page},
        spine=["two"],
        manifest='<item id="two" href="two.xhtml" media-type="application/xhtml+xml"/>',
    )
    assert read_book(book).text == "naïve"


def test_protected_books_are_refused_and_scrambled_fonts_are_not() -> None:
    pages = {"one.xhtml": chapter("<p>Text</p>")}
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    scrambling = "http://www.idpf.org/2008/embedding"
    for path, algorithm, readable in (
        ("OEBPS/one.xhtml", aes, False),
        ("OEBPS/font.otf", aes, True),
        ("OEBPS/one.xhtml", scrambling, True),
    ):
        book = epub_file(pages, extra={"META-INF/encryption.xml": encryption(path, algorithm)})
        if readable:
            assert read_book(book).text == "Text"
        else:
            with pytest.raises(UnreadableFileError, match=r"protected against copying \(DRM\)"):
                read_book(book)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (epub_file({"one.xhtml": chapter("<img src='page1.jpg'/>")}), "the book holds no text"),
        (zip_file({"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER}), "is missing"),
        (zip_file({"mimetype": "application/epub+zip", "x.opf": "<broken"}), "not valid XML"),
        (epub_file({"one.xhtml": chapter("x")})[:200], "damaged"),
    ],
)
def test_books_that_cannot_be_read(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read_book(data)


def test_entities_in_a_book_are_refused() -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><package>&b;</package>'
    with pytest.raises(UnreadableFileError, match="declares entities"):
        read_book(zip_file({"mimetype": "application/epub+zip", "a.opf": bomb}))


@given(st.binary(min_size=1, max_size=8), st.integers(0, 2000))
def test_damage_gives_a_document_or_one_of_our_errors(damage: bytes, at: int) -> None:
    file = io.BytesIO()
    book = io.BytesIO(epub_file({"one.xhtml": chapter("<h1>T</h1><p>Text")}))
    with zipfile.ZipFile(book) as packed, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as stored:
        for name in packed.namelist():
            stored.writestr(name, packed.read(name))
    data = bytearray(file.getvalue())
    data[at : at + len(damage)] = damage
    with suppress(InvalidInputError):
        assert read_book(bytes(data)).text.strip()
