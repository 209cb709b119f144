from collections.abc import AsyncIterator, Iterator

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.messages.ai import UsageMetadata

from rag.errors import InvalidInputError, ModelError, ThrottledError
from rag.models.options import ModelOptions
from rag.models.registry import Models
from rag.models.resilience.guard import Resilience
from rag.models.usage import chat_use_of, streamed_usage
from tests.standins.chat_servers import CACHED_TOKENS, PROMPT_TOKENS, ChatServer, chat_server

ANSWER = "The notice period is four weeks. [1]"
NAMES = ["openai:gpt-4o-mini", "ollama:llama3.2"]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server() as running:
        running.reply = ANSWER
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OLLAMA_HOST", running.url)
        yield running


@pytest.fixture
async def models(server: ChatServer) -> AsyncIterator[Models]:
    opened = Models(ModelOptions(resilience=Resilience(attempts=2, backoff_base_s=0.01)))
    yield opened
    await opened.close()


async def answered(models: Models, name: str) -> tuple[str, UsageMetadata | None]:
    (model,) = models.chat_models(name)
    text, usage = "", None
    async for chunk in model.model.astream([HumanMessage("What is the notice period?")]):
        assert isinstance(chunk, AIMessageChunk)
        text += str(chunk.text)
        if chunk.usage_metadata:
            usage = streamed_usage(usage, chunk.usage_metadata)
    return text, usage


@pytest.mark.parametrize("name", NAMES)
async def test_an_answer_is_streamed_and_its_tokens_counted(
    server: ChatServer, models: Models, name: str
) -> None:
    text, usage = await answered(models, name)
    assert text.strip() == ANSWER
    assert usage is not None
    use = chat_use_of(name, usage)
    cached = CACHED_TOKENS if name.startswith("openai") else 0
    assert (use.input_tokens, use.cache_read_tokens) == (PROMPT_TOKENS - cached, cached)
    assert use.output_tokens == len(ANSWER.split())
    ((_, body),) = server.calls
    assert (
        body.get("max_tokens") or body.get("max_completion_tokens") or body["options"]["num_predict"]
    ) == 1024


@pytest.mark.parametrize("name", NAMES)
async def test_only_we_repeat_a_call_that_failed(server: ChatServer, models: Models, name: str) -> None:
    server.failure = (503, {})
    with pytest.raises(ModelError, match=name):
        await answered(models, name)
    assert len(server.calls) == 2


@pytest.mark.parametrize("name", NAMES)
async def test_a_provider_that_says_when_to_come_back_is_heard(
    server: ChatServer, models: Models, name: str
) -> None:
    server.failure = (429, {"Retry-After": "120"})
    with pytest.raises(ThrottledError) as raised:
        await answered(models, name)
    if name.startswith("openai"):  # Ollama's library keeps the headers to itself
        assert raised.value.retry_after_s == 120
        assert len(server.calls) == 1


async def test_a_missing_key_is_named(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidInputError, match=r"(?s)CHAT_MODEL 'openai:gpt-4o-mini'.*OPENAI_API_KEY"):
        models.chat_models("openai:gpt-4o-mini")


@pytest.mark.parametrize("name", ["gpt-4o", "nobody:model", "local:gpt", "openai:", ",,"])
async def test_a_name_that_nobody_knows_is_refused(models: Models, name: str) -> None:
    with pytest.raises(InvalidInputError):
        models.chat_models(name)
