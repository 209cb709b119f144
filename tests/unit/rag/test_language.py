import pytest

from rag.language import chunk_languages, document_language

ENGLISH = "Employees may carry over up to five days of holiday to the following calendar year."
GERMAN = "Die Beschäftigten dürfen bis zu fünf Urlaubstage in das folgende Kalenderjahr übernehmen."
CHINESE = "员工每年可以将最多五天的年假结转到下一个日历年度，超过的部分将被取消。"
DUTCH = (  # small words that English has as well
    "In de winter is het in dit land koud, en in het voorjaar is het water in de sloot er over het algemeen "
    "warmer in dan de lucht. Of het in de zomer zo is, hangt af van de wind."
)
DANISH = (
    "I dag er her over hundrede huse under opførelse i byen, og for dem har vi at betale en afgift i det år, "
    "vi har planer for. Under have og hus er der i dag plads til at parkere."
)
ITALIAN = (
    "In questo caso i beni non sono in vendita, e a chi ha i documenti in mano non si chiede altro in "
    "cambio. Ha diritto a un rimborso chi ha pagato in anticipo."
)
CODE = '{"bucket": {"name": "x-12", "owner": 17}, "size": [1, 2, 3], "key": "a/b.json"}'


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (GERMAN, "de"), (CHINESE, "zh")])
def test_a_document_has_the_language_of_its_text(text: str, language: str) -> None:
    assert document_language(text) == language


def test_a_chunk_in_another_language_has_its_own() -> None:
    language, chunks = chunk_languages(f"{ENGLISH} {ENGLISH}\n{GERMAN} {GERMAN}", [ENGLISH * 2, GERMAN * 2])
    assert (language, chunks) == ("en", ["en", "de"])


@pytest.mark.parametrize(("chunk", "language"), [(DUTCH, "nl"), (DANISH, "da"), (ITALIAN, "it")])
def test_small_words_that_look_english_make_no_chunk_english(chunk: str, language: str) -> None:
    assert chunk_languages(f"{ENGLISH} {ENGLISH}", [chunk]) == ("en", [language])


@pytest.mark.parametrize("chunk", ["Ja.", "42", CODE])
def test_what_is_too_short_or_no_language_takes_the_documents(chunk: str) -> None:
    assert chunk_languages(ENGLISH, [chunk]) == ("en", ["en"])


@pytest.mark.parametrize("text", ["", "!!!", "12 34 56", "\U0001f34f"])
def test_text_without_words_has_a_language_or_none_but_never_fails(text: str) -> None:
    language = document_language(text)
    assert language is None or len(language) in (2, 3)
