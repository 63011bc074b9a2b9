"""Subscriptions in the books: what their panel makes for them is taken in once, asked about, and settles them."""

from functools import partial
from typing import Any

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, Unknown
from gateway.core.user import User
from gateway.store.children import ChildDue, apply_child, claim_all, hand_back_children, miss_children
from gateway.store.engine import Store
from gateway.store.polls import KIN_POLLS_MS, SILENT_MS, UNREADABLE_MS, Due, apply, hand_back, recall
from gateway.store.unknown import makes_orders, own_orders, owned, watch_doubts
from gateway.store.users import credit_user
from gateway.store.verify import verify
from tests.store.trade import ME, NOW, ORDER, RIVAL, active, ask, attempts_of, bring, money_of, order_of, sending, told

HOUR = 3600 * 1000
PACE = 1000
# Five posts for 1000 units, 0.1 of the panel's money each at most.
SUBSCRIPTION: dict[str, Any] = {
    "type": "Subscriptions",
    "charge": 1000,
    "quantity": 5,
    "fields": (("username", "someone"),),
}
RUNNING, ENDED, STOPPED = StatusWord.IN_PROGRESS, StatusWord.COMPLETED, StatusWord.CANCELED


def names(word: StatusWord | None, *orders: str) -> StatusReply:
    """What a panel says of a subscription."""
    return StatusReply(status=word, orders=orders)


def costs(charge: str | None, word: StatusWord = StatusWord.COMPLETED, currency: str | None = None) -> StatusReply:
    """What a panel says of one of its orders."""
    return StatusReply(status=word, charge=charge, currency=currency)


async def claimed(store: Store, owner: str = ME, *, now: int = NOW) -> tuple[tuple[Due, ...], tuple[ChildDue, ...]]:
    """What is to be asked about by then, leased."""
    return await store.run(partial(claim_all, "panel-a", owner, limit=100, now=now))


async def due_of(store: Store, *, now: int = NOW + 500 * HOUR) -> tuple[tuple[Due, ...], tuple[ChildDue, ...]]:
    """The same for a moment, so that it can be asked again."""
    dues, children = await claimed(store, now=now)
    await store.run(partial(hand_back, dues, ME))
    await store.run(partial(hand_back_children, children, ME))
    return dues, children


async def tell(store: Store, due: Due, said: StatusReply, *, now: int = NOW, times: int = 1) -> None:
    """Have the panel say something of the subscription."""
    await store.run(partial(apply, due, said, provider="panel-a", pace=PACE, now=now, confirmations=times))


async def tell_children(store: Store, said: dict[str, StatusReply], *, now: int = NOW) -> None:
    """Have the panel say something of what it made, twice: a second run of a command changes nothing."""
    _, children = await due_of(store)
    for child in children:
        if child.upstream_order in said:
            for _ in range(2):
                command = partial(
                    apply_child, child, said[child.upstream_order], provider="panel-a", pace=PACE, now=now
                )
                await store.run(command)


async def settled(store: Store, word: StatusWord = ENDED, *orders: str, now: int = NOW) -> tuple[OrderState, int]:
    """Have it end with these orders, twice; answers how it stands and what was paid back."""
    for _ in range(2):
        ((due,), _) = await due_of(store)
        await tell(store, due, names(word, *orders), now=now)
    order = (await order_of(store)).order
    return order.state, order.refunded


async def books_are_sound(store: Store) -> None:
    """Every invariant holds."""
    found = await store.read_at_length(verify)
    assert found.sound, found.violations


async def test_whole_life_of_a_subscription(store: Store, alpha: User, database_url: str) -> None:
    """Posts come one by one, one ends in part, one is canceled, two never come; what is kept is what was delivered."""
    due = await active(store, alpha, **SUBSCRIPTION)
    assert await money_of(store) == (0, 0)
    await tell(store, due, names(RUNNING))
    ((due,), children) = await due_of(store)
    assert children == ()
    await tell(store, due, names(RUNNING, "a", "b"))
    assert (await order_of(store)).order.remains == 3
    await tell_children(store, {"a": costs("0.1"), "b": costs("0.08", StatusWord.PARTIAL)})
    ((due,), children) = await due_of(store)
    assert [child.upstream_order for child in children] == ["a", "b"]  # late words are asked for
    await tell(store, due, names(RUNNING, "a", "b", "c"))
    await tell_children(store, {"c": costs("0", STOPPED)})
    assert (await order_of(store)).order.refunded == 0
    # 0.18 of 0.50 was charged: 360 of 1000.
    assert await settled(store, STOPPED, "a", "b", "c") == (OrderState.PARTIAL, 640)
    assert (await order_of(store)).order.remains == 3
    assert await money_of(store) == (640, 0)
    refunds = "SELECT tx_key, amount FROM transfers WHERE kind IN ('refund', 'cost') ORDER BY id"
    booked = [(f"cost:{ORDER}:0", 50_000_000), (f"refund:{ORDER}:640", 640), (f"cost:{ORDER}:1", 32_000_000)]
    assert await ask(database_url, refunds) == booked
    events = await told(database_url)
    assert (events.count("order.children"), events.count("order.child")) == (2, 3)
    await books_are_sound(store)


async def test_end_waits_for_the_children_nobody_has_heard_of(store: Store, alpha: User) -> None:
    """Nothing is paid and no word is said; after a day a person is asked, and it is settled when they are heard of."""
    due = await active(store, alpha, **SUBSCRIPTION)
    await tell(store, due, names(ENDED, "a", "b"))
    assert await settled(store, ENDED, "a", "b", now=NOW + UNREADABLE_MS - 1) == (OrderState.ACTIVE, 0)
    assert (await order_of(store)).order.review is None
    assert await settled(store, ENDED, "a", "b", now=NOW + UNREADABLE_MS) == (OrderState.ACTIVE, 0)
    assert (await order_of(store)).order.review == "the subscription has ended, and 2 of its orders cannot be read"
    await tell_children(store, {"a": costs("0.1"), "b": costs("0.05")})
    assert await settled(store, ENDED, "a", "b", now=NOW + UNREADABLE_MS) == (OrderState.PARTIAL, 700)
    await books_are_sound(store)


async def test_end_that_names_no_orders_at_all_is_for_a_person(store: Store, alpha: User) -> None:
    """It is not known whether there were any; an empty list says that there were none."""
    due = await active(store, alpha, **SUBSCRIPTION)
    await tell(store, due, StatusReply(status=STOPPED, charge="0"))
    ((due,), _) = await due_of(store)
    await tell(store, due, StatusReply(status=STOPPED, charge="0"), now=NOW + UNREADABLE_MS)
    order = (await order_of(store)).order
    assert (order.state, order.refunded) == (OrderState.ACTIVE, 0)
    assert order.review == "the subscription has ended, and its panel does not say which orders it made"
    assert await settled(store, STOPPED) == (OrderState.CANCELED, 1000)
    await books_are_sound(store)


@pytest.mark.parametrize(
    ("said", "refunded"),
    [
        ((costs("0.02"),), 960),
        ((costs(None),), 800),
        ((costs("0.02", currency="EUR"),), 960),
        ((costs("0.02", currency="USD"),), 800),
        ((costs("0.02", RUNNING), costs(None)), 960),  # what it said before still stands
        ((costs("0", RUNNING), costs(None, STOPPED)), 800),  # but for nought
        ((costs("0", STOPPED),), 1000),
        ((costs("0"),), 800),
        ((costs("5"),), 800),
        ((costs("0.02"), costs("0.09", RUNNING)), 960),  # under way after its end is no news
        ((costs("0.02", STOPPED), costs("0.1")), 800),
    ],
)
async def test_child_costs_what_its_panel_says_or_a_whole_post(
    store: Store, alpha: User, said: tuple[StatusReply, ...], refunded: int
) -> None:
    """Never a guess in the user's favour, never more than a post."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "a"))
    for each in said:
        await tell_children(store, {"a": each})
    assert (await settled(store, ENDED, "a"))[1] == refunded
    await books_are_sound(store)


async def test_late_word_of_a_child_is_paid_by_its_order(store: Store, alpha: User) -> None:
    """The order is asked about at once, and pays what is owed beyond what was paid; never back again."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "a"))
    await tell_children(store, {"a": costs("0.1", RUNNING)})
    assert await settled(store, ENDED, "a") == (OrderState.PARTIAL, 800)
    later = NOW + 2 * HOUR
    dues, _ = await due_of(store, now=NOW + 30 * 60_000)
    assert dues == ()
    await tell_children(store, {"a": costs("0.04", StatusWord.PARTIAL)}, now=later)
    dues, _ = await due_of(store, now=later)
    assert [due.order_id for due in dues] == [ORDER]
    assert await settled(store, ENDED, "a", now=later) == (OrderState.PARTIAL, 920)
    await tell_children(store, {"a": costs("0.1")}, now=later)
    assert await settled(store, ENDED, "a", now=later) == (OrderState.PARTIAL, 920)
    assert (await order_of(store)).order.review == "the panel now says that more was delivered than was refunded"
    await books_are_sound(store)


async def test_refund_of_a_subscription_is_confirmed_like_any_other(store: Store, alpha: User) -> None:
    """Where its panel has to say it three times, in a row."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(STOPPED), times=3)
    for refunded in (0, 1000):
        assert (await order_of(store)).order.state is OrderState.ACTIVE
        ((due,), _) = await due_of(store)
        await tell(store, due, names(STOPPED), times=3)
        assert (await order_of(store)).order.refunded == refunded


@pytest.mark.parametrize(("word", "kept"), [(ENDED, 200), (STOPPED, 200), (StatusWord.PARTIAL, 200)])
async def test_end_that_is_told_before_its_last_order_is_named_pays_nothing_yet(
    store: Store, alpha: User, word: StatusWord, kept: int
) -> None:
    """It names none, and the next time one: what that came to is kept. Found by killing (docs/reliability.md)."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(word))
    assert (await order_of(store)).order.refunded == 0
    ((due,), _) = await due_of(store)
    await tell(store, due, names(word, "a"))
    await tell_children(store, {"a": costs("0.1")})
    assert await settled(store, word, "a") == (OrderState.PARTIAL, 1000 - kept)
    assert (await order_of(store)).order.review is None
    await books_are_sound(store)


async def test_order_of_another_is_never_taken(store: Store, alpha: User) -> None:
    """Neither another's child nor an order of its own, ours or this one; each counts as a post, and a person looks."""
    other = await active(store, alpha, ORDER + 1, **{**SUBSCRIPTION, "charge": 0})
    await tell(store, other, names(RUNNING, "b"))
    due = await active(store, alpha, ORDER, **SUBSCRIPTION)
    await tell(store, due, names(RUNNING, "a", "b", f"up-{ORDER}", f"up-{ORDER + 1}"))
    _, children = await due_of(store)
    assert [(child.order_id, child.upstream_order) for child in children] == [(ORDER + 1, "b"), (ORDER, "a")]
    for child in children:
        await store.run(partial(apply_child, child, costs("0.1"), provider="panel-a", pace=PACE, now=NOW))
    for _ in range(2):
        dues, _ = await due_of(store)
        mine = next(due for due in dues if due.order_id == ORDER)
        await tell(store, mine, names(STOPPED, "a", "b", f"up-{ORDER}", f"up-{ORDER + 1}"))
    order = (await order_of(store)).order
    assert (order.refunded, order.review) == (200, "its panel names 3 orders that are not its own")


async def test_id_that_a_panel_made_by_itself_is_no_acceptance(store: Store, alpha: User) -> None:
    """An add that is answered with the id of a child is in doubt, and no order is lost by it."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "77"))
    await store.run(partial(credit_user, "alpha", 100, reference="more", actor="test", now=NOW))
    attempt = await sending(store, alpha, ORDER + 1, charge=100)
    await bring(store, attempt, Accepted("77"))
    (found,) = await attempts_of(store, ORDER + 1)
    assert (found.state.value, found.upstream_order) == ("unknown", None)
    assert (await order_of(store, ORDER + 1)).order.state is OrderState.UNKNOWN


async def test_silence_about_a_child_is_told_once_after_hours(store: Store, alpha: User) -> None:
    """No news, asked again after pauses that grow; and what it said in between ends the silence."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "a"))
    said = []
    for hours in (0, 5, 6, 7):
        _, children = await due_of(store)
        said.append(await store.run(partial(miss_children, children, pace=PACE, now=NOW + hours * HOUR)))
    assert (SILENT_MS, said) == (6 * HOUR, [(), (), (ORDER,), ()])
    assert (await order_of(store)).order.review == "its panel has said nothing of it for hours"
    _, (child,) = await due_of(store)
    assert (child.misses, child.silent_since, child.due_at) == (4, NOW, NOW + 7 * HOUR + PACE * 16)
    await tell_children(store, {"a": StatusReply(status=None, word="?")})
    _, (child,) = await due_of(store)
    assert (child.misses, child.silent_since) == (0, None)
    ((due,), _) = await due_of(store)
    await tell(store, due, names(ENDED, "a"))
    assert (await order_of(store)).order.state is OrderState.ACTIVE  # a word nobody knows is none


async def test_lease_keeps_others_off_until_it_is_handed_back(store: Store, alpha: User, database_url: str) -> None:
    """And it is only handed back by who has it."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "a"))
    _, (child,) = await claimed(store)
    assert (await claimed(store, RIVAL))[1] == ()
    await store.run(partial(hand_back_children, [child], RIVAL))
    assert (await claimed(store, RIVAL))[1] == ()
    await store.run(partial(hand_back_children, [child], ME))
    assert len((await claimed(store, RIVAL))[1]) == 1
    # A clock that was set back since: what is dated too far ahead is asked about now.
    await store.run(partial(recall, now=NOW - 100 * HOUR))
    assert await ask(database_url, "SELECT due_at, lease_until FROM children") == [(NOW - 100 * HOUR, 0)]


async def test_subscription_is_followed_as_long_as_its_last_child(store: Store, alpha: User) -> None:
    """After its own three days once a day, until each child was asked about for three days after its end."""
    await tell(store, await active(store, alpha, **SUBSCRIPTION), names(RUNNING, "a"))
    await tell_children(store, {"a": costs("0.1", RUNNING)})
    assert await settled(store, STOPPED, "a") == (OrderState.PARTIAL, 800)
    over = NOW + 72 * HOUR
    ((due,), _) = await due_of(store)
    await tell(store, due, names(STOPPED, "a"), now=over)
    ((due,), _) = await due_of(store)
    assert due.due_at == over + KIN_POLLS_MS
    for hours in (0, 1, 6, 24, 72):
        await tell_children(store, {"a": costs("0.1")}, now=over + hours * HOUR)
    assert (await due_of(store))[1] == ()
    ((due,), _) = await due_of(store)
    await tell(store, due, names(STOPPED, "a"), now=over + 80 * HOUR)
    assert await due_of(store) == ((), ())


async def test_children_prove_nothing_about_orders_in_doubt(store: Store, alpha: User) -> None:
    """They are ours when ids are looked at, and while a panel may make some, nothing found is a lost order."""
    assert not await store.read(partial(makes_orders, "panel-a"))
    due = await active(store, alpha, **SUBSCRIPTION)
    assert await store.read(partial(makes_orders, "panel-a"))
    assert not await store.read(partial(makes_orders, "panel-b"))
    await tell(store, due, names(RUNNING, "7", "8"))
    assert await store.read(partial(owned, "panel-a", [7, 8, 9])) == {7, 8}
    # The subscription's own id bounds no window: its panel may number subscriptions in a row of their own.
    assert await store.read(partial(own_orders, "panel-a", below=2**62, limit=9)) == ()


async def test_subscription_in_doubt_makes_orders_too(store: Store, alpha: User) -> None:
    """Even after its user was given the charge back, when nobody follows it any more."""
    attempt = await sending(store, alpha, **SUBSCRIPTION)
    await bring(store, attempt, Unknown("timeout"))
    await store.run(partial(watch_doubts, [(attempt.id, attempt.provider)], aged=[], ms=0))
    assert await store.read(partial(makes_orders, "panel-a"))


DRIP: dict[str, Any] = {
    "fields": (("link", "L"), ("quantity", "2"), ("runs", "5"), ("interval", "60")), "charge": 1000, "quantity": 10,
}  # fmt: skip


async def test_dripfeed_is_settled_by_the_runs_its_panel_names(store: Store, alpha: User) -> None:
    """A run that ended in part and two that were never made; the whole's own remains is not looked at."""
    await tell(store, await active(store, alpha, **DRIP), names(RUNNING, "a"))
    await tell_children(store, {"a": StatusReply(status=StatusWord.PARTIAL, remains=1, charge="0.05")})
    ((due,), _) = await due_of(store)
    await tell(store, due, names(RUNNING, "a", "b", "c"))
    await tell_children(store, {"b": costs("0.1"), "c": costs("0.1", RUNNING)})
    for _ in range(2):
        ((due,), _) = await due_of(store)
        await tell(store, due, StatusReply(status=STOPPED, remains=9, orders=("a", "b", "c")))
    order = (await order_of(store)).order
    assert (order.state, order.refunded, order.remains) == (OrderState.PARTIAL, 500, 5)
    await tell_children(store, {"c": StatusReply(status=STOPPED, charge="0")})
    assert (await settled(store, STOPPED, "a", "b", "c"))[1] == 700
    await books_are_sound(store)


async def test_dripfeed_whose_runs_say_nothing_is_settled_by_its_own_word(store: Store, alpha: User) -> None:
    """After a day of patience; one that is completed waits for nothing."""
    await tell(store, await active(store, alpha, **DRIP), names(RUNNING, "a"))
    ended = StatusReply(status=STOPPED, runs=1, orders=("a",))
    over = NOW + UNREADABLE_MS
    for now, refunded in ((NOW, 0), (over - 1, 0), (over, 0), (over, 800)):
        ((due,), _) = await due_of(store)
        await tell(store, due, ended, now=now)
        assert (await order_of(store)).order.refunded == refunded
    assert (await order_of(store)).order.review is None
    await books_are_sound(store)


async def test_completed_dripfeed_waits_for_no_run_and_is_raised_by_one(store: Store, alpha: User) -> None:
    """What is heard of a run later is paid then."""
    await tell(store, await active(store, alpha, **DRIP), names(ENDED, "a", "b"))
    assert (await order_of(store)).order.state is OrderState.COMPLETED
    await tell_children(store, {"a": StatusReply(status=StatusWord.PARTIAL, remains=1)})
    assert (await settled(store, ENDED, "a", "b"))[1] == 100


async def test_dripfeed_that_names_no_runs_is_as_it_was(store: Store, alpha: User) -> None:
    """By how many were done, as its panel says; an empty list is none that is named."""
    await tell(store, await active(store, alpha, **DRIP), StatusReply(status=STOPPED, runs=2, orders=()))
    assert (await order_of(store)).order.refunded == 600
