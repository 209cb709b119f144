from pathlib import Path

import pytest

from eval.judge.criteria import Part, read_criteria
from eval.judge.settings import JudgeSettings
from eval.judge.types import Judgement
from rag.errors import InvalidInputError

SHIPPED = Path("eval/criteria/answers.toml")
GOOD = '[[criterion]]\nname = "tone"\ncriteria = "It is polite."\nparts = ["answer"]\n'


def test_the_shipped_criteria_are_read() -> None:
    criteria = read_criteria(SHIPPED)
    assert [criterion.name for criterion in criteria] == ["correctness", "completeness"]
    assert criteria[1].parts == (Part.QUESTION, Part.ANSWER, Part.SOURCES)
    assert JudgeSettings(criteria=criteria).criteria == criteria


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "criterion: Field required"),
        ("criterion = []", "criterion: Tuple should have at least 1 item"),
        (GOOD.replace("tone", "My tone"), "criterion.0.name: String should match pattern"),
        (GOOD.replace('"answer"', '"anwser"'), "criterion.0.parts.0: Input should be 'question', 'answer'"),
        (GOOD.replace('"answer"', ""), "criterion.0.parts: Tuple should have at least 1 item"),
        (GOOD.replace('"answer"', '"question"'), "criterion.0: parts must name answer or sources"),
        (GOOD + 'steps = ["Look."]\n', "criterion.0: write either criteria or steps"),
        (GOOD.replace('criteria = "It is polite."\n', ""), "criterion.0: write either criteria or steps"),
        (GOOD.replace("It is polite.", " "), "criterion.0.criteria: String should match pattern"),
        (GOOD.replace('criteria = "It is polite."', "steps = []"), "criterion.0.steps: Tuple should have"),
        (GOOD + "weight = 2\n", "criterion.0.weight: there is no such field"),
        (GOOD + GOOD, "two criteria are called 'tone'"),
        ("[[criterion]", "line 1"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as raised:
        read_criteria(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert message in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "criteria.toml"
    with pytest.raises(InvalidInputError, match="No such file"):
        read_criteria(path)
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInputError, match="codec"):
        read_criteria(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"metrics": ("faithfullness",)},
            "no judged metric is called 'faithfullness': there are faithfulness,",
        ),
        ({"concurrency": 0}, "1 to 4 calls at a time, not 0"),
        ({"concurrency": 5}, "1 to 4 calls at a time, not 5"),
        ({"repetitions": 0}, "1 to 9 repetitions"),
        ({"max_cost_usd": 0.0}, "a cost cap is more than"),
        ({"max_cost_usd": float("nan")}, "a cost cap is more than"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        JudgeSettings(**changes)  # type: ignore[arg-type]


def test_a_criterion_cannot_take_a_metrics_name(tmp_path: Path) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text(GOOD.replace("tone", "faithfulness"))
    with pytest.raises(InvalidInputError, match="a criterion can't be called 'faithfulness'"):
        JudgeSettings(criteria=read_criteria(path))


def test_a_missing_score_needs_its_reason() -> None:
    with pytest.raises(ValueError, match="faithfulness"):
        Judgement(scores={"faithfulness": None})
    with pytest.raises(ValueError, match="faithfulness"):
        Judgement(scores={"faithfulness": 1.0}, not_measured={"faithfulness": "why?"})
