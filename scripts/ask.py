"""Ask on the command line: `scripts/ask.py "question"` prints the answer as it comes, then its sources."""

import argparse
import asyncio
import sys
from uuid import uuid4

from pydantic import ValidationError

from app.schemas.chat import ChatRequest, ChatResponse
from app.services import open_services
from app.setting_problems import SettingsError
from app.settings import Settings
from graph.events import AnswerEvent, Released
from observability.logs import configure_logs
from rag.errors import GroundworkError


async def print_released(event: AnswerEvent) -> None:
    if isinstance(event, Released):
        print(event.text, end="", flush=True)


async def ask(request: ChatRequest) -> ChatResponse:
    settings = Settings()
    configure_logs(level="WARNING", log_format=settings.log_format)
    async with open_services(settings) as services:
        run = await services.answerer.begin(services.default_identity, request, request_id=str(uuid4()))
        return await services.answerer.answer(run, print_released)


def print_sources(response: ChatResponse) -> None:
    cited = {citation.index for citation in response.citations}
    print("\n\nNearest sources:" if response.abstained else "\n\nSources:")
    for index, source in enumerate(response.retrieved_documents, start=1):
        if response.abstained or index in cited:
            page = f", page {source.page}" if source.page else ""
            print(f"  [{index}] {source.title} ({source.source_document_id}{page})")


def main() -> int:
    parser = argparse.ArgumentParser(description="Ask the documents of the default tenant a question.")
    parser.add_argument("question")
    try:
        response = asyncio.run(ask(ChatRequest(query=parser.parse_args().question, stream=True)))
    except ValidationError as exc:
        print(f"Cannot ask: {exc.errors()[0]['msg'].removeprefix('Value error, ')}", file=sys.stderr)
        return 2
    except (GroundworkError, TimeoutError) as exc:
        print(f"Cannot answer: {exc}", file=sys.stderr)
        return 2 if isinstance(exc, SettingsError) else 1
    print_sources(response)
    return 0


if __name__ == "__main__":
    sys.exit(main())
