"""Races of real processes for the same money: exactly what there is money for, and never a balance below nought."""

import asyncio
import random
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import msgspec
import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.spending import UserLimits
from gateway.store.engine import Store
from gateway.store.polls import apply
from gateway.store.spending import spending_of
from gateway.store.store import open_store
from gateway.store.users import Choices, set_choices
from tests.races.race import race, shares
from tests.sound import broken_invariants
from tests.store.trade import NOW, active, make_user, money_of, order_of


@pytest.fixture
async def books(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on each database."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


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


@pytest.mark.parametrize(
    "limits",
    [
        UserLimits(spend_per_hour=1_050),
        UserLimits(spend_per_day=1_099, spend_per_hour=10**9),
        UserLimits(orders_per_minute=10),
    ],
    ids=["hour", "day", "orders"],
)
async def test_limit_for_ten_lets_ten_of_fifty_through(books: Store, database_url: str, limits: UserLimits) -> None:
    """Fifty adds of one user at one moment, from three processes, with money for all and a limit of ten."""
    user = await make_user(books, money=10_000)
    await books.run(partial(set_choices, "alpha", Choices(limits=limits), actor="test", reason="test", now=NOW))
    fifty = shares(database_url, {"alpha": user.id}, 50, charge=100)
    told, _ = await race([msgspec.structs.replace(each, limited=True) for each in fifty])
    assert (sum(one.placed for one in told), sum(one.refused for one in told)) == (10, 40)
    assert await money_of(books) == (9_000, 1_000)
    counted = await books.read(partial(spending_of, user.id, now=NOW))
    assert (counted.orders, counted.hour_spent, counted.day_spent) == (10, 1_000, 1_000)
    assert await broken_invariants(database_url) == []


async def test_racing_reports_refund_exactly_the_most(books: Store, database_url: str) -> None:
    """Twenty-eight reports at once, by two writers, that 0 to 6 of 10 are missing: 6 of 10 are paid back, once."""
    user = await make_user(books, money=1_000)
    due = await active(books, user)
    rival = open_store(database_url)
    await rival.open()
    reports = [StatusReply(status=StatusWord.PARTIAL, remains=n % 7) for n in range(28)]
    random.Random(7).shuffle(reports)  # noqa: S311 - a walk, not a secret
    await asyncio.gather(
        *(
            (books, rival)[n % 2].run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))
            for n, said in enumerate(reports)
        )
    )
    await rival.close()
    order = (await order_of(books)).order
    # Nothing missing is told as Completed; whichever word came first stays.
    assert (order.refunded, order.state in {OrderState.PARTIAL, OrderState.COMPLETED}) == (60, True)
    assert await money_of(books) == (1_000 - 100 + 60, 0)
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
