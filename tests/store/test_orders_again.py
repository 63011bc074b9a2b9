"""Commands on orders run again after a COMMIT nobody heard of: they answer what their first run did, and do no more."""

from functools import partial
from typing import TypeVar

import pytest

from gateway import points
from gateway.core.order import OrderState
from gateway.core.user import User
from gateway.store.engine import Command, Store
from gateway.store.orders import CancelTask, Wish, answered, ask_cancel, earlier_order, place
from gateway.store.owners import beat
from tests.machine.cut import COMMITTED, Cut
from tests.store.trade import ME, NOW, ORDER, active, ask, make_new_order, money_of, order_of, planned, put

T = TypeVar("T")
SAME = "the-same-wish"


@pytest.fixture(autouse=True)
async def _alive(store: Store) -> None:
    """The process lives."""
    await store.run(partial(beat, ME, now=NOW))


async def unheard(store: Store, command: Command[T]) -> T:
    """What a command answers whose commit is kept and not heard of, so that the store runs it again."""
    before = store.counts.reopened
    points.hook = Cut(store, COMMITTED, seen=True)
    try:
        answer = await store.run(command)
    finally:
        points.hook = None
    assert store.counts.reopened == before + 1
    return answer


async def test_new_order_is_stored_once(store: Store, alpha: User, database_url: str) -> None:
    """With a key and without: one order, one hold."""
    for number, key in ((ORDER, None), (ORDER + 1, "k1")):
        placed = await unheard(store, partial(place, make_new_order(alpha.id, number, idem_key=key), now=NOW))
        assert placed.order_id == number
        assert placed.attempt is not None
    assert await money_of(store) == (800, 200)
    assert len(await ask(database_url, "SELECT id FROM orders")) == 2


async def test_order_given_again_is_given_again(store: Store, alpha: User, database_url: str) -> None:
    """The retry of an unheard add gets that order, not a second one, however often its command runs."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    again = await unheard(store, partial(place, make_new_order(alpha.id, ORDER + 1, fingerprint=SAME), now=NOW))
    assert (again.order_id, again.attempt) == (ORDER, None)
    assert await ask(database_url, "SELECT id, replays FROM orders") == [(ORDER, 1)]
    assert await money_of(store) == (900, 100)


async def test_order_given_again_without_a_sale_is_given_again(store: Store, alpha: User) -> None:
    """The same where nothing can be sold just now and only the earlier order is looked for."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    wish = Wish(user_id=alpha.id, fingerprint=SAME, idem_key=None, duplicate_window=0, owner=ME, own=ORDER + 1)
    assert await unheard(store, partial(earlier_order, wish, now=NOW)) == ORDER


async def test_own_order_comes_before_an_older_unheard_one(store: Store, alpha: User, database_url: str) -> None:
    """Between the two runs of an add an older twin turned out unheard: the second run still answers its own."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    mine = partial(place, make_new_order(alpha.id, ORDER + 1, fingerprint=SAME), now=NOW)
    assert (await store.run(mine)).order_id == ORDER + 1
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    assert (await store.run(mine)).order_id == ORDER + 1
    assert len(await ask(database_url, "SELECT id FROM orders")) == 2


async def test_cancel_before_sending_is_told_as_done(store: Store, alpha: User) -> None:
    """The charge is back once, and the user hears that it was canceled."""
    await planned(store, alpha)
    task = await unheard(store, partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert task == CancelTask(eligible=True)
    assert (await order_of(store)).order.state is OrderState.FAILED
    assert await money_of(store) == (1_000, 0)
    assert not (await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1))).eligible


async def test_cancel_of_an_order_at_work_still_tells_the_panel(store: Store, alpha: User) -> None:
    """The second run names the panel as the first did; a later cancel is refused."""
    await active(store, alpha)
    task = await unheard(store, partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert task == CancelTask(eligible=True, provider="panel-a", upstream_order=f"up-{ORDER}")
    assert not (await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1))).eligible
