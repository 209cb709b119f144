import pytest

from eval.golden.plain import plain, statements
from eval.golden.templates import TemplateWriter
from eval.golden.types import Draft, Intent
from tests.unit.eval.golden_chunks import passage, stored


async def drafts(
    text: str, *others: str, title: str = "Handbook", language: str | None = "en"
) -> list[Draft]:
    chunk = stored(passage(text, title=title), language)
    found = [passage(other, source=f"other-{n}.md") for n, other in enumerate(others)]
    return (await TemplateWriter().write(chunk, found, tuple(Intent))).drafts


@pytest.mark.parametrize(
    ("text", "intent", "question", "answer"),
    [
        (
            "You can carry over up to 5 vacation days to the next calendar year.",
            "attribute",
            "How many vacation days can I carry over to the next calendar year?",
            "up to 5 vacation days",
        ),
        (
            "Passwords must have at least 14 characters.",
            "attribute",
            "How many characters must passwords have?",
            "at least 14 characters",
        ),
        (
            "Full-time employees have 28 vacation days in a calendar year.",
            "attribute",
            "How many vacation days do Full-time employees have in a calendar year?",
            "28 vacation days",
        ),
        (
            "Backups are kept for 35 days and are encrypted.",
            "attribute",
            "How long are backups kept?",
            "for 35 days",
        ),
        ("On-call lasts one week, from Monday on.", "attribute", "How long does On-call last?", "one week"),
        (
            "Report a lost or stolen laptop within\n1 hour to the help desk.",
            "attribute",
            "How soon do I have to report a lost or stolen laptop?",
            "within 1 hour",
        ),
        (
            "The maximum size of a deployment package is 50 MB.",
            "attribute",
            "What is the maximum size of a deployment package?",
            "50 MB",
        ),
        (
            "You can use the finance portal to hand in your travel expenses.",
            "attribute",
            "What can I use to hand in my travel expenses?",
            "the finance portal",
        ),
        (
            "Access to the archive of Berlin requires a second key.",
            "attribute",
            "What does access to the archive of Berlin require?",
            "a second key",
        ),
        (
            "There are three classes of data: *public*, *internal* and *confidential*.",
            "conceptual",
            "What are the three classes of data?",
            "public, internal and confidential",
        ),
        (
            "An *IAM role* is an identity within your account that has specific permissions\\.",
            "conceptual",
            "What is an IAM role?",
            "an identity within your account that has specific permissions",
        ),
        (
            "Delta windows are used to query only data that came since the last run.",
            "conceptual",
            "What are delta windows used for?",
            "to query only data that came since the last run",
        ),
        (
            "Amazon Forecast lets you predict the future demand of a product.",
            "conceptual",
            "What can I do with Amazon Forecast?",
            "predict the future demand of a product",
        ),
        (
            "To book a trip above 1,500 EUR, use the travel desk.",
            "question",
            "",  # the comma of the number ends the purpose: left alone
            "",
        ),
        (
            "To delete a specific function version, use the `Qualifier` parameter.",
            "question",
            "How do I delete a specific function version?",
            "use the Qualifier parameter",
        ),
        (
            "If you fall ill during your vacation and hand in a note, the days are given back to you.",
            "question",
            "What happens if I fall ill during my vacation and hand in a note?",
            "the days are given back to you",
        ),
        (
            "If your laptop was stolen abroad, call the security team.",
            "question",
            "What should I do if my laptop was stolen abroad?",
            "call the security team",
        ),
        (
            "If you want to work from another country, ask your manager.",
            "question",
            "",  # another than which?
            "",
        ),
        (
            "You can't redirect HTTPS requests to HTTP.",
            "question",
            "Can I redirect HTTPS requests to HTTP?",
            "You can't redirect HTTPS requests to HTTP.",
        ),
        (
            "You must confirm travel bookings with the finance portal.",
            "question",
            "Do I have to confirm travel bookings with the finance portal?",
            "You must confirm travel bookings with the finance portal.",
        ),
    ],
)
async def test_a_sentence_becomes_a_question_that_it_answers(
    *, text: str, intent: str, question: str, answer: str
) -> None:
    found = [(draft.intent, draft.question, draft.answer) for draft in await drafts(text)]
    assert found == ([(intent, question, answer)] if question else [])


@pytest.mark.parametrize(
    "text",
    [
        "This is a list of the things that you need.",
        "It is a good idea to keep it.",
        "The function is a thing that nobody has explained.",  # which function?
        "If the test is successful, the deletion has failed.",  # true of any test
        "To create a channel, see the reference.",
        "To create a data channel, do the following:",
        "If you use it, the limits below apply to you.",
        "When you open the new console page, you see a list.",
        "To check is a way to know more about the tests.",
        "Security is the highest priority at this company.",
        "Was ist eine Rolle? Eine Rolle ist eine Identität.",
    ],
)
async def test_a_sentence_that_a_template_is_not_sure_of_is_left_alone(text: str) -> None:
    assert await drafts(text) == []


async def test_the_evidence_is_a_slice_of_the_chunk_with_its_markup() -> None:
    text = "# Data\n\n+ A **dataset group** is a [container](groups.md) of several\n  datasets\\.\n"
    (draft,) = await drafts(text)
    assert draft.question == "What is a dataset group?"
    assert draft.answer == "a container of several datasets"
    assert draft.evidence in text
    assert draft.evidence.startswith("+ A **dataset group**")


async def test_chunks_in_other_languages_are_left_alone() -> None:
    text = "Backups are kept for 35 days."
    assert await drafts(text, language=None)
    assert await drafts(text, language="de") == []


async def test_only_the_intents_that_are_wanted_are_written() -> None:
    text = "Backups are kept for 35 days. A backup set is a copy of all files of a day."
    chunk = stored(passage(text))
    written = await TemplateWriter().write(chunk, [], (Intent.CONCEPTUAL,))
    assert [draft.question for draft in written.drafts] == ["What is a backup set?"]


ROLE = "An IAM role is an identity within your account that has permissions."
GROUP = "An IAM group is an identity that holds several users of an account."


async def test_two_definitions_of_one_kind_are_compared() -> None:
    found = await drafts(ROLE, "Nothing is defined here.", GROUP)
    (draft,) = [draft for draft in found if draft.intent is Intent.COMPARATIVE]
    assert draft.question == "What is the difference between an IAM role and an IAM group?"
    assert draft.answer == f"{ROLE} {GROUP}"
    assert (draft.evidence, draft.other_evidence) == (ROLE, GROUP)
    assert draft.other
    assert draft.other.source_document_id == "other-1.md"


@pytest.mark.parametrize(
    "other", ["A zebra is a striped animal of the plains.", "IAM roles are an identity that has permissions."]
)
async def test_what_is_of_another_kind_or_the_same_thing_is_not_compared(other: str) -> None:
    assert all(draft.intent is not Intent.COMPARATIVE for draft in await drafts(ROLE, other))


TABLE = """
| Expense | Limit | Receipt | Description |
|---|---|---|---|
| Hotel, per night | 160 EUR | needed | A bed |
| Alcohol | - | no | Not paid |
| Taxi | 40 EUR | needed | By day |
| Taxi | 60 EUR | needed | By night |
"""


async def test_a_table_is_asked_for_its_cells_where_row_and_column_have_names_of_their_own() -> None:
    found = {draft.question: draft.answer for draft in await drafts(TABLE)}
    assert found == {
        "What is the limit for Hotel, per night?": "160 EUR",
        "What is the receipt for Hotel, per night?": "needed",
    }


async def test_steps_below_a_heading_answer_how_it_is_done() -> None:
    steps = "1. Call the help desk.\n\n1. Change your password."
    text = f"## Reporting a stolen laptop\n\nDo so at once.\n\n{steps}\n"
    (draft,) = await drafts(text)
    assert draft.question == "How do I report a stolen laptop?"
    assert draft.answer == "Call the help desk. Change your password."
    assert draft.evidence == steps
    assert await drafts(text.replace("Reporting a stolen laptop", "Stolen laptops")) == []


async def test_an_announced_list_is_asked_for_if_it_ends_in_the_chunk() -> None:
    text = "AWS Lambda supports the following runtimes:\n+ Python – the newest\n+ Ruby\n\n"
    (draft,) = await drafts(f"{text}All of them are patched.")
    assert draft.question == "Which runtimes does AWS Lambda support?"
    assert draft.answer == "Python; Ruby"
    assert await drafts(text) == [], "it may go on in the next chunk"


async def test_a_term_in_a_list_is_asked_for_with_what_the_page_is_about() -> None:
    text = "+ `lead_time` – The number of days that a factory takes to make the item.\n"
    (draft,) = await drafts(text, title="Retail Domain")
    assert draft.question == "What is lead_time in Retail Domain?"
    assert await drafts("+ `price` – The price of the item.\n", title="Retail Domain") == []


def test_layout_is_taken_out_of_statements() -> None:
    line = "1. See the [**role** list](a.md(b)) of `x\\_y`\\."
    text = f'# Roles<a name="r"></a>\n\n{line}\n\n```\ncode is a thing.\n```\n'
    heading, step = statements(text)
    assert (heading.text, heading.is_heading) == ("Roles", True)
    assert (step.text, step.is_step) == ("See the role list of x_y.", True)
    assert text[step.start : step.end] == line
    assert statements("**Note**  \nThe key is lost.")[0].text == "The key is lost."
    assert plain("![a picture](p.png)A *b* and snake_case_name") == "A b and snake_case_name"
