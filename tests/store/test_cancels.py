"""Cancels that are owed: written with what makes them owed, taken by one, told twice at most, dropped when in vain."""

import asyncio
from functools import partial

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import Accepted, Unknown
from gateway.core.user import User
from gateway.store.cancels import (
    AGAIN_MS,
    UNSENT_MS,
    UNSENT_PAUSE_MS,
    Answer,
    Telling,
    due_cancels,
    settle_cancel,
    take_cancel,
)
from gateway.store.engine import Store
from gateway.store.history import CancelTold, life_of
from gateway.store.orders import ask_cancel
from gateway.store.polls import apply, recall
from gateway.store.unknown import Word, accept_by_hand, give_back_by_hand
from tests.store.trade import NOW, ORDER, active, attempts_of, bring, order_of, sending, told

WORD = Word(actor="cli:anna", reason="seen in the panel")
UP = f"up-{ORDER}"


async def take(store: Store, mark: str = "m", *, obstacle: str = "", now: int = NOW) -> Telling | None:
    """Take the right to tell."""
    return await store.run(partial(take_cancel, ORDER, mark, again_ms=AGAIN_MS, obstacle=obstacle, now=now))


async def due(store: Store, *, now: int = NOW) -> tuple[int, ...]:
    """What is to be told now."""
    return await store.read(partial(due_cancels, "panel-a", now=now))


async def kept(store: Store) -> CancelTold | None:
    """What the life of the order says of it."""
    return (await store.read(partial(life_of, ORDER))).cancel


async def wished(store: Store, alpha: User) -> None:
    """An order that panel-a has and its user does not want."""
    await active(store, alpha)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))


async def test_wish_for_an_order_at_work_is_owed_with_it(store: Store, alpha: User, database_url: str) -> None:
    """In the transaction of the wish; to its panel, by the panel's id, and once however often it is asked for."""
    assert await due(store) == ()
    await wished(store, alpha)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1))
    assert await due(store) == (ORDER,)
    assert await due(store, now=NOW - 1) == ()
    assert await store.read(partial(due_cancels, "panel-b", now=NOW)) == ()
    assert (await told(database_url))[-2:] == ["order.cancel_asked", "order.cancel_owed"]
    one = await kept(store)
    assert one is not None
    assert (one.provider, one.upstream_order, one.sends, one.answer) == ("panel-a", UP, 0, None)


@pytest.mark.parametrize("doubtful", [False, True], ids=["sending", "unknown"])
async def test_wish_before_the_panel_took_it_is_owed_with_the_acceptance(
    store: Store, alpha: User, doubtful: bool
) -> None:
    """Not before: nobody can be told about an order of which there is no id."""
    attempt = await sending(store, alpha)
    if doubtful:
        await bring(store, attempt, Unknown("time is up"))
        (attempt,) = await attempts_of(store)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert await due(store) == ()
    await bring(store, attempt, Accepted("77"))
    telling = await take(store)
    assert telling == Telling(order_id=ORDER, upstream_order="77", mark="m", last=False)
    # The verdict comes a second time, as after an unclear commit: nothing more is owed.
    await bring(store, attempt, Accepted("77"))
    assert await due(store) == ()


@pytest.mark.parametrize("cancelable", [True, False])
async def test_order_that_was_given_up_and_turns_out_placed_is_owed_a_cancel(
    store: Store, alpha: User, cancelable: bool
) -> None:
    """Where its service has cancels. It is ended already, and told all the same."""
    attempt = await sending(store, alpha, can_cancel=cancelable)
    await bring(store, attempt, Unknown("time is up"))
    await store.run(partial(give_back_by_hand, ORDER, WORD, now=NOW))
    await store.run(partial(accept_by_hand, ORDER, "77", WORD, now=NOW))
    assert ((await take(store)) is not None) == cancelable


async def test_one_of_two_tells(store: Store, rival: Store, alpha: User) -> None:
    """However many come to it at once; whoever comes again with the same mark is the same one."""
    await wished(store, alpha)
    taken = await asyncio.gather(take(store, "one"), take(rival, "two"), take(store, "three"))
    (winner,) = [each for each in taken if each is not None]
    assert await take(store, winner.mark) == winner
    assert await take(rival, "four") is None


@pytest.mark.parametrize(("answer", "said"), [("taken", ""), ("refused", "Order not eligible")])
async def test_panels_word_ends_it(store: Store, alpha: User, database_url: str, answer: Answer, said: str) -> None:
    """Whatever it is, nothing more is told; a second word of the same telling changes nothing."""
    await wished(store, alpha)
    telling = await take(store)
    assert telling is not None
    for _ in range(2):
        await store.run(partial(settle_cancel, telling, answer, why=said, now=NOW + 5))
    assert await due(store, now=NOW + 10 * AGAIN_MS) == ()
    assert list(await told(database_url)).count("order.cancel_told") == 1
    one = await kept(store)
    assert one is not None
    assert (one.sends, one.answer, one.answered_at, one.due_at) == (1, answer, NOW + 5, None)


@pytest.mark.parametrize("known", [True, False], ids=["silent", "died"])
async def test_silence_is_told_once_more_after_a_while_and_never_a_third_time(
    store: Store, alpha: User, known: bool
) -> None:
    """Whether the teller lived to hear nothing, or died."""
    await wished(store, alpha)
    now, telling = NOW, None
    for mark, last in (("one", False), ("two", True)):
        telling = await take(store, mark, now=now)
        assert telling is not None
        assert telling.last == last
        if known:
            await store.run(partial(settle_cancel, telling, "silent", why="time is up", now=now))
        assert await due(store, now=now + AGAIN_MS - 1) == ()
        now += AGAIN_MS
    assert await due(store, now=now + AGAIN_MS) == ()
    assert await take(store, "three", now=now + AGAIN_MS) is None
    # The first one's answer may still come, and counts.
    assert telling is not None
    await store.run(partial(settle_cancel, telling, "taken", why="", now=now))
    one = await kept(store)
    assert one is not None
    assert (one.sends, one.answer) == (2, "taken")


async def test_what_never_left_counts_for_nothing(store: Store, alpha: User, database_url: str) -> None:
    """It is due again after a pause, as often as it takes, until the panel was away for days."""
    await wished(store, alpha)
    for n in range(3):
        telling = await take(store, f"m{n}", now=NOW + n * UNSENT_PAUSE_MS)
        assert telling is not None
        assert not telling.last
        await store.run(partial(settle_cancel, telling, "unsent", why="refused", now=NOW + n * UNSENT_PAUSE_MS))
        assert await due(store, now=NOW + n * UNSENT_PAUSE_MS) == ()
    assert "order.cancel_told" not in await told(database_url)
    late = NOW + UNSENT_MS + 1
    telling = await take(store, "late", now=late)
    assert telling is not None
    await store.run(partial(settle_cancel, telling, "unsent", why="refused", now=late))
    assert (await told(database_url))[-1] == "order.cancel_dropped"
    assert await due(store, now=late + AGAIN_MS) == ()


@pytest.mark.parametrize("obstacle", ["", "its panel has no cancel"], ids=["ended", "no cancel"])
async def test_cancel_in_vain_is_dropped(store: Store, alpha: User, database_url: str, obstacle: str) -> None:
    """Of an order that has ended, and at a panel that has no such action."""
    due_poll = await active(store, alpha)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    if not obstacle:
        said = StatusReply(status=StatusWord.COMPLETED)
        await store.run(partial(apply, due_poll, said, provider="panel-a", pace=1000, now=NOW))
    assert await take(store, obstacle=obstacle) is None
    assert await due(store, now=NOW + AGAIN_MS) == ()
    assert (await told(database_url))[-1] == "order.cancel_dropped"
    assert (await order_of(store)).order.refunded == 0


async def test_clock_that_was_set_back_makes_nobody_wait_for_days(store: Store, alpha: User) -> None:
    """What was owed at a time that is to come is told now."""
    await wished(store, alpha)
    before = NOW - 30 * 24 * 3600 * 1000
    await store.run(partial(recall, now=before))
    assert await due(store, now=before) == (ORDER,)
