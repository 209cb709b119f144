"""Each sentence of an answer before it is released: what it may not hold makes it harmless or keeps it back.

Pure functions: the same sentence after the same answer is always judged alike. Nothing here asks whether a
text is an instruction; what counts is what would reach the reader.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from rag.cite import MARKERS, VerifiedSentence
from rag.ports import Passage
from rag.safety.characters import UNSPACED, visible, words
from rag.safety.leaks import LONGEST, repeats
from rag.safety.links import address_crosses, has_foreign_address, runs_scripts
from rag.safety.markup import inert, joins


class Refusal(StrEnum):
    """Why a sentence is kept back."""

    ADDRESS = "address"
    SCRIPT = "script"
    SYSTEM_PROMPT = "system_prompt"
    SUPPRESSED = "suppressed"
    HIDDEN_MARKER = "hidden_marker"


@dataclass(frozen=True)
class OutputChecks:
    """What no answer may hold.

    Attributes:
        system_prompt: Eight words of it in a row are too many.
        suppressed: Phrases that take their sentence along. They are whole words; case and white space don't
            count.
    """

    system_prompt: str = ""
    suppressed: tuple[str, ...] = ()

    def harmless(self, sentence: VerifiedSentence, before: str) -> VerifiedSentence:
        """The sentence without hidden characters and live markup, as it follows on `before`."""
        text = inert(visible(sentence.text))
        if joins(before, text) or address_crosses(before, text):
            text = f" {text}"
        return replace(sentence, text=text)

    def refusal(self, sentence: VerifiedSentence, sources: Sequence[Passage], before: str) -> Refusal | None:
        """Why a sentence must not follow on `before`; None when it may."""
        cited = [_written(sources[citation.index - 1]) for citation in sentence.citations]
        if runs_scripts(sentence.text):
            return Refusal.SCRIPT
        if has_foreign_address(sentence.text, cited):
            return Refusal.ADDRESS
        if repeats(before[-LONGEST:] + sentence.text, self.system_prompt):
            return Refusal.SYSTEM_PROMPT
        if self._phrases and self._phrases.search(words(MARKERS.sub("", sentence.text))):
            return Refusal.SUPPRESSED
        return None

    @cached_property
    def _phrases(self) -> re.Pattern[str] | None:
        plain = [phrase for phrase in map(words, self.suppressed) if phrase]
        return re.compile("|".join(map(_whole_words, plain))) if plain else None


def checked(
    sentence: VerifiedSentence, sources: Sequence[Passage], checks: OutputChecks, *, before: str
) -> tuple[VerifiedSentence, Refusal | None]:
    """The sentence as it may be released after `before`; if it may not, an empty one, and why."""
    if not sentence.text:
        return sentence, None
    shown = checks.harmless(sentence, before)
    refusal = checks.refusal(shown, sources, before)
    if _markers(shown.text) != _markers(sentence.text):
        refusal = Refusal.HIDDEN_MARKER  # the citations of what is seen now were not verified
    return (VerifiedSentence("", (), sentence.removed), refusal) if refusal else (shown, None)


def _markers(text: str) -> list[str]:
    return [found[2] for found in MARKERS.finditer(text)]


def _written(passage: Passage) -> str:
    """All of a source that stood in the prompt."""
    return "\n".join((passage.title, *passage.heading_path, passage.text))


def _whole_words(phrase: str) -> str:
    """A pattern for the phrase that no longer word holds; words of scripts without spaces have no ends."""
    unspaced = re.compile(f"[{UNSPACED}]")
    begin = "" if unspaced.match(phrase[0]) else r"(?<!\w)"
    end = "" if unspaced.match(phrase[-1]) else r"(?!\w)"
    return begin + re.escape(phrase) + end
