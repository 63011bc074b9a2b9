"""Users' limits in the books: counted with the hold, given back with the void, and nothing of a refused order stays."""

from functools import partial

import msgspec
import pytest

from gateway.core.attempt import Attempt
from gateway.core.outcome import Rejected
from gateway.core.rejections import RejectKind
from gateway.core.spending import HOUR_MS, Spending, UserLimit, UserLimits
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.orders import Placed, ask_cancel
from gateway.store.spending import LimitReached, spending_of
from gateway.store.users import Choices, set_choices, user_named
from tests.store.trade import NOW, bring, make_new_order, make_user, money_of, put, sending


async def limit(store: Store, **limits: int) -> User:
    """A user with a thousand units and these limits."""
    await make_user(store)
    await store.run(
        partial(set_choices, "alpha", Choices(limits=UserLimits(**limits)), actor="test", reason="test", now=NOW)
    )
    return await store.read(partial(user_named, "alpha"))


async def order(store: Store, user: User, number: int, *, now: int = NOW) -> Placed:
    """A hundred units' worth."""
    return await put(store, make_new_order(user.id, number, limited=True), now=now)


async def counted(store: Store, user: User, *, now: int = NOW) -> Spending:
    """The counts now."""
    return await store.read(partial(spending_of, user.id, now=now))


async def test_limits_are_read_with_their_user(store: Store) -> None:
    """Set for one user, shown with it, and changed without touching what else is set."""
    user = await limit(store, orders_per_minute=2, spend_per_hour=3, spend_per_day=4, adds_at_once=5)
    assert user.limits == UserLimits(orders_per_minute=2, spend_per_hour=3, spend_per_day=4, adds_at_once=5)


async def test_order_over_a_limit_leaves_nothing_behind(store: Store) -> None:
    """Neither a hold nor an order nor a count; the next hour has room again."""
    user = await limit(store, spend_per_hour=250)
    for number in (1, 2):
        await order(store, user, number)
    with pytest.raises(LimitReached) as refused:
        await order(store, user, 3)
    assert refused.value.limit is UserLimit.SPEND_PER_HOUR
    assert await money_of(store) == (800, 200)
    assert (await counted(store, user)).hour_spent == 200
    await order(store, user, 3, now=NOW + HOUR_MS)
    assert await money_of(store) == (700, 300)
    assert (await counted(store, user, now=NOW + HOUR_MS)).hour_spent == 100


async def test_order_that_is_stored_again_is_counted_once(store: Store) -> None:
    """A second run, after a commit nobody heard of, answers the order and counts nothing."""
    user = await limit(store, spend_per_hour=100)
    first = await order(store, user, 1)
    assert await order(store, user, 1) == first
    assert await counted(store, user) == Spending(
        minute=NOW // 60_000, orders=1, hour=NOW // 3_600_000, hour_spent=100, day=NOW // 86_400_000, day_spent=100
    )


async def test_order_that_was_never_placed_is_not_spent(store: Store) -> None:
    """Refused by every panel, or canceled before it was sent: its money may be spent again within the hour."""
    user = await limit(store, spend_per_hour=200)
    attempt = await sending(store, user, 1, limited=True)
    await order(store, user, 2)
    with pytest.raises(LimitReached):
        await order(store, user, 3)
    await bring(store, attempt, Rejected(RejectKind.FUNDS, "no"))
    await store.run(partial(ask_cancel, 2, user.id, now=NOW))
    spent = await counted(store, user)
    assert (spent.orders, spent.hour_spent, spent.day_spent) == (2, 0, 0)
    await order(store, user, 3)


async def test_order_from_before_its_window_or_its_limit_gives_nothing_back(store: Store) -> None:
    """What was not counted, or counted in another hour, makes no room in this one."""
    user = await limit(store, spend_per_hour=100)
    never: Attempt = await sending(store, user, 1)
    old = await sending(store, user, 2, limited=True)
    later = NOW + HOUR_MS
    await order(store, user, 3, now=later)
    for attempt in (never, old):
        await bring(store, attempt, Rejected(RejectKind.FUNDS, "no"))
    assert (await counted(store, user, now=later)).hour_spent == 100


async def test_limit_that_was_taken_away_counts_no_more(store: Store) -> None:
    """Also for an add that began before: the limits of the moment of the hold are the ones."""
    user = await limit(store, spend_per_hour=100)
    await store.run(partial(set_choices, "alpha", Choices(), actor="test", reason="test", now=NOW))
    await order(store, user, 1)
    await order(store, user, 2)
    assert msgspec.structs.astuple(await counted(store, user))[1::2] == (0, 0, 0)
