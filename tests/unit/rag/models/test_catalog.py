from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from rag.models.catalog import AWS, CARDS, NOTHING, OPENAI, OPENAI_CARDS, Operation, card_for

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
ARN = "arn:aws:bedrock:eu-west-1"


@pytest.mark.parametrize(
    ("name", "card_id"),
    [
        (f"bedrock:{HAIKU}", HAIKU),
        *(
            (f"bedrock:{area}.{HAIKU}", HAIKU)
            for area in ("us", "eu", "apac", "global", "jp", "au", "us-gov")
        ),
        (f"bedrock:{ARN}::foundation-model/{HAIKU}", HAIKU),
        (f"bedrock:{ARN}:123456789012:inference-profile/eu.{HAIKU}", HAIKU),
        ("bedrock:cohere.embed-english-v3", "cohere.embed-english-v3"),
        ("openai:gpt-4o-mini", "gpt-4o-mini"),
        ("openai:gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
    ],
)
def test_a_card_is_found_by_every_name_of_its_model(name: str, card_id: str) -> None:
    card = card_for(name)
    assert card is not None
    assert card.id == card_id


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bedrock",
        "bedrock:",
        "bedrock:us.",
        "bedrock:amazon.nova-99-v1:0",
        "bedrock:arn:aws:bedrock",
        f"bedrock:{ARN}:123456789012:application-inference-profile/{HAIKU}",
        f"openai:{HAIKU}",
        "anthropic:claude-haiku-4-5",
    ],
)
def test_an_unknown_model_has_no_card_and_is_told_of_once(name: str) -> None:
    card_for.cache_clear()
    with capture_logs() as logs:
        assert card_for(name) is None
        assert card_for(name) is None
    assert [(entry["event"], entry["model"]) for entry in logs] == [("model_unknown", name)]


def test_a_call_that_may_go_anywhere_is_cheaper_than_one_within_a_geography() -> None:
    prices = {area: card_for(f"bedrock:{area}{HAIKU}") for area in ("global.", "eu.", "")}
    inputs = {area: card.price.input for area, card in prices.items() if card and card.price}
    # $1.00 a million tokens, and a tenth more
    assert inputs == {"global.": Decimal("0.001"), "eu.": Decimal("0.0011"), "": Decimal("0.0011")}


def test_older_models_cost_the_same_everywhere() -> None:
    old = card_for("bedrock:us.anthropic.claude-3-7-sonnet-20250219-v1:0")
    assert old
    assert old.price
    assert old.price.input == Decimal("0.003")
    assert old.price.cache_write_1h is None  # they cache for five minutes only


def test_cached_prompts_of_claude_cost_fixed_multiples() -> None:
    card = card_for("bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert card
    assert card.price
    assert card.price.cache_read == Decimal("0.003") / 10
    assert card.price.cache_write == Decimal("0.003") * Decimal("1.25")
    assert card.price.cache_write_1h == Decimal("0.003") * 2


def test_embedding_models_tell_what_they_take() -> None:
    titan, cohere = CARDS["amazon.titan-embed-text-v2:0"], CARDS["cohere.embed-multilingual-v3"]
    assert (titan.max_input_tokens, titan.max_characters, titan.texts_per_call) == (8192, 50_000, 1)
    assert (titan.dimensions, sorted(titan.dimension_choices)) == (1024, [256, 512, 1024])
    assert (cohere.max_input_tokens, cohere.max_characters, cohere.texts_per_call) == (512, 2048, 96)


@pytest.mark.parametrize("name", ["local:extractive", "local:all-MiniLM-L6-v2", "ollama:llama3.2"])
def test_what_runs_on_the_own_machine_costs_nothing(name: str) -> None:
    card = card_for(name)
    assert card
    assert card.price
    assert card.price == NOTHING


def test_every_card_is_whole() -> None:
    for card in [*CARDS.values(), *OPENAI_CARDS.values()]:
        assert card.source == (OPENAI if card.id in OPENAI_CARDS else AWS)
        assert card.price, card.id
        if card.kind is Operation.CHAT:
            assert None not in {card.price.input, card.price.output}, card.id
            assert (card.price.input or 0) <= (card.price.output or 0), card.id
        elif card.kind is Operation.EMBED:
            assert None not in {card.price.input, card.max_input_tokens, card.texts_per_call}, card.id
            assert card.dimensions in card.dimension_choices, card.id
        else:
            assert card.price.unit, card.id
