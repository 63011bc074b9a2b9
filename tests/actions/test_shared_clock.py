"""The time of the books: one for all who share them, carried on by a clock that never jumps, jumps told."""

import asyncio

from gateway.actions.shared_clock import ANSWER_SECONDS_MAX, JUMP_MS, SharedClock
from gateway.store.engine import Store
from gateway.store.sqlite import SqliteStore
from gateway.store.store import open_store
from tests.stocked import NOW

NOBODY = SqliteStore.__new__(SqliteStore)  # Whoever is asked here does not look at it.


class Books:
    """A database's clock, and a clock that never jumps, both in the test's hand."""

    def __init__(self) -> None:
        self.ms = NOW
        self.seconds = 100.0
        self.slow = 0.0

    async def told(self, store: Store) -> int:
        """What time it is, after as long as the answer takes."""
        assert store is NOBODY
        self.pass_by(self.slow)
        return self.ms

    def elapsed(self) -> float:
        """Seconds that never jump."""
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        """Time passes, here and there."""
        self.ms += int(seconds * 1000)
        self.seconds += seconds


async def test_wrong_machine_is_right_once_the_books_were_asked() -> None:
    """The machine's clock counts for nothing from then on, and the first answer is no jump."""
    books = Books()
    clock = SharedClock(lambda: NOW + 300_000, books.told, books.elapsed)
    assert clock() == NOW + 300_000
    assert await clock.read(NOBODY) == 0
    assert clock() == NOW
    books.pass_by(7.5)
    assert clock() == NOW + 7_500


async def test_jump_is_followed_and_told_and_drift_is_followed_in_silence() -> None:
    """A day ahead, a day back, and some milliseconds."""
    books = Books()
    clock = SharedClock(None, books.told, books.elapsed)
    await clock.read(NOBODY)
    for jump in (86_400_000, -86_400_000, JUMP_MS, -JUMP_MS):
        books.ms += jump
        assert await clock.read(NOBODY) == jump
        assert clock() == books.ms
    books.ms += 40
    assert await clock.read(NOBODY) == 0
    assert clock() == books.ms


async def test_slow_answer_is_taken_for_the_middle_and_a_very_slow_one_for_none() -> None:
    """An answer says what time it was some moment between asking and hearing."""
    books = Books()
    clock = SharedClock(None, books.told, books.elapsed)
    await clock.read(NOBODY)
    before = clock()
    books.slow = ANSWER_SECONDS_MAX * 2
    books.ms += 50_000
    assert await clock.read(NOBODY) == 0
    assert clock() == before + int(books.slow * 1000)


async def test_books_know_what_time_it_is(database_url: str) -> None:
    """On both databases, in milliseconds since the epoch."""
    store = open_store(database_url)
    await store.open()
    clock, other = SharedClock(lambda: 0), SharedClock(lambda: 2**50)
    await asyncio.gather(clock.read(store), other.read(store))
    assert abs(clock() - other()) < 2_000
    assert abs(clock() - SharedClock()()) < 60_000
    await store.close()
