"""What this process has lately learnt about providers: who is held back and which services are off.

Kept in memory only: it saves work and spares a panel, nothing is lost when it is forgotten.
"""

from collections.abc import Mapping
from typing import Final

from gateway.core.rejections import RejectKind
from gateway.core.routing import Condition

# How long a provider gets no new orders after it refused one for a reason that the next order would meet too, in
# milliseconds.
HOLD_MS: Final = {
    RejectKind.CREDENTIALS: 10 * 60_000,  # an operator has to mend it; asked again from time to time
    RejectKind.FUNDS: 5 * 60_000,  # until its balance rises, which the balance job reports sooner
    RejectKind.THROTTLED: 10_000,  # when it does not say for how long (core/retry_after.py)
    RejectKind.REQUEST: 10 * 60_000,  # a configuration error
}
# How long a service is left alone after its panel said that it does not have it; a fresh list says it again.
SERVICE_OFF_MS: Final = 10 * 60_000


class Conditions:
    """Holds by provider, each with the time it ends."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[RejectKind, int]] = {}
        self._off: dict[str, dict[str, int]] = {}
        self._braked: Mapping[str, str] = {}
        self._foreign: dict[str, str] = {}  # by provider: the currency it says that its money is in

    def of(self, provider: str, now: int) -> Condition:
        """What stands in the way of a provider at ``now`` (ms)."""
        held = self._held.get(provider)
        why = self._braked.get(provider)
        if why is None and held is not None and held[1] > now:
            why = held[0].value
        foreign = self._foreign.get(provider)
        if foreign is not None:
            why = f"it counts in {foreign}"
        off = frozenset(service for service, until in self._off.get(provider, {}).items() if until > now)
        return Condition(held=why, services_off=off)

    def brake(self, braked: Mapping[str, str]) -> Mapping[str, str]:
        """Know of all brakes there are now, by provider and why; answers those that were known before."""
        before, self._braked = self._braked, braked
        return before

    def refused(self, provider: str, service: str, kind: RejectKind, *, now: int) -> None:
        """A provider refused an order; hold it, or switch the service off, where the next order would meet the same."""
        if kind is RejectKind.SERVICE:
            self._off.setdefault(provider, {})[service] = now + SERVICE_OFF_MS
        elif kind in HOLD_MS:
            self._held[provider] = (kind, now + HOLD_MS[kind])

    def asked_to_rest(self, provider: str, ms: int, *, now: int) -> None:
        """A provider said itself how long it wants no orders; what it was held for otherwise still stands."""
        held = self._held.get(provider)
        if held is None or held[0] is RejectKind.THROTTLED or held[1] < now + ms:
            self._held[provider] = (RejectKind.THROTTLED, now + ms)

    def held_until(self, provider: str) -> int:
        """When the last hold of a provider ends or ended, in ms; 0 when there was none."""
        return self._held.get(provider, (None, 0))[1]

    def counts_in(self, provider: str, currency: str, *, ours: bool) -> bool:
        """A provider named its currency: in another than its prices are read in it gets no orders, until it is right.

        Answers whether that is news.
        """
        before = self._foreign.pop(provider, None)
        if not ours:
            self._foreign[provider] = currency
        return self._foreign.get(provider) != before

    def funded(self, provider: str) -> None:
        """The provider's balance has risen: orders may go there again."""
        held = self._held.get(provider)
        if held is not None and held[0] is RejectKind.FUNDS:
            del self._held[provider]

    def listed(self, provider: str) -> None:
        """A fresh list of the provider is in use: it says itself which services there are."""
        self._off.pop(provider, None)

    def released(self, provider: str) -> None:
        """The provider answered our key: an earlier refusal of it no longer stands."""
        held = self._held.get(provider)
        if held is not None and held[0] is RejectKind.CREDENTIALS:
            del self._held[provider]
