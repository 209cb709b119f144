import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.documents import ParsedDocument
from rag.errors import UnreadableFileError
from rag.parse import FileType
from rag.parse.records import parse_json, parse_json_lines


def records_of(document: ParsedDocument) -> list[str]:
    return [document.text[r.start : r.end] for r in document.records]


def test_each_object_of_an_array_is_a_record_with_its_name_first() -> None:
    document = parse_json(
        json.dumps(
            [
                {
                    "id": 7,
                    "tags": ["red", "blue"],
                    "title": "Lamp",
                    "size": {"width": 3, "unit": "cm"},
                    "note": None,
                },
                {"id": 8, "sold": True, "parts": [{"name": "foot"}, {"name": "bulb", "watt": 4.50}]},
            ]
        )
    )
    assert records_of(document) == [
        "title: Lamp\nid: 7\ntags: red, blue\nsize.width: 3\nsize.unit: cm",
        "id: 8\nsold: true\nparts.1.name: foot\nparts.2.name: bulb\nparts.2.watt: 4.5",
    ]
    assert document.text == "\n\n".join(records_of(document))
    assert document.mime_type == FileType.JSON


def test_an_object_with_one_array_of_objects_keeps_its_other_fields() -> None:
    document = parse_json('{"title": "Orders", "count": 2, "results": [{"id": "a"}, {"id": "b"}]}')
    assert document.text == "title: Orders\ncount: 2\n\nid: a\n\nid: b"
    assert records_of(document) == ["id: a", "id: b"]
    assert document.title == "Orders"
    assert document.headings == ()


def test_several_arrays_of_objects_stand_under_their_names() -> None:
    document = parse_json('{"users": [{"n": 1}, {"n": 2}], "groups": [{"g": 1}, {"g": 2}]}')
    assert [document.text[h.start : h.end] for h in document.headings] == ["users", "groups"]
    assert records_of(document) == ["n: 1", "n: 2", "g: 1", "g: 2"]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{"a": {"b": {"c": "x"}}, "d": "y"}', "d: y\n\na.b.c: x"),
        ('{"a": [{"b": 1}]}', "a.b: 1"),
        ('[1, 2.50, true, null, "x"]', "1, 2.50, true, x"),
        ("[[1, 2], [3]]", "1, 2\n\n3"),
        ('"just a text"', "just a text"),
        ('{"": "no key"}', "no key"),
        ('{"n": NaN, "i": [Infinity, -Infinity]}', "n: NaN\ni: Infinity, -Infinity"),
        ('{"big": 1' + "0" * 5000 + "}", "big: 1" + "0" * 5000),
        ('{"a": "one\\r\\ntwo\\u0000\\ud800"}', "a: one\ntwo\ufffd\ufffd"),
        ('{"a": ["' + "long " * 20 + '", "b"]}', "a: " + ("long " * 20).strip() + "\nb"),
        ('{"a\\n b": {"' + "k" * 99 + '": 1}}', "a b." + "k" * 59 + "…: 1"),
    ],
)
def test_other_json_is_key_and_value(source: str, text: str) -> None:
    assert parse_json(source).text == text


def test_long_paths_show_their_end() -> None:
    value: Any = {"end": "x"}
    for _ in range(10):
        value = {"k" * 50: value}
    text = parse_json(json.dumps(value)).text
    assert text.startswith("…")
    assert text.endswith("kkk.end: x")
    assert len(text) == 120 + len(": x")


def test_what_nests_without_end_is_left_out() -> None:
    def nested(depth: int) -> str:
        return '{"a":' * depth + '"deep"' + "}" * depth

    document = parse_json(f'{{"shallow": "x", "rest": {nested(50)}}}')
    assert document.text == "shallow: x"
    assert document.warnings == ("what nests deeper than 32 levels was left out",)
    for source in (nested(500), "[" * 100_000):
        with pytest.raises(UnreadableFileError, match="nests too deeply"):
            parse_json(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('{"a": 1,\n "b": }', r"not valid JSON \(line 2, column 7\)"),
        ("{}", "holds no text"),
        ("[null, []]", "holds no text"),
        ('{"a": 1} {"b": 2}', "not valid JSON"),
    ],
)
def test_broken_or_empty_json(source: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message):
        parse_json(source)


def test_a_small_file_does_not_become_an_endless_text() -> None:
    keys = "".join(f'{{"{"k" * 60}":' for _ in range(20))
    leaves = ",".join(f'"{number}":1' for number in range(600_000))
    with pytest.raises(UnreadableFileError, match="too large when written out"):
        parse_json(f"{keys}{{{leaves}}}{'}' * 20}")


def test_each_line_is_a_record_and_broken_lines_are_counted() -> None:
    document = parse_json_lines('{"q": 1, "name": "x"}\n\n{broken\n["a", "b"]\n"text"\n{"q": NaN}\n{"q"')
    assert records_of(document) == ["name: x\nq: 1", "a, b", "text", "q: NaN"]
    assert document.warnings == ("lines 3, 7 are not JSON",)
    assert document.mime_type == FileType.JSONL


def test_lines_of_which_none_is_json() -> None:
    with pytest.raises(
        UnreadableFileError, match=r"not valid JSON Lines: lines 1, 2, .*, 10 and 5 more are not"
    ):
        parse_json_lines("x\n" * 15)
    with pytest.raises(UnreadableFileError, match="line 1 is not JSON"):
        parse_json_lines("{")


def test_json_lines_by_the_name_of_json_are_read() -> None:
    document = parse_json('{"a": 1}\n{"a": 2}\n')
    assert (document.mime_type, records_of(document)) == (FileType.JSONL, ["a: 1", "a: 2"])


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_every_word_of_any_json_is_in_the_text(value: Any) -> None:
    words: list[str] = []

    def collect(part: Any) -> None:
        if isinstance(part, dict):
            for inner in part.values():
                collect(inner)
        elif isinstance(part, list):
            for inner in part:
                collect(inner)
        elif isinstance(part, str):
            words.extend(part.replace("\0", "\ufffd").split())

    collect(value)
    with suppress(UnreadableFileError):
        document = parse_json(json.dumps(value))
        assert all(word in document.text for word in words)
        assert "\0" not in document.text
        at = 0
        for record in document.records:
            assert at <= record.start < record.end <= len(document.text)
            at = record.end
        words = []
    assert not words


@given(st.text(alphabet='{}[]",:\n\\ue0123456789trulnaINfity -.', max_size=200))
def test_any_text_gives_a_document_or_one_of_our_errors(text: str) -> None:
    for parser in (parse_json, parse_json_lines):
        with suppress(UnreadableFileError):
            parser(text).text.encode()
