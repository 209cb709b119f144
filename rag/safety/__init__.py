"""What a model wrote, before anyone sees it: a document that it read may have told it what to write."""

from rag.safety.checks import OutputChecks, Refusal, checked

__all__ = ["OutputChecks", "Refusal", "checked"]
