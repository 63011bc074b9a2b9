"""Who calls, by address, and when it is turned away: one that comes with wrong keys again and again."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, TypeAlias

from litestar.types import Scope

from gateway.cache.cache import Cache
from gateway.core.gcra import Limit

Network: TypeAlias = IPv4Network | IPv6Network
MINUTE_MS: Final = 60_000
# Addresses that are turned away, remembered here so that turning them away asks nobody.
TURNED_AWAY_MAX: Final = 50_000
# One customer of a provider has a whole network of this length in IPv6.
_V6_PREFIX: Final = 64
# Of the addresses in X-Forwarded-For so many are looked at, from the end.
_HOPS_MAX: Final = 16


class Callers:
    """Counts the wrong keys of each address."""

    def __init__(
        self, cache: Cache, clock: Callable[[], int], *, wrong_keys_per_minute: int, trusted: Sequence[Network]
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._limit = Limit(wrong_keys_per_minute, MINUTE_MS) if wrong_keys_per_minute else None
        self._trusted = trusted
        self._until: OrderedDict[str, int] = OrderedDict()

    def address(self, scope: Scope) -> str:
        """Whose call this is: the peer, or behind proxies of ours the nearest address that is none of them."""
        client = scope.get("client")
        peer = client[0] if client else ""
        if not self._is_trusted(peer):
            return _group(peer)
        for hop in _forwarded(scope["headers"]):
            if not self._is_trusted(hop):
                return _group(hop)
        return _group(peer)

    def seconds_away(self, address: str) -> int:
        """How many seconds an address is turned away from now on; 0 for one that is welcome."""
        until = self._until.get(address)
        if until is None:
            return 0
        left = until - self._clock()
        if left <= 0:
            del self._until[address]
            return 0
        return math.ceil(left / 1000)

    async def wrong_key(self, address: str) -> int:
        """Count a wrong key; answers as `seconds_away`."""
        if self._limit is None:
            return 0
        now = self._clock()
        wait = await self._cache.take(f"wrong-key:{address}", self._limit, now=now)
        if wait:
            self._until[address] = now + wait
            self._until.move_to_end(address)
            if len(self._until) > TURNED_AWAY_MAX:
                self._until.popitem(last=False)
        return math.ceil(wait / 1000)

    def _is_trusted(self, text: str) -> bool:
        try:
            found = ip_address(text)
        except ValueError:
            return False
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._trusted)


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """The addresses proxies have noted, the nearest first."""
    noted = b",".join(value for name, value in headers if name.lower() == b"x-forwarded-for")
    return [hop.strip().decode("latin-1") for hop in noted.split(b",")[-_HOPS_MAX:]][::-1]


def _group(text: str) -> str:
    """The address that is counted; what is none is one of its own, so that nobody gets away by writing nonsense."""
    try:
        found = ip_address(text)
    except ValueError:
        return "?"
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(IPv6Network((found, _V6_PREFIX), strict=False))
    return str(found)
