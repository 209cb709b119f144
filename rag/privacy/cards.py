"""Payment cards: an issuer's prefix, a length in use, and the Luhn check.

One number of sixteen digits in ten passes Luhn by chance, and one in three has an issuer's prefix: after
"order" or "tracking" a plain one is not taken for a card, and lengths that few cards have need a word beside
them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.privacy.checksums import luhn
from rag.privacy.context import Context, cues
from rag.privacy.entities import EntityKind, Finding

_GROUP = re.compile("[0-9]+")
_SHORTEST, _LONGEST = 12, 19  # digits
_MOST_GROUPS = 8  # of a run that is looked at piece by piece; longer ones are tables of numbers


@dataclass(frozen=True, slots=True)
class _Brand:
    """Issuer prefixes (ISO/IEC 7812) as ranges of their first digits, and the lengths in use."""

    first: str
    last: str
    lengths: frozenset[int]
    common: bool = True  # Luhn and the prefix are enough, without a word beside it

    def fits(self, digits: str) -> bool:
        return len(digits) in self.lengths and self.first <= digits[: len(self.first)] <= self.last


_BRANDS = (
    _Brand("4", "4", frozenset({16})),  # Visa
    _Brand("4", "4", frozenset({13, 19}), common=False),  # EANs of German goods have 13, 64-bit hashes 19
    _Brand("51", "55", frozenset({16})),  # Mastercard
    _Brand("2221", "2720", frozenset({16})),
    _Brand("34", "34", frozenset({15})),  # American Express
    _Brand("37", "37", frozenset({15})),
    _Brand("300", "305", frozenset({14})),  # Diners Club
    _Brand("3095", "3095", frozenset({14})),
    _Brand("36", "36", frozenset({14})),
    _Brand("38", "39", frozenset({14, 16})),
    _Brand("6011", "6011", frozenset({16})),  # Discover
    _Brand("644", "659", frozenset({16})),
    _Brand("3528", "3589", frozenset({16})),  # JCB
    _Brand("35", "35", frozenset({16}), common=False),  # JCB's old range
    _Brand("2131", "2131", frozenset({15}), common=False),
    _Brand("1800", "1800", frozenset({15}), common=False),
    _Brand("62", "62", frozenset({16})),  # UnionPay
    _Brand("2200", "2205", frozenset({16})),  # Mir
    _Brand("60", "60", frozenset({16})),  # RuPay
    _Brand("508", "508", frozenset({16})),
    _Brand("81", "82", frozenset({16})),
    _Brand("9792", "9792", frozenset({16})),  # Troy
    _Brand("50", "50", frozenset({16})),  # Maestro; Verve, Elo
    _Brand("56", "58", frozenset({16})),
    _Brand("63", "63", frozenset({16})),
    _Brand("67", "67", frozenset({16})),
    _Brand("50", "50", frozenset({12, 13, 14, 15, 17, 18, 19}), common=False),
    _Brand("56", "69", frozenset({12, 13, 14, 15, 17, 18, 19}), common=False),
    _Brand("3528", "3589", frozenset({17, 18, 19}), common=False),
)
_GROUPINGS = frozenset(
    {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 3), (4, 4, 4), (6, 13), (8, 8), (4, 5, 6)}
)
_RUN = re.compile(
    r"(?<![\w.])(?<![A-Za-z]-)(?=(?:[0-9][ -]?){11}[0-9])"
    r"[0-9]++(?!\w)(?:[ -][0-9]++(?!\w))*+(?!\.[0-9]|-[A-Za-z])",
    re.ASCII,
)
_CUES = cues(
    strong="*card* cc visa mastercard master_card amex american_express maestro discover jcb diners cvv "
    "cvc pan *karte* *kaart* *carte* *tarjeta* *carta* *cartão* *kort* *karta* *kart*",
    weak="credit debit *kredit* *crédit* *crédito* payment pay paid charge charged billing billed bank atm",
    lowering="order orders invoice tracking parcel shipment serial imei iccid isbn ean gtin upc sku "
    "barcode account_id *accountid* aws ticket case reference ref transaction *timestamp* hash uuid guid "
    "arn part batch lot meter contract id ids key",
)


def find_cards(text: str, context: Context) -> Iterator[Finding]:
    """Card numbers, plain or in the groups that cards print."""
    for run in _RUN.finditer(text):
        for start, end, groups in _pieces(run):
            digits = re.sub("[ -]", "", text[start:end])
            score = _score(digits, grouped=len(groups) > 1)
            if score and luhn(digits):
                score += _CUES.weight(context, start, end)
                yield Finding(EntityKind.CREDIT_CARD, start, end, min(score, 0.99))


def _pieces(run: re.Match[str]) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """Neighbouring groups of digits that are shaped like a card: where they start, end, and their lengths."""
    groups = [(run.start() + g.start(), run.start() + g.end()) for g in _GROUP.finditer(run[0])]
    if len(groups) > _MOST_GROUPS:
        return
    for first in range(len(groups)):
        for last in range(first, len(groups)):
            lengths = tuple(end - start for start, end in groups[first : last + 1])
            if lengths in _GROUPINGS or (len(lengths) == 1 and _SHORTEST <= lengths[0] <= _LONGEST):
                yield groups[first][0], groups[last][1], lengths


def _score(digits: str, *, grouped: bool) -> float:
    """0 when no issuer gives out such numbers."""
    fitting = [brand for brand in _BRANDS if brand.fits(digits)]
    if not fitting or len(set(digits)) == 1:
        return 0.0
    if not any(brand.common for brand in fitting):
        return 0.4
    return 0.85 if grouped else 0.75
