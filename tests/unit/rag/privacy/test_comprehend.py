import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, ModelError, UnavailableError
from rag.privacy import EntityKind, Finding, LocalDetector
from rag.privacy.comprehend import MAX_BYTES, load_comprehend, split_text
from tests.standins.aws import forget_aws, use_aws
from tests.unit.rag.privacy.comprehend import TARGET, Comprehend, comprehend_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Comprehend]:
    with comprehend_server(monkeypatch) as comprehend:
        yield comprehend


def detect(text: str, language: str | None = "en") -> list[Finding]:
    return load_comprehend(local=LocalDetector()).detect(text, language)


def test_entities_become_findings_in_text_order(server: Comprehend) -> None:
    server.known = {"Oslo": "ADDRESS", "Anna": "NAME"}
    assert detect("Anna lives in Oslo") == [
        Finding(EntityKind.PERSON, 0, 4, 0.875),
        Finding(EntityKind.ADDRESS, 14, 18, 0.875),
    ]
    assert server.targets == {TARGET}
    assert server.calls == [{"Text": "Anna lives in Oslo", "LanguageCode": "en"}]


def test_offsets_count_characters_behind_an_emoji(server: Comprehend) -> None:
    server.known = {"Anna": "NAME"}
    text = "🎉é Anna"
    assert [text[f.start : f.end] for f in detect(text)] == ["Anna"]


def test_a_long_text_is_sent_in_parts_and_offsets_are_those_of_the_whole(server: Comprehend) -> None:
    server.known = {"Anna Smith": "NAME"}
    text = ("é" * 97 + " Anna Smith\n\n") * 2000  # 414 kB
    found = detect(text, "es")
    assert [text[f.start : f.end] for f in found] == ["Anna Smith"] * 2000
    sizes = [len(call["Text"].encode()) for call in server.calls]
    assert max(sizes) <= MAX_BYTES
    assert "".join(call["Text"] for call in server.calls) == text
    assert {call["LanguageCode"] for call in server.calls} == {"es"}


def test_a_text_in_another_language_is_looked_through_locally(server: Comprehend) -> None:
    text = "Schreiben Sie an anna@example.org"
    assert [f.kind for f in detect(text, "de")] == [EntityKind.EMAIL]
    assert server.calls == []


def test_a_text_of_unknown_language_is_read_as_english(server: Comprehend) -> None:
    detect("Anna", None)
    assert server.calls[0]["LanguageCode"] == "en"


def test_nothing_is_asked_about_white_space(server: Comprehend) -> None:
    assert detect(" \n ") == []
    assert server.calls == []


def test_a_type_that_is_new_is_not_dropped(server: Comprehend) -> None:
    server.known = {"X1": "MOON_NUMBER"}
    assert [f.kind for f in detect("X1")] == [EntityKind.OTHER]


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_error_is_unavailable_and_the_call_is_not_repeated(server: Comprehend, status: int) -> None:
    server.failure = (status, "InternalServerException")
    with pytest.raises(UnavailableError, match="cannot answer"):
        detect("Anna")
    assert len(server.calls) == 1


def test_throttling_is_unavailable(server: Comprehend) -> None:
    server.failure = (400, "ThrottlingException")
    with pytest.raises(UnavailableError):
        detect("Anna")
    assert len(server.calls) == 1


def test_a_refused_call_is_a_model_error_that_tells_the_code(server: Comprehend) -> None:
    server.failure = (400, "AccessDeniedException")
    with pytest.raises(ModelError, match="AccessDeniedException"):
        detect("Anna")


@pytest.mark.parametrize(
    "entity",
    [
        {"Type": "NAME", "BeginOffset": 2, "EndOffset": 9, "Score": 0.5},
        {"Type": "NAME", "BeginOffset": 3, "EndOffset": 3, "Score": 0.5},
        {"Type": "NAME", "BeginOffset": -1, "EndOffset": 3, "Score": 0.5},
        {"BeginOffset": 0, "EndOffset": 3, "Score": 0.5},
        {"Type": "NAME", "EndOffset": 3, "Score": 0.5},
    ],
)
def test_an_answer_that_does_not_fit_the_text_is_a_model_error(
    server: Comprehend, entity: dict[str, object]
) -> None:
    server.answer = json.dumps({"Entities": [entity]}).encode()
    with pytest.raises(ModelError):
        detect("Anna")


@pytest.mark.parametrize("body", [b"<html>gateway</html>", b"{}"])
def test_an_answer_without_entities_is_not_taken_for_nothing_found(server: Comprehend, body: bytes) -> None:
    server.answer = body
    with pytest.raises(ModelError):
        detect("Anna")


def test_a_server_that_hangs_is_given_up(server: Comprehend) -> None:
    detector = load_comprehend(local=LocalDetector(), read_timeout=0.2)
    server.hang = True
    start = time.monotonic()
    with pytest.raises(UnavailableError):
        detector.detect("Anna", "en")
    assert time.monotonic() - start < 30
    assert len(server.calls) == 1


def test_a_server_that_is_not_there_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    use_aws(monkeypatch, "http://127.0.0.1:9")  # discard: nothing listens there
    with pytest.raises(UnavailableError):
        detect("Anna")


def test_credentials_that_are_missing_are_reported_as_unavailable(
    server: Comprehend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UnavailableError):
        detect("Anna")


def test_without_a_region_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_aws(monkeypatch)
    with pytest.raises(InvalidInputError, match="AWS_REGION"):
        load_comprehend(local=LocalDetector())


@given(
    st.lists(st.sampled_from(["Anna", " ", "\n\n", "é", "🎉", ". ", "x" * 30]), max_size=40).map("".join),
    st.integers(4, 40),
)
def test_parts_fit_and_make_up_the_text(text: str, max_bytes: int) -> None:
    parts = list(split_text(text, max_bytes=max_bytes))
    assert "".join(part for _, part in parts) == text
    assert all(0 < len(part.encode()) <= max_bytes for _, part in parts)
    assert [start for start, _ in parts] == [
        sum(len(part) for _, part in parts[:n]) for n in range(len(parts))
    ]


def test_a_text_is_cut_between_paragraphs_rather_than_in_a_name() -> None:
    text = "One.\n\nAnna Smith is two. And so on"
    assert [part for _, part in split_text(text, max_bytes=20)][:2] == ["One.\n\n", "Anna Smith is two. "]
