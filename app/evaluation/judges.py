"""Judges as the settings name them, opened for a run each: a cost cap holds for one run."""

from collections.abc import Collection

from app.model_options import model_options
from app.settings import Settings
from eval.judge.criteria import read_criteria
from eval.judge.opening import judge_options, make_judge
from eval.judge.settings import JUDGED_METRICS, JudgeSettings
from eval.judge.types import Judge
from rag.models.registry import Models


class Judges:
    """Opens judges; `close` ends what their models share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._models = Models(judge_options(model_options(settings)))

    def open(self, wanted: Collection[str] | None = None) -> Judge | None:
        """A judge of the metrics wanted, all unless given; None if no model is to judge any of them.

        It blocks for seconds.

        Raises:
            InvalidInputError: The model, the criteria or the library for judging isn't there.
        """
        settings = self._settings
        if settings.judge_model is None:
            return None
        criteria = read_criteria(settings.judge_criteria) if settings.judge_criteria else ()
        asked = JudgeSettings(
            metrics=tuple(name for name in JUDGED_METRICS if wanted is None or name in wanted),
            criteria=tuple(c for c in criteria if wanted is None or c.name in wanted),
            concurrency=settings.judge_concurrency,
            repetitions=settings.judge_repetitions,
            max_cost_usd=settings.judge_max_cost_usd,
            cache=settings.judge_cache,
        )
        if not asked.metrics and not asked.criteria:
            return None
        return make_judge(self._models, settings.judge_model, asked)

    async def close(self) -> None:
        await self._models.close()
