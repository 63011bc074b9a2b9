"""Addresses: connecting only where a provider may live, judged on the address that is really connected to.

A name is resolved once, every address it has is judged, and the connection goes to the judged address itself: a name
that changes between the check and the connection (RELIABILITY.md section 3, item 32) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

import httpcore

# IPv4 addresses inside IPv6 ones: through a network's translator (RFC 6052), and two ways that lead nowhere but home:
# "IPv4-compatible" (RFC 4291, long out of use) and a translator of one's own (RFC 8215).
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL: Final = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class AddressRefused(httpcore.ConnectError):
    """A provider's name leads to an address that no panel on the internet has."""


class GuardedBackend(httpcore.AnyIOBackend):
    """httpcore's own way to the network, with a look at the address before each connection."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of `host` that may be connected to; raises ConnectError or ConnectTimeout."""
        allowed = await allowed_addresses(host, port, allow_private=self._allow_private, seconds=timeout)
        problem: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in allowed:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        assert problem is not None
        raise problem


async def allowed_addresses(host: str, port: int, *, allow_private: bool, seconds: float | None) -> list[str]:
    """The addresses of a host that may be connected to, at least one; raises ConnectError or ConnectTimeout."""
    try:
        async with asyncio.timeout(seconds):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
    except OSError as error:
        raise httpcore.ConnectError(f"{host} does not resolve: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if allow_private or is_public(address)]
    if not allowed:
        raise AddressRefused(f"{host} leads to {', '.join(addresses)}, which is private; allow_private permits it")
    return allowed


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, also when an IPv4 one is dressed up as IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if not parsed.is_global or parsed.is_multicast:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return True
    inner = parsed.ipv4_mapped or parsed.sixtofour
    if parsed in _NAT64:
        inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
    local = parsed.is_site_local or any(parsed in network for network in _LOCAL)
    return not local and (inner is None or inner.is_global)
