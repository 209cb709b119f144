"""How models are called, as the settings say."""

from app.settings import Settings
from rag.models.options import GuardrailOptions, ModelOptions
from rag.models.resilience.guard import Resilience


def model_options(settings: Settings) -> ModelOptions:
    return ModelOptions(
        resilience=Resilience(
            attempts=settings.model_attempts,
            connect_timeout_s=settings.model_connect_timeout_s,
            attempt_timeout_s=settings.request_timeout_s,
            first_token_timeout_s=settings.model_first_token_timeout_s,
            idle_timeout_s=settings.model_idle_timeout_s,
            breaker_failures=settings.breaker_failures,
            probe_interval_s=settings.breaker_probe_s,
            limit=settings.model_concurrency,
            queue=settings.model_queue,
            queue_wait_s=settings.model_queue_wait_s,
            hedge_after_s=settings.model_hedge_after_s,
        ),
        answer_tokens=settings.answer_tokens,
        cache_prompt=settings.prompt_cache,
        embedding_calls=settings.embedding_calls,
        guardrail=_guardrail(settings),
        model_registry=registry_place(settings),
    )


def registry_place(settings: Settings) -> str:
    """Where learned models are."""
    return settings.model_registry or str(settings.data_dir / "models")


def _guardrail(settings: Settings) -> GuardrailOptions | None:
    if settings.guardrail_id is None:
        return None
    return GuardrailOptions(
        settings.guardrail_id, settings.guardrail_version, inline=settings.guardrail_inline
    )
