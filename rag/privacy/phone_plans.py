"""Whether a numbering plan knows a telephone number: libphonenumber's data, asked for several countries."""

from enum import IntEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat

_BY_LANGUAGE = {
    "cs": ("CZ",), "da": ("DK",), "de": ("DE", "AT", "CH"), "el": ("GR", "CY"),
    "en": ("US", "GB", "AU", "IE", "NZ", "ZA", "IN"), "es": ("ES", "MX", "AR", "CO", "CL", "PE"),
    "fi": ("FI",), "fr": ("FR", "BE", "CH", "CA"), "he": ("IL",), "hu": ("HU",), "it": ("IT", "CH"),
    "ja": ("JP",), "ko": ("KR",), "nl": ("NL", "BE"), "no": ("NO",), "nb": ("NO",), "pl": ("PL",),
    "pt": ("BR", "PT"), "ro": ("RO",), "ru": ("RU",), "sv": ("SE", "FI"), "tr": ("TR",), "uk": ("UA",),
    "zh": ("CN", "TW", "HK", "SG"),
}  # fmt: skip
_ANYWHERE = (
    "GB", "FR", "US", "CH", "SE", "NL", "ES", "PL", "BE", "DK", "NO", "FI", "IE", "PT", "AU", "NZ", "ZA",
    "IN", "BR", "MX", "JP", "DE", "AT", "IT", "SG", "HK", "CZ", "GR", "HU", "IL", "TR", "KR", "CN",
)  # fmt: skip
# Their plans take nearly any number of digits: that they know one says little.
_PERMISSIVE = frozenset({"DE", "AT", "IT", "FI", "JP", "CN", "IN", "KR"})


class Fit(IntEnum):
    """How well a number fits a plan, best last."""

    NONE = 0
    POSSIBLE = 1  # its length is in use
    VALID = 2  # its first digits are given out
    EXACT = 3  # and its digits are grouped as its country groups them


def fit_abroad(digits: str) -> Fit:
    """How a number with its country code fits that country's plan."""
    number = _parse(f"+{digits}", None)
    if number is None or not phonenumbers.is_possible_number(number):
        return Fit.NONE
    return Fit.VALID if phonenumbers.is_valid_number(number) else Fit.POSSIBLE


@lru_cache(maxsize=4096)  # tables repeat numbers; a miss costs up to a millisecond
def fit_at_home(groups: tuple[str, ...], language: str | None) -> Fit:
    """How a number without a country code fits the plan of any country; those that speak `language` first."""
    own = _BY_LANGUAGE.get(language or "", ())
    best = Fit.NONE
    for region in dict.fromkeys(own + _ANYWHERE):
        fit = _fit_in(groups, region)
        if region in _PERMISSIVE and region not in own and (language or fit < Fit.EXACT):
            fit = min(fit, Fit.POSSIBLE)
        best = max(best, fit)
        if best is Fit.EXACT:
            break
    return best


def _fit_in(groups: tuple[str, ...], region: str) -> Fit:
    number = _parse("".join(groups), region)
    if number is None or not phonenumbers.is_valid_number_for_region(number, region):
        return Fit.NONE
    if len(groups) == 1:
        return Fit.VALID
    usual = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    return Fit.EXACT if _groups(usual) == groups else Fit.VALID


def _groups(text: str) -> tuple[str, ...]:
    return tuple("".join(c if c.isdigit() else " " for c in text).split())


def _parse(digits: str, region: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(digits, region)
    except NumberParseException:
        return None
