import io
import random
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import UnreadableFileError
from rag.parse.ooxml import MAX_UNPACKED, Package, Relationship, open_package, parse_xml, read_member
from tests.unit.rag.parse.office_files import package_of, relationships

_MEGABYTE = 1024**2
_DIRECTORY_ENTRY = b"PK\x01\x02"
_SIZE_AT = 24  # of the unpacked size, in an entry of the ZIP directory
_FLAGS_AT = 8
LONG_TITLE = "How we use PowerPoint in our trainings at three sites"
NOISE = random.Random(1).randbytes(_MEGABYTE)  # noqa: S311  # it only must not pack
PACKAGE = package_of({"word/document.xml": "<a>text</a>", "docProps/core.xml": "<b/>"})


def patched(data: bytes, offset: int, value: int) -> bytes:
    """`data` with four bytes of the first directory entry replaced."""
    changed = bytearray(data)
    struct.pack_into("<I", changed, data.index(_DIRECTORY_ENTRY) + offset, value)
    return bytes(changed)


def test_members_are_read_up_to_their_limit() -> None:
    package = open_package(PACKAGE)
    assert read_member(package, "word/document.xml") == b"<a>text</a>"
    assert read_member(package, "word/document.xml", limit=11) == b"<a>text</a>"
    with pytest.raises(UnreadableFileError, match="too large when unpacked"):
        read_member(package, "word/document.xml", limit=10)
    with pytest.raises(UnreadableFileError, match="incomplete"):
        read_member(package, "word/settings.xml")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "damaged"),
        (b"plain text", "damaged"),
        (PACKAGE[:-30], "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "password"),
        (patched(PACKAGE, _SIZE_AT, MAX_UNPACKED + 1), "too large when unpacked"),
        (patched(PACKAGE, _FLAGS_AT, 1), "password"),
        (package_of({"word/document.xml": bytes(100 * _MEGABYTE)}), "far more than its own size"),
        (package_of({f"{n}.xml": bytes(10 * _MEGABYTE) for n in range(3)}), "far more than its own size"),
        (package_of({"a.xml": bytes(20 * _MEGABYTE), "b.png": NOISE}), "far more than its own size"),
    ],
)
def test_files_that_are_no_sound_package_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        open_package(data)


def test_small_members_may_pack_well() -> None:
    package = open_package(package_of({"word/document.xml": bytes(_MEGABYTE)}))
    assert len(read_member(package, "word/document.xml")) == _MEGABYTE


def test_a_directory_that_lies_about_a_size_does_not_get_through() -> None:
    data = package_of({"word/document.xml": bytes(10 * _MEGABYTE)})
    package = open_package(patched(data, _SIZE_AT, 100))
    with pytest.raises(UnreadableFileError, match="damaged"):
        read_member(package, "word/document.xml")


@given(st.binary(max_size=40), st.integers(min_value=0, max_value=len(PACKAGE)))
def test_damage_is_always_told_as_an_unreadable_file(noise: bytes, at: int) -> None:
    damaged = PACKAGE[:at] + noise + PACKAGE[at + len(noise) :]
    try:
        package = open_package(damaged)
        for name in package.namelist():
            read_member(package, name)
    except UnreadableFileError:
        pass


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<a>",
        b"<a>&unknown;</a>",
        b"<a>" * 300 + b"</a>" * 300,
        b'<!DOCTYPE a [<!ENTITY b "text">]><a>&b;</a>',
        b'<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a/>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>',
        b"<!DOCTYPE a [<!ENTITY b 'bbbbbbbbbb'>"
        + b"".join(
            b"<!ENTITY b%d '%b'>" % (n, b"&b%d;" % (n - 1) * 10 if n else b"&b;" * 10) for n in range(9)
        )
        + b"]><a b='&b8;'>&b8;</a>",
    ],
)
def test_broken_deep_and_declaring_xml_is_refused(xml: bytes) -> None:
    for recover in (False, True):
        if not recover or b"DOCTYPE" in xml:
            with pytest.raises(UnreadableFileError):
                parse_xml(xml, recover=recover)


def test_recovery_keeps_what_comes_before_the_damage() -> None:
    assert parse_xml(b"<a><b>kept</b><c", recover=True).findtext("b") == "kept"


def test_strict_names_become_transitional_ones() -> None:
    strict = (
        b'<w:a xmlns:w="http://purl.oclc.org/ooxml/wordprocessingml/main">http://purl.oclc.org/ooxml/</w:a>'
    )
    root = parse_xml(strict)
    assert root.tag == "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}a"
    assert root.text == "http://purl.oclc.org/ooxml/"


def test_relationships_lead_to_parts() -> None:
    package = Package.open(
        package_of(
            {
                "_rels/.rels": relationships(a="officeDocument:/Word/Main%20part.xml"),
                "word/main part.xml": "<a/>",
                "word/_rels/main part.xml.rels": relationships(
                    b="image:../media/b.png", c="styles:c.xml"
                ).replace("/>", ' TargetMode="External"/>', 1),
            }
        )
    )
    assert package.main_part("word/document.xml") == "Word/Main part.xml"
    assert package.xml("WORD/main part.XML").tag == "a"
    assert package.relationships("word/main part.xml") == {"c": Relationship("styles", "word/c.xml")}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        (" Travel  policy ", "Travel policy"),
        ("Microsoft Word - draft.doc", None),
        ("draft_v3.docx", None),
        ("PowerPoint-Präsentation", None),
        ("Document1", None),
        ("2024", None),
        (LONG_TITLE, LONG_TITLE),
    ],
)
def test_titles_that_say_nothing_are_not_titles(title: str, expected: str | None) -> None:
    core = f'<cp xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title></cp>'
    assert Package.open(package_of({"docProps/core.xml": core})).title() == expected


def test_a_stream_tells_damage_in_plain_words() -> None:
    changed = bytearray(PACKAGE)
    with zipfile.ZipFile(io.BytesIO(PACKAGE)) as archive:
        start = archive.getinfo("word/document.xml").header_offset + 30 + len("word/document.xml")
    changed[start : start + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(UnreadableFileError, match="damaged"):
        Package.open(bytes(changed)).stream("word/document.xml").read()
