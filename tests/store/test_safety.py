"""Safe mode in the books: begun once, numbers skipped once, planned attempts doubted, ended with what was found."""

from functools import partial

import pytest

from gateway.core.attempt import AttemptState
from gateway.core.order import OrderState
from gateway.store.engine import Query, Steps, Store
from gateway.store.ids import reserve
from gateway.store.safety import (
    FOR_EVER,
    SKIPPED_LEAST,
    NotSafe,
    Safety,
    begin,
    doubt_planned,
    end,
    figures,
    recognise,
    safety,
)
from tests.store.trade import ME, NOW, ORDER, attempts_of, make_user, money_of, order_of, planned

LATER = NOW + 1000


def recognised() -> partial[Steps[Safety]]:
    """What a start does."""
    return partial(recognise, actor=ME, now=LATER)


async def test_new_books_are_traded_on(store: Store) -> None:
    """A first start adopts the database it finds; the second sees the same one."""
    for _ in range(2):
        found = await store.run(recognised())
        assert found == await store.read(safety)
        assert not found.on
    with pytest.raises(NotSafe):
        await store.run(partial(end, actor=ME, reason="why", found="{}", now=LATER))


async def test_tables_made_anew_are_recognised(store: Store) -> None:
    """An identity that is not the kept one: the books were read in from a dump, or moved."""
    await store.run(recognised())

    def moved() -> Steps[None]:
        yield Query("safety_identify", {"identity": "another database"})

    await store.run(moved)
    await store.run(recognised())
    found = await store.read(safety)
    assert found.on
    assert "a dump was read in" in found.reason
    assert found.by_hand_until == FOR_EVER
    await store.run(partial(end, actor=ME, reason="why", found="{}", now=LATER))
    await store.run(recognised())
    assert not (await store.read(safety)).on


async def test_safe_mode_begins_and_ends_once(store: Store) -> None:
    """Until when the books know is the time of their last event; doubt from before its end stays a person's."""
    await make_user(store)
    assert await store.run(partial(begin, "why", actor=ME, now=LATER))
    assert not await store.run(partial(begin, "again", actor=ME, now=LATER + 1))
    found = await store.read(safety)
    assert (found.on, found.reason, found.known_until) == (True, "why", NOW)
    await store.run(partial(end, actor=ME, reason="done", found="{}", now=LATER + 2))
    found = await store.read(safety)
    assert (found.on, found.by_hand_until) == (False, LATER + 2)
    assert await store.run(partial(begin, "once more", actor=ME, now=LATER + 3))
    assert (await store.read(safety)).on


async def test_numbers_that_may_have_been_given_out_are_skipped_once(store: Store) -> None:
    """Of orders and of attempts: neither a user nor a panel meets one twice. A second start skips none."""
    user = await make_user(store)
    await planned(store, user, ORDER)
    (before,) = await attempts_of(store, ORDER)
    first = await store.run(lambda: reserve("order_ids", 1))
    await store.run(partial(begin, "why", actor=ME, now=LATER))
    await store.run(recognised())
    await store.run(recognised())
    second = await store.run(lambda: reserve("order_ids", 1))
    await planned(store, user, ORDER + 1)
    (after,) = await attempts_of(store, ORDER + 1)
    assert SKIPPED_LEAST < second - first < 2 * SKIPPED_LEAST
    assert SKIPPED_LEAST < after.id - before.id < 2 * SKIPPED_LEAST


async def test_planned_attempts_are_doubted_and_their_charge_stays_held(store: Store) -> None:
    """They may have been sent since: the order is unknown, and nobody is left who would send it."""
    user = await make_user(store)
    for number in range(ORDER, ORDER + 3):
        await planned(store, user, number)
    held = await money_of(store)
    await store.run(partial(begin, "why", actor=ME, now=LATER))
    assert (await store.read(figures))["reserved"] == 3
    assert await store.run(partial(doubt_planned, actor=ME, now=LATER)) == 3
    assert await store.run(partial(doubt_planned, actor=ME, now=LATER)) == 0
    (attempt,) = await attempts_of(store, ORDER)
    assert attempt.state is AttemptState.UNKNOWN
    locked = await order_of(store)
    assert locked.order.state is OrderState.UNKNOWN
    assert await money_of(store) == held
    assert await store.read(figures) == {"unknown": 3}
