"""The messages that ask for an answer, and their reading back by models that run without a system prompt.

Sources travel as escaped data inside the human message. Nothing of a document ever reaches the system
message, and no text in a source can close its delimiter.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from rag.ports import Passage
from rag.prompts import SystemPrompt

NO_ANSWER = "NO_ANSWER"

SOURCE = re.compile(r'<source id="(\d+)" title="([^"<>]*)">\n(.*?)\n</source>', re.DOTALL)
QUESTION = re.compile(r"<question>\n(.*?)\n</question>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PromptSource:
    """A source as it stands in a prompt. `number` is what a citation names it by."""

    number: int
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    question: str
    sources: tuple[PromptSource, ...]


def render(question: str, passages: Sequence[Passage], prompt: SystemPrompt) -> list[BaseMessage]:
    """The messages that ask `question` over `passages`, which are numbered from 1 in their order."""
    sources = "\n".join(_render_source(number, passage) for number, passage in enumerate(passages, start=1))
    human = f"<sources>\n{sources}\n</sources>\n\n<question>\n{html.escape(question)}\n</question>"
    return [SystemMessage(prompt.text), HumanMessage(human)]


def read(message: str) -> ReadPrompt | None:
    """Question and sources of a human message that `render` made; None for any other text."""
    question = QUESTION.search(message)
    if question is None:
        return None
    sources = tuple(
        PromptSource(number=int(number), title=html.unescape(title), text=html.unescape(text))
        for number, title, text in SOURCE.findall(message)
    )
    return ReadPrompt(question=html.unescape(question.group(1)), sources=sources)


def _render_source(number: int, passage: Passage) -> str:
    title = " > ".join((passage.title, *passage.heading_path))
    return f'<source id="{number}" title="{html.escape(title)}">\n{html.escape(passage.text)}\n</source>'
