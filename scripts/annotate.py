"""Annotate exported cases: `scripts/annotate.py unannotated_….jsonl`.

Shows each question with its answer, sources, comment and diagnosis, and asks what a right answer is. What is
decided is in `<file>.decisions` at once; the same command goes on from there. The cases that come of it are
in `annotated_….jsonl` beside the file. Without a terminal, or with --decisions, decisions are read as JSON
lines: {"id": …, "decision": "answer" | "unanswerable" | "discard", "expected_answer": …, "gold_chunks": […],
"gold_docs": […]}. Exit code 3 if something is left to decide, 4 for a wrong file or usage.
"""

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from pydantic import ValidationError

from eval.gate import USAGE_ERROR
from eval.report.elements import one_line
from eval.report.results import first_mistake
from feedback.annotate import (
    Annotations,
    Decision,
    annotated_path,
    parse_decisions,
    read_decisions,
    write_annotated,
)
from feedback.triage.cases import UnannotatedCase, read_unannotated
from rag.errors import InvalidInputError
from scripts.check_eval_thresholds import Parser

LEFT = 3  # exit code
WIDTH = 100
MENU = "[a]nswer  [c]orrection is the answer  [u]nanswerable  [d]iscard  [s]kip  [q]uit"
FULL_TEXT = 600  # characters of a source that are shown

Ask = Callable[[str], str]


def describe(case: UnannotatedCase) -> str:
    """All that there is to decide by."""
    origin = case.metadata
    parts = [
        f"Question: {one_line(case.query)}",
        _block("Answer", origin.answer or "(its documents are gone)"),
        f"Why it is here: {', '.join(origin.reasons)}; {origin.diagnosis}: {one_line(origin.because)}",
    ]
    if origin.labels:
        parts.append(f"Labels: {', '.join(origin.labels)}")
    for name, text in (("Comment", origin.comment), ("Correction", origin.correction)):
        if text:
            parts.append(_block(name, text))
    for number, source in enumerate(origin.sources, start=1):
        marks = [f"[{source.number}] in the prompt"] if source.number else ["not in the prompt"]
        marks += ["cited"] if source.is_cited else []
        marks += ["answers the question, by the look of it"] if source.is_evidence else []
        title = f"{number}. {one_line(source.source_document_id)} ({', '.join(marks)})"
        parts.append(_block(title, source.text[:FULL_TEXT]))
    return "\n".join(parts)


def _block(title: str, text: str) -> str:
    lines = [
        piece
        for line in text.splitlines()
        for piece in textwrap.wrap("".join(c for c in line if c.isprintable()), WIDTH)
    ]
    return "\n".join([f"{title}:", *(f"    {line}" for line in lines)])


def ask_decision(case: UnannotatedCase, ask: Ask) -> Decision | None:
    """What somebody at the terminal decides; None to leave the case for later.

    Raises:
        InvalidInputError: What was typed makes no decision.
        EOFError: They have had enough.
    """
    choice = ask(f"{MENU} > ").strip().lower()[:1]
    if choice == "q":
        raise EOFError
    if choice in {"u", "d"}:
        return Decision(id=case.id, decision="unanswerable" if choice == "u" else "discard")
    if choice not in {"a", "c"}:
        return None
    expected = case.metadata.correction if choice == "c" else ask("Right answer: ").strip()
    chunks, docs = _gold(case, ask("Numbers of the sources that hold it, or names of documents: "))
    try:
        return Decision(
            id=case.id,
            decision="answer",
            expected_answer=expected or None,
            gold_chunks=chunks,
            gold_docs=docs,
        )
    except ValidationError as exc:
        raise InvalidInputError(first_mistake(exc)) from exc


def _gold(case: UnannotatedCase, text: str) -> tuple[tuple[UUID, ...], tuple[str, ...]]:
    """Chunks by their numbers, and names of documents."""
    sources = case.metadata.sources
    words = text.replace(",", " ").split()
    numbers = [int(word) for word in words if word.isdigit()]
    if wrong := [number for number in numbers if not 1 <= number <= len(sources)]:
        raise InvalidInputError(f"there is no source {wrong[0]}")
    chunks = tuple(sources[number - 1].chunk_id for number in numbers)
    return chunks, tuple(word for word in words if not word.isdigit())


def annotate_at_terminal(annotations: Annotations, ask: Ask) -> None:
    """Ask about each case that is left, until there is none or whoever answers has had enough."""
    waiting = annotations.left
    for number, case in enumerate(waiting, start=1):
        print(f"\n--- {number} of {len(waiting)} ---\n{describe(case)}")
        while True:
            try:
                decision = ask_decision(case, ask)
                if decision is not None:
                    annotations.decide(decision)
            except InvalidInputError as exc:
                print(f"That can't be: {exc}")
                continue
            except (EOFError, KeyboardInterrupt):
                print()
                return
            break


def run(arguments: argparse.Namespace) -> int:
    annotations = Annotations(arguments.file, read_unannotated(arguments.file))
    annotations.resume()
    if arguments.decisions:
        for decision in read_decisions(arguments.decisions):
            annotations.decide(decision)
    elif sys.stdin.isatty():
        annotate_at_terminal(annotations, input)
    else:
        for decision in parse_decisions(sys.stdin, place="the input"):
            annotations.decide(decision)
    cases = annotations.annotated()
    output = arguments.output or annotated_path(arguments.file)
    if cases:
        write_annotated(output, cases)
    left = len(annotations.left)
    print(f"{len(annotations.decided)} decided, {left} left; {len(cases)} cases: {output}")
    return LEFT if left else 0


def parse_arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = Parser(description="Annotate exported cases.")
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="of scripts/export_feedback.py")
    add("--decisions", type=Path, metavar="FILE", help="read decisions from there, a JSON object a line")
    add("--output", type=Path, metavar="FILE", help="of the annotated cases; annotated_… unless given")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    try:
        return run(parse_arguments(given))
    except InvalidInputError as exc:
        print(f"Cannot annotate: {exc}", file=sys.stderr)
        return USAGE_ERROR


if __name__ == "__main__":
    sys.exit(main())
