"""Rerank of Bedrock's agent runtime."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.standins.bedrock.control import Bedrock, Call

_WORD = re.compile(r"\w+")


def rerank(bedrock: Bedrock, call: Call) -> dict[str, Any]:
    (query,) = call.params["queries"]
    configuration = call.params["rerankingConfiguration"]["bedrockRerankingConfiguration"]
    texts = [_text(source["inlineDocumentSource"]) for source in call.params["sources"]]
    scores = (bedrock.rank or shared_words)(query["textQuery"].get("text", ""), texts)
    order = sorted(range(len(texts)), key=lambda index: -scores[index])
    most = configuration.get("numberOfResults", len(texts))
    return {"results": [{"index": index, "relevanceScore": scores[index]} for index in order[:most]]}


def shared_words(query: str, texts: Sequence[str]) -> list[float]:
    """The share of the query's words that each text holds."""
    asked = _words(query)
    return [len(asked & _words(text)) / max(1, len(asked)) for text in texts]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))


def _text(document: Mapping[str, Any]) -> str:
    if "jsonDocument" in document:
        return json.dumps(document["jsonDocument"], ensure_ascii=False)
    return str(document.get("textDocument", {}).get("text", ""))
