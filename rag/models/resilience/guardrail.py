"""A guardrail that is called as carefully as a model."""

from rag.guardrail import Guardrail, Side
from rag.models.resilience.guard import ModelGuard


class ResilientGuardrail:
    """Wraps a guardrail. When it can't be asked, nothing passes.

    Args:
        inner: The guardrail.
        guard: Of its calls.
    """

    def __init__(self, inner: Guardrail, guard: ModelGuard) -> None:
        self._inner = inner
        self._guard = guard

    async def check(self, text: str, side: Side) -> None:
        """Raises: BlockedError, or what `ModelGuard.call` raises when there is no judgement."""
        await self._guard.call(lambda: self._inner.check(text, side))
