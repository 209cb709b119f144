"""Telephone numbers.

Numbering plans alone don't find them: the plan of some country or other accepts most runs of eight to
twelve digits, and many numbers in real text are in no plan (typed wrongly, made up, without their area code).
So a run of digits is scored for how it is written (a `+`, a trunk 0, the grouping that its country uses), for
whether a plan knows it (`rag.privacy.phone_plans`), and for the words around it. What is shaped like a date,
a range of years, a price, an ISBN or an IPv4 address is left out first (`rag.privacy.phone_shapes`).
"""

import re
from collections.abc import Iterator

from rag.privacy.context import LOWERING, WEAK, Context, cues
from rag.privacy.entities import LIKELY, EntityKind, Finding
from rag.privacy.phone_plans import Fit, fit_abroad, fit_at_home
from rag.privacy.phone_shapes import GROUP, Candidate, candidate, is_something_else

_RUN = re.compile(
    r"(?<![\w.$€£¥₹#])(?<!\d:)(?<!\d,(?=\d{3}\D))(?=(?:[^0-9\n]{0,4}[0-9]){7})"
    r"(?:\+ ?\(?|\(\+?)?[0-9]++(?:[ ().\-–/]{1,3}[0-9]++(?!\w(?<!x)))*+(?!\w(?<!x))",
    re.ASCII,  # Chinese and Japanese put no space between words and numbers
)
_EXTENSION = re.compile(r",? ?(?:ext\.?|extension|x|#) ?[0-9]{1,6}(?!\w)", re.IGNORECASE)
_INITIAL = re.compile(r"^ *[TMFPC][:.] *(?!\n)$", re.MULTILINE)  # lines of a signature: "T: ", "F: "
_CURRENCY_BEFORE = re.compile(r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|INR|Rs\.?)) ?$")
_QUANTITY_AFTER = re.compile(
    r"[-.,:/][0-9]| ?[%€£¥₹°$]| (?:EUR|USD|GBP|CHF|INR|euros?|dollars|pounds|people|users|bytes|million"
    r"|times|rows|records|inhabitants|km|kg|MB|GB|ms|s)\b"
)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?: \d{3})+")
_FEWEST, _MOST = 7, 15  # digits: a local number; E.164's limit
_MOST_AT_HOME = 12  # digits of a number without a country code: Germany and Austria have the longest
_MOST_GROUPS = 10  # of a run that is searched for a number inside
_MOST_WINDOW = 6  # groups of one number: 00 33 1 23 45 67 89 has more, but then fits as a whole
_MOST_EXTRA = 0.1  # for an area code in brackets
_LONG = 10  # digits; fewer are often something else even where a plan knows them
# How certain a number without country code is, by whether it begins with a trunk 0 and whether it is grouped,
# for each `Fit` from none to exact. With a word beside it 0.25 or 0.35 comes on top.
_AT_HOME = {
    (True, True): (0.3, 0.35, 0.55, 0.7),
    (True, False): (0.17, 0.17, 0.35, 0.35),
    (False, True): (0.27, 0.27, 0.33, 0.42),
    (False, False): (0.17, 0.17, 0.22, 0.22),
}

_CUES = cues(
    strong="*phone* phones tel telefon *telefon* telefone teléfono téléphone telefoonnummer *telefoon* "
    "telefono mobile mobil *móvil* *portable* *handy* *cellulare* celular komórka *mobiel* cell "
    "cellphone fax *telefax* ph tlf tfn call calls calling called caller dial dialled dialing ring rang "
    "whatsapp sms voicemail landline hotline helpline helpdesk reception receptionist toll_free "
    "*rufnummer* anrufen ruf llamar llame llámame appeler appelez bel chiamare ligar phoned telephoned "
    "signal_messenger callback my_number your_number his_number her_number their_number our_number "
    "new_number viber *電話* *电话* *手机* *携帯* тел *телефон* هاتف फोन",
    weak="text texted texting message messages messaging contact contacts contacted reach reached "
    "reachable registered office home desk direct pager emergency kontakt contacto contatto contato "
    "numéro_est mein_nummer meine_nummer mi_número il_mio_numero verification get_hold get_back otp",
    lowering="order orders invoice invoices tracking parcel shipment isbn issn doi serial sku part parts "
    "model version versions ticket case reference ref account accounts arn iban card page pages pp "
    "figure patent port ports zip postcode postal lot batch item items article id ids key hash timestamp "
    "build revision commit bestellung bestellnummer rechnung kundennummer pedido factura commande "
    "facture ordine fattura confirmation policy contract meter barcode ean upc coordinates latitude "
    "longitude asin vat license licence transaction amount total price population customer_number "
    "quantity code size dimensions arxiv pmid docket bug swift routing bic years year since between "
    "measured steuer idnr registration identification member membership passport student employee claim "
    "flight room vehicle vin chassis security route bus",
    vague="number numbers nummer numéro número numero nr",
    after="office fax mobile home cell cellular work landline tel phone desk hotline whatsapp mob privat "
    "büro mobil handy bureau domicile oficina casa ufficio",
)


def find_phones(text: str, language: str | None, context: Context) -> Iterator[Finding]:
    """Telephone numbers with how certain each is, extension included.

    Args:
        text: With plain digits and spaces (`rag.privacy.context.normalise`).
        language: Whose countries' numbering plans count most.
        context: Of that text.
    """
    for run in _RUN.finditer(text):
        if sum(map(str.isdigit, run[0])) < _FEWEST or _is_quantity(text, run):
            continue
        whole = candidate(text, run.start(), run.end())
        cue = _cue(text, whole, context)
        if _EXTENSION.match(text, run.end()):
            cue += WEAK
        score = _form(whole, language, cue) + cue
        if score >= LIKELY:
            yield _finding(text, whole, score)
        else:
            yield from _inside(text, whole, language, cue)


def _finding(text: str, number: Candidate, score: float) -> Finding:
    extension = _EXTENSION.match(text, number.end)
    end = extension.end() if extension else number.end
    return Finding(EntityKind.PHONE, number.start, end, min(score, 0.97))


def _is_quantity(text: str, run: re.Match[str]) -> bool:
    before = _CURRENCY_BEFORE.search(text, max(0, run.start() - 5), run.start())
    return before is not None or _QUANTITY_AFTER.match(text, run.end()) is not None


def _cue(text: str, number: Candidate, context: Context) -> float:
    """What the surroundings add; part of a longer name or of a URL's path lowers it."""
    weight = _CUES.weight(context, number.start, number.end)
    if weight <= 0 and _INITIAL.search(text, max(0, number.start - 6), number.start):
        weight = WEAK
    glued = re.match(r"[A-Za-z0-9][-_/]", text[max(0, number.start - 2) : number.start]) is not None
    if context.is_in_url(number.start) or (glued and weight <= 0):
        return weight + LOWERING
    return weight


def _inside(text: str, whole: Candidate, language: str | None, cue: float) -> Iterator[Finding]:
    """Numbers in a run that has more in it, as in `020 7946 0958 24/7`.

    Their form alone must do: words in front of the run lower what they find, but don't raise it.
    """
    spans = [(whole.start + g.start(), whole.start + g.end()) for g in GROUP.finditer(whole.raw)]
    if not 1 < len(spans) <= _MOST_GROUPS:
        return
    first = 0
    while first < len(spans):
        for last in range(min(first + _MOST_WINDOW, len(spans)), first, -1):
            part = candidate(text, _opening(text, spans[first][0], whole.start), spans[last - 1][1])
            lowered = min(cue, 0.0)
            if _stands_alone(text, part, whole) and _form(part, language, lowered) + lowered >= LIKELY:
                yield _finding(text, part, _form(part, language, lowered) + lowered)
                first = last - 1
                break
        first += 1


def _opening(text: str, start: int, limit: int) -> int:
    """Where the bracket or plus in front of a number is."""
    while start > limit and text[start - 1] in "(+":
        start -= 1
    return start


def _stands_alone(text: str, part: Candidate, whole: Candidate) -> bool:
    """Whether a part of a run is cut off at spaces or slashes."""
    opens = part.start == whole.start or text[part.start - 1] in " /"
    return opens and (part.end == whole.end or text[part.end] in " /")


def _form(number: Candidate, language: str | None, cue: float) -> float:
    """How much the number looks like a telephone number by itself; 0 when it is something else.

    With a `cue` so low that no plan can help, none is asked.
    """
    digits = number.digits
    if not _FEWEST <= len(digits) <= _MOST or is_something_else(number):
        return 0.0
    if "+" in number.raw:
        return {Fit.EXACT: 0.95, Fit.VALID: 0.95, Fit.POSSIBLE: 0.75, Fit.NONE: 0.2}[fit_abroad(digits)]
    if digits.startswith(("00", "011")):
        return _form_with_exit_code(number)
    if len(digits) > _MOST_AT_HOME:
        return 0.0
    if number.is_north_american:
        return _form_north_american(number)
    return _form_at_home(number, language, cue)


def _form_with_exit_code(number: Candidate) -> float:
    """`00 44 20 7946 0958`, and `011 …` from North America."""
    digits = number.digits
    fit = fit_abroad(digits[2:] if digits.startswith("00") else digits[3:])
    if len(number.groups) == 1:
        return 0.45 if fit >= Fit.VALID else 0.2
    return {Fit.EXACT: 0.8, Fit.VALID: 0.8, Fit.POSSIBLE: 0.55, Fit.NONE: 0.2}[fit]


def _form_north_american(number: Candidate) -> float:
    """`(905) 674-3793`: area and exchange begin with 2 to 9; with brackets or hyphens others are taken too.

    Three numbers of a table look like one that is written with spaces.
    """
    area, exchange = number.groups[-3:-1]
    well_formed = min(area[0], exchange[0]) >= "2"
    spaced = number.separators <= {" "}
    if well_formed:
        return 0.45 if spaced else 0.75
    if area[0] == "0" and spaced:
        return 0.6  # 024 971 5030: a trunk 0
    return 0.3 if spaced or number.separators == {"."} else 0.5


def _form_at_home(number: Candidate, language: str | None, cue: float) -> float:
    """A number as written inside its country."""
    has_trunk, is_grouped = number.digits.startswith("0"), len(number.groups) > 1
    scores = _AT_HOME[has_trunk, is_grouped]
    if max(scores) + _MOST_EXTRA + cue < LIKELY:
        return 0.0
    extra = 0.0
    if number.raw.startswith("("):
        extra = _MOST_EXTRA if has_trunk else 0.05
    fit = fit_at_home(number.groups, language)
    if has_trunk and len(number.groups) == 2:  # noqa: PLR2004 - part numbers look like 0123-456789
        extra -= 0.1
    if fit < Fit.EXACT and _THOUSANDS.fullmatch(number.raw):
        extra -= 0.05
    if fit >= Fit.VALID and not has_trunk and not is_grouped and len(number.digits) >= _LONG:
        extra += 0.08
    return scores[fit] + extra
