"""Races of real processes for the same money: exactly what there is money for, and never a balance below nought."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from gateway.store.engine import Store
from gateway.store.store import open_store
from tests.races.race import race
from tests.races.runner import Share
from tests.sound import broken_invariants
from tests.store.trade import make_user, money_of

PROCESSES = 3


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on each database."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


def shares(url: str, users: dict[str, int], adds: int, *, charge: int, whole: bool = False) -> list[Share]:
    """The adds dealt out to the processes."""
    return [
        Share(
            url=url, name=f"racer-{n}", users=users, first=100_000 + 50_000 * n, charge=charge, whole=whole,
            adds=adds // PROCESSES + (n < adds % PROCESSES),
        )
        for n in range(PROCESSES)
    ]  # fmt: skip


async def test_money_for_ten_buys_ten_of_fifty(books: Store, database_url: str) -> None:
    """Fifty adds of one user at one moment, from three processes."""
    user = await make_user(books, money=1_000)
    told, watched = await race(shares(database_url, {"alpha": user.id}, 50, charge=100))
    assert (sum(one.placed for one in told), sum(one.refused for one in told)) == (10, 40)
    assert await money_of(books) == (0, 1_000)
    assert watched.lowest >= 0
    assert await broken_invariants(database_url) == []


async def test_racing_adds_leave_the_books_exact(books: Store, database_url: str) -> None:
    """Some hundred adds of three users over three processes; `make races` runs ten thousand."""
    users = {name: (await make_user(books, name, money=5_000)).id for name in ("alpha", "beta", "gamma")}
    told, watched = await race(shares(database_url, users, 600, charge=100))
    assert (sum(one.placed for one in told), sum(one.refused for one in told)) == (150, 450)
    for name in users:
        assert await money_of(books, name) == (0, 5_000)
    assert watched.readings > 1
    assert watched.lowest >= 0
    assert await broken_invariants(database_url) == []


async def test_mixed_load_meets_no_deadlock(books: Store, database_url: str) -> None:
    """Orders placed, armed, decided, reported, canceled and credited by three processes, in whatever order."""
    users = {name: (await make_user(books, name, money=20_000)).id for name in ("alpha", "beta", "gamma", "delta")}
    told, watched = await race(shares(database_url, users, 450, charge=100, whole=True))
    assert sum(one.placed for one in told) == 450
    assert watched.lowest >= 0
    assert await broken_invariants(database_url) == []
    if database_url.startswith("postgresql"):
        connection = await asyncpg.connect(database_url)
        own = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        await connection.execute("SELECT pg_stat_force_next_flush()")
        assert await connection.fetchval(own) == 0
        await connection.close()
