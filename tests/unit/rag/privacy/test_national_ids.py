import pytest

from rag.privacy import EntityKind, LocalDetector

DETECTOR = LocalDetector()
# Specimens that the issuing offices print, or numbers made by their published rules.
NUMBERS = {
    "UK national insurance": "AB 12 34 56 C",
    "Spanish DNI": "12345678Z",
    "Spanish NIE": "X1234567L",
    "French NIR": "1 84 12 76 451 089 46",
    "French NIR of Corsica": "2 69 05 2A 588 157 17",
    "German tax, grouped": "86 095 742 719",
    "Italian codice fiscale": "RSSMRA85T10A562S",
    "Brazilian CPF": "529.982.247-25",
    "Finnish henkilötunnus": "131052-308T",
    "Swedish personnummer": "640823-3234",
    "Belgian national number": "85.07.30-033.28",
    "Swiss AHV": "756.9217.0769.85",
    "Mexican CURP": "HEGG560427MVZRRL04",
    "Chinese resident identity": "11010519491231002X",
    "Irish PPS": "1234567T",
}
# Numbers whose check digits prove little: only beside their name.
BESIDE_THEIR_NAME = {
    "BSN": "111222333",
    "PESEL": "44051401359",
    "CPF": "52998224725",
    "Aadhaar": "2341 2341 2346",
    "Steuer-ID": "86095742719",
    "SIN": "046 454 286",
    "NHS": "943 476 5919",
    "CPR": "010190-1234",
    "fødselsnummer": "01010750160",
}


def found(text: str) -> list[str]:
    return [text[f.start : f.end] for f in DETECTOR.detect(text, None) if f.kind is EntityKind.NATIONAL_ID]


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_a_number_of_its_own_shape_is_found(number: str) -> None:
    assert found(f"The form says {number}, and no more.") == [number]


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
def test_another_check_character_is_another_number(number: str) -> None:
    if number == NUMBERS["UK national insurance"]:
        wrong = "QQ 12 34 56 E"  # has no check character
    else:
        last = number[-1]
        digits, letters = "0123456789", "ABCDEFGHJKLMNPQRSTVWXYZ"
        among = digits if last in digits else letters
        wrong = number[:-1] + among[(among.index(last) + 1) % len(among)]
    assert found(f"The form says {wrong}, and no more.") == []


@pytest.mark.parametrize(("name", "number"), BESIDE_THEIR_NAME.items())
def test_a_plain_number_is_found_beside_its_name_only(name: str, number: str) -> None:
    assert found(f"{name}: {number}") == [number]
    assert found(f"Batch {number}") == []


def test_a_tax_number_in_the_place_of_a_social_security_number_is_found() -> None:
    assert found("on file: 912-70-1234") == ["912-70-1234"]


def test_three_years_are_not_an_aadhaar_number() -> None:
    assert found("2023 2022 2023 2022") == []
