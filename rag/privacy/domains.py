"""URLs and domain names.

With a scheme or `www.` in front anything goes. A bare name must end in a top-level domain that is in wide
use; where that is also the ending of a file's name or a word of code (`main.py`, `user.name`), it needs three
labels or a path as well.
"""

import re
from collections.abc import Iterator, Sequence

import phonenumbers

from rag.privacy.context import Context, cues
from rag.privacy.entities import EntityKind, Finding

_URL = re.compile(
    r"(?<![A-Za-z0-9])(?:https?://|ftps?://|sftp://|wss?://|www\d?\.(?=[^\W_]))[^\s<>\"'`|\\^{}\[\]]+",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?<![\w@.:/\\%$#-])((?:[^\W_](?:[^\W_]|-(?=[^\W_]|-)){0,62}\.){1,8})([a-z]{2,24})(?![\w@(-]|\.\w)"
    r"(:\d{2,5})?(/[^\s<>\"'`|\\^{}\[\]]*)?",
    re.IGNORECASE,
)
_HOST = re.compile(r"(?:[a-z+]+://)?(?:[^/?#\s@]*@)?[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_TRAILING = ".,;:!?*_~…。，、"
_GENERIC = frozenset(
    "com net org edu gov mil int info biz name pro museum aero coop jobs mobi tel travel cat asia post "  # noqa: SIM905
    "app dev cloud online site store shop blog tech xyz club live news email agency company network "
    "solutions services group world life today media digital design studio space website systems "
    "software tools academy health care clinic bank finance money capital ventures global international "
    "page link wiki art music games plus one top vip work center community foundation education school "
    "church law legal "
    "consulting events berlin london paris nyc amsterdam wien eu uk su".split()
)
_COUNTRIES = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS)
_TOP_LEVEL = _GENERIC | _COUNTRIES
# Also file endings, attributes and words that follow a full stop without a space.
_AMBIGUOUS = frozenset(
    "py rs sh pl md so cc ps st mk ml in is it at to no id me my do as be by am us so la ma pa name "  # noqa: SIM905
    "info int app bz gz ai mm mp mo ms va ad al an ac hm im lc ls pm re sc sv tc tf vi cat post pro live "
    "link page one top work events email group tools plus media space site store music games art center "
    "design network services company health care law school blog news club today world life digital "
    "studio systems software online cloud".split()
)
_CUES = cues(
    strong="website site web homepage webpage visit url domain *webseite* seite sitio site_web página "
    "pagina sito strona www browse",
)
_PARTS = 3  # labels that make an ambiguous ending a host's name: www.foo.py


def find_domains(text: str, taken: Sequence[Finding], context: Context) -> Iterator[Finding]:
    """URLs and names, up to the first finding of `taken` in them: what is in a URL's query matters more."""
    before = 0
    for start, end, score in _candidates(text, context):
        while before < len(taken) and taken[before].end <= start:
            before += 1
        if before < len(taken) and taken[before].start < end:
            end = taken[before].start  # noqa: PLW2901
        if start < end and _HOST.match(text, start, end):
            yield Finding(EntityKind.DOMAIN, start, end, score)


def _candidates(text: str, context: Context) -> list[tuple[int, int, float]]:
    """Start, end and certainty, in text order."""
    found = [(url.start(), _trimmed(text, *url.span()), 0.95) for url in _URL.finditer(text)]
    urls = iter([*found, (len(text), len(text), 0.0)])
    bare = []
    url = next(urls)
    for name in _BARE.finditer(text):
        while url[1] <= name.start():
            url = next(urls)
        score = _bare_score(name) if name.end() <= url[0] else 0.0
        if score:
            score += _CUES.weight(context, *name.span())
            bare.append((name.start(), _trimmed(text, *name.span()), min(score, 0.9)))
    return sorted(found + bare)


def _bare_score(name: re.Match[str]) -> float:
    """How certain it is that a name without a scheme is a host's; 0 when it cannot be."""
    top = name[2].lower()
    shouted = name[0].isupper() and top != "net"  # ASP.NET
    if top not in _TOP_LEVEL or not (name[2].islower() or shouted):
        return 0.0  # "end.It", "Node.JS"
    if name[1].replace(".", "").isdigit():
        return 0.0
    certain = top not in _AMBIGUOUS or name[1].count(".") + 1 >= _PARTS or bool(name[4])
    return 0.7 if certain else 0.3


def _trimmed(text: str, start: int, end: int) -> int:
    """Where a URL ends that is followed by punctuation or stands in parentheses."""
    unopened = text.count(")", start, end) - text.count("(", start, end)
    while end > start and (text[end - 1] in _TRAILING or (text[end - 1] == ")" and unopened > 0)):
        unopened -= text[end - 1] == ")"
        end -= 1
    return end
