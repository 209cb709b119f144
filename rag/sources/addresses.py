"""Which network addresses may be called on a user's behalf.

A service that fetches what it is told to can be used to reach what only it can reach: its own machine, the
cloud's metadata, a private network (server-side request forgery, SSRF). So an address is called only if it is
public, or allowed by name. What counts is the address that is connected to: a host's name is resolved once,
all its addresses are looked at, and the connection is made to one of those, so that a name which answers
differently a moment later (DNS rebinding) changes nothing.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from rag.errors import InvalidInputError, UnavailableError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]  # a host's IP addresses

WEB_PORTS = frozenset({80, 443})
_DEFAULT_PORTS = {"http": 80, "https": 443}

# IANA's registries of special-purpose addresses: what is not globally reachable; and multicast.
_REFUSED_IPV4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # a provider's own (carrier-grade NAT); some clouds' metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's platform, public in form only
        "169.254.0.0/16",  # link-local; most clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle Cloud's metadata
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays of 6to4, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")  # all that is given out so far
_REFUSED_IPV6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo tunnels among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # the IPv4 internet, as networks without IPv4 see it
_IPV4_BITS = 0xFFFF_FFFF


def is_public(address: IPAddress) -> bool:
    """Whether anyone on the internet can reach the address. An IPv4 address in an IPv6 one is looked at."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_IPV4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & _IPV4_BITS))
    return address in _PUBLIC_IPV6 and not any(address in network for network in _REFUSED_IPV6)


def system_resolver(host: str, port: int) -> list[str]:
    """The addresses that the operating system knows of a host. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Says which URLs and addresses may be called.

    Attributes:
        allow_private: Addresses and networks (`10.1.0.0/16`) that may be called though they aren't public.
        ports: The only ports that may be called.
        resolve: How a name becomes addresses.

    Raises:
        InvalidInputError: `allow_private` holds something that is neither an address nor a network.
    """

    allow_private: frozenset[str] = frozenset()
    ports: frozenset[int] = WEB_PORTS
    resolve: Resolver = system_resolver

    def __post_init__(self) -> None:
        for network in self.allow_private:
            _network(network)

    def check_url(self, url: httpx.URL) -> None:
        """Make sure that the form of the URL is one that may be called; its host is not looked up yet.

        Raises:
            InvalidInputError: Another scheme than http and https, another port, no host, or a password.
        """
        if url.scheme not in _DEFAULT_PORTS or not url.host:
            raise InvalidInputError("only addresses that begin with http:// or https:// can be read")
        if url.userinfo:
            raise InvalidInputError("an address must not hold a user name or password")
        self._check_port(url.port or _DEFAULT_PORTS[url.scheme])

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of which may be called. Blocks.

        Raises:
            InvalidInputError: One of them, or the port, may not be called.
            UnavailableError: The host can't be found.
        """
        self._check_port(port)
        try:
            found = self.resolve(host, port)
        except OSError as exc:
            raise UnavailableError(f"the host {host} can't be found") from exc
        except UnicodeError as exc:  # a part that is empty or too long
            raise InvalidInputError(f"{host[:80]} is not a host's name") from exc
        if not found:
            raise UnavailableError(f"the host {host} can't be found")
        # One is enough to refuse all: what is inside and outside at once is a trap, or a mistake.
        if not all(self._may_be_called(ipaddress.ip_address(address)) for address in found):
            raise InvalidInputError(f"{host} leads into a private network, which is not allowed")
        return list(found)

    def _check_port(self, port: int) -> None:
        if port not in self.ports:
            raise InvalidInputError(f"port {port} may not be called")

    def _may_be_called(self, address: IPAddress) -> bool:
        if isinstance(address, ipaddress.IPv6Address):
            address = address.ipv4_mapped or address
        return is_public(address) or any(address in _network(network) for network in self.allow_private)


def _network(text: str) -> IPNetwork:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise InvalidInputError(f"{text!r} is neither an IP address nor a network") from exc
