"""Figures for the metrics: orders by state, money in doubt, how far polling is behind."""

from functools import partial

from gateway.core.outcome import NotSent, Unknown
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.figures import Figures, read_figures
from gateway.store.polls import poll_soon
from tests.store.trade import NOW, ORDER, active, bring, planned, sending


async def test_empty_books_have_no_figures(store: Store) -> None:
    """Nothing is counted that is not there."""
    assert await store.read_at_length(read_figures) == Figures(orders={}, unknown=0, in_doubt={}, polls={})


async def test_figures_are_those_of_the_books(store: Store, alpha: User) -> None:
    """Two in doubt for 150 units, one failed, one reserved, two active of which the first was due a second ago."""
    await bring(store, await sending(store, alpha), Unknown("time is up"))
    await bring(store, await sending(store, alpha, ORDER + 1, charge=50), Unknown("time is up"))
    await bring(store, await planned(store, alpha, ORDER + 2), NotSent("away"))
    await planned(store, alpha, ORDER + 3)
    await active(store, alpha, ORDER + 4)
    await active(store, alpha, ORDER + 5)
    await store.run(partial(poll_soon, ORDER + 4, due_at=NOW - 1000))
    assert await store.read_at_length(read_figures) == Figures(
        orders={"unknown": 2, "failed": 1, "reserved": 1, "active": 2},
        unknown=2,
        in_doubt={"USD": 150},
        polls={"panel-a": (2, NOW - 1000)},
    )
