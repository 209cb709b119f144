"""Where an answer went wrong, decided by what is stored and what its stages give when they run again.

Questions are put in this order; the first yes decides.

1. Does a citation not hold: it names another chunk than the prompt's source of that number, a span outside of
   it, or a passage that does not support its sentence (for a user who calls it wrong, more strictly)?
   citation_wrong
2. Does the answer say what the user's correction says? none
3. Is nothing in the documents that answers the question, or only what was added since? Where documents have
   changed and a part of the prompt is gone: not_reproducible. Where an answer was given all the same, and the
   user gives no correction or says that it should have refused: should_have_abstained; else not_in_corpus
4. Was a passage that answers it in the prompt? Where there is no correction and the answer cites it: none;
   else ignored_by_model
5. Was the passage that answers it replaced since? not_reproducible
6. Had the search found such a passage, or does it, run again, in its first 50? ranked_out, for it did not
   reach the prompt
7. Have documents changed? not_reproducible; else retrieval_missed
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from eval.citation_metrics import CitedStatement
from feedback.triage.evidence import holds
from feedback.triage.types import AskedQuestion, Diagnosed, Diagnosis, FoundEvidence, NamedSource
from rag.cite import MARKERS, verify_sentence
from rag.ports import Passage
from rag.sentences import sentence_spans

CITATION_WRONG, SHOULD_HAVE_REFUSED = "citation_wrong", "should_have_refused"  # labels

Grounded = Callable[[str, str], bool]
"""Whether a passage's text supports a statement, by the strict measure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a diagnosis rests on.

    Attributes:
        prompt: The prompt's chunks in their order, None for one that is no longer stored.
        evidence: Passages that answer the question, of today's documents and of the prompt.
        found: Ids of the chunks that the search had found, or finds when it runs again.
        same_corpus: Whether no document has changed since.
    """

    prompt: tuple[Passage | None, ...]
    evidence: tuple[FoundEvidence, ...]
    found: Collection[UUID]
    same_corpus: bool


def diagnose(asked: AskedQuestion, facts: Facts, grounded: Grounded) -> Diagnosed:
    """The first of the questions above that is answered by yes."""
    if not asked.abstained and (why := wrong_citation(asked, facts.prompt, grounded)):
        return Diagnosed(Diagnosis.CITATION_WRONG, why)
    if not asked.abstained and asked.correction and holds(asked.answer, asked.correction):
        return Diagnosed(Diagnosis.NONE, "the answer says what the correction says")
    there = [one for one in facts.evidence if one.was_there]
    if not there:
        return _without_evidence(asked, facts)
    if in_prompt := [one.passage for one in there if one.passage.chunk_id in asked.prompt]:
        return _in_prompt(asked, in_prompt)
    return _not_in_prompt(facts, there)


def wrong_citation(asked: AskedQuestion, prompt: Sequence[Passage | None], grounded: Grounded) -> str | None:
    """What is wrong with the first citation that does not hold; None if all hold that can be checked."""
    stored = {citation.index: citation for citation in asked.citations}
    is_strict = asked.verdict is not None and CITATION_WRONG in asked.verdict.labels
    for statement in marked_statements(asked.answer):
        for index in statement.indexes:
            if why := _wrong_place(index, stored.get(index), asked.prompt, prompt):
                return why
        if why := _unsupported(statement, prompt, grounded if is_strict else None):
            return why
    return None


def marked_statements(answer: str) -> list[CitedStatement]:
    """The sentences that end in markers, or what of a sentence stands between two of them."""
    found, at = [], 0
    for markers in MARKERS.finditer(answer):
        said = answer[at : markers.start()].lstrip(" \n\t.!?…,;:")
        spans = sentence_spans(said)
        if spans:
            indexes = dict.fromkeys(map(int, re.findall(r"\d+", markers.group())))
            found.append(CitedStatement(said[slice(*spans[-1])], tuple(indexes)))
        at = markers.end()
    return found


def _wrong_place(
    index: int, stored: NamedSource | None, ids: Sequence[UUID], prompt: Sequence[Passage | None]
) -> str | None:
    if stored is None or not 1 <= index <= len(ids):
        return f"[{index}] names no source"
    if stored.chunk_id != ids[index - 1]:
        return f"[{index}] names another chunk than the prompt's source {index}"
    passage = prompt[index - 1]
    if passage is not None and not passage.start <= stored.start <= stored.end <= passage.end:
        return f"[{index}] quotes what lies outside of its chunk"
    return None


def _unsupported(
    statement: CitedStatement, prompt: Sequence[Passage | None], grounded: Grounded | None
) -> str | None:
    named = [prompt[index - 1] for index in statement.indexes if 1 <= index <= len(prompt)]
    cited = [passage for passage in named if passage is not None]
    if not cited or len(cited) < len(named):
        return None  # what is gone can't be checked
    for number, passage in enumerate(cited):
        checked = verify_sentence(f"{statement.text} [1]", [passage])
        strictly = grounded is None or grounded(statement.text, passage.text)
        if checked.removed or not checked.citations or not strictly:
            return f"[{statement.indexes[number]}] does not support its sentence"
    return None


def _without_evidence(asked: AskedQuestion, facts: Facts) -> Diagnosed:
    if facts.evidence:
        return Diagnosed(Diagnosis.NOT_IN_CORPUS, "the documents that answer it were added since")
    if not facts.same_corpus and None in facts.prompt:
        because = "the documents have changed, and what was read is gone"
        return Diagnosed(Diagnosis.NOT_REPRODUCIBLE, because)
    refused = asked.verdict is not None and SHOULD_HAVE_REFUSED in asked.verdict.labels
    if not asked.abstained and (refused or asked.correction is None):
        return Diagnosed(Diagnosis.SHOULD_HAVE_ABSTAINED, "no document answers it, and an answer was given")
    said = "says the correction" if asked.correction else "answers it"
    return Diagnosed(Diagnosis.NOT_IN_CORPUS, f"no document {said}")


def _in_prompt(asked: AskedQuestion, passages: Sequence[Passage]) -> Diagnosed:
    name = passages[0].source_document_id
    cited = set() if asked.abstained else {citation.chunk_id for citation in asked.citations}
    if asked.correction is None and any(passage.chunk_id in cited for passage in passages):
        return Diagnosed(Diagnosis.NONE, f"the answer cites {name}, which answers it")
    return Diagnosed(Diagnosis.IGNORED_BY_MODEL, f"{name} was in the prompt and was not used")


def _not_in_prompt(facts: Facts, there: Sequence[FoundEvidence]) -> Diagnosed:
    current = [one.passage for one in there if one.is_current]
    if not current:
        name = there[0].passage.source_document_id
        return Diagnosed(Diagnosis.NOT_REPRODUCIBLE, f"{name} answered it then, and was replaced since")
    for passage in current:
        if passage.chunk_id in facts.found:
            because = f"the search finds {passage.source_document_id}, which was not in the prompt"
            return Diagnosed(Diagnosis.RANKED_OUT, because)
    if not facts.same_corpus:
        because = "the search does not find it among what is there today, and the documents have changed"
        return Diagnosed(Diagnosis.NOT_REPRODUCIBLE, because)
    because = f"the search does not find {current[0].source_document_id}"
    return Diagnosed(Diagnosis.RETRIEVAL_MISSED, because)
