import base64
import binascii
import json
import quopri
import random
from urllib.parse import quote

import pytest

from rag.quality import QualityRule, check_quality
from tests.unit.rag.quality.texts import CHINESE, ENGLISH, GERMAN, RUSSIAN, broken_rules, plain

DATA = random.Random(3).randbytes(1800)  # noqa: S311  # no secret
BASE64 = base64.encodebytes(DATA).decode()
SCRIPT = "".join(
    f"function a{n}(b,c){{var d=b.e(c);if(d){{return d.f({n})}}else{{for(;c<{n};)c=g(c)}}}}"
    for n in range(30)
)
STYLES = "".join(f".c{n}{{margin:0;padding:{n}px;color:#fa{n:02}1c}}" for n in range(60))
ADDRESSES = "\n".join(
    f"https://docs.example.com/api/v2/2024/03/{n:02}/performance-tuning-of-servers" for n in range(30)
)
NAMES = "\n".join(
    f"com.example.application.configuration.ServiceConnectionFactoryBuilderImplementation{n}"
    for n in range(30)
)


@pytest.mark.parametrize(
    "text",
    [
        BASE64,
        "".join(BASE64.split()),
        f"-----BEGIN CERTIFICATE-----\n{BASE64}-----END CERTIFICATE-----",
        f'<img src="data:image/png;base64,{"".join(BASE64.split())}">',
        DATA.hex(),
        "\n".join(f"{at:08x}  {DATA[at : at + 16].hex(' ')}" for at in range(0, 800, 16)),
        ", ".join(f"0x{byte:02x}" for byte in DATA[:400]),
        "".join(binascii.b2a_uu(DATA[at : at + 45]).decode() for at in range(0, 1800, 45)),
        json.dumps([CHINESE, RUSSIAN]),
        quote(CHINESE + RUSSIAN),
        quopri.encodestring((CHINESE + RUSSIAN).encode()).decode(),
        "".join(f"&#{ord(sign)};" for sign in RUSSIAN),
        SCRIPT,
        STYLES,
    ],
    ids=lambda text: text[:20],
)
def test_data_for_machines(text: str) -> None:
    assert QualityRule.ENCODED_DATA in broken_rules(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{ENGLISH}\n\nssh-ed25519 {''.join(BASE64.split())[:68]} anna@example.com\n\n{ENGLISH[:200]}",
        f"{ENGLISH}\n{GERMAN}\n\n{BASE64[:400]}",
        ADDRESSES,
        NAMES,
        "\n".join("\t".join(str(a * b * 37 % 9999) for a in range(1, 9)) for b in range(40)),
        "\n".join("12 34 56 78 90 11 22 33" for _ in range(3)),
        f"colour: #3fa9d2, version: 1f3a9c, {ENGLISH}",
        CHINESE * 3,
        json.dumps({f"reading{n}": n * 17 for n in range(99)}, separators=(",", ":")),
        json.dumps({f"key{n}": {"title": ENGLISH[n : n + 60], "price": n} for n in range(20)}),
    ],
    ids=lambda text: text[:20],
)
def test_text_with_some_data_is_good(text: str) -> None:
    assert QualityRule.ENCODED_DATA not in broken_rules(text)


def test_the_message_says_how_much() -> None:
    (issue,) = check_quality(plain(f"{ENGLISH}\n{DATA[:300].hex()}"))
    share = 600 / (600 + len("".join(ENGLISH.split())))
    assert issue.message == f"{share:.0%} of the text is encoded data or compressed code, not text for people"
