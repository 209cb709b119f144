from pathlib import Path

import pytest

from eval.cases import EvaluationCase
from eval.golden.progress import Done, Progress
from eval.golden.sample import fingerprint, sample_chunks
from rag.errors import InvalidInputError
from tests.unit.eval.golden_chunks import passage, place

SETTINGS = {"seed": 1, "model": "template"}
CASE = EvaluationCase(query="Wie lange? »ü«", expected_answer="35 Tage", metadata={"start": 3}, source="x")
DONE = [Done(0, [CASE], {"kept": 1}), Done(1), Done(2, [], {"copied": 2})]


def test_what_was_done_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.partial"
    progress = Progress.start(path, SETTINGS)
    assert progress.done == []
    for done in DONE:
        progress.add(done)
    assert Progress.resume(path, SETTINGS).done == DONE


def test_a_line_that_was_cut_off_is_dropped_wherever_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.partial"
    progress = Progress.start(path, SETTINGS)
    progress.add(DONE[0])
    whole = path.read_bytes()
    progress.add(DONE[2])
    cut_off = path.read_bytes()
    for length in range(len(whole), len(cut_off)):
        path.write_bytes(cut_off[:length])
        resumed = Progress.resume(path, SETTINGS)
        assert resumed.done == DONE[:1]
        assert path.read_bytes() == whole
    resumed.add(DONE[2])
    assert path.read_bytes() == cut_off


def test_progress_of_other_settings_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl.partial"
    Progress.start(path, SETTINGS)
    with pytest.raises(InvalidInputError, match="begun with other model, seed; --force"):
        Progress.resume(path, {"seed": 2, "model": "openai:x"})


@pytest.mark.parametrize("content", [b"", b"{}\n", b"no json\n", b'{"settings": {}}\n{"at": 0}\n', b"\xff\n"])
def test_a_file_that_is_no_progress_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "set.jsonl.partial"
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match="can't be resumed"):
        Progress.resume(path, {})


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"nowhere.*No such file"):
        Progress.start(tmp_path / "nowhere" / "set.partial", SETTINGS)


PLACES = [
    place(passage(f"text {n}", source=f"{name}.md", start=n))
    for name, count in (("a", 9), ("b", 1), ("c", 4))
    for n in range(count)
]


def test_the_sample_goes_over_all_documents_before_it_comes_back_to_one() -> None:
    chosen = sample_chunks(PLACES, seed=3, per_document=3)
    names = [each.source_document_id for each in chosen]
    assert sorted(names) == ["a.md"] * 3 + ["b.md"] + ["c.md"] * 3
    assert set(names[:3]) == {"a.md", "b.md", "c.md"}
    assert set(names[3:5]) == {"a.md", "c.md"}
    assert len({each.chunk_id for each in chosen}) == len(chosen)


def test_the_sample_hangs_on_the_seed_alone() -> None:
    chosen = sample_chunks(PLACES, seed=3, per_document=3)
    assert sample_chunks(list(reversed(PLACES)), seed=3, per_document=3) == chosen
    assert any(sample_chunks(PLACES, seed=seed, per_document=3) != chosen for seed in range(4, 8))
    assert sample_chunks([], seed=3, per_document=3) == []


def test_a_changed_document_has_another_fingerprint() -> None:
    assert fingerprint(PLACES) == fingerprint(list(PLACES))
    assert fingerprint(PLACES) != fingerprint(PLACES[1:])
