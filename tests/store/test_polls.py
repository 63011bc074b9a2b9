"""Polling in the books: what is due is claimed once, what a panel said is paid once, and asking ends some day."""

import asyncio
from functools import partial

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.user import User
from gateway.store.brakes import claim_job
from gateway.store.engine import Store
from gateway.store.owners import leave
from gateway.store.polls import (
    LATE_POLLS_MS,
    LEASE_MS,
    PAUSE_MAX_MS,
    Due,
    apply,
    claim,
    hand_back,
    miss,
    next_poll,
    poll_soon,
    watch,
)
from gateway.store.store import open_store
from tests.store.trade import ME, NOW, ORDER, RIVAL, active, ask, make_planned, money_of, order_of, told

HOUR = 3_600_000
PACE = 10_000


async def say(store: Store, due: Due, said: StatusReply, *, now: int = NOW) -> None:
    """Apply what panel-a said."""
    await store.run(partial(apply, due, said, provider="panel-a", pace=PACE, now=now))


async def again(store: Store, now: int) -> Due:
    """The one order that is due then."""
    (due,) = await store.run(partial(claim, "panel-a", ME, limit=10, now=now))
    return due


def partly(remains: int | None) -> StatusReply:
    """A panel's word that an order ended with so many missing."""
    return StatusReply(status=StatusWord.PARTIAL, remains=remains)


# ------------------------------------------------------------------------------------------------------------ claiming


async def test_every_due_order_is_claimed_once(store: Store, database_url: str, alpha: User) -> None:
    """Twelve workers in four processes take 20 000 due orders by hundreds: each is claimed, none twice."""
    await ask(
        database_url,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
        "INSERT INTO orders(id, user_id, fingerprint, service_id, type, fields, quantity, currency, rate, rule, "
        "charge, state, shown, routes, can_refill, can_cancel, answerer, created_at, updated_at) "
        "SELECT i, 1, 'f', 1, 'Default', '[]', 10, 'USD', 1, 'r', 1, 'active', 'Pending', '[]', 0, 0, 'x', 1, 1 FROM n",
    )
    await ask(
        database_url,
        "INSERT INTO polls(order_id, provider, upstream_order, due_at, accepted_at) "
        "SELECT id, 'panel-a', 'up', id, 1 FROM orders",
    )
    assert alpha.id == 1
    stores = [store, *(open_store(database_url) for _ in range(3))]
    for other in stores[1:]:
        await other.open()

    async def work(number: int) -> list[int]:
        mine: list[int] = []
        while due := await stores[number % 4].run(partial(claim, "panel-a", f"w{number}", limit=100, now=NOW)):
            assert [one.due_at for one in due] == sorted(one.due_at for one in due)
            mine.extend(one.order_id for one in due)
        return mine

    claimed = [order for mine in await asyncio.gather(*(work(number) for number in range(12))) for order in mine]
    assert sorted(claimed) == [*range(1, 20_001)]
    for other in stores[1:]:
        await other.close()


async def test_claim_is_ours_for_its_lease(store: Store, alpha: User) -> None:
    """Nobody else asks meanwhile; afterwards, if we never said anything, another may."""
    due = await active(store, alpha)
    assert (due.order_id, due.upstream_order, due.misses, due.terminal_at) == (ORDER, f"up-{ORDER}", 0, None)
    for now in (NOW, NOW + LEASE_MS):
        assert await store.run(partial(claim, "panel-a", RIVAL, limit=10, now=now)) == ()
    (theirs,) = await store.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW + LEASE_MS + 1))
    assert theirs == due


async def test_order_handed_back_is_due_for_anybody_and_was_not_missed(store: Store, alpha: User) -> None:
    """The asker could not ask. One whose lease ran out hands back nothing of who has it now."""
    due = await active(store, alpha)
    await store.run(partial(hand_back, [due], RIVAL))
    assert await store.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW)) == ()
    await store.run(partial(hand_back, [due], ME))
    assert await store.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW)) == (due,)


async def test_process_that_leaves_hands_back_what_it_had_claimed(store: Store, alpha: User) -> None:
    """Stopped in the middle of asking: another asks at once, not when a lease has run out; others keep theirs."""
    due, other = [await active(store, alpha, ORDER + n) for n in range(2)]
    await store.run(partial(hand_back, [other], ME))
    assert await store.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW)) == (other,)
    assert await store.run(partial(claim_job, "panel-a", "look", ME))
    assert not await store.run(partial(claim_job, "panel-a", "look", RIVAL))
    await store.run(partial(leave, ME))
    assert await store.run(partial(claim, "panel-a", "third", limit=10, now=NOW)) == (due,)
    assert await store.run(partial(claim_job, "panel-a", "look", RIVAL))


async def test_only_the_providers_own_and_only_what_is_due(store: Store, alpha: User) -> None:
    """Another provider's orders are not claimed, nor ones whose time has not come."""
    due = await active(store, alpha)
    await say(store, due, StatusReply(status=StatusWord.IN_PROGRESS))
    assert await store.run(partial(claim, "panel-b", ME, limit=10, now=NOW + HOUR)) == ()
    assert await store.run(partial(claim, "panel-a", ME, limit=10, now=NOW + PACE - 1)) == ()
    assert (await again(store, NOW + PACE)).order_id == ORDER


async def test_longest_waiting_come_first(store: Store, alpha: User) -> None:
    """With a limit, those whose time came first."""
    dues = [await active(store, alpha, ORDER + n) for n in range(3)]
    for n, due in enumerate(dues):
        await say(store, due, StatusReply(status=StatusWord.PENDING), now=NOW + (2 - n) * 1000)
    claimed = await store.run(partial(claim, "panel-a", ME, limit=2, now=NOW + HOUR))
    assert [one.order_id for one in claimed] == [ORDER + 2, ORDER + 1]


# ------------------------------------------------------------------------------------------------------------ applying


async def test_work_under_way_moves_no_money(store: Store, alpha: User) -> None:
    """The word, the start count and what remains are kept; a word seen does not go backwards."""
    due = await active(store, alpha)
    await say(store, due, StatusReply(status=StatusWord.IN_PROGRESS, start_count=50, remains=7))
    await say(store, due, StatusReply(status=StatusWord.PENDING, start_count=0, remains=5))
    order = (await order_of(store)).order
    assert (order.state, order.shown, order.start_count, order.remains) == (OrderState.ACTIVE, "In progress", 50, 5)
    assert await money_of(store) == (900, 0)


async def test_completed_order_pays_nothing_back(store: Store, alpha: User, database_url: str) -> None:
    """Delivered is delivered; saying it twice is one event."""
    due = await active(store, alpha)
    for _ in range(2):
        await say(store, due, StatusReply(status=StatusWord.COMPLETED, remains=0))
    assert (await order_of(store)).order.state is OrderState.COMPLETED
    assert await money_of(store) == (900, 0)
    assert (await told(database_url)).count("order.completed") == 1


@pytest.mark.parametrize(
    ("said", "state", "back"),
    [
        (partly(4), OrderState.PARTIAL, 40),
        (partly(10), OrderState.PARTIAL, 100),
        (partly(99), OrderState.PARTIAL, 100),
        (partly(0), OrderState.COMPLETED, 0),
        (partly(-3), OrderState.COMPLETED, 0),
        (partly(None), OrderState.ACTIVE, 0),
        (StatusReply(status=StatusWord.CANCELED), OrderState.CANCELED, 100),
        (StatusReply(status=StatusWord.CANCELED, remains=10), OrderState.CANCELED, 100),
        (StatusReply(status=StatusWord.CANCELED, remains=4, charge="0.3"), OrderState.PARTIAL, 40),
        (StatusReply(status=StatusWord.CANCELED, remains=4, charge="0.5"), OrderState.CANCELED, 100),
        (StatusReply(word="Unheard of"), OrderState.ACTIVE, 0),
    ],
    ids=str,
)
async def test_end_of_an_order_pays_what_is_owed_once(
    store: Store, alpha: User, said: StatusReply, state: OrderState, back: int
) -> None:
    """Each row of RELIABILITY 1.9 for an order of 10 at 100 units that cost us 0.5: applied three times, paid once."""
    due = await active(store, alpha)
    for _ in range(3):
        await say(store, due, said)
    order = (await order_of(store)).order
    assert (order.state, order.refunded) == (state, back)
    assert await money_of(store) == (900 + back, 0)


async def test_racing_reports_refund_the_most_that_is_owed(store: Store, rival: Store, alpha: User) -> None:
    """28 reports at once, by two processes, of 0 to 6 of 10 missing, in any order: exactly 60 of 100 come back."""
    due = await active(store, alpha)
    reports = [partly(remains) for remains in (3, 0, 6, 1, 5, 2, 4)] * 4
    await asyncio.gather(*(say((store, rival)[n % 2], due, said) for n, said in enumerate(reports)))
    order = (await order_of(store)).order
    assert order.refunded == 60
    assert order.state in {OrderState.PARTIAL, OrderState.COMPLETED}
    assert await money_of(store) == (960, 0)


async def test_refunds_are_floored_and_never_more_than_was_paid(store: Store, alpha: User) -> None:
    """Three units for ten pieces: each raise pays down to the unit, all of them together the charge."""
    due = await active(store, alpha, charge=3)
    for remains, back in ((3, 0), (4, 1), (7, 2), (9, 2), (10, 3), (11, 3)):
        await say(store, due, partly(remains))
        assert await money_of(store) == (997 + back, 0)


async def test_late_report_may_raise_a_refund_and_never_takes_one_back(store: Store, alpha: User) -> None:
    """After the end the word stays; what was paid back stays paid, and a contradiction is put before a person."""
    due = await active(store, alpha)
    await say(store, due, partly(4))
    await say(store, due, partly(6))
    assert await money_of(store) == (960, 0)
    await say(store, due, partly(2))
    await say(store, due, StatusReply(status=StatusWord.COMPLETED, remains=0))
    order = (await order_of(store)).order
    assert (order.state, order.refunded, order.review is not None) == (OrderState.PARTIAL, 60, True)
    assert await money_of(store) == (960, 0)


async def test_refund_follows_the_cost_of_the_route_that_was_taken(store: Store, alpha: User) -> None:
    """Whether a panel's charge is a share of ours is asked of its own route's cost."""
    routes = (make_planned(cost="2.0"), make_planned("panel-b", cost="9"))
    due = await active(store, alpha, routes=routes)
    await say(store, due, StatusReply(status=StatusWord.CANCELED, remains=5, charge="1.00"))
    assert await money_of(store) == (950, 0)


# ---------------------------------------------------------------------------------------------------------- scheduling


async def test_missed_orders_are_asked_about_later_and_later(store: Store, alpha: User) -> None:
    """No news pays nothing; each miss doubles the pause, up to an hour; news ends the count."""
    due, now = await active(store, alpha), NOW
    for misses in range(1, 14):
        await store.run(partial(miss, [due], pace=PACE, now=now))
        pause = min(PACE * 2**misses, PAUSE_MAX_MS)
        assert await store.run(partial(claim, "panel-a", ME, limit=10, now=now + pause - 1)) == ()
        now += pause
        due = await again(store, now)
        assert due.misses == misses
    await say(store, due, StatusReply(status=StatusWord.PENDING), now=now)
    assert (await again(store, now + HOUR)).misses == 0
    assert await money_of(store) == (900, 0)


async def test_ended_orders_are_asked_about_four_times_more_and_then_left(
    store: Store, alpha: User, database_url: str
) -> None:
    """After 1, 6, 24 and 72 hours; a change of mind within them is still paid, then nothing is asked any more."""
    due = await active(store, alpha)
    await say(store, due, StatusReply(status=StatusWord.COMPLETED))
    assert [late // HOUR for late in LATE_POLLS_MS] == [1, 6, 24, 72]
    for late in LATE_POLLS_MS[:-1]:
        assert await store.run(partial(claim, "panel-a", ME, limit=10, now=NOW + late - 1)) == ()
        due = await again(store, NOW + late)
        assert due.terminal_at == NOW
        await say(store, due, StatusReply(status=StatusWord.COMPLETED), now=NOW + late)
    due = await again(store, NOW + LATE_POLLS_MS[-1])
    await say(store, due, partly(5), now=NOW + LATE_POLLS_MS[-1])
    assert await money_of(store) == (950, 0)
    assert await ask(database_url, "SELECT COUNT(*) FROM polls") == [(0,)]


async def test_miss_of_an_ended_order_keeps_its_end(store: Store, alpha: User) -> None:
    """The panel was away at a late poll: the order is asked again, and its 72 hours count from its end."""
    due = await active(store, alpha)
    await say(store, due, StatusReply(status=StatusWord.COMPLETED))
    due = await again(store, NOW + HOUR)
    await store.run(partial(miss, [due], pace=PACE, now=NOW + HOUR))
    assert (await again(store, NOW + HOUR + 2 * PACE)).terminal_at == NOW


async def test_asking_soon_only_brings_forward(store: Store, alpha: User) -> None:
    """After something was asked of the panel; never later than it would have been."""
    due = await active(store, alpha)
    await say(store, due, StatusReply(status=StatusWord.PENDING))
    await store.run(partial(poll_soon, ORDER, due_at=NOW + PACE + 1))
    await store.run(partial(poll_soon, ORDER, due_at=NOW + 5))
    assert (await again(store, NOW + 5)).due_at == NOW + 5
    await store.run(partial(poll_soon, ORDER + 1, due_at=NOW))


def test_next_time_is_the_pace_and_later_with_age() -> None:
    """A twentieth of the age once that is more than the pace, an hour at most."""
    assert next_poll(NOW, None, pace=PACE, now=NOW) == NOW + PACE
    assert next_poll(NOW, None, pace=PACE, now=NOW + 20 * PACE) == NOW + 21 * PACE
    assert next_poll(NOW, None, pace=PACE, now=NOW + HOUR) == NOW + HOUR + HOUR // 20
    assert next_poll(NOW, None, pace=PACE, now=NOW + 1000 * HOUR) == NOW + 1001 * HOUR
    assert next_poll(NOW, NOW, pace=PACE, now=NOW + 2 * HOUR) == NOW + 6 * HOUR
    assert next_poll(NOW, NOW, pace=PACE, now=NOW + 72 * HOUR) is None


async def test_watching_twice_is_watching_once(store: Store, alpha: User, database_url: str) -> None:
    """An order has one poll, whoever asks; the first stands."""
    due = await active(store, alpha)
    await store.run(partial(watch, ORDER, "panel-b", "other", link=None, due_at=NOW + HOUR, now=NOW))
    polls = await ask(database_url, "SELECT order_id, provider, upstream_order, due_at FROM polls")
    assert polls == [(ORDER, "panel-a", due.upstream_order, NOW)]
