"""From a model's stream of pieces to whole sentences that may be shown: nothing leaves unchecked."""

import re
from collections.abc import AsyncIterator, Sequence

import structlog

from rag.cite import VerifiedSentence, verify_sentence
from rag.ports import Passage
from rag.prompt import NO_ANSWER
from rag.safety import OutputChecks, checked
from rag.sentences import sentence_spans

log = structlog.get_logger(__name__)

# A marker after the full stop belongs to the sentence before it.
LEADING_MARKERS = re.compile(r"(?:\s*\[\d{1,4}(?:\s*,\s*\d{1,4})*\])+")
UNFINISHED_MARKER = re.compile(r"\s*\[[\d,\s]*$")


class SentenceBuffer:
    """Collects pieces of text and gives back whole sentences, with their markers and following space."""

    def __init__(self) -> None:
        self._pending = ""

    def feed(self, piece: str) -> list[str]:
        """The sentences that are complete now: the one that may still grow is kept."""
        self._pending += piece
        cuts = _sentence_ends(self._pending)
        sentences = [self._pending[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]
        if cuts:
            self._pending = self._pending[cuts[-1] :]
        return sentences

    def flush(self) -> str:
        """What is left when the stream has ended."""
        rest, self._pending = self._pending, ""
        return rest


def _sentence_ends(text: str) -> list[int]:
    """Positions at which a sentence has certainly ended: something else has begun behind it."""
    ends: list[int] = []
    for start, end in sentence_spans(text)[1:]:
        markers = LEADING_MARKERS.match(text, start, end)
        begin = markers.end() if markers else start
        rest = text[begin:end].lstrip()
        if rest and not UNFINISHED_MARKER.match(text, begin):
            ends.append(end - len(text[begin:end].lstrip()) if markers else start)
    return ends


async def verified_sentences(
    pieces: AsyncIterator[str], sources: Sequence[Passage], checks: OutputChecks
) -> AsyncIterator[VerifiedSentence]:
    """Checked sentences as soon as they are complete, held back until the first that a source supports.

    An answer of which no citation holds has no text: it was not grounded, or the model declined. What
    it cited in vain is told all the same, by sentences without text.
    The texts concatenated are the answer; that of a sentence without support is empty, and so is that of one
    which the checks keep back.
    """
    held: list[VerifiedSentence] = []
    released = False
    answer = ""
    async for sentence in _whole_sentences(pieces):
        if sentence.strip() == NO_ANSWER:
            continue
        verified, refusal = checked(verify_sentence(sentence, sources), sources, checks, before=answer)
        if refusal:
            log.warning("sentence_kept_back", reason=refusal.value)
        answer += verified.text
        held.append(verified)
        released = released or bool(held[-1].citations)
        if released:
            for ready in held:
                yield ready
            held.clear()
    for unfounded in held:
        if unfounded.removed:
            yield VerifiedSentence("", (), unfounded.removed)


async def _whole_sentences(pieces: AsyncIterator[str]) -> AsyncIterator[str]:
    buffer = SentenceBuffer()
    first = True
    async for piece in pieces:
        for sentence in buffer.feed(piece.lstrip() if first else piece):
            yield sentence
        first = first and not piece.strip()
    if rest := buffer.flush().rstrip():
        yield rest
