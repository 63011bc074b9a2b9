"""Balance readings: kept when they change, and the equation between two of them."""

from decimal import Decimal
from functools import partial

from gateway.core.outcome import Accepted
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.readings import equation, keep_reading
from tests.store.trade import NOW, ORDER, ask, bring, sending


async def test_reading_is_kept_when_it_differs_from_the_last(store: Store, database_url: str) -> None:
    """A balance that stands still is one row."""
    for at, balance in enumerate(("10", "10", "9.5", "10")):
        await store.run(partial(keep_reading, "panel-a", Decimal(balance), "EUR", now=NOW + at))
    await store.run(partial(keep_reading, "panel-b", Decimal(10), "EUR", now=NOW))
    rows = await ask(database_url, "SELECT provider, balance, read_at FROM balance_readings ORDER BY id")
    assert rows == [
        ("panel-a", "10", NOW), ("panel-a", "9.5", NOW + 2), ("panel-a", "10", NOW + 3), ("panel-b", "10", NOW),
    ]  # fmt: skip


async def test_equation_is_what_known_orders_leave_unexplained(store: Store, alpha: User) -> None:
    """Between the last reading before a moment and the latest, less what our accepted orders cost."""
    await store.run(partial(keep_reading, "panel-a", Decimal(10), "EUR", now=NOW - 1))
    assert await store.read(partial(equation, "panel-a", before=NOW)) is None
    await bring(store, await sending(store, alpha), Accepted("77"), now=NOW)
    await sending(store, alpha, ORDER + 1)
    await store.run(partial(keep_reading, "panel-a", Decimal("8.75"), "EUR", now=NOW + 5))
    found = await store.read(partial(equation, "panel-a", before=NOW))
    assert found is not None
    assert (found.before, found.after, found.known, found.orders) == (Decimal(10), Decimal("8.75"), Decimal("0.5"), 1)
    assert (found.residual, found.currency) == (Decimal("0.75"), "EUR")
    assert await store.read(partial(equation, "panel-b", before=NOW)) is None
    assert await store.read(partial(equation, "panel-a", before=NOW - 1)) is None
    await store.run(partial(keep_reading, "panel-a", Decimal(8), "USD", now=NOW + 6))
    assert await store.read(partial(equation, "panel-a", before=NOW)) is None
