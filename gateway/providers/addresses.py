"""Addresses: connecting only where a provider may live, judged on the address that is really connected to.

A name is resolved once, every address it has is judged, and the connection goes to the judged address itself: a name
that changes between the check and the connection (RELIABILITY.md section 3, item 32) gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable

import httpcore


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
        try:
            async with asyncio.timeout(timeout):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError(f"{host} does not resolve: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        allowed = [address for address in addresses if self._allow_private or is_public(address)]
        if not allowed:
            raise AddressRefused(f"{host} leads to {', '.join(addresses)}, which is private; allow_private permits it")
        problem: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in allowed:
            try:
                return await super().connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        assert problem is not None
        raise problem


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's, also when an IPv4 one is dressed up as IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None)
    return parsed.is_global and not parsed.is_multicast and (inner is None or inner.is_global)
