"""E-mail and IP addresses."""

import re
from collections.abc import Iterator
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network

from rag.privacy.context import LOWERING, Context, cues
from rag.privacy.entities import EntityKind, Finding

# RFC 5321 allows 64 characters before the @ (machines use more), and RFC 1035 63 a label after it; the bounds
# keep the search linear. Letters may be of any script (RFC 6531). `%40` is the @ of a URL's query, and `\_`
# an underscore of Markdown.
_EMAIL = re.compile(
    r"(?<!\w)(?<!\w[.+'&~-])(\w(?:[\w.+'&~-]|\\[_.+*-]){0,127})(?:@|%40)"
    r"(?:[^\W_](?:[^\W_]|-(?=[\w-])){0,62}\\?\.){1,8}((?:xn--)?[^\W\d_]{2,24})(?!\w)"
)
_EMAIL_APART = re.compile(  # john.smith (at) example (dot) com
    r"(?<![\w.+-])[\w][\w.+-]{0,63} ?[\[({] ?at ?[\])}] ?"
    r"[\w-]{1,63}(?: ?(?:\.|[\[({] ?(?:dot|\.) ?[\])}]) ?[\w-]{1,63}){1,4}(?!\w)",
    re.IGNORECASE,
)
_AT_SIGN_APART = re.compile(r"[\[({] ?at ?[\])}]", re.IGNORECASE)
_FILE_ENDINGS = frozenset("png jpg jpeg gif svg webp ico css js map json html php pdf py zip gz".split())  # noqa: SIM905
_REPOSITORY = re.compile(r":(?!//)[\w~./-]")  # git@github.com:owner/name
_REPOSITORY_USERS = frozenset({"git", "hg", "svn"})

_IPV4 = re.compile(
    r"(?<![\w.])(?<![=<>~^!]=)(?<![~^])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}"
    r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?!\w|\.\w|-[A-Za-z_])(?:/(\d{1,2})(?!\d))?",
    re.ASCII,
)
_GLUED = re.compile(r"[A-Za-z][-_/]")  # Chrome/91.0.4472.12, package-1.2.3.4
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f]{0,4}:[0-9a-f:])"
    r"(?:[0-9a-f]{0,4}:){2,7}(?:[0-9a-f]{1,4}|(?:\d{1,3}\.){3}\d{1,3}|(?<=::))"
    r"(?![\w:]|\.\w)(?:/(\d{1,3})(?!\d))?",
    re.IGNORECASE | re.ASCII,
)
_NOT_A_HOST = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "255.0.0.0/8")))
_IPV6_GROUPS = 8
_SHORT_IPV6 = re.compile(r"[23f](?=[0-9a-f]*\d)[0-9a-f]{3}::[0-9a-f]{1,4}", re.IGNORECASE)  # fe80::1
_IP_CUES = cues(
    strong="ip ips ipv host hosts server address addresses adresse dirección indirizzo adres client ping "
    "dns gateway from subnet login *ipaddr* *whois*",
    weak="machine node router device remote visitor user blocked banned connection connected connect "
    "port traffic proxy firewall session",
    lowering="*version* v ver rev release released releases build update updated upgrade upgraded "
    "firmware driver kernel patch patched section sections chapter clause paragraph figure table oid "
    "appendix annex item step requirement package plugin library sdk runtime edition",
)


def find_emails(text: str) -> Iterator[Finding]:
    """E-mail addresses, also as `name (at) example (dot) com`."""
    if "@" in text or "%40" in text:
        for found in _EMAIL.finditer(text):
            if not _is_something_else(text, found):
                start, end = found.span()
                yield Finding(EntityKind.EMAIL, start, end, 0.99)
    if _AT_SIGN_APART.search(text):
        for found in _EMAIL_APART.finditer(text):
            yield Finding(EntityKind.EMAIL, *found.span(), 0.8)


def _is_something_else(text: str, found: re.Match[str]) -> bool:
    """`logo@2x.png`, or a repository's `git@host:path`."""
    if found[2].lower() in _FILE_ENDINGS:
        return True
    return found[1] in _REPOSITORY_USERS and _REPOSITORY.match(text, found.end()) is not None


def find_ip_addresses(text: str, context: Context) -> Iterator[Finding]:
    """IPv4 and IPv6 addresses of hosts.

    Not of networks (`10.0.0.0/16`: no bit of the host is set), nor what every machine uses for itself:
    loopback, netmasks, link-local IPv4. Version numbers look like IPv4: where the words around don't say
    which, four parts of one digit are a version.
    """
    for found in _IPV4.finditer(text):
        address = text[found.start() : found.end()].partition("/")[0]
        score = _ipv4_score(address, found[1])
        if score:
            score += LOWERING * bool(_GLUED.match(text, found.start() - 2))
            end = found.start() + len(address)
            score += _IP_CUES.weight(context, found.start(), end)
            yield Finding(EntityKind.IP_ADDRESS, found.start(), end, min(score, 0.98))
    for found in _IPV6.finditer(text):
        address = found[0].partition("/")[0]
        if _is_ipv6_host(address, found[1]):
            yield Finding(EntityKind.IP_ADDRESS, found.start(), found.start() + len(address), 0.98)


def _ipv4_score(address: str, prefix: str | None) -> float:
    """0 for what names no single host."""
    host = IPv4Address(address)
    if any(host in network for network in _NOT_A_HOST) or _is_network(address, prefix):
        return 0.0
    one_digit_parts = len(address) == len("1.2.3.4")
    short = len(address) <= len("10.2.3.4")
    return 0.4 if one_digit_parts else 0.6 if short else 0.75


def _is_network(address: str, prefix: str | None) -> bool:
    if prefix is None:
        return False
    try:
        return IPv4Network(f"{address}/{prefix}").num_addresses > 1
    except ValueError:  # bits of the host are set, or no such prefix
        return False


def _is_ipv6_host(address: str, prefix: str | None) -> bool:
    groups = [group for group in address.split(":") if group]
    if not any(map(str.isdigit, address)) or (len(groups) < 3 and not _SHORT_IPV6.match(address)):  # noqa: PLR2004
        return False  # `a::b` is code
    if len(groups) == _IPV6_GROUPS and all(len(group) == 2 for group in groups):  # noqa: PLR2004 - bytes
        return False
    try:
        IPv6Address(address)
        return not prefix or IPv6Network(f"{address}/{prefix}").num_addresses == 1
    except AddressValueError:
        return False
    except ValueError:  # bits of the host are set, or no such prefix
        return True
