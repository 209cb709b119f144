import json
from pathlib import Path

import pytest

from scripts import score_groundedness

GOOD = {
    "answer": "Backups are kept for 35 days.",
    "context": "Backups are kept for 35 days and are encrypted.",
}


def written(folder: Path, *lines: object) -> str:
    path = folder / "in.jsonl"
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_each_line_gets_a_score_and_keeps_its_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = written(
        tmp_path,
        GOOD | {"id": "ü"},
        "",
        {"answer": "Cats bark loudly.", "context": ["Backups exist.", "Logs too."]},
        {"answer": "", "context": []},
    )
    output = tmp_path / "out.jsonl"

    assert score_groundedness.main([answers, "--output", str(output)]) == 0
    assert capsys.readouterr().out == ""
    assert score_groundedness.main([answers]) == 0
    assert capsys.readouterr().out == output.read_text(encoding="utf-8")

    good, bad, empty = map(json.loads, output.read_text(encoding="utf-8").splitlines())
    assert good == GOOD | {"id": "ü", "score": good["score"]}
    assert 0 < bad["score"] < 0.2
    assert 0.8 < good["score"] < 1
    assert empty["score"] == 0.0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "Expecting"),
        ([], "must be an object"),
        ({"answer": "a"}, "must be an object with answer and context"),
        ({"answer": None, "context": "a"}, "answer must be a string"),
        ({"answer": "a", "context": 5}, "context must be"),
        ({"answer": "a", "context": ["a", None]}, "context must be"),
        ({"answer": "\ud800", "context": "a"}, "surrogates"),
        ('{"answer": "a", "context": "a", "x": NaN}', "JSON compliant"),
        ("[" * 100_000, "recursion"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: object, message: str
) -> None:
    output = tmp_path / "out.jsonl"

    assert score_groundedness.main([written(tmp_path, GOOD, line), "--output", str(output)]) == 2

    error = capsys.readouterr().err
    assert "in.jsonl, line 2: " in error
    assert message in error
    assert not output.exists()


def test_wrong_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert score_groundedness.main([str(tmp_path / "none.jsonl")]) == 2
    assert score_groundedness.main([written(tmp_path)]) == 2
    assert score_groundedness.main([written(tmp_path, GOOD), "--output", str(tmp_path / "no" / "out")]) == 2
    assert capsys.readouterr().err.count("Cannot score: ") == 3
