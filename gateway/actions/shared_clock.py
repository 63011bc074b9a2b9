"""The time of the books: told by their database, carried on by a clock of this process that never jumps.

All replicas on one database have one time by it, however wrong their machines' clocks are (RELIABILITY.md section
1.13). Should the database's own clock be set, everybody follows; for a while nobody is then thought dead, and nothing
that is being sent is given up, because what was written before is dated by the time as it was.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.store.engine import Store
from gateway.store.owners import books_time

# Less than this is a slow answer, or a clock that is being brought into step.
JUMP_MS: Final = 10_000
# An answer that took longer says too little about what time it is.
ANSWER_SECONDS_MAX: Final = 1.0


async def ask_books(store: Store) -> int:
    """What time it is by the database's clock, ms since the epoch."""
    return await store.read(books_time)


class SharedClock:
    """Milliseconds since the epoch, the same in every process on the same books."""

    def __init__(
        self,
        wall: Callable[[], int] | None = None,
        told: Callable[[Store], Awaitable[int]] = ask_books,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._told = told
        self._elapsed = elapsed  # seconds of a clock that never jumps
        self._at = elapsed()
        # Until the books are asked for the first time, the machine's.
        self._base = time.time_ns() // 1_000_000 if wall is None else wall()
        self._asked = False

    def __call__(self) -> int:
        """What time it is."""
        return self._base + int((self._elapsed() - self._at) * 1000)

    async def read(self, store: Store) -> int:
        """Ask the books; answers by how much their clock has jumped, in ms, or 0. Raises StoreError."""
        began = self._elapsed()
        told = await self._told(store)
        heard = self._elapsed()
        if heard - began > ANSWER_SECONDS_MAX and self._asked:
            return 0
        # It was that time some moment between asking and hearing.
        told += int((heard - began) * 500)
        jump = told - (self._base + int((heard - self._at) * 1000))
        self._base, self._at = told, heard
        first, self._asked = not self._asked, True
        return 0 if first or abs(jump) < JUMP_MS else jump
