"""DeepEval as all of this package import it: it sends nothing, asks for nothing and writes nothing.

DeepEval reads its settings when it is imported. Left alone, it reports each use to its maker, puts a folder
into the working directory and takes `.env` there into the environment; so these settings come first.
"""

import os

QUIET = {
    "DEEPEVAL_TELEMETRY_OPT_OUT": "1",
    "DEEPEVAL_DISABLE_DOTENV": "1",  # ours are read by app.settings, and by nobody else
    "DEEPEVAL_DISABLE_LEGACY_KEYFILE": "1",
    "DEEPEVAL_UPDATE_WARNING_OPT_IN": "0",
    "CONFIDENT_TRACING_ENABLED": "NO",
    "CONFIDENT_OPEN_BROWSER": "NO",
}
os.environ.update(QUIET)

from deepeval.errors import MissingTestCaseParamsError  # noqa: E402 - the settings come first
from deepeval.evaluate.evaluate import assert_test, evaluate  # noqa: E402
from deepeval.metrics import (  # noqa: E402
    AnswerRelevancyMetric,
    BaseMetric,
    ContextualPrecisionMetric,
    ContextualRecallMetric,
    ContextualRelevancyMetric,
    FaithfulnessMetric,
    GEval,
)
from deepeval.models import DeepEvalBaseLLM  # noqa: E402
from deepeval.test_case import LLMTestCase, SingleTurnParams  # noqa: E402

__all__ = [
    "AnswerRelevancyMetric",
    "BaseMetric",
    "ContextualPrecisionMetric",
    "ContextualRecallMetric",
    "ContextualRelevancyMetric",
    "DeepEvalBaseLLM",
    "FaithfulnessMetric",
    "GEval",
    "LLMTestCase",
    "MissingTestCaseParamsError",
    "SingleTurnParams",
    "assert_test",
    "evaluate",
]
