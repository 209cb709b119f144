import pytest

from rag.errors import InvalidInputError
from rag.privacy import LocalDetector
from rag.privacy.questions import Question, QuestionMode, QuestionRedactor

ASKED = "Why was jane.doe@acme.org told that card 4111 1111 1111 1111 is blocked? See https://acme.org/help"
REDACTED = "Why was [EMAIL] told that card [CREDIT_CARD] is blocked? See https://acme.org/help"
KINDS = ("credit_card", "email")


def redactor(mode: QuestionMode) -> QuestionRedactor:
    return QuestionRedactor(LocalDetector(), mode)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (QuestionMode.OFF, Question(ASKED, ASKED)),
        (QuestionMode.LOG, Question(ASKED, REDACTED, KINDS)),
        (QuestionMode.MODEL, Question(REDACTED, REDACTED, KINDS)),
    ],
)
async def test_personal_data_is_kept_from_the_store_or_from_models_too(
    mode: QuestionMode, expected: Question
) -> None:
    assert await redactor(mode).read(ASKED, {}) == expected


@pytest.mark.parametrize("mode", list(QuestionMode))
async def test_a_question_without_any_is_left_alone(mode: QuestionMode) -> None:
    text = "How many of the 1,234 vacation days of 2024 can I carry over?"
    assert await redactor(mode).read(text, {}) == Question(text, text)


async def test_a_tenant_may_want_it_otherwise() -> None:
    own = {"question_personal_data": "model"}
    assert (await redactor(QuestionMode.OFF).read(ASKED, own)).asked == REDACTED
    own = {"question_personal_data": "off"}
    assert (await redactor(QuestionMode.MODEL).read(ASKED, own)).stored == ASKED


async def test_a_setting_that_nobody_understands_lets_nothing_pass() -> None:
    with pytest.raises(InvalidInputError, match="question_personal_data"):
        await redactor(QuestionMode.OFF).read(ASKED, {"question_personal_data": "sometimes"})
