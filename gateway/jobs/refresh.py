"""The clock in for the catalogue: each provider's list on its own schedule, all of them once at the start."""

import random
from collections.abc import Callable, Collection, Mapping
from time import monotonic
from typing import Final

from gateway.actions.restock import FRESH_SHARE, Shelves

# Replicas and providers drift apart, so that lists are not all fetched in the same second.
JITTER: Final = 0.1
# A provider whose list could not be had is asked again sooner.
AGAIN_SECONDS: Final = 15.0
# How often the ages of lists are told while nothing is due.
TICK_SECONDS: Final = 10.0


class Schedule:
    """When each provider's list is due next."""

    def __init__(
        self, shelves: Shelves, refresh_seconds: Mapping[str, float], clock: Callable[[], float] = monotonic
    ) -> None:
        self._shelves = shelves
        self._refresh_seconds = refresh_seconds
        self._clock = clock  # seconds
        self._due: dict[str, float] = {}
        self._anew: set[str] = set()

    async def refresh(self, provider: str) -> None:
        """Bring one provider's list up to date if it is due, and tell how old all lists are."""
        now = self._clock()
        if now >= self._due.get(provider, now):
            # Written before the attempt, so that one that breaks is not repeated at once.
            self._due[provider] = now + self._wait(provider, sound=False)
            # A list that is wanted anew is asked for, however young the one is that a replica may have fetched.
            age = 0.0 if provider in self._anew else self._refresh_seconds[provider]
            sound = await self._shelves.restock(provider, refresh_seconds=age)
            if sound:
                self._anew.discard(provider)
            self._due[provider] = self._clock() + self._wait(provider, sound=sound)
        self._shelves.tell_ages()
        await self._shelves.heed_holds()

    def hasten(self, providers: Collection[str]) -> None:
        """Have these providers' lists fetched at the next look."""
        self._anew.update(providers)
        for name in providers:
            self._due.pop(name, None)

    def pause(self, provider: str) -> float:
        """Seconds until something is to be done again."""
        now = self._clock()
        return min(max(self._due.get(provider, now) - now, 0.0), TICK_SECONDS)

    def _wait(self, provider: str, *, sound: bool) -> float:
        """Seconds until a list is due: a refresh time after it was fetched, by whichever replica, or soon again."""
        whole = self._refresh_seconds[provider] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secrecy here
        if not sound:
            return min(whole, AGAIN_SECONDS)
        age = max(self._shelves.age(provider) or 0.0, 0.0)
        return max(whole - age, whole * (1 - FRESH_SHARE))
