import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.cases import EvaluationCase, parse_cases, read_cases, write_cases
from eval.metrics import contains_answer
from rag.errors import InvalidInputError

ROOT = Path(__file__).parents[3]
DATASETS = ROOT / "eval" / "datasets"
DOCUMENTS = {"handbook": ROOT / "docs" / "sample", "squad2_sample": DATASETS / "squad2_sample"}
LINE = (
    '{"query": "How long?", "expected_answer": "5 days", "ground_truth_docs": ["a.md"], "metadata": {"n": 1}}'
)


def version(*lines: str) -> str:
    return parse_cases("\n".join(lines).encode(), "set", place="set.jsonl").version


def test_a_line_becomes_a_case_with_an_id_of_its_own() -> None:
    (case,) = parse_cases(f"\ufeff\n{LINE}\n\n".encode(), "set", place="set.jsonl").cases

    assert case.query == "How long?"
    assert case.expected_answers == ("5 days",)
    assert case.judgments == {"a.md": 1}
    assert case.metadata == {"n": 1}
    assert case.answerable
    assert len(case.id) == 16
    int(case.id, 16)


def test_several_answers_and_grades() -> None:
    line = '{"query": "q", "expected_answer": ["5", "five"], "ground_truth_docs": {"a": 3, "b": 0}}'
    (case,) = parse_cases(line.encode(), "set", place="x").cases
    assert case.expected_answers == ("5", "five")
    assert case.judgments == {"a": 3, "b": 0}


def test_the_version_depends_on_what_is_said_not_on_how_it_is_written() -> None:
    fields = json.loads(LINE)
    rewritten = json.dumps(dict(reversed(fields.items())), indent=None, separators=(" ,", ":  "))
    other = LINE.replace("5 days", "6 days")

    assert version(LINE) == version("", rewritten)
    assert version(LINE) != version(other)
    assert version(LINE, '{"query": "q", "expected_answer": "a"}') != version(LINE)
    assert len(version(LINE)) == 64


def test_the_same_question_after_another_conversation_is_another_case() -> None:
    turn = '{"query": "And then?", "expected_answer": "a", "history": [{"role": "user", "content": "%s"}]}'
    assert len(parse_cases(f"{turn % 'x'}\n{turn % 'y'}".encode(), "set", place="x").cases) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting"),
        ("[1]", "valid dictionary"),
        ('{"query": 5}', "query: Input should be a valid string"),
        ('{"query": " ", "expected_answer": "a"}', "query: must have text"),
        ('{"query": "q", "expected_answer": ""}', "expected_answer: must have text"),
        ('{"query": "q"}', "needs an expected_answer or ground_truth_docs"),
        ('{"query": "q", "ground_truth_docs": {"a": 0}}', "needs an expected_answer or ground_truth_docs"),
        ('{"query": "q", "answerable": false, "ground_truth_docs": ["a"]}', "answerable is false"),
        ('{"query": "q", "expected_answer": "a", "metadata": {"x": NaN}}', "NaN is no JSON"),
        ('{"query": "q", "expected_answer": "a", "metadata": {"x": -Infinity}}', "-Infinity is no JSON"),
        ('{"query": "q", "expected_answer": "a", "metadata": {"x": 1e999}}', "finite"),
        ('{"query": "q", "expected_answer": "a", "metadata": {"x": "\\ud800"}}', "surrogates"),
        ('{"query": "q", "expected_answers": "a"}', "expected_answers: there is no such field"),
        ('{"query": "q", "expected_answer": "a", "id": "a\\nb"}', "id: must be printable"),
        (
            '{"query": "q", "expected_answer": "a", "history": [{"role": "system", "content": "x"}]}',
            "history.0",
        ),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_wrong_line_is_named(line: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_cases(f"{LINE}\n\n{line}\n".encode(), "set", place="set.jsonl")
    assert str(caught.value).startswith("set.jsonl, line 3: ")


def test_two_cases_cannot_have_one_id() -> None:
    with pytest.raises(InvalidInputError, match=r"line 2: the id .* is that of line 1"):
        version(LINE, LINE)


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has no cases"):
        version("", " ")


def test_files_are_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    with pytest.raises(InvalidInputError, match=r"mine\.jsonl: No such file"):
        read_cases(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInputError, match=r"mine\.jsonl: 'utf-8'"):
        read_cases(path)
    path.write_text(LINE, encoding="utf-8")
    assert read_cases(path).name == "mine"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), st.booleans())
def test_what_is_written_is_read_again(text: str, answerable: bool) -> None:
    case = EvaluationCase(
        id="a", query=f"q{text.replace(chr(0), '')}", expected_answer="a", answerable=answerable
    )
    read = parse_cases(write_cases([case]), "set", place="x")
    assert read.cases == (case,)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_shipped_sets_name_documents_that_there_are(name: str) -> None:
    cases = read_cases(DATASETS / f"{name}.jsonl").cases
    files = {path.name for path in DOCUMENTS[name].iterdir()}

    assert len(cases) >= 40
    assert {document for case in cases for document in case.judgments} == files
    assert sum(not case.answerable for case in cases) >= 10
    assert (DATASETS / f"{name}.md").exists()


def test_the_squad_sample_holds_its_answers() -> None:
    folder = DOCUMENTS["squad2_sample"]
    for case in read_cases(DATASETS / "squad2_sample.jsonl").cases:
        for document in case.judgments:
            assert contains_answer((folder / document).read_text(encoding="utf-8"), case.expected_answers), (
                case.id
            )
