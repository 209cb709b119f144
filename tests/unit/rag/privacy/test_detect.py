import random
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.privacy import EntityKind, LocalDetector

DETECTOR = LocalDetector()


def found(text: str, kind: EntityKind | None = None, *, language: str | None = None) -> list[str]:
    """What was found, as it stands in the text."""
    findings = DETECTOR.detect(text, language)
    return [text[f.start : f.end] for f in findings if kind is None or f.kind is kind]


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Write to anna.smith+news@mail.example.co.uk.", "anna.smith+news@mail.example.co.uk"),
        ("login failed for 'anna@example.org'", "anna@example.org"),
        ("From: Anna O'Neill <o'neill@example.ie>", "o'neill@example.ie"),
        ("[mail](mailto:anna@example.org)", "anna@example.org"),
        ("?email=anna%40example.org&x=1", "anna%40example.org"),
        ("Schreib an jürgen@müller.de!", "jürgen@müller.de"),
        ("anna.smith (at) example (dot) com", "anna.smith (at) example (dot) com"),
        ("reply+" + "a1" * 40 + "@reply.example.com", "reply+" + "a1" * 40 + "@reply.example.com"),
        (r"Markdown: anna\_b@example\.org\.", r"anna\_b@example\.org"),
        ("Box 4-anna@example.org-Office", "4-anna@example.org"),
    ],
)
def test_an_email_address_is_found(text: str, email: str) -> None:
    assert found(text, EntityKind.EMAIL) == [email]


@pytest.mark.parametrize(
    "text",
    [
        "npm install react@18.2.0",
        "the icon logo@2x.png",
        "git clone git@github.com:owner/repo.git",
        "@app.route('/') and @anna",
        "3 @ 4.50 each",
        "meet (at) noon",
    ],
)
def test_what_only_has_an_at_sign_is_not_an_email_address(text: str) -> None:
    assert found(text, EntityKind.EMAIL) == []


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("Signed, Anna, (905) 674-3793", "(905) 674-3793"),
        ("+44 (0)20 7946 0958", "+44 (0)20 7946 0958"),
        ("Paris 01 42 68 53 00", "01 42 68 53 00"),
        ("0049 30 12345678", "0049 30 12345678"),
        ("not in any plan: +41 (0)38 549 02 90", "+41 (0)38 549 02 90"),
        ("call me at 668 5702", "668 5702"),
        ("655 437 108 office", "655 437 108"),
        ("(37) 788-063-Office", "(37) 788-063"),
        ("my number is 5417141388", "5417141388"),
        ("541-714-1388x123", "541-714-1388x123"),
        ('{"customerPhone": "3660170548"}', "3660170548"),
        ("Telefonnummer: 030/1234567", "030/1234567"),
        ("電話番号は０３−１２３４−５６７８です", "０３−１２３４−５６７８"),
        ("电话13812345678，谢谢", "13812345678"),
        ("call 020 7946 0958 24/7", "020 7946 0958"),
        ("tel:+33612345678", "+33612345678"),
        ("his daughter (06 82 08 59 53)", "06 82 08 59 53"),
        ("Anna\nP: 498-6834", "498-6834"),
        ("my number is 7659937", "7659937"),
    ],
)
def test_a_phone_number_is_found(text: str, phone: str) -> None:
    assert found(text) == [phone]


@pytest.mark.parametrize(
    "text",
    [
        "Order 905-674-3793 has shipped",
        "order number 668 5702",
        "on 2023-01-31 and 31.01.2023, 1999 - 05 - 20",
        "from 1998-2003 or 2019/2020",
        "ISBN 978-3-16-148410-0",
        "978-3-16-148410-0 and 0-306-40615-2 and 9783161484100",
        "it cost $ 1 234 567, or 1 234 567 EUR",
        "version 10.12.2024.1",
        "Beverly Hills, CA 90210-1234",
        "pages 1234-1240 and 1300-1345",
        "at 40.712776, -74.005974",
        "net of tax (459) (484) (848)",
        "Quarter 1,061.78 940.17",
        "100/400/1200x magnification",
        "the prime has 22 338 618 digits",
        "a number of 5 000 000 people",
        "arXiv:2005.11401v4",
        "https://www.idref.fr/0277961240",
        "call us: https://example.com/x/02079460958",
        "timestamp 1577836800",
        "sizes 540 550 3650",
        "SKU-905-674-3793",
        "0 2018-07-02T22:22",
    ],
)
def test_other_numbers_are_not_phone_numbers(text: str) -> None:
    assert found(text, EntityKind.PHONE) == []


def test_the_language_tells_which_countries_numbering_plan_counts() -> None:
    text = "Unter 0351 48930 erreichbar"
    assert found(text, language="de") == ["0351 48930"]
    assert found(text, language="fr") == []


def test_a_tables_column_header_says_what_a_number_is() -> None:
    rows = "| --- | --- |\n| 5 | 5417141388 |\n| 6 | 3660170548 |"
    assert found(f"| id | mobile |\n{rows}") == ["5417141388", "3660170548"]
    assert found(f"| mobile | id |\n{rows}") == []
    assert found(f"| mobile | id |\n{rows}\n\nand 5417141388") == []


def test_the_first_cell_of_a_row_says_what_a_number_is() -> None:
    table = "| field | value |\n| --- | --- |\n| {} | 5417141388 |"
    assert found(table.format("Phone")) == ["5417141388"]
    assert found(table.format("Order")) == []


@pytest.mark.parametrize(
    ("text", "card"),
    [
        ("4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("Use 5555-5555-5555-4444 12/26", "5555-5555-5555-4444"),
        ("3782 822463 10005.", "3782 822463 10005"),
        ("a,6011111111111117,b", "6011111111111117"),
        ("my card 4222222222222", "4222222222222"),
        ("card 3530111333300000", "3530111333300000"),
        ("cc 630427373398", "630427373398"),
    ],
)
def test_a_card_number_is_found(text: str, card: str) -> None:
    assert found(text) == [card]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn
        "9111 1111 1111 1111",  # no issuer
        "1234567812345670",  # Luhn holds, no issuer
        "order 4111111111111111",
        "EAN 4222222222222",
        "hash 4243557355858281972",
        "IMEI 356938035643809",
        "0.4111111111111111",
        "4111111111111111f",
    ],
)
def test_other_numbers_are_not_cards(text: str) -> None:
    assert found(text, EntityKind.CREDIT_CARD) == []


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 and more", "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432.", "GB82WEST12345698765432"),
        ("No12 is NL91ABNA0417164300", "NL91ABNA0417164300"),
        ("fr1420041010050500013m02606", "fr1420041010050500013m02606"),
    ],
)
def test_an_iban_is_found(text: str, iban: str) -> None:
    assert found(text) == [iban]


@pytest.mark.parametrize(
    "text",
    ["DE88370400440532013000", "DE8937040044053201300", "XX89370400440532013000", "DE89370400440532013000A"],
)
def test_an_iban_with_wrong_digits_country_or_length_is_none(text: str) -> None:
    assert found(text, EntityKind.IBAN) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("from 41.173.96.26.", "41.173.96.26"),
        ("http://192.168.1.10:8080/x", "192.168.1.10"),
        ("host 10.2.3.4/16", "10.2.3.4"),
        ("DNS 8.8.8.8", "8.8.8.8"),
        ("2001:db8:85a3::8a2e:370:7334 logged in", "2001:db8:85a3::8a2e:370:7334"),
        ("[fe80::1%eth0]", "fe80::1"),
    ],
)
def test_an_ip_address_is_found(text: str, address: str) -> None:
    assert found(text, EntityKind.IP_ADDRESS) == [address]


@pytest.mark.parametrize(
    "text",
    [
        "version 10.12.14.16",
        "v10.12.14.16",
        "numpy==1.22.33.44",
        "Chrome/91.10.44.72",
        "package-11.22.33.44",
        "section 1.2.3.4 and also 1.2.3.4",
        "256.10.10.10 or 1.10.100.1000",
        "the network 10.0.0.0/16, 2001:db8::/32",
        "127.0.0.1, 0.0.0.0, 255.255.255.0, ::1",
        "OID 1.3.6.1.4.1.311",
        "std::max(a::b) at 12:30:45",
        "00:1b:44:11:3a:b7 and 01:23:45:67:89:ab:cd:ef",
    ],
)
def test_versions_networks_and_times_are_not_ip_addresses(text: str) -> None:
    assert found(text, EntityKind.IP_ADDRESS) == []


def test_a_social_security_number_is_found() -> None:
    assert found("Here is it: 460-89-9847", EntityKind.US_SSN) == ["460-89-9847"]
    assert found("social security 460 89 9847", EntityKind.US_SSN) == ["460 89 9847"]
    assert found("SSN: 460899847", EntityKind.US_SSN) == ["460899847"]


@pytest.mark.parametrize(
    "number",
    [
        "000-12-3456",
        "666-12-3456",
        "460-00-9847",
        "460-89-0000",
        "923-10-1234",
        "078-05-1120",
        "460-89-98471",
    ],
)
def test_numbers_that_were_never_issued_are_not_social_security_numbers(number: str) -> None:
    assert found(f"SSN {number}") == []


def test_nine_digits_without_hyphens_need_their_name() -> None:
    assert found("460899847 and 460 89 9847") == []


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("see https://Example.com/a_(b)?c=1.", "https://Example.com/a_(b)?c=1"),
        ("(www.example.museum)", "www.example.museum"),
        ("at example.co.uk, or", "example.co.uk"),
        ("visit novak.pl", "novak.pl"),
        ("bücher.de/neu", "bücher.de/neu"),
    ],
)
def test_a_web_address_is_found(text: str, domain: str) -> None:
    assert found(text) == [domain]


@pytest.mark.parametrize(
    "text",
    ["main.py and README.md", "user.name", "It was late.The dog", "ASP.NET, Node.js", "e.g. 3.5", "a.b.c"],
)
def test_files_and_code_are_not_web_addresses(text: str) -> None:
    assert found(text) == []


def test_personal_data_in_a_url_is_found_and_the_url_ends_there() -> None:
    text = "https://example.com/?mail=anna@example.org&ip=41.173.96.26"
    findings = [(f.kind, text[f.start : f.end]) for f in DETECTOR.detect(text, None)]
    assert findings == [
        (EntityKind.DOMAIN, "https://example.com/?mail="),
        (EntityKind.EMAIL, "anna@example.org"),
        (EntityKind.IP_ADDRESS, "41.173.96.26"),
    ]


def test_places_count_characters_of_the_text_as_given() -> None:
    text = "🎉 ñandú\u00a0😀: anna@example.org, 020\u00a07946\u20110958"
    assert found(text) == ["anna@example.org", "020\u00a07946\u20110958"]


VALUES = [
    "anna@example.org",
    "020 7946 0958",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "10.2.33.4",
    "460-89-9847",
    "https://example.com/",
    "AB123456C",
]
PIECES = st.sampled_from([*VALUES, *"7-(+.x \n", "call ", "| "])


@given(st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join))
def test_findings_are_inside_the_text_in_order_and_apart(text: str) -> None:
    at = 0
    for finding in DETECTOR.detect(text, None):
        assert at <= finding.start < finding.end <= len(text)
        assert 0.5 <= finding.score <= 1
        at = finding.end


HOSTILE = [
    "1 ", "1-", "(1", "+1", "a.", "a@", "A0 ", "1:", "::", "GB12", "(at)", "http://a", "www.", "| ",
    "| --- |\n", "| 0612345678 |\n| --- |\n", "http://a" + ")" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
def test_time_grows_with_the_length_and_no_faster(piece: str) -> None:
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        start = time.process_time()
        DETECTOR.detect(text, None)
        return time.process_time() - start

    seconds(1_000)  # what is loaded on first use
    assert seconds(100_000) < 5  # a tenth of a second or two; a quadratic search takes ten and more


def test_prose_takes_under_a_second_a_megabyte() -> None:
    draw = random.Random(3)  # noqa: S311
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(2, 10))) for _ in range(500)]
    text = " ".join(draw.choice([*words, str(draw.randint(1, 3000))]) for _ in range(40_000))
    DETECTOR.detect(text[:1000], None)
    start = time.process_time()
    DETECTOR.detect(text, None)
    assert (time.process_time() - start) / len(text) * 1e6 < 1
