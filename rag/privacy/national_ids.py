"""National identity numbers whose check digits are public.

Some are so long or so oddly shaped that their check digits are proof enough. The others, which one number in
ten of their length would pass, also need their own name nearby, or a way of writing that is theirs alone.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rag.privacy import checksums
from rag.privacy.context import Context, Cues, cues
from rag.privacy.entities import EntityKind, Finding

# Capitals and digits with single separators between: only there are the two dozen patterns tried.
_RUN = re.compile(r"(?<![A-Z0-9])[A-Z0-9](?:[A-Z0-9]|[ ./+\-](?=[A-Z0-9])){7,}+")
_FEWEST_DIGITS = 4  # an Indian PAN's
_SEPARATORS = re.compile(r"[ ./+\-]")
_LOWERING = (
    "order invoice tracking serial imei isbn ean sku part ticket case reference ref version phone tel fax "
    "mobile account arn model lot batch card"
)


@dataclass(frozen=True, slots=True)
class _Id:
    """One country's number.

    Attributes:
        name: Which one.
        pattern: How it is written; boundaries are added.
        is_valid: Its check, given the characters in upper case without separators.
        score: How certain a match is by itself when written with separators (or without being able to).
        plain: How certain when it is digits in a row.
        cues: Words that go with it.
    """

    name: str
    pattern: re.Pattern[str]
    is_valid: Callable[[str], bool]
    score: float
    plain: float
    cues: Cues


def _id(
    name: str,
    pattern: str,
    is_valid: Callable[[str], bool],
    *,
    score: float,
    plain: float | None = None,
    words: str,
) -> _Id:
    """A row of the table below; without `plain` it is as certain without separators as with them."""
    bounded = re.compile(rf"(?<![\w.+])(?<!\d[-/ ])(?:{pattern})(?!\w|[-./]\w)", re.ASCII)
    named = cues(strong=words, lowering=_LOWERING)
    return _Id(name, bounded, is_valid, score, score if plain is None else plain, named)


def _always(characters: str) -> bool:
    return True


_DAY = r"(?:0[1-9]|[12]\d|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_IDS = (
    _id("UK national insurance",
        r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]",
        _always, score=0.8, words="nino ni national_insurance insurance"),
    _id("UK NHS", r"\d{3}[ -]?\d{3}[ -]?\d{4}", checksums.nhs, score=0.3, plain=0.2,
        words="nhs health_service"),
    _id("Spanish DNI", r"\d{8}[ -]?[A-HJ-NP-TV-Z]|\d{1,2}\.\d{3}\.\d{3}[ -]?[A-HJ-NP-TV-Z]",
        lambda number: checksums.dni(number.rjust(9, "0")), score=0.6, words="dni nif documento identidad"),
    _id("Spanish NIE", r"[XYZ][ -]?\d{7}[ -]?[A-HJ-NP-TV-Z]", checksums.dni, score=0.75,
        words="nie nif extranjero"),
    _id("French NIR",
        r"[1-478] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", checksums.nir,
        score=0.85, plain=0.65, words="nir sécurité_sociale *sécu* insee social"),
    _id("German tax", r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}|[1-9]\d{2}/\d{4}/\d{4}", checksums.german_tax_id,
        score=0.55, plain=0.3, words="*steuer* idnr tin tax *ident*"),
    _id("Italian codice fiscale",
        r"[A-Z]{6} ?\d{2}[A-EHLMPR-T]\d{2} ?[A-Z]\d{3}[A-Z]", checksums.codice_fiscale, score=0.95,
        words="fiscale cf"),
    _id("Dutch BSN", r"\d{3}[ .]?\d{3}[ .]?\d{3}|\d{4}\.\d{2}\.\d{3}", checksums.eleven_test, score=0.2,
        words="bsn *burgerservice* *sofi*"),
    _id("Brazilian CPF", r"\d{3}\.\d{3}\.\d{3}-\d\d|\d{11}", checksums.cpf, score=0.9, plain=0.2,
        words="cpf contribuinte"),
    _id("Indian Aadhaar", r"[2-9]\d{3}([ -]?)\d{4}\1\d{4}", checksums.verhoeff, score=0.45, plain=0.2,
        words="*aadha* uidai uid आधार"),
    _id("Indian PAN", r"[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z]", _always, score=0.6,
        words="pan permanent_account income_tax"),
    _id("Polish PESEL", r"\d{11}", checksums.pesel, score=0.3, words="*pesel*"),
    _id("Swedish personnummer", r"(?:19|20)?\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[1-9]\d)[-+]?\d{4}",
        lambda number: checksums.personnummer(number[-10:]), score=0.55, plain=0.2,
        words="*personnummer* *samordning* personal_identity pnr"),
    _id("Norwegian fødselsnummer", r"(?:0[1-9]|[1-7]\d)\d{4} ?\d{5}", checksums.norwegian, score=0.6,
        plain=0.45, words="*fødsels* *personnummer* d-nummer fnr"),
    _id("Danish CPR", rf"{_DAY}{_MONTH}\d\d-?\d{{4}}", _always, score=0.2, words="cpr *personnummer*"),
    _id("Finnish henkilötunnus", rf"{_DAY}{_MONTH}\d\d[-+A-FU-Y]\d{{3}}[0-9A-FHJ-NPR-Y]", checksums.hetu,
        score=0.85, words="*henkilö* hetu *personbeteckning*"),
    _id("Belgian national number", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d|\d{11}", checksums.belgian, score=0.9,
        plain=0.2, words="*rijksregister* national *registre* insz niss nrn"),
    _id("Swiss AHV", r"756([. ]?)\d{4}\1\d{4}\1\d\d", checksums.ean_13, score=0.9, plain=0.6,
        words="ahv avs"),
    _id("Canadian SIN", r"\d{3}([ -]?)\d{3}\1\d{3}", checksums.luhn, score=0.2,
        words="sin nas social_insurance assurance_sociale insurance"),
    _id("Irish PPS", r"\d{7}[A-W][A-IW]?", checksums.pps, score=0.55, words="pps ppsn"),
    _id("Mexican CURP", r"[A-Z][AEIOUX][A-Z]{2}\d{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z]\d",
        checksums.curp, score=0.95, words="curp"),
    _id("Chinese resident identity",
        r"[1-8]\d{5}(?:19|20)\d{9}[\dX]", checksums.chinese, score=0.9,
        words="*身份* resident identity"),
)  # fmt: skip


def find_national_ids(text: str, context: Context) -> Iterator[Finding]:
    """Numbers whose check digits are right, with how certain each is; those below a half are often chance."""
    for run in _RUN.finditer(text):
        if sum(map(str.isdigit, run[0])) < _FEWEST_DIGITS:
            continue
        for one in _IDS:
            # Two characters more than the run, for the patterns to see where a number ends.
            for found in one.pattern.finditer(text, run.start(), run.end() + 2):
                if one.is_valid(_SEPARATORS.sub("", found[0])):
                    base = one.plain if found[0].isdigit() else one.score
                    score = base + one.cues.weight(context, *found.span())
                    yield Finding(EntityKind.NATIONAL_ID, *found.span(), min(score, 0.97))
