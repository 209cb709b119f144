import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from eval.report.results import SCHEMA, CitedSource, read_results, results_schema, write_results
from rag.errors import InvalidInputError
from tests.unit.eval.runs import make_case, make_run

RUN = make_run(
    [
        make_case(
            0, {"faithfulness": 1.0, "ndcg@10": 0.63}, tags=("policy",), answer="Five. [1]", expected="5"
        ),
        make_case(
            1,
            {"faithfulness": None},
            citations=(CitedSource(id="c1", title="Leave", quote="日本語"),),
            error="TimeoutError",
        ),
    ]
)


def document() -> Any:
    """The run as the file holds it."""
    return {
        "id": "run-1",
        "created_at": "2026-01-02T03:04:00Z",
        "dataset": {"name": "handbook", "sha256": "ab" * 32},
        "configuration": {"models": {}, "prompt_version": "1", "index_version": "7", "strategy": "hybrid"},
        "git_revision": "0f3c2aa",
        "seed": 0,
        "cases": [
            {"id": "a", "question": "?", "metrics": {"f": 1}},
            {"id": "b", "question": "?", "metrics": {"f": None}, "not_measured": {"f": "timeout"}},
        ],
    }


def test_a_run_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_results(RUN, path)
    assert read_results(path) == RUN
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_what_has_a_default_may_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document()), encoding="utf-8")
    run = read_results(path)
    assert run.scores("f") == {"a": 1.0, "b": None}
    assert run.scores("other") == {}


def test_the_schema_beside_the_code_is_what_the_code_says() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == results_schema()


def test_what_is_written_follows_the_schema(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    write_results(RUN, tmp_path / "results.json")
    assert not list(validator.iter_errors(json.loads((tmp_path / "results.json").read_bytes())))
    assert not list(validator.iter_errors(document()))
    assert list(validator.iter_errors(document() | {"extra": 1}))


Edit = Callable[[Any], object]
MISTAKES: list[tuple[Edit, str]] = [
    (
        lambda d: d["cases"][0]["metrics"].update(f=float("nan")),
        "cases.0.metrics.f: Input should be a finite",
    ),
    (lambda d: d["cases"][0]["metrics"].update(f=1.01), "cases.0.metrics.f: Input should be less than"),
    (lambda d: d["cases"][0]["metrics"].update(f=-0.1), "cases.0.metrics.f: Input should be greater than"),
    (lambda d: d["cases"][0]["metrics"].update(f="0.5"), "cases.0.metrics.f: Input should be a valid number"),
    (lambda d: d["cases"][0]["metrics"].update(f=True), "cases.0.metrics.f: Input should be a valid number"),
    (lambda d: d["cases"][0]["metrics"].update({"<b>": 1}), "cases.0.metrics.<b>"),
    (lambda d: d["cases"][0].update(cost_usd=float("inf")), "cases.0.cost_usd: Input should be a finite"),
    (lambda d: d["cases"][0].update(latency_ms=-1), "cases.0.latency_ms"),
    (lambda d: d["cases"][0].update(tag=["x"]), "cases.0.tag: there is no such field"),
    (lambda d: d["cases"][1].update(id="a"), "cases.1.id: 'a' is also the id of cases.0"),
    (lambda d: d["cases"][1].update(id="a\nb"), "cases.1.id: must be printable text on one line"),
    (lambda d: d["cases"][1].pop("not_measured"), "cases.1: f: a metric is null exactly if"),
    (lambda d: d["cases"][0].update(not_measured={"f": "why"}), "cases.0: f: a metric is null exactly if"),
    (lambda d: d["cases"].clear(), "cases: Tuple should have at least 1 item"),
    (lambda d: d["dataset"].update(sha256="x"), "dataset.sha256: String should match"),
    (lambda d: d.update(created_at="2026-01-02T03:04:00"), "created_at: Input should have timezone"),
    (lambda d: d.update(format=2), "format: Input should be 1"),
    (lambda d: d.update(verdict="pass"), "verdict: there is no such field"),
    (lambda d: d.pop("seed"), "seed: Field required"),
]


@pytest.mark.parametrize(("edit", "said"), MISTAKES)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, edit: Edit, said: str) -> None:
    path = tmp_path / "results.json"
    wrong = document()
    edit(wrong)
    path.write_text(json.dumps(wrong), encoding="utf-8")
    with pytest.raises(InvalidInputError) as caught:
        read_results(path)
    assert str(caught.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"id": "\\ud800"}', b"[" * 5000])
def test_what_is_no_run_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"results\.json: "):
        read_results(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"gone\.json: No such file"):
        read_results(tmp_path / "gone.json")
    with pytest.raises(InvalidInputError, match="No such file"):
        write_results(RUN, tmp_path / "no folder" / "results.json")


def test_what_is_built_in_code_is_checked_too() -> None:
    with pytest.raises(ValidationError, match="finite"):
        make_case(0, {"f": float("nan")})
    with pytest.raises(ValidationError, match="also the id"):
        replace(RUN, cases=(RUN.cases[0], RUN.cases[0]))
