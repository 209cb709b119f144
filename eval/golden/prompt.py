"""The messages that ask a model for questions, and the strict reading of its reply.

The chunk travels as escaped data inside the human message, as `rag.prompt` sends sources: no text in it can
close its delimiter.
"""

import html
import json
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from db.repositories.golden_set import StoredChunk
from eval.cases import Answer, Text
from eval.golden.types import Draft, Intent, Written
from rag.ports import Passage

VERSION = "golden-1"
_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid")

    intent: Intent
    question: Annotated[Text, Field(max_length=500)]
    answer: Answer
    evidence: Answer
    other_evidence: str = ""


class ModelWriter:
    """`QuestionWriter` by a chat model.

    Args:
        name: The model's, as configured.
        model: Called once a chunk.
    """

    version = VERSION

    def __init__(self, name: str, model: BaseChatModel) -> None:
        self.name = name
        self._model = model

    def looks_for(self, chunk: StoredChunk) -> str:
        return " ".join((chunk.passage.title, *chunk.passage.heading_path))

    async def write(
        self, chunk: StoredChunk, others: Sequence[Passage], intents: Collection[Intent]
    ) -> Written:
        """Questions of these intents. What isn't of the form asked for is counted and left out."""
        other = others[0] if others else None
        wanted = [intent for intent in intents if other or intent is not Intent.COMPARATIVE]
        if not wanted:
            return Written()
        reply = await self._model.ainvoke(render(chunk.passage, other, wanted))
        return read_reply(str(reply.text), wanted, other)


def load_prompt() -> str:
    """The system prompt. A released version never changes: a new wording is a new file."""
    return (Path(__file__).parent / f"{VERSION}.md").read_text(encoding="utf-8")


def render(passage: Passage, other: Passage | None, intents: Sequence[Intent]) -> list[BaseMessage]:
    """The messages that ask for a question of each of these intents."""
    texts = _render_text("text", passage) + (_render_text("other_text", other) if other else "")
    human = f"{texts}<intents>\n{', '.join(intents)}\n</intents>"
    return [SystemMessage(load_prompt()), HumanMessage(human)]


def read_reply(reply: str, intents: Collection[Intent], other: Passage | None) -> Written:
    """The questions of a reply; `other` goes with the comparisons."""
    fenced = _FENCED.fullmatch(reply)
    try:
        fields: Any = json.loads(fenced[1] if fenced else reply)
    except (ValueError, RecursionError):
        return Written(invalid=1)
    listed = fields.get("questions") if isinstance(fields, dict) else None
    if not isinstance(listed, list):
        return Written(invalid=1)
    read = [_draft(item, intents, other) for item in listed]
    drafts = [draft for draft in read if draft]
    return Written(drafts, invalid=len(read) - len(drafts))


def _draft(item: object, intents: Collection[Intent], other: Passage | None) -> Draft | None:
    try:
        json.dumps(item, ensure_ascii=False).encode()  # refuses surrogates
        asked = _Question.model_validate(item)
    except (ValidationError, ValueError):
        return None
    if asked.intent not in intents:
        return None
    question, answer = " ".join(asked.question.split()), asked.answer.strip()
    if asked.intent is Intent.COMPARATIVE:
        return Draft(asked.intent, question, answer, asked.evidence, other, asked.other_evidence)
    return Draft(asked.intent, question, answer, asked.evidence)


def _render_text(tag: str, passage: Passage) -> str:
    title = " > ".join((passage.title, *passage.heading_path))
    return f'<{tag} title="{html.escape(title)}">\n{html.escape(passage.text)}\n</{tag}>\n\n'
