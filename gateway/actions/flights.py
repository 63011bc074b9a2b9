"""Adds under way in this process, by wish: a caller who hung up and comes again is told what its first add became.

The books can say so only once the first one's order is marked as unheard (RELIABILITY.md section 1.10, rule 2). Until
then, and it may wait for the writer for seconds, who comes with the same wish waits here. Two callers who both stay
are two orders (rule 4).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.points import point

Wish = tuple[int, str]  # whose, and its fingerprint
Gone = asyncio.Task[None] | None  # done once a caller has closed its connection; None where nobody would say so

# The news that a connection was closed may come a little after the next request of the caller who closed it.
NEWS_SECONDS: Final = 0.05


class _Flight:
    """One add."""

    def __init__(self, gone: Gone) -> None:
        self.gone = gone
        self.over = asyncio.Event()

    @property
    def left(self) -> bool:
        """Whether its caller is known to have left."""
        return self.gone is not None and self.gone.done()


class Flights:
    """All of them."""

    def __init__(self) -> None:
        self._under_way: dict[Wish, list[_Flight]] = {}

    @asynccontextmanager
    async def one(self, wish: Wish, gone: Gone) -> AsyncIterator[None]:
        """Take part, after every earlier add of the same wish whose caller has left."""
        await self._after_those_who_left(wish)
        flight = _Flight(gone)
        self._under_way.setdefault(wish, []).append(flight)
        try:
            yield
        finally:
            self._under_way[wish].remove(flight)
            if not self._under_way[wish]:
                del self._under_way[wish]
            flight.over.set()

    async def _after_those_who_left(self, wish: Wish) -> None:
        others = [each for each in self._under_way.get(wish, ()) if each.gone is not None]
        if others:
            await asyncio.wait([each.gone for each in others if each.gone is not None], timeout=NEWS_SECONDS)
        for each in others:
            if each.left:
                point("before", "JOINING")
                await each.over.wait()
                point("after", "JOINING")
