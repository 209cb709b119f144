"""What a run tells while it runs. The texts of all `Released`, concatenated, are the answer."""

from dataclasses import dataclass

from graph.state import AnswerState
from rag.cite import Citation
from rag.ports import RetrievedPassage


@dataclass(frozen=True, slots=True)
class SourcesChosen:
    """The sources that are in the prompt, or the nearest ones where the answer will be that there is none."""

    sources: list[RetrievedPassage]


@dataclass(frozen=True, slots=True)
class Released:
    """A piece of the answer that was checked: whole sentences, with the citations that hold."""

    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run."""

    state: AnswerState


AnswerEvent = SourcesChosen | Released | Finished
