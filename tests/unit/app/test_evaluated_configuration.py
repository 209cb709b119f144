from pathlib import Path

import pytest

from app.evaluation.configuration import read_configuration
from rag.errors import InvalidInputError
from rag.retrieve import Strategy


def configuration(folder: Path, text: str) -> Path:
    path = folder / "smaller-chunks.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_configuration_changes_the_services_settings(tmp_path: Path) -> None:
    text = 'strategy = "lexical"\n[settings]\nCHUNK_TOKENS = 64\nchunk_overlap_tokens = 0\ntop_k = 3\n'
    read = read_configuration(configuration(tmp_path, text))
    settings = read.settings()
    assert (read.name, read.strategy, read.needs_corpus) == ("smaller-chunks", Strategy.LEXICAL, True)
    assert (settings.chunk_tokens, settings.chunk_overlap_tokens, settings.top_k) == (64, 0, 3)


def test_what_takes_effect_on_answers_needs_no_corpus(tmp_path: Path) -> None:
    read = read_configuration(configuration(tmp_path, 'name = "Fewer"\n[settings]\ntop_k = 3\n'))
    assert (read.name, read.needs_corpus) == ("Fewer", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[settings]\ndatabase_url = 'postgres://elsewhere'\n", "settings.database_url can't differ; these"),
        ("[settings]\ntop_k = 0\n", "TOP_K must be greater than or equal to 1"),
        ("[settings]\nchunk_tokens = 40\nchunk_overlap_tokens = 39\n", "CHUNK_OVERLAP_TOKENS must be"),
        ("strategy = 'best'\n", "'best' is not a valid Strategy"),
        ("setting = 1\n", "setting: Extra inputs are not permitted"),
        ("name = ''\n", "name: String should have at least 1 character"),
        ("not toml", "smaller-chunks.toml: "),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_configuration(configuration(tmp_path, text))
    assert said in str(caught.value)
