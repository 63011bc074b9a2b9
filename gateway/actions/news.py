"""News: what happened at a moment and people should hear of, from where it is noticed to the job that tells it.

It is noticed while a list is judged and a catalogue is put on sale, where nobody may wait for a channel.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.catalogue import Route
from gateway.core.notice import NAMED_MAX, Facts, Kind
from gateway.core.provider import PRICE_JUMP, Rise

# News nobody took yet; the oldest goes first. A provider's list brings two at most, and the job comes every few
# seconds.
NEWS_MAX: Final = 200
_PER_CENT: Final = 100


class New(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of it."""

    kind: Kind
    subject: str  # the provider
    facts: Facts


class News:
    """What has not been taken yet."""

    def __init__(self) -> None:
        self._waiting: deque[New] = deque(maxlen=NEWS_MAX)

    def prices_jumped(self, provider: str, rises: Sequence[Rise]) -> None:
        """Rates of a provider's new list are far above those of the last one."""
        if rises:
            named = tuple(f"{rise.key} {rise.before:f} → {rise.after:f}" for rise in _worst_first(rises)[:NAMED_MAX])
            facts = Facts(count=len(rises), limit=Decimal(PRICE_JUMP * _PER_CENT).normalize(), named=named)
            self._waiting.append(New(kind=Kind.PRICE_JUMP, subject=provider, facts=facts))

    def routes_lost(self, lost: Sequence[tuple[int, Route]]) -> None:
        """Routes that were taken before would sell below cost and margin now; with the ids of our services."""
        by_provider: defaultdict[str, list[str]] = defaultdict(list)
        for service, route in lost:
            by_provider[route.provider].append(f"service {service} by {route.provider}/{route.service}")
        for provider, named in by_provider.items():
            facts = Facts(count=len(named), named=tuple(named[:NAMED_MAX]))
            self._waiting.append(New(kind=Kind.ROUTE_LOST, subject=provider, facts=facts))

    def take(self) -> tuple[New, ...]:
        """All of it, which then is nobody else's."""
        taken = tuple(self._waiting)
        self._waiting.clear()
        return taken


def _worst_first(rises: Sequence[Rise]) -> list[Rise]:
    """By how many times as dear; what was free before has no such number and comes first."""
    return sorted(rises, key=lambda rise: (rise.before != 0, -rise.after / (rise.before or 1), rise.key))
