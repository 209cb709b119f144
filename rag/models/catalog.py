"""Model cards: what is known of a model by its name, above all its limits and its price.

On-demand prices in US dollars, of AWS region us-east-1 ("Amazon Bedrock pricing") and of OpenAI's pricing
page, compared with the price tables that LiteLLM and Pydantic's genai-prices publish. What they don't agree
on, or don't have, is None.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Self

import structlog

log = structlog.get_logger(__name__)

AS_OF = date(2026, 9, 30)
AWS, OPENAI, OWN = "Amazon Bedrock pricing", "OpenAI API pricing", "runs on one's own machine"
THOUSAND = Decimal(1000)
# What a call pays that stays within a region or a geography, over one that may go anywhere ("global.").
REGIONAL = Decimal("1.1")
APPLICATION_PROFILE = ":application-inference-profile/"
OPENAI_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")


class Operation(StrEnum):
    CHAT = "chat"
    EMBED = "embed"
    RERANK = "rerank"
    GUARDRAIL = "guardrail"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for 1,000 tokens, or for 1,000 queries or text units. None where it isn't known.

    Attributes:
        input: Tokens that were neither read from a cache nor written to it.
        output: Tokens of the answer.
        cache_read: Tokens read from a prompt cache.
        cache_write: Tokens written to it, for five minutes.
        cache_write_1h: Tokens written to it for an hour.
        unit: A reranker's queries (each of up to 100 passages), a guardrail's text units.
    """

    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    unit: Decimal | None = None

    @classmethod
    def per_million(
        cls,
        input_: str,
        output: str | None = None,
        *,
        read: str | None = None,
        write: str | None = None,
        write_1h: str | None = None,
    ) -> Self:
        """From dollars for a million tokens, as price lists write them."""
        found = (None if each is None else Decimal(each) / THOUSAND for each in (input_, output, read))
        writes = (None if each is None else Decimal(each) / THOUSAND for each in (write, write_1h))
        return cls(*found, *writes)

    def times(self, factor: Decimal) -> "Price":
        """The price with a surcharge or a discount on all of it."""
        parts = (self.input, self.output, self.cache_read, self.cache_write, self.cache_write_1h, self.unit)
        return Price(*(None if part is None else part * factor for part in parts))


NOTHING = Price(*[Decimal(0)] * 6)


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model.

    Attributes:
        id: Without provider and without the prefix of an inference profile.
        kind: What it does.
        context_window: Tokens of prompt and answer; None where it isn't known, as with all limits below.
        max_output_tokens: Longest answer.
        max_input_tokens: Longest text that an embedding model takes, in tokens.
        max_characters: The same in characters.
        texts_per_call: Texts that an embedding model takes at once.
        dimensions: Of its vectors, unless another choice is asked for.
        dimension_choices: What may be asked for.
        price: None where none is known.
        regional_surcharge: Whether calls that may not go anywhere in the world pay more.
        as_of: When the price was looked up.
        source: Where the price stands.
    """

    id: str
    kind: Operation
    context_window: int | None = None
    max_output_tokens: int | None = None
    max_input_tokens: int | None = None
    max_characters: int | None = None
    texts_per_call: int | None = None
    dimensions: int | None = None
    dimension_choices: tuple[int, ...] = ()
    price: Price | None = None
    regional_surcharge: bool = False
    as_of: date = AS_OF
    source: str = AWS


def _claude(
    model: str,
    context: int,
    output: int,
    price: tuple[str, str],
    *,
    new: bool = True,
    read: str | None = None,
) -> ModelCard:
    """A Claude model: its cache prices are fixed multiples of the input price, except where `read` is given.

    The `new` ones, from 4.5 on, can cache for an hour and cost more within a geography.
    """
    dollars = Decimal(price[0])
    found = Price.per_million(
        *price,
        read=read or str(dollars / 10),
        write=str(dollars * Decimal("1.25")),
        write_1h=str(dollars * 2) if new else None,
    )
    name = f"anthropic.claude-{model}"
    return ModelCard(name, Operation.CHAT, context, output, price=found, regional_surcharge=new)


def _chat(
    model: str,
    context: int | None,
    output: int | None,
    price: tuple[str, str],
    *,
    read: str | None = None,
    surcharge: bool = False,
) -> ModelCard:
    found = Price.per_million(*price, read=read)
    return ModelCard(model, Operation.CHAT, context, output, price=found, regional_surcharge=surcharge)


def _embedding(
    model: str, limits: tuple[int, int | None, int], price: str, dimensions: tuple[int, ...]
) -> ModelCard:
    """`limits`: a text's tokens and characters, a call's texts. The first of `dimensions` is the default."""
    tokens, characters, texts = limits
    return ModelCard(
        model,
        Operation.EMBED,
        max_input_tokens=tokens,
        max_characters=characters,
        texts_per_call=texts,
        dimensions=dimensions[0],
        dimension_choices=dimensions,
        price=Price.per_million(price),
    )


def _by_unit(model: str, kind: Operation, price: str) -> ModelCard:
    return ModelCard(model, kind, price=Price(unit=Decimal(price)))


K, M = 1_000, 1_000_000
CARDS = {
    card.id: card
    for card in (
        _claude("3-5-haiku-20241022-v1:0", 200 * K, 8_192, ("0.8", "4"), new=False),
        _claude("3-5-sonnet-20240620-v1:0", 200 * K, 4_096, ("3", "15"), new=False),
        _claude("3-5-sonnet-20241022-v2:0", 200 * K, 8_192, ("3", "15"), new=False),
        _claude("3-7-sonnet-20250219-v1:0", 200 * K, 8_192, ("3", "15"), new=False),
        _claude("sonnet-4-20250514-v1:0", 200 * K, 64 * K, ("3", "15"), new=False),
        _claude("opus-4-20250514-v1:0", 200 * K, 32 * K, ("15", "75"), new=False),
        _claude("opus-4-1-20250805-v1:0", 200 * K, 32 * K, ("15", "75"), new=False),
        _claude("haiku-4-5-20251001-v1:0", 200 * K, 64 * K, ("1", "5")),
        _claude("sonnet-4-5-20250929-v1:0", 200 * K, 64 * K, ("3", "15")),
        _claude("opus-4-5-20251101-v1:0", 200 * K, 64 * K, ("5", "25")),
        _claude("sonnet-4-6", M, 64 * K, ("3", "15")),
        _claude("opus-4-6-v1", M, 128 * K, ("5", "25")),
        _claude("opus-4-7", M, 128 * K, ("5", "25")),
        _claude("opus-4-8", M, 128 * K, ("5", "25")),
        _claude("sonnet-5", M, 128 * K, ("2", "10")),
        _claude("opus-5", M, 128 * K, ("5", "25")),
        _claude("sonnet-5-5", M, 128 * K, ("2", "10")),
        _claude("opus-5-5", M, 128 * K, ("4", "20"), read="0.2"),
        _claude("fable-5", M, 128 * K, ("10", "50")),
        _claude("fable-5-1", M, 128 * K, ("10", "50"), read="0.25"),
        _chat("amazon.nova-micro-v1:0", 128 * K, 10 * K, ("0.035", "0.14"), read="0.00875"),
        _chat("amazon.nova-lite-v1:0", 300 * K, 10 * K, ("0.06", "0.24"), read="0.015"),
        _chat("amazon.nova-pro-v1:0", 300 * K, 10 * K, ("0.8", "3.2"), read="0.2"),
        _chat("amazon.nova-premier-v1:0", M, 10 * K, ("2.5", "12.5"), read="0.625"),
        _chat("amazon.nova-2-lite-v1:0", M, 64 * K, ("0.3", "2.5"), read="0.075", surcharge=True),
        _chat("meta.llama3-8b-instruct-v1:0", 8_192, None, ("0.3", "0.6")),
        _chat("meta.llama3-70b-instruct-v1:0", 8_192, None, ("2.65", "3.5")),
        _chat("meta.llama3-1-8b-instruct-v1:0", 128 * K, None, ("0.22", "0.22")),
        _chat("meta.llama3-1-70b-instruct-v1:0", 128 * K, None, ("0.72", "0.72")),
        _chat("meta.llama3-2-1b-instruct-v1:0", 128 * K, None, ("0.1", "0.1")),
        _chat("meta.llama3-2-3b-instruct-v1:0", 128 * K, None, ("0.15", "0.15")),
        _chat("meta.llama3-2-11b-instruct-v1:0", 128 * K, None, ("0.16", "0.16")),
        _chat("meta.llama3-2-90b-instruct-v1:0", 128 * K, None, ("0.72", "0.72")),
        _chat("meta.llama3-3-70b-instruct-v1:0", 128 * K, None, ("0.72", "0.72")),
        _chat("meta.llama4-scout-17b-instruct-v1:0", None, None, ("0.17", "0.66")),
        _chat("meta.llama4-maverick-17b-instruct-v1:0", None, None, ("0.24", "0.97")),
        _chat("mistral.mistral-7b-instruct-v0:2", 32 * K, None, ("0.15", "0.2")),
        _chat("mistral.mixtral-8x7b-instruct-v0:1", 32 * K, None, ("0.45", "0.7")),
        _chat("mistral.mistral-small-2402-v1:0", 32 * K, None, ("1", "3")),
        _chat("mistral.mistral-large-2402-v1:0", 32 * K, None, ("4", "12")),
        _chat("mistral.mistral-large-3-675b-instruct", None, None, ("0.5", "1.5")),
        _chat("mistral.ministral-3-3b-instruct", None, None, ("0.1", "0.1")),
        _chat("mistral.ministral-3-8b-instruct", None, None, ("0.15", "0.15")),
        _chat("mistral.ministral-3-14b-instruct", None, None, ("0.2", "0.2")),
        _chat("mistral.pixtral-large-2502-v1:0", 128 * K, None, ("2", "6")),
        _chat("openai.gpt-oss-20b-1:0", 128 * K, None, ("0.07", "0.3")),
        _chat("openai.gpt-oss-120b-1:0", 128 * K, None, ("0.15", "0.6")),
        _chat("deepseek.r1-v1:0", 128 * K, 32_768, ("1.35", "5.4")),
        _chat("deepseek.v3-v1:0", 163_840, 81_920, ("0.58", "1.68")),
        _chat("qwen.qwen3-32b-v1:0", None, None, ("0.15", "0.6")),
        _chat("qwen.qwen3-coder-30b-a3b-v1:0", None, None, ("0.15", "0.6")),
        _embedding("amazon.titan-embed-text-v1", (8_192, 50 * K, 1), "0.1", (1536,)),
        _embedding("amazon.titan-embed-text-v2:0", (8_192, 50 * K, 1), "0.02", (1024, 512, 256)),
        _embedding("cohere.embed-english-v3", (512, 2_048, 96), "0.1", (1024,)),
        _embedding("cohere.embed-multilingual-v3", (512, 2_048, 96), "0.1", (1024,)),
        _embedding("cohere.embed-v4:0", (128 * K, None, 96), "0.12", (1536, 1024, 512, 256)),
        _embedding(
            "amazon.nova-2-multimodal-embeddings-v1:0", (8_172, None, 1), "0.135", (3072, 1024, 384, 256)
        ),
        _by_unit("cohere.rerank-v3-5:0", Operation.RERANK, "2"),
        _by_unit("amazon.rerank-v1:0", Operation.RERANK, "1"),
        # A guardrail is paid by its policies; each is a model here, named as in Bedrock's answers.
        _by_unit("guardrail.contentPolicyUnits", Operation.GUARDRAIL, "0.15"),
        _by_unit("guardrail.topicPolicyUnits", Operation.GUARDRAIL, "0.15"),
        _by_unit("guardrail.sensitiveInformationPolicyUnits", Operation.GUARDRAIL, "0.1"),
        _by_unit("guardrail.contextualGroundingPolicyUnits", Operation.GUARDRAIL, "0.1"),
        _by_unit("guardrail.automatedReasoningPolicyUnits", Operation.GUARDRAIL, "0.17"),
        _by_unit("guardrail.contentPolicyImageUnits", Operation.GUARDRAIL, "0.75"),
    )
}
OPENAI_CARDS = {
    card.id: replace(card, source=OPENAI)
    for card in (
        _chat("gpt-4o", 128 * K, 16_384, ("2.5", "10"), read="1.25"),
        _chat("gpt-4o-mini", 128 * K, 16_384, ("0.15", "0.6"), read="0.075"),
        _chat("gpt-4.1", 1_047_576, 32_768, ("2", "8"), read="0.5"),
        _chat("gpt-4.1-mini", 1_047_576, 32_768, ("0.4", "1.6"), read="0.1"),
        _chat("gpt-4.1-nano", 1_047_576, 32_768, ("0.1", "0.4"), read="0.025"),
        _chat("gpt-5", 400 * K, 128 * K, ("1.25", "10"), read="0.125"),
        _chat("gpt-5-mini", 400 * K, 128 * K, ("0.25", "2"), read="0.025"),
        _chat("gpt-5-nano", 400 * K, 128 * K, ("0.05", "0.4"), read="0.005"),
        _chat("gpt-5.1", 400 * K, 128 * K, ("1.25", "10"), read="0.125"),
        _embedding("text-embedding-3-small", (8_192, None, 2048), "0.02", (1536,)),
        _embedding("text-embedding-3-large", (8_192, None, 2048), "0.13", (3072,)),
    )
}


@lru_cache(maxsize=1024)
def card_for(name: str) -> ModelCard | None:
    """The card of a configured name, `provider:model`; None, and a warning once, for a model without one.

    Of Bedrock's names it knows ids, inference profiles that span regions, and the ARNs of both. What an
    application inference profile stands for, its ARN doesn't say.
    """
    provider, _, model = name.partition(":")
    card: ModelCard | None = None
    if provider == "bedrock":
        card = _bedrock_card(model)
    elif provider == "openai":
        card = OPENAI_CARDS.get(OPENAI_SNAPSHOT.sub("", model))
    elif provider in {"local", "ollama"}:
        card = ModelCard(model, Operation.CHAT, price=NOTHING, source=OWN)
    if card is None:
        log.warning("model_unknown", model=name)
    return card


def _bedrock_card(model: str) -> ModelCard | None:
    if APPLICATION_PROFILE in model:
        return None
    model_id = model.rpartition("/")[2] if model.startswith("arn:") else model
    geography, _, base = model_id.partition(".")
    if model_id in CARDS:
        geography, base = "", model_id
    card = CARDS.get(base)
    if card is None or card.price is None or not card.regional_surcharge or geography == "global":
        return card
    return replace(card, price=card.price.times(REGIONAL))
