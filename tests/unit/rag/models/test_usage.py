import asyncio
import threading
from contextvars import copy_context
from dataclasses import replace
from decimal import Decimal
from functools import reduce

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from rag.models.catalog import Operation
from rag.models.usage import (
    Meter,
    ModelUse,
    chat_use,
    chat_use_of,
    cost_of,
    cost_usd,
    guardrail_uses,
    metering,
    record,
    streamed_usage,
)

SONNET = "bedrock:global.anthropic.claude-sonnet-4-5-20250929-v1:0"  # $3 and $15 a million tokens
MILLION = Decimal(1_000_000)
UNKNOWN = "bedrock:amazon.nova-99-v1:0"


def chat(model: str = SONNET, **counts: int) -> ModelUse:
    return ModelUse(model, Operation.CHAT, **counts)


def counted(input_tokens: int, output_tokens: int, **details: int) -> UsageMetadata:
    usage = UsageMetadata(
        input_tokens=input_tokens, output_tokens=output_tokens, total_tokens=input_tokens + output_tokens
    )
    if details:
        usage["input_token_details"] = InputTokenDetails(**details)  # type: ignore[typeddict-item]
    return usage


def test_converse_counts_the_prompt_without_its_cached_parts() -> None:
    use = chat_use(
        SONNET,
        {
            "inputTokens": 100,
            "outputTokens": 50,
            "totalTokens": 100 + 50 + 2000 + 700,
            "cacheReadInputTokens": 2000,
            "cacheWriteInputTokens": 700,
            "cacheDetails": [{"ttl": "5m", "inputTokens": 400}, {"ttl": "1h", "inputTokens": 300}],
        },
    )
    assert use == chat(
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=2000,
        cache_write_tokens=700 - 300,
        cache_write_1h_tokens=300,
    )
    assert use.prompt_tokens == 100 + 2000 + 700
    assert (
        cost_of(use)
        == (
            100 * Decimal(3)
            + 50 * Decimal(15)
            + 2000 * Decimal("0.3")
            + 400 * Decimal("3.75")
            + 300 * Decimal(6)
        )
        / MILLION
    )


def test_converse_may_leave_the_cache_out() -> None:
    assert chat_use(SONNET, {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}) == chat(
        input_tokens=7, output_tokens=2
    )
    written = {"inputTokens": 7, "outputTokens": 2, "cacheWriteInputTokens": 5, "cacheDetails": []}
    assert chat_use(SONNET, written).cache_write_tokens == 5
    details = {"inputTokens": 7, "outputTokens": 2, "cacheDetails": [{"ttl": "1h", "inputTokens": 5}]}
    assert chat_use(SONNET, details) == chat(input_tokens=7, output_tokens=2, cache_write_1h_tokens=5)


@pytest.mark.parametrize(
    "details",
    [
        {"cache_read": 2000, "cache_creation": 700, "ephemeral_1h_input_tokens": 300},
        {  # as langchain-aws and langchain-anthropic write it
            "cache_read": 2000,
            "cache_creation": 0,
            "ephemeral_5m_input_tokens": 400,
            "ephemeral_1h_input_tokens": 300,
        },
        {
            "cache_read": 2000,
            "cache_creation": 700,
            "ephemeral_5m_input_tokens": 400,
            "ephemeral_1h_input_tokens": 300,
        },
    ],
)
def test_langchain_counts_the_whole_prompt_and_the_same_comes_out(details: dict[str, int]) -> None:
    assert chat_use_of(SONNET, counted(100 + 2000 + 700, 50, **details)) == chat(
        input_tokens=100,
        output_tokens=50,
        cache_read_tokens=2000,
        cache_write_tokens=400,
        cache_write_1h_tokens=300,
    )


def test_langchain_may_leave_details_out() -> None:
    assert chat_use_of("openai:gpt-4o", counted(10, 5)) == chat(
        "openai:gpt-4o", input_tokens=10, output_tokens=5
    )
    cached = chat_use_of("openai:gpt-4o", counted(1000, 5, cache_read=800, audio=0))
    assert (cached.input_tokens, cached.cache_read_tokens, cached.prompt_tokens) == (200, 800, 1000)
    assert (
        cost_of(cached) == ((1000 - 800) * Decimal("2.5") + 800 * Decimal("1.25") + 5 * Decimal(10)) / MILLION
    )


def streamed(*chunks: UsageMetadata) -> UsageMetadata:
    total: UsageMetadata | None = None
    for chunk in chunks:
        total = streamed_usage(total, chunk)
    assert total is not None
    return total


def test_a_stream_that_tells_its_use_in_parts_is_added_up() -> None:
    first, *rest = counted(100, 1, cache_read=40), counted(0, 20), counted(0, 29)
    total = streamed(first, *rest)
    assert (total["input_tokens"], total["output_tokens"]) == (100, 1 + 20 + 29)
    assert total["input_token_details"] == {"cache_read": 40}
    # as LangChain itself adds chunks
    chunks = [AIMessageChunk(content="", usage_metadata=usage) for usage in (first, *rest)]
    assert reduce(lambda left, right: left + right, chunks).usage_metadata == total


def test_a_stream_that_repeats_its_use_is_counted_once() -> None:
    total = streamed(counted(100, 0), counted(100, 20), counted(100, 50), counted(100, 50))
    assert (total["input_tokens"], total["output_tokens"], total["total_tokens"]) == (100, 50, 150)


def test_a_stream_that_tells_its_use_once_is_taken_at_its_word() -> None:
    assert streamed(counted(100, 50)) == counted(100, 50)


def test_guardrails_are_paid_by_policy() -> None:
    uses = guardrail_uses(
        {
            "topicPolicyUnits": 2,
            "contentPolicyUnits": 3,
            "wordPolicyUnits": 3,
            "sensitiveInformationPolicyUnits": 0,
            "sensitiveInformationPolicyFreeUnits": 3,
            "contextualGroundingPolicyUnits": 4,
            "automatedReasoningPolicies": 1,
        }
    )
    assert [(use.model, use.units) for use in uses] == [
        ("bedrock:guardrail.topicPolicyUnits", 2),
        ("bedrock:guardrail.contentPolicyUnits", 3),
        ("bedrock:guardrail.contextualGroundingPolicyUnits", 4),
    ]
    assert cost_usd(uses) == float((2 * Decimal("0.15") + 3 * Decimal("0.15") + 4 * Decimal("0.10")) / 1000)


def test_embedding_and_reranking_are_paid_by_tokens_and_by_queries() -> None:
    embedded = ModelUse("bedrock:amazon.titan-embed-text-v2:0", Operation.EMBED, input_tokens=5000, units=3)
    reranked = ModelUse("bedrock:cohere.rerank-v3-5:0", Operation.RERANK, units=2)
    assert cost_of(embedded) == 5000 * Decimal("0.02") / MILLION
    assert cost_of(reranked) == 2 * Decimal(2) / 1000
    assert cost_usd([embedded, reranked]) == 0.0001 + 0.004


def test_a_sum_has_no_rounding_error() -> None:
    uses = [ModelUse("bedrock:amazon.nova-lite-v1:0", Operation.CHAT, input_tokens=1)] * 10
    assert sum([6e-8] * 10) != 6e-7
    assert cost_usd(uses) == 6e-7
    assert cost_usd([]) == 0.0


def test_a_cost_of_which_a_part_is_unknown_is_unknown_and_the_other_part_is_not() -> None:
    known, unknown = chat(input_tokens=10), chat(UNKNOWN, input_tokens=10)
    assert cost_usd([known, unknown]) is None
    assert [cost_of(use) for use in (known, unknown)] == [Decimal("0.00003"), None]
    nova = "bedrock:amazon.nova-lite-v1:0"
    assert cost_of(chat(nova, input_tokens=10)) == 10 * Decimal("0.06") / MILLION
    assert (
        cost_of(chat(nova, input_tokens=10, cache_write_tokens=1)) is None
    )  # no price for that is published
    assert cost_of(chat(input_tokens=10, unmetered_calls=1)) is None
    assert cost_of(chat("local:extractive", input_tokens=10, unmetered_calls=1)) == 0


def test_uses_of_one_model_add_up() -> None:
    total = chat(input_tokens=1, output_tokens=2) + chat(
        input_tokens=10, cache_read_tokens=3, cache_write_tokens=4, cache_write_1h_tokens=5, units=6
    )
    assert total == chat(
        calls=2,
        input_tokens=1 + 10,
        output_tokens=2,
        cache_read_tokens=3,
        cache_write_tokens=4,
        cache_write_1h_tokens=5,
        units=6,
    )
    for other in (chat(UNKNOWN), replace(chat(), operation=Operation.EMBED)):
        with pytest.raises(ValueError, match="add up"):
            _ = total + other


def test_a_meter_sees_what_happens_within_it_and_only_that() -> None:
    record(chat(input_tokens=1))
    with metering() as outer:
        record(chat(input_tokens=10))
        with metering() as inner:
            record(chat(input_tokens=100))
            record(chat(UNKNOWN))
        record(chat(input_tokens=1000))
    record(chat(input_tokens=10_000))
    assert outer.uses == [chat(calls=3, input_tokens=1110), chat(UNKNOWN)]
    assert inner.uses == [chat(input_tokens=100), chat(UNKNOWN)]


def test_a_meter_is_left_by_an_error_too() -> None:
    meter = Meter()

    def fail() -> None:
        with metering(meter):
            record(chat())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    record(chat())
    assert meter.uses == [chat()]


async def test_tasks_and_threads_within_are_seen() -> None:
    async def in_a_task() -> None:
        await asyncio.sleep(0)
        record(chat(input_tokens=1))

    with metering() as meter:
        await asyncio.gather(*(asyncio.create_task(in_a_task()) for _ in range(5)))
        await asyncio.to_thread(record, chat(input_tokens=1))
    assert meter.uses == [chat(calls=6, input_tokens=6)]


async def test_requests_beside_each_other_are_kept_apart() -> None:
    async def request(tokens: int) -> list[ModelUse]:
        with metering() as meter:
            for _ in range(3):
                await asyncio.sleep(0)
                record(chat(input_tokens=tokens))
        return meter.uses

    found = await asyncio.gather(*(request(tokens) for tokens in range(20)))
    assert found == [[chat(calls=3, input_tokens=3 * tokens)] for tokens in range(20)]


def test_no_use_is_lost_between_threads() -> None:
    def work() -> None:
        for _ in range(2000):
            record(chat(input_tokens=1))

    with metering() as meter:
        threads = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert meter.uses == [chat(calls=16_000, input_tokens=16_000)]
