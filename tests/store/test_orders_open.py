"""The same wish at another process while an order of it is open: not stored until it is known who heard what."""

from functools import partial
from typing import Any, cast

import pytest

from gateway.core.outcome import NotSent
from gateway.core.user import User
from gateway.store.engine import Steps, Store
from gateway.store.orders import OPEN_MS, Placed, StillOpen, answered, place
from gateway.store.owners import beat
from tests.store.trade import ME, NOW, ORDER, RIVAL, bring, make_new_order, make_user, money_of, planned

SAME = "the same wish"


@pytest.fixture(autouse=True)
async def living(store: Store) -> None:
    """Both processes live."""
    for owner in (ME, RIVAL):
        await store.run(partial(beat, owner, now=NOW))


async def come(store: Store, user: User, number: int = ORDER + 1, *, now: int = NOW + 1, **changes: Any) -> Placed:
    """The same wish at the other process."""
    new = make_new_order(user.id, number, **{"fingerprint": SAME, "owner": RIVAL, **changes})
    return await store.run(partial(place, new, now=now, rivals_since=now - OPEN_MS))


async def test_open_order_has_the_same_wish_wait_elsewhere(store: Store, alpha: User) -> None:
    """Nothing of it is kept; heard, it is a second order; not before."""
    await planned(store, alpha, fingerprint=SAME)
    for _ in range(2):
        with pytest.raises(StillOpen):
            await come(store, alpha)
    assert await money_of(store) == (900, 100)
    await store.run(partial(answered, ORDER, alpha.id, heard=True, now=NOW))
    assert (await come(store, alpha)).order_id == ORDER + 1
    assert await money_of(store) == (800, 200)


async def test_open_order_that_nobody_heard_of_is_given_again(store: Store, alpha: User) -> None:
    """Its caller had left. Whoever gives it again has it open in turn."""
    await planned(store, alpha, fingerprint=SAME)
    with pytest.raises(StillOpen):
        await come(store, alpha)
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    assert await come(store, alpha) == Placed(order_id=ORDER, attempt=None)
    with pytest.raises(StillOpen):
        await come(store, alpha, ORDER + 2, owner=ME)
    assert await money_of(store) == (900, 100)


async def test_open_order_of_a_dead_process_is_given_again_once_it_is_known_dead(store: Store, alpha: User) -> None:
    """And waited for until then."""
    await planned(store, alpha, fingerprint=SAME)
    with pytest.raises(StillOpen):
        await come(store, alpha, now=NOW + 29_000)
    assert (await come(store, alpha, now=NOW + 31_000)).order_id == ORDER


@pytest.mark.parametrize(
    "changes",
    [{"owner": ME}, {"fingerprint": "another"}, {"idem_key": "k"}, {"now": NOW + OPEN_MS + 1}],
    ids=["own", "other wish", "key", "long ago"],
)
async def test_open_order_is_in_nobody_elses_way(store: Store, alpha: User, changes: dict[str, Any]) -> None:
    """Its own process knows who is connected; a key says what is the same; after a while an answer was heard."""
    await planned(store, alpha, fingerprint=SAME)
    await store.run(partial(beat, ME, now=changes.get("now", NOW)))
    assert (await come(store, alpha, **changes)).order_id == ORDER + 1


async def test_mark_that_comes_between_the_look_and_the_storing_is_not_overlooked(
    store: Store, rival: Store, alpha: User
) -> None:
    """The order is unheard only after nothing unheard was found: the add is refused, and finds it when run again."""
    await planned(store, alpha, fingerprint=SAME)
    new = make_new_order(alpha.id, ORDER + 1, fingerprint=SAME, owner=RIVAL)
    await rival.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))

    def late() -> Steps[Placed]:
        command = place(new, now=NOW + 1, rivals_since=NOW - OPEN_MS)
        asked = next(command)
        assert asked.name == "order_unheard"
        query = command.send([])  # as it was before the mark
        while True:
            rows = yield query
            try:
                query = command.send(rows)
            except StopIteration as end:
                return cast("Placed", end.value)

    with pytest.raises(StillOpen):
        await store.run(late)
    assert (await come(store, alpha)).order_id == ORDER


async def test_failed_order_is_in_nobodys_way(store: Store, alpha: User) -> None:
    """Nothing was charged for it."""
    await bring(store, await planned(store, alpha, fingerprint=SAME), NotSent("away"))
    assert (await come(store, alpha)).order_id == ORDER + 1


async def test_open_order_of_another_user_is_nothing(store: Store, alpha: User) -> None:
    """Two users, one wish: two orders."""
    beta = await make_user(store, "beta")
    await planned(store, alpha, fingerprint=SAME)
    assert (await come(store, beta)).order_id == ORDER + 1
