"""Score how far answers are supported by their sources: `scripts/score_groundedness.py IN.jsonl`.

Each line is {"answer": "…", "context": "…"}, where the context may be a list of texts; other fields are kept.
The same lines with a `score` from 0 to 1 go to --output or are printed. An answer without a word scores 0; a
bare "Yes" scores 0.5, as the question isn't known. Exit code 1 if the model failed, 2 for a wrong file, whose
line is named; then nothing is written.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from eval.groundedness import GroundednessScorer
from rag.errors import GroundworkError, InvalidInputError
from rag.models.minilm import MiniLMEmbeddings


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A line of the file."""

    place: str
    fields: dict[str, Any]
    answer: str
    sources: tuple[str, ...]


def read_answers(path: Path) -> list[AnswerLine]:
    """All lines; blank ones are left out.

    Raises:
        InvalidInputError: The file can't be read or is empty, or a line is wrong.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        raise InvalidInputError(f"{path}: {exc}") from exc
    answers = [_answer(line, f"{path}, line {n}") for n, line in enumerate(lines, start=1) if line.strip()]
    if not answers:
        raise InvalidInputError(f"{path} has no lines")
    return answers


def _answer(line: str, place: str) -> AnswerLine:
    try:
        fields = json.loads(line)
        json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as exc:  # a surrogate can't be encoded, NaN is no JSON
        raise InvalidInputError(f"{place}: {exc}") from exc
    if not isinstance(fields, dict) or not {"answer", "context"} <= fields.keys():
        raise InvalidInputError(f"{place}: must be an object with answer and context")
    answer, context = fields["answer"], fields["context"]
    sources = [context] if isinstance(context, str) else context
    if not isinstance(answer, str):
        raise InvalidInputError(f"{place}: answer must be a string")
    if not isinstance(sources, list) or not all(isinstance(source, str) for source in sources):
        raise InvalidInputError(f"{place}: context must be a string or a list of strings")
    return AnswerLine(place, fields, answer, tuple(sources))


def score_all(answers: list[AnswerLine], scorer: GroundednessScorer) -> Iterator[str]:
    """Each line with its score."""
    for line in tqdm(answers, unit="answer", file=sys.stderr, disable=None):
        try:
            score = scorer.score(line.answer, line.sources).score
        except InvalidInputError as exc:
            raise InvalidInputError(f"{line.place}: {exc}") from exc
        yield json.dumps(line.fields | {"score": round(score, 6)}, ensure_ascii=False)


def write(lines: list[str], output: Path | None) -> None:
    text = "".join(f"{line}\n" for line in lines)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidInputError(f"{output}: {exc.strerror}") from exc


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Score how far answers are supported by their sources.")
    parser.add_argument("answers", type=Path, metavar="IN.jsonl", help="lines with answer and context")
    parser.add_argument("--output", type=Path, metavar="OUT.jsonl", help="where to write; by default, print")
    options = parser.parse_args(arguments)
    try:
        answers = read_answers(options.answers)
        write(list(score_all(answers, GroundednessScorer(MiniLMEmbeddings.load()))), options.output)
    except InvalidInputError as exc:
        print(f"Cannot score: {exc}", file=sys.stderr)
        return 2
    except GroundworkError as exc:
        print(f"Cannot score: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
