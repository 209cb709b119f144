"""Amazon Bedrock Guardrails over questions and answers, whichever model writes them."""

from rag.errors import BlockedError
from rag.guardrail import Side
from rag.models.bedrock.runtime import BedrockRuntime
from rag.models.usage import guardrail_uses, record

SOURCES = {Side.QUESTION: "INPUT", Side.ANSWER: "OUTPUT"}
INTERVENED = "GUARDRAIL_INTERVENED"


class BedrockGuardrail:
    """`ApplyGuardrail` of one guardrail.

    Args:
        runtime: Carries the calls.
        identifier: The guardrail's id or ARN.
        version: A number, or DRAFT.
    """

    def __init__(self, runtime: BedrockRuntime, identifier: str, version: str) -> None:
        self._runtime = runtime
        self._identifier = identifier
        self._version = version

    async def check(self, text: str, side: Side) -> None:
        """Let the guardrail judge a text by its action alone: assessments also tell what it only watches.

        Raises:
            BlockedError: It intervenes, be it that it would only mask a part.
        """
        answer = await self._runtime.call(
            "ApplyGuardrail",
            {
                "guardrailIdentifier": self._identifier,
                "guardrailVersion": self._version,
                "source": SOURCES[side],
                "content": [{"text": {"text": text}}],
            },
        )
        for use in guardrail_uses(answer["usage"]):
            record(use)
        if answer["action"] == INTERVENED:
            raise BlockedError(f"the guardrail refused the {side.value}")
