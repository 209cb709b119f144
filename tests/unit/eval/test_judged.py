from pathlib import Path

import pytest

from eval.judged import JudgedQuestion, read_judged
from rag.errors import InvalidInputError

GOOD = '{"query": "How much?", "relevant": ["a.md"]}'


def test_a_question_a_line_is_read_and_other_fields_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "judged.jsonl"
    other = '{"id": 7, "query": "Wie viel\u2028?", "relevant": ["b", "c"]}'
    path.write_text(f"\ufeff{GOOD}\r\n\n{other}\n", encoding="utf-8", newline="")
    assert read_judged(path) == [
        JudgedQuestion(query="How much?", relevant=["a.md"]),
        JudgedQuestion(query="Wie viel\u2028?", relevant=["b", "c"]),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Invalid JSON"),
        ("[]", "object"),
        ('{"relevant": ["a"]}', "query: Field required"),
        ('{"query": "x"}', "relevant: Field required"),
        ('{"query": "x", "relevant": []}', "relevant: List should have at least 1 item"),
        ('{"query": "x", "relevant": "a"}', "relevant: Input should be a valid array"),
        ('{"query": "x", "relevant": [1]}', "relevant.0: Input should be a valid string"),
        ('{"query": " ", "relevant": ["a"]}', "query: must have text"),
        ('{"query": "x\\u0000", "relevant": ["a"]}', "query: must have text, and no NUL"),
        ('{"query": "' + "x" * 4001 + '", "relevant": ["a"]}', "query: String should have at most 4000"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_text(f"{GOOD}\n\n{line}\n", encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        read_judged(path)
    assert f"{path}, line 3: " in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_a_file_without_questions_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "judged.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="has no questions"):
        read_judged(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"missing\.jsonl"):
        read_judged(tmp_path / "missing.jsonl")
    (tmp_path / "latin1.jsonl").write_bytes(b'{"query": "\xfc"}')
    with pytest.raises(InvalidInputError, match=r"latin1\.jsonl.*decode"):
        read_judged(tmp_path / "latin1.jsonl")
