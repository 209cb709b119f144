import io
import zipfile
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.chunking import ChunkStrategy, chunk_document
from rag.documents import ParsedDocument
from rag.errors import InvalidInputError, UnreadableFileError
from rag.parse import FileType, parse
from rag.parse.archive import MAX_MEMBERS, UnpackBudget, parse_zip
from rag.parse.members import MAX_WARNINGS
from rag.quality.repetition import find_blank_pages
from rag.quality.rules import QualityRules
from tests.unit.rag.parse.pdf_files import pdf_file
from tests.unit.rag.parse.zip_files import office_outline, zip_file
from tests.unit.rag.tokenizers import WordTokenizer


def read_zip(data: bytes) -> ParsedDocument:
    return parse(data, filename="a.zip", mime_type=None)


def test_every_file_stands_under_its_path_with_its_own_headings_below() -> None:
    document = read_zip(
        zip_file(
            {
                "docs/guide.md": "# Guide\n\n## Setup\n\nPlug it in.",
                "docs/": "",
                "prices.csv": "item,price\nlamp,3\nbulb,1\n",
            }
        )
    )
    assert document.mime_type == FileType.ZIP
    assert [(document.text[h.start : h.end], h.level) for h in document.headings] == [
        ("docs/guide.md", 1),
        ("# Guide", 2),
        ("## Setup", 3),
        ("prices.csv", 1),
    ]
    (table,) = document.tables
    assert document.text[table.start : table.header_end] == "| item | price |\n| --- | --- |"
    assert [document.text[r.start : r.end] for r in document.records] == ["| lamp | 3 |", "| bulb | 1 |"]
    assert document.warnings == ()


def test_files_that_cannot_be_read_are_named_with_the_reason() -> None:
    document = read_zip(zip_file({"a.txt": "text", "b.exe": b"MZ", "c.txt": "", "d.pdf": "no"}))
    assert document.text == "a.txt\n\ntext"
    assert document.warnings == (
        "b.exe: .exe files are not supported",
        "c.txt: the file is empty",
        "d.pdf: the file is called a PDF but is not one",
    )


def test_what_people_did_not_pack_is_skipped_silently() -> None:
    data = zip_file(
        {
            "a.txt": "text",
            "__MACOSX/._a.txt": "x",
            ".git/config": "x",
            "b/.DS_Store": "x",
            "Thumbs.db": "x",
        }
    )
    file = io.BytesIO(data)
    with zipfile.ZipFile(file, "a") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    document = read_zip(file.getvalue())
    assert (document.text, document.warnings) == ("a.txt\n\ntext", ())


@pytest.mark.parametrize(
    "name", ["../a.txt", "b/../../a.txt", "/etc/a.txt", "C:/a.txt", "..\\a.txt", "\\\\host\\a.txt"]
)
def test_paths_out_of_the_archive_are_refused(name: str) -> None:
    document = read_zip(zip_file({"ok.txt": "text", name: "evil"}))
    assert "evil" not in document.text
    assert document.warnings == (f"{name}: not read: its path points outside the archive",)


def test_encrypted_files_ask_for_a_password() -> None:
    data = bytearray(zip_file({"a.txt": "text"}))
    directory = data.index(b"PK\x01\x02")
    for flags in (6, directory + 8):  # in the file's header and in the directory
        data[flags] |= 1
    with pytest.raises(UnreadableFileError, match=r"can be read: a\.txt: protected by a password"):
        read_zip(bytes(data))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({}, "the archive holds no files"),
        ({"a.exe": "x", "b.mp3": "x"}, r"no file .*: a\.exe: .*; b\.mp3: \.mp3 files are not supported$"),
        ({f"{n}.exe": "x" for n in range(9)}, r"2\.exe: \.exe files are not supported and 6 more$"),
    ],
)
def test_an_archive_without_readable_files_says_why(members: dict[str, str], message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        read_zip(zip_file(members))


def test_damaged_archives_and_files() -> None:
    with pytest.raises(UnreadableFileError, match="the archive is damaged"):
        read_zip(zip_file({"a.txt": "text"})[:40])
    data = zip_file({"a.txt": "text " * 99, "b.txt": "fine"}, method=zipfile.ZIP_STORED)
    document = read_zip(data.replace(b"text ", b"texT ", 1))
    assert document.text == "b.txt\n\nfine"
    assert document.warnings == ("a.txt: damaged, cannot be unpacked",)


def test_members_that_inflate_too_much_are_not_unpacked() -> None:
    document = read_zip(zip_file({"ok.txt": "text", "bomb.txt": "0" * 2_000_000}))
    assert document.text == "ok.txt\n\ntext"
    assert document.warnings == ("bomb.txt: not read: it unpacks to more than 100 times its size",)


def test_all_archives_of_an_upload_share_one_budget() -> None:
    inner = zip_file({"c.txt": "c" * 50})
    data = zip_file({"a.txt": "a" * 50, "b.zip": inner, "d.txt": "d" * 50})
    sizes: list[int] = []

    def read(content: bytes, name: str | None, mime_type: str | None) -> ParsedDocument:
        sizes.append(len(content))
        if name == "b.zip":
            return parse_zip(content, budget, read)
        return ParsedDocument(text=content.decode(), mime_type="text/plain")

    budget = UnpackBudget(size=50 + len(inner) + 50)
    document = parse_zip(data, budget, read)
    assert sizes == [50, len(inner), 50]
    assert document.warnings == ("d.txt: not read: the files of the archive unpack to more than 256 MB",)


def test_an_office_file_in_an_archive_counts_with_what_it_unpacks_to() -> None:
    budget = UnpackBudget(size=100)
    budget.take_package(zip_file({"x": "y" * 60}))
    with pytest.raises(UnreadableFileError, match="256 MB"):
        budget.take_package(zip_file({"x": "y" * 60}))


def claiming(data: bytes, size: int) -> bytes:
    """An archive whose first member claims in the directory to unpack to `size` bytes."""
    at = data.index(b"PK\x01\x02") + 24
    return data[:at] + size.to_bytes(4, "little") + data[at + 4 :]


def test_office_files_in_archives_share_the_budget_too() -> None:
    package = claiming(office_outline("word"), 150 * 1024**2)
    document = read_zip(zip_file({"a.docx": package, "b.docx": package, "c.txt": "text"}))
    assert document.text == "c.txt\n\ntext"
    assert document.warnings[1] == "b.docx: not read: the files of the archive unpack to more than 256 MB"


def test_only_so_many_files_are_read() -> None:
    document = read_zip(zip_file({f"{number}.txt": "x" for number in range(MAX_MEMBERS + 5)}))
    assert len(document.headings) == MAX_MEMBERS
    assert document.warnings == (
        "1000.txt: not read, nor the 4 files after it: only 1,000 files of an archive are read",
    )


def test_warnings_are_counted_when_there_are_many() -> None:
    document = read_zip(zip_file({"a.txt": "text", **{f"{number}.exe": "x" for number in range(200)}}))
    assert len(document.warnings) == MAX_WARNINGS
    assert document.warnings[-1] == "and 151 more of this kind"


def test_archives_in_archives_are_read_two_deep() -> None:
    innermost = zip_file({"deep.txt": "too deep"})
    inner = zip_file({"x.txt": "inside", "y.zip": innermost})
    document = read_zip(zip_file({"z.zip": inner}))
    assert document.text == "z.zip\n\nx.txt\n\ninside"
    assert [h.level for h in document.headings] == [1, 2]
    assert document.warnings == ("z.zip: y.zip: archives inside archives are read 2 deep, no deeper",)


def test_names_in_utf_8_without_its_flag_are_understood() -> None:
    data = zip_file({"XXrger.txt": "text"}).replace(b"XX", "Ä".encode())
    assert read_zip(data).text == "Ärger.txt\n\ntext"


def test_other_compressions_are_named() -> None:
    with pytest.raises(UnreadableFileError, match="compressed in a way that is not supported"):
        read_zip(zip_file({"a.txt": "text"}, method=zipfile.ZIP_LZMA))


@given(st.binary(min_size=1, max_size=8), st.integers(0, 400))
def test_damage_gives_a_document_or_one_of_our_errors(damage: bytes, at: int) -> None:
    data = bytearray(zip_file({"a.txt": "some text", "b/c.md": "# more\n\ntext", "d.json": '{"a": 1}'}))
    data[at : at + len(damage)] = damage
    with suppress(InvalidInputError):
        assert read_zip(bytes(data)).text.strip()


def test_pages_of_a_pdf_in_it_are_kept() -> None:
    inner: dict[str, bytes | str] = {
        "b.pdf": pdf_file("", "Two words", "Three words", ""),
        "c.txt": "after that",
        "d.pdf": pdf_file("One"),
    }
    document = read_zip(zip_file({"a.txt": "before", "more.zip": zip_file(inner)}))
    shown = [(page.number, document.text[page.start : page.end]) for page in document.pages]
    assert shown == [
        (1, "more.zip\n\nb.pdf\n\n"),
        (2, "Two words"),
        (3, "Three words"),
        (4, ""),
        (1, "d.pdf\n\nOne"),
    ]
    bounds = [bound for page in document.pages for bound in (page.start, page.end)]
    assert bounds == sorted(bounds)


def test_a_passage_of_a_pdf_in_it_is_on_a_page_and_others_are_on_none() -> None:
    members: dict[str, bytes | str] = {"a.txt": "before", "b.pdf": pdf_file("One", "Two"), "c.txt": "after"}
    document = read_zip(zip_file(members))
    strategy = ChunkStrategy.PAGE
    chunks = chunk_document(document, tokenizer=WordTokenizer(), overlap_tokens=0, strategy=strategy)
    assert [(chunk.text, chunk.page) for chunk in chunks] == [
        ("a.txt\n\nbefore", None),
        ("b.pdf\n\nOne", 1),
        ("Two", 2),
        ("c.txt\n\nafter", None),
    ]


def test_blank_pages_of_a_file_in_it_are_no_fault_of_the_archive() -> None:
    document = read_zip(zip_file({"a.txt": "text", "scan.pdf": pdf_file(*[""] * 20, "Text")}))
    rules = QualityRules()
    assert find_blank_pages(document, rules) is None
    assert find_blank_pages(replace(document, mime_type=FileType.PDF), rules) is not None
