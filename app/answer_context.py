"""What all runs of the answer graph share, as the settings want it."""

import asyncio

from app.foundation import Foundation
from app.settings import Settings
from graph.state import AnswerContext
from rag.prompts import load_prompt


async def answer_context(settings: Settings, base: Foundation) -> AnswerContext:
    """It asks as whoever asks while nobody logs in.

    Raises:
        InvalidInputError: A setting names a model that doesn't exist.
        ModelError: A model can't be loaded.
        UnavailableError: The registry of learned models can't be reached.
    """
    models = base.models
    return AnswerContext(
        scope=base.identity.scope(),
        retriever=base.spaces,
        reranker=await asyncio.to_thread(models.reranker, settings.rerank_model),
        chat_models=await asyncio.to_thread(models.chat_models, settings.chat_model),
        prompt=load_prompt(settings.answer_prompt),
        context_tokens=settings.context_tokens,
        relevance_floor=settings.relevance_floor,
        guardrail=await asyncio.to_thread(models.guardrail),
        suppressed=tuple(settings.suppress.split("|")),
    )
