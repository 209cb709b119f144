import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parse.sniff import is_xhtml, sniff
from rag.parse.types import FileType

MAIL = "Received: by x\nFrom: a@b.c\nSubject: hello\n  and more\n\nBody"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!DOCTYPE html><p>x", FileType.HTML),
        ("\n <HTML lang=en>", FileType.HTML),
        ('<?xml version="1.0"?><html/>', FileType.HTML),
        ("<!-- a --><body>", FileType.HTML),
        ("<p>x</p>", FileType.HTML),
        ('<?xml version="1.0"?><rss/>', FileType.XML),
        ('{"a": 1}', FileType.JSON),
        ('[{"a": 1},\n {"a": 2}]', FileType.JSON),
        ('\n{"a": 1}\n{"a": 2}\nbroken', FileType.JSONL),
        (MAIL, FileType.EML),
        ("name,age,city\n" + "Ann,34,Rome\n" * 4, FileType.CSV),
        ("name;age;city\n" + "Ann;34;Rome\n" * 4, FileType.CSV),
        ("name\tage\n" + "Ann\t34\n" * 4, FileType.TSV),
    ],
)
def test_clear_signs_are_recognised(text: str, kind: FileType) -> None:
    assert sniff(text) is kind


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "<3 hearts",
        "<unknown>x",
        "# Title",
        "html",
        "{a set of words}",
        "[draft] not data",
        "[1, 2]",
        '{"a": 1',
        "[" * 100_000 + "]",
        "From: me\nSubject: a note in the form of a letter\n\nDear all",
        MAIL.replace("From", "And then from"),
        "We met, ate, and left.\n" * 8,
        "one,two,three\nfour,five,six\nseven,eight,nine\nten,eleven,twelve\na,b,c\n",
        "name,age,city\nAnn,34,Rome\n",
        "name,age,city\n" + "Ann,34,Rome\n" * 4 + "Bob,35\n",
        "name,age,city\n" + "Ann,34,Rome\n" * 4 + "Bob,35,Bonn,x\n",
    ],
)
def test_doubtful_text_is_plain(text: str) -> None:
    assert sniff(text) is FileType.TEXT


def test_a_table_may_be_cut_where_the_look_ends() -> None:
    assert sniff("name,age,city\n" + "Ann,34,Rome\n" * 1000) is FileType.CSV


@given(st.text(alphabet='{}[]",:\n\t<>!?xmlhtbody From:;1', max_size=200))
def test_any_text_has_a_kind(text: str) -> None:
    assert sniff(text) in {
        FileType.TEXT,
        FileType.HTML,
        FileType.XML,
        FileType.JSON,
        FileType.JSONL,
        FileType.EML,
        FileType.CSV,
        FileType.TSV,
    }


def test_xml_that_is_a_web_page() -> None:
    assert is_xhtml('<?xml version="1.0"?>\n<!-- x -->\n<html xmlns="http://www.w3.org/1999/xhtml">')
    assert is_xhtml("<!DOCTYPE html PUBLIC ''><html>")
    assert not is_xhtml("<table><row/></table>")
