"""Order and refill ids: allotted in blocks, handed out with random gaps, below 2^31.

Panels keep ids in a signed 32-bit column, so they end there. A gap of 1 to 20 between two ids hides our volume from
customers who compare their own (RELIABILITY section 3, item 16). A block that was not used up when the process ended
is lost; ids are never reused.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.core.errors import GatewayError
from gateway.store.engine import Query, Steps, Store

# Ids in a block: some 190 orders, so that one statement in as many orders is spent on ids.
BLOCK: Final = 2000
GAP_MAX: Final = 20
ID_MAX: Final = 2**31 - 1
# The first order of a new gateway does not look like a first order.
FIRST: Final = 100_000


class IdsExhausted(GatewayError):
    """Every id below 2^31 was allotted."""


def reserve(name: str, count: int) -> Steps[int]:
    """Reserve ``count`` numbers of a counter for good; answers the first of them."""
    rows = yield Query("counter_advance", {"name": name, "first": FIRST, "count": count})
    return int(rows[0]["value"]) - count


class IdBlock:
    """Hands out ids one by one; asks the store for a block when the last one is used up."""

    def __init__(self, store: Store, gap: Callable[[], int]) -> None:
        self._store = store
        self._gap = gap  # answers 1 to GAP_MAX, by chance
        self._next = 0
        self._end = 0
        self._lock = asyncio.Lock()

    async def take(self) -> int:
        """The next id; raises IdsExhausted when there is none below 2^31."""
        async with self._lock:
            candidate = self._next + self._gap()
            if candidate >= self._end:
                start = await self._store.run(partial(reserve, "order_ids", BLOCK))
                self._end = start + BLOCK
                candidate = start + self._gap() - 1
            if candidate > ID_MAX:
                raise IdsExhausted("every order id below 2^31 has been allotted")
            self._next = candidate
            return candidate
