"""Refunds as polls apply them: confirmed where that is asked for, never guessed, with the cost trued up beside them."""

from functools import partial

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.polls import SILENT_MS, UNREADABLE_MS, Due, apply, claim, miss
from tests.store.trade import ME, NOW, ORDER, active, ask, money_of, order_of

HOUR = 3600 * 1000
DAYS = 96 * HOUR
PARTIAL = StatusReply(status=StatusWord.PARTIAL, remains=4)
CANCELED = StatusReply(status=StatusWord.CANCELED)


async def next_due(store: Store) -> Due:
    """The order as the next poll claims it, whenever that is."""
    (due,) = await store.run(partial(claim, "panel-a", ME, limit=10, now=NOW + DAYS))
    return due


async def tell(store: Store, due: Due, said: StatusReply, *, times: int = 1, now: int = NOW) -> tuple[OrderState, int]:
    """Have the panel say something; answers how the order stands and what was paid back."""
    await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=now, confirmations=times))
    order = (await order_of(store)).order
    return order.state, order.refunded


async def test_refund_waits_for_the_second_word(store: Store, alpha: User) -> None:
    """With two confirmations the same refund has to be named twice in a row; until then nothing changed."""
    due = await active(store, alpha)
    assert await tell(store, due, CANCELED, times=2) == (OrderState.ACTIVE, 0)
    assert await tell(store, await next_due(store), PARTIAL, times=2) == (OrderState.ACTIVE, 0)
    working = StatusReply(status=StatusWord.IN_PROGRESS)
    assert await tell(store, await next_due(store), working, times=2) == (OrderState.ACTIVE, 0)
    assert await tell(store, await next_due(store), PARTIAL, times=2) == (OrderState.ACTIVE, 0)
    again = await next_due(store)
    assert again.due_at == NOW + 1000
    assert await tell(store, again, PARTIAL, times=2) == (OrderState.PARTIAL, 40)
    assert await money_of(store) == (940, 0)


async def test_refund_that_was_named_is_remembered_over_silence(store: Store, alpha: User) -> None:
    """A call without an answer between two words is no word against them."""
    await tell(store, await active(store, alpha), PARTIAL, times=2)
    await store.run(partial(miss, [await next_due(store)], pace=1000, now=NOW))
    assert await tell(store, await next_due(store), PARTIAL, times=2) == (OrderState.PARTIAL, 40)


async def test_unreadable_end_is_put_before_a_person_after_a_day(store: Store, alpha: User) -> None:
    """Partial without a remains: no money, no word, and nobody is bothered until a day has passed."""
    said = StatusReply(status=StatusWord.PARTIAL)
    assert await tell(store, await active(store, alpha), said) == (OrderState.ACTIVE, 0)
    assert await tell(store, await next_due(store), said, now=NOW + UNREADABLE_MS - 1) == (OrderState.ACTIVE, 0)
    assert (await order_of(store)).order.review is None
    await tell(store, await next_due(store), said, now=NOW + UNREADABLE_MS)
    assert (await order_of(store)).order.review == "partial without a readable remains"
    assert await tell(store, await next_due(store), PARTIAL, now=NOW + UNREADABLE_MS) == (OrderState.PARTIAL, 40)


async def test_silence_is_no_refund_and_told_once_after_hours(store: Store, alpha: User) -> None:
    """An unknown id, an error, nothing: no news; after six hours a person is asked to look, once."""
    due = await active(store, alpha)
    told = []
    for hours in (0, 5, 6, 7):
        told.append(await store.run(partial(miss, [due], pace=1000, now=NOW + hours * HOUR)))
        due = await next_due(store)
    assert (SILENT_MS, told) == (6 * HOUR, [(), (), (ORDER,), ()])
    order = (await order_of(store)).order
    assert (order.state, order.refunded, order.review) == (
        OrderState.ACTIVE, 0, "its panel has said nothing of it for hours",
    )  # fmt: skip
    assert await tell(store, due, PARTIAL) == (OrderState.PARTIAL, 40)
    assert (await next_due(store)).silent_since is None


async def test_cost_follows_the_panels_own_charge(store: Store, alpha: User, database_url: str) -> None:
    """At the end, and again when it changes; a report in another currency or without a figure books nothing."""
    costs = "SELECT tx_key, amount FROM transfers WHERE kind = 'cost' ORDER BY id"
    due = await active(store, alpha)
    ended = partial(StatusReply, status=StatusWord.PARTIAL, remains=4)
    for said in (ended(), ended(charge="0.1", currency="USD"), ended(charge="0.3", currency="EUR")):
        await tell(store, due, said)
        due = await next_due(store)
    for _ in range(2):
        await tell(store, due, ended(charge="0.4"))
    booked = [(f"cost:{ORDER}:0", 50_000_000), (f"cost:{ORDER}:1", 20_000_000), (f"cost:{ORDER}:2", 10_000_000)]
    assert await ask(database_url, costs) == booked


async def test_dripfeed_is_refunded_by_its_runs(store: Store, alpha: User) -> None:
    """The runs that were sent to the panel are what its word is counted against."""
    fields = (("link", "L"), ("quantity", "2"), ("runs", "5"), ("interval", "60"))
    due = await active(store, alpha, fields=fields)
    said = StatusReply(status=StatusWord.CANCELED, runs=1, remains=0)
    assert await tell(store, due, said) == (OrderState.PARTIAL, 80)


async def test_late_words_raise_a_refund_and_are_asked_for_three_days(store: Store, alpha: User) -> None:
    """After the end it is asked about at 1, 6, 24 and 72 hours; what is missing may still grow, never shrink."""
    due = await active(store, alpha)
    await tell(store, due, PARTIAL)
    asked = []
    for remains in (3, 6, 5, 10):
        due = await next_due(store)
        asked.append((due.due_at - NOW) // HOUR)
        said = StatusReply(status=StatusWord.PARTIAL, remains=remains)
        await tell(store, due, said, now=due.due_at)
    assert asked == [1, 6, 24, 72]
    assert (await order_of(store)).order.refunded == 100
    assert await store.run(partial(claim, "panel-a", ME, limit=10, now=NOW + DAYS)) == ()
