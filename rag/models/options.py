"""How remote models are called, whichever they are, and where learned ones are."""

from dataclasses import dataclass, field

from rag.models.resilience.guard import Resilience


@dataclass(frozen=True, slots=True)
class GuardrailOptions:
    """A guardrail of Amazon Bedrock.

    Attributes:
        identifier: Its id or ARN.
        version: A number, or DRAFT.
        inline: Whether Bedrock's chat models apply it themselves, instead of a call of its own for the
            question and for each sentence of the answer, which works with every model.
    """

    identifier: str
    version: str = "DRAFT"
    inline: bool = False


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What settings say about models.

    Attributes:
        resilience: Attempts, time-outs and limits.
        answer_tokens: Longest answer of a chat model.
        cache_prompt: Whether Bedrock's chat models cache the system prompt.
        embedding_calls: Calls of an embedding model at a time.
        guardrail: Judges questions and answers; None for none.
        model_registry: Where learned rerankers are: a folder, or an address as `open_registry` takes it.
    """

    resilience: Resilience = field(default_factory=Resilience)
    answer_tokens: int = 1024
    cache_prompt: bool = False
    embedding_calls: int = 8
    guardrail: GuardrailOptions | None = None
    model_registry: str | None = None
