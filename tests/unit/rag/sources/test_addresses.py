import ipaddress
import socket

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rag.errors import InvalidInputError, UnavailableError
from rag.sources.addresses import AddressGuard, IPAddress, is_public

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450:4001::200e"]
NOT_PUBLIC = [
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "100.100.100.200",  # Alibaba's metadata
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",  # Azure's platform
    "169.254.169.254",  # most clouds' metadata
    "169.254.170.2",  # credentials of an ECS task
    "172.16.0.1",
    "192.0.0.192",  # Oracle's metadata
    "192.168.1.1",
    "198.18.0.1",
    "203.0.113.7",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",  # IPv4-compatible
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "fc00::1",
    "fd00:ec2::254",  # AWS's metadata
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


def guard(*addresses: str, allow: tuple[str, ...] = ()) -> AddressGuard:
    """A guard for whom every host has these addresses."""
    return AddressGuard(allow_private=frozenset(allow), resolve=lambda host, port: addresses)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_called(address: str) -> None:
    assert guard(address).addresses("docs.example", 443) == [address]


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_may_be_called(address: str) -> None:
    with pytest.raises(InvalidInputError, match=r"docs\.example leads into a private network"):
        guard(address).addresses("docs.example", 443)


@given(st.ip_addresses())
def test_nothing_is_public_that_python_knows_to_be_special(address: IPAddress) -> None:
    address = getattr(address, "ipv4_mapped", None) or address
    assume(address not in ipaddress.ip_network("64:ff9b::/96"))  # reserved, and a way to what is public
    special = (
        address.is_private
        or address.is_multicast
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_reserved
    )
    assert not (is_public(address) and special)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_judged_alike_inside_an_ipv6_one(address: ipaddress.IPv4Address) -> None:
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    behind_nat = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))
    assert is_public(mapped) == is_public(behind_nat) == is_public(address)
    assert not is_public(ipaddress.IPv6Address((0x2002 << 112) + (int(address) << 80)))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "localhost", "::1", "::ffff:7f00:1"],
)
def test_no_way_of_writing_this_machine_is_missed(host: str) -> None:
    with pytest.raises(InvalidInputError, match="private network"):
        AddressGuard().addresses(host, 80)


def test_one_private_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(InvalidInputError, match="private network"):
        guard("8.8.8.8", "10.0.0.1").addresses("docs.example", 443)


def test_a_private_network_may_be_called_if_it_is_allowed() -> None:
    own = guard("10.1.2.3", allow=("10.1.0.0/16", "fd00::1"))
    assert own.addresses("wiki.example", 443) == ["10.1.2.3"]
    assert guard("::ffff:10.1.2.3", allow=("10.1.0.0/16",)).addresses("wiki.example", 443)
    with pytest.raises(InvalidInputError):
        guard("10.2.0.1", allow=("10.1.0.0/16", "fd00::1")).addresses("wiki.example", 443)


def test_what_is_allowed_has_to_be_an_address_or_a_network() -> None:
    with pytest.raises(InvalidInputError, match="'wiki' is neither"):
        AddressGuard(allow_private=frozenset({"wiki"}))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://docs.example/a", "http"),
        ("file:///etc/passwd", "http"),
        ("gopher://docs.example:80/", "http"),
        ("https:///a", "http"),
        ("https://user@docs.example/", "user name or password"),
        ("https://user:secret@docs.example/", "user name or password"),
        ("https://docs.example:22/", "port 22"),
        ("http://docs.example:8080/", "port 8080"),
    ],
)
def test_only_plain_web_addresses_may_be_called(url: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        AddressGuard().check_url(httpx.URL(url))


@pytest.mark.parametrize(
    "url", ["http://docs.example/", "https://docs.example:443/", "http://docs.example:443"]
)
def test_the_ports_of_the_web_may_be_called(url: str) -> None:
    AddressGuard().check_url(httpx.URL(url))


def test_another_port_may_be_called_if_it_is_allowed() -> None:
    other = AddressGuard(ports=frozenset({8443}), resolve=lambda host, port: ["8.8.8.8"])
    other.check_url(httpx.URL("https://docs.example:8443/"))
    assert other.addresses("docs.example", 8443) == ["8.8.8.8"]
    with pytest.raises(InvalidInputError, match="port 443"):
        other.addresses("docs.example", 443)


def test_a_host_that_is_not_known_is_said_to_be_missing() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(UnavailableError, match=r"nowhere\.example can't be found"):
        AddressGuard(resolve=resolve).addresses("nowhere.example", 443)
    with pytest.raises(UnavailableError, match="can't be found"):
        guard().addresses("nowhere.example", 443)
    with pytest.raises(InvalidInputError, match="not a host"):
        AddressGuard().addresses("a" * 70 + ".example", 443)
