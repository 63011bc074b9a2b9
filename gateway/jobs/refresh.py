"""The clock in for the catalogue: each provider's list on its own schedule, all of them once at the start."""

import random
from collections.abc import Mapping
from typing import Final

from gateway.actions.restock import Shelves

# Replicas and providers drift apart, so that lists are not all fetched in the same second.
JITTER: Final = 0.1
# A provider whose list could not be had is asked again sooner.
AGAIN_SECONDS: Final = 15.0


class Schedule:
    """When each provider's list is due next."""

    def __init__(self, shelves: Shelves, refresh_seconds: Mapping[str, float]) -> None:
        self._shelves = shelves
        self._refresh_seconds = refresh_seconds
        self._sound: dict[str, bool] = {}

    async def refresh(self, provider: str) -> None:
        """Bring one provider's list up to date."""
        self._sound[provider] = await self._shelves.restock(provider, refresh_seconds=self._refresh_seconds[provider])
        self._shelves.tell_ages()

    def pause(self, provider: str) -> float:
        """Seconds until it is due again."""
        seconds = self._refresh_seconds[provider]
        if not self._sound.get(provider, False):
            seconds = min(seconds, AGAIN_SECONDS)
        return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - jitter wants no secrecy
