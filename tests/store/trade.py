"""A small trade for the store's tests: users with money, orders in each state of life, the books in raw SQL."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from typing import Any, Final

import asyncpg

from gateway.core.attempt import Attempt
from gateway.core.order import Order
from gateway.core.outcome import Accepted, NotPlaced, Outcome
from gateway.core.routing import PlannedRoute
from gateway.core.user import User
from gateway.store.attempts import Decided, Verdict, arm, decide, read_attempts
from gateway.store.engine import Store
from gateway.store.life import Locked, lock_order
from gateway.store.orders import NewOrder, Placed, place
from gateway.store.polls import Due, claim
from gateway.store.users import Choices, create_user, credit_user, list_users

NOW: Final = 1_700_000_000_000
ME: Final = "process-a"
RIVAL: Final = "process-b"
ORDER: Final = 100_001


def make_planned(provider: str = "panel-a", service: str = "101", *, cost: str = "0.5") -> PlannedRoute:
    """One route of a stored order, in the provider's currency."""
    return PlannedRoute(
        provider=provider, service=service, cost=Decimal(cost), currency="EUR", exchange_rate=Decimal("1.1")
    )


def make_new_order(
    user_id: int, number: int = ORDER, *, charge: int = 100, quantity: int = 10, **changes: object
) -> NewOrder:
    """Ten of something for 100 units, over one route."""
    values: dict[str, object] = {
        "order": Order(id=number, user_id=user_id, currency="USD", charge=charge, quantity=quantity),
        "fingerprint": f"f{number}", "idem_key": None, "duplicate_window": 0, "service_id": 1, "type": "Default",
        "fields": (("link", "https://example.com/a"), ("quantity", "10")), "rate": 10_000, "rule": "default",
        "routes": (make_planned(),), "passed": "", "can_refill": True, "can_cancel": True, "owner": ME, **changes,
    }  # fmt: skip
    return NewOrder(**values)  # type: ignore[arg-type] # the fields by name


async def make_user(store: Store, name: str = "alpha", *, money: int = 1_000) -> User:
    """A user with so many units to spend."""
    user = await store.run(partial(create_user, name, "USD", Choices(), actor="test", now=NOW))
    if money:
        await store.run(partial(credit_user, name, money, reference=f"first-{name}", actor="test", now=NOW))
    return user


async def put(store: Store, new: NewOrder, *, now: int = NOW) -> Placed:
    """Place an order."""
    return await store.run(partial(place, new, now=now))


async def planned(store: Store, user: User, number: int = ORDER, **changes: object) -> Attempt:
    """The first attempt of a new order, not sent."""
    placed = await put(store, make_new_order(user.id, number, **changes))  # type: ignore[arg-type] # by name
    assert placed.attempt is not None
    return placed.attempt


async def sending(store: Store, user: User, number: int = ORDER, **changes: object) -> Attempt:
    """The first attempt of a new order, armed."""
    attempt = await planned(store, user, number, **changes)
    assert await store.run(partial(arm, attempt, now=NOW))
    return (await attempts_of(store, number))[0]


async def bring(
    store: Store,
    attempt: Attempt,
    outcome: Outcome | NotPlaced,
    *,
    go_on: bool = False,
    owner: str = ME,
    now: int = NOW,
) -> Decided:
    """Bring the store an attempt's outcome."""
    verdict = Verdict(outcome=outcome, go_on=go_on, failure="Not available", owner=owner, poll_at=now)
    return await store.run(partial(decide, attempt, verdict, now=now))


async def active(store: Store, user: User, number: int = ORDER, **changes: object) -> Due:
    """An order that panel-a has, as the poll that asks about it claims it."""
    attempt = await sending(store, user, number, **changes)
    await bring(store, attempt, Accepted(f"up-{number}"))
    due = await store.run(partial(claim, "panel-a", ME, limit=1000, now=NOW))
    return next(one for one in due if one.order_id == number)


async def order_of(store: Store, number: int = ORDER) -> Locked:
    """An order as it stands in the books."""
    locked = await store.run(partial(lock_order, number))
    assert locked is not None
    return locked


async def attempts_of(store: Store, number: int = ORDER) -> tuple[Attempt, ...]:
    """Its attempts, first to last."""
    return await store.read(partial(read_attempts, number))


async def money_of(store: Store, name: str = "alpha") -> tuple[int, int]:
    """What a user may spend and what is held, in units."""
    (listed,) = await store.read(partial(list_users, name))
    return listed.avail, listed.held


async def ask(database_url: str, text: str) -> list[tuple[Any, ...]]:
    """The rows of a statement on a connection of the test's own, committed at once."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)) as books:
            return [tuple(row) for row in books.execute(text).fetchall()]
    connection = await asyncpg.connect(database_url)
    try:
        return [tuple(row.values()) for row in await connection.fetch(text)]
    finally:
        await connection.close()


async def told(database_url: str, number: int = ORDER) -> Sequence[str]:
    """The kinds of the events of an order, in the order they happened."""
    rows = await ask(database_url, "SELECT kind, order_id FROM events ORDER BY id")
    return [kind for kind, order_id in rows if order_id == number]
