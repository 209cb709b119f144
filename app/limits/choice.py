"""Which limits hold, by the settings."""

from datetime import timedelta
from decimal import Decimal

from app.limits.admission import Limits, NoLimits, RouteClass
from app.limits.postgres import Need, PostgresLimits
from app.settings import Settings
from db.pool import Database
from rag.models.catalog import Operation
from rag.models.usage import ModelUse, cost_of

# In tokens: what a prompt holds besides sources. A question has at most 4,000 characters.
QUESTION_AND_INSTRUCTIONS = 1500
AFTER_DEADLINE = timedelta(seconds=60)  # an answer that has run out of time is still being stored


def choose_limits(settings: Settings, database: Database) -> Limits:
    """None where nobody says who they are, unless the settings want them."""
    if not has_limits(settings):
        return NoLimits()
    return PostgresLimits(
        database,
        needs={
            RouteClass.CHAT: chat_need(settings),
            RouteClass.SEARCH: Need(),
            RouteClass.INGEST: Need(),
        },
        hold=timedelta(seconds=settings.request_timeout_s) + AFTER_DEADLINE,
    )


def has_limits(settings: Settings) -> bool:
    if settings.rate_limits == "auto":
        return bool(settings.auth_modes)
    return settings.rate_limits == "on"


def chat_need(settings: Settings) -> Need:
    """One call of the dearest of the chat models with a full prompt and a full answer.

    A model that is tried again, or another in its place, is in what the ledger says afterwards.
    """
    prompt = settings.context_tokens + QUESTION_AND_INSTRUCTIONS
    costs = [
        cost_of(
            ModelUse(name.strip(), Operation.CHAT, input_tokens=prompt, output_tokens=settings.answer_tokens)
        )
        for name in settings.chat_model.split(",")
    ]
    return Need(prompt + settings.answer_tokens, max((cost for cost in costs if cost), default=Decimal(0)))
