"""A judge by its model's name. DeepEval takes seconds to load, so only who asks for a judge does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from eval.judge.settings import JUDGE_ANSWER_TOKENS, JudgeSettings
from eval.judge.types import Judge
from rag.errors import InvalidInputError
from rag.models.local import LOCAL_CHAT
from rag.models.options import ModelOptions
from rag.models.registry import Models


@asynccontextmanager
async def open_judge(
    name: str, settings: JudgeSettings | None = None, options: ModelOptions | None = None
) -> AsyncIterator[Judge]:
    """A judge while the block runs; arguments and errors are those of `make_judge` and `judge_options`."""
    models = Models(judge_options(options))
    try:
        yield make_judge(models, name, settings)
    finally:
        await models.close()


def judge_options(options: ModelOptions | None = None) -> ModelOptions:
    """The same, with room for a judge's long answers: those that are cut off are no JSON."""
    options = options or ModelOptions()
    return replace(options, answer_tokens=max(options.answer_tokens, JUDGE_ANSWER_TOKENS))


def make_judge(models: Models, name: str, settings: JudgeSettings | None = None) -> Judge:
    """A judge; blocks for seconds, so not for an event loop that others wait for.

    Args:
        models: Made with `judge_options`; whoever made them closes them.
        name: Of one chat model, such as `bedrock:…`. A fallback would judge by another measure.
        settings: What it is asked.

    Raises:
        InvalidInputError: There is no such model, it can't judge, the settings don't fit it, or the library
            for judging isn't installed.
    """
    if "," in name:
        raise InvalidInputError(f"a judge is one model, not a chain: {name}")
    if name.strip() == LOCAL_CHAT:
        raise InvalidInputError(f"{LOCAL_CHAT} quotes sources, it can't judge: name a language model")
    try:
        from eval.judge.deepeval_judge import DeepEvalJudge  # noqa: PLC0415 - see the module's docstring
    except ModuleNotFoundError as exc:
        raise InvalidInputError("judging needs the extra `eval`, which installs DeepEval") from exc
    (chat,) = models.chat_models(name)
    return DeepEvalJudge(chat, settings or JudgeSettings())
