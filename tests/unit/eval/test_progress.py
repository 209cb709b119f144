from pathlib import Path

import pytest

from eval.progress import ProgressFile
from rag.errors import InvalidInputError
from tests.unit.eval.runs import make_case

IDENTITY = {"dataset": "ab" * 32, "seed": 1}


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """The output of a run that was stopped after two cases."""
    output = tmp_path / "results.json"
    progress = ProgressFile(output, IDENTITY)
    assert progress.start(resume=False) == {}
    progress.add(make_case(1, {"token_f1": 0.5, "groundedness": None}))
    progress.add(make_case(2, {"token_f1": 1.0}))
    return output


def test_a_run_that_was_stopped_goes_on(stopped: Path) -> None:
    assert ProgressFile(stopped, IDENTITY).start(resume=True) == {
        "q1": make_case(1, {"token_f1": 0.5, "groundedness": None}),
        "q2": make_case(2, {"token_f1": 1.0}),
    }


def test_a_line_that_was_cut_off_is_left_out(stopped: Path) -> None:
    partial = stopped.with_name("results.json.partial")
    partial.write_bytes(partial.read_bytes()[:-10])

    progress = ProgressFile(stopped, IDENTITY)
    assert list(progress.start(resume=True)) == ["q1"]
    progress.add(make_case(2, {"token_f1": 0.0}))
    assert list(ProgressFile(stopped, IDENTITY).start(resume=True)) == ["q1", "q2"]


def test_a_run_that_is_over_leaves_nothing(stopped: Path) -> None:
    ProgressFile(stopped, IDENTITY).remove()
    assert list(stopped.parent.iterdir()) == []


def test_another_runs_results_are_not_mixed_in(stopped: Path) -> None:
    with pytest.raises(InvalidInputError, match="is of another run"):
        ProgressFile(stopped, IDENTITY | {"seed": 2}).start(resume=True)


def test_nothing_is_lost_without_asking(stopped: Path) -> None:
    with pytest.raises(InvalidInputError, match="--resume, or delete it"):
        ProgressFile(stopped, IDENTITY).start(resume=False)
    assert len(ProgressFile(stopped, IDENTITY).start(resume=True)) == 2


@pytest.mark.parametrize("damage", [b"", b"\n", b"{}\nnonsense\n", b"\xff\n"])
def test_a_damaged_file_is_said_to_be(stopped: Path, damage: bytes) -> None:
    stopped.with_name("results.json.partial").write_bytes(damage)
    with pytest.raises(InvalidInputError, match=r"is damaged|is of another run"):
        ProgressFile(stopped, IDENTITY).start(resume=True)


def test_a_place_that_cant_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="No such file"):
        ProgressFile(tmp_path / "nowhere" / "results.json", IDENTITY).start(resume=False)
