"""Doubt in the books, on both databases: how it is kept, how it ends, and that no end places an order twice."""

import asyncio
from functools import partial

import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotPlaced, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.resolve import Own
from gateway.core.user import User
from gateway.store.attempts import Decided
from gateway.store.engine import Store
from gateway.store.orders import ask_cancel
from gateway.store.owners import take_over
from gateway.store.unknown import (
    IdTaken,
    Look,
    NotInDoubt,
    Word,
    accept_by_hand,
    all_doubts,
    deny_by_hand,
    due_back,
    end_quarantine,
    give_back_by_hand,
    give_back_by_rule,
    keep_looks,
    keep_strange,
    open_doubts,
    own_orders,
    owned,
    strange_ids,
    watch_doubts,
)
from tests.store.trade import (
    ME,
    NOW,
    ORDER,
    RIVAL,
    active,
    ask,
    attempts_of,
    bring,
    make_planned,
    money_of,
    order_of,
    planned,
    sending,
    told,
)

WORD = Word(actor="cli:ops", reason="seen in the panel's own list")
HOUR = 3_600_000


async def doubted(store: Store, user: User, number: int = ORDER, **changes: object) -> Attempt:
    """An attempt nobody can tell about, watched."""
    await bring(store, await sending(store, user, number, **changes), Unknown("time is up"))
    attempt = (await attempts_of(store, number))[0]
    await store.run(partial(watch_doubts, [(attempt.id, attempt.provider)], aged=[], ms=0))
    return attempt


async def states(store: Store, number: int = ORDER) -> tuple[OrderState, list[AttemptState]]:
    """How an order and its attempts stand."""
    return (await order_of(store, number)).order.state, [each.state for each in await attempts_of(store, number)]


async def test_queue_has_what_is_in_doubt_and_what_is_known_of_it(store: Store, alpha: User) -> None:
    """The longest in doubt first, with its charge, its bounds and what was found; what is on its way is none yet."""
    attempt = await doubted(store, alpha)
    await sending(store, alpha, ORDER + 1)
    look = Look(attempt=attempt.id, lo=10, hi=20, note="more than one", found=(("15", "Pending"),))
    await store.run(partial(keep_looks, [look], now=NOW + 5))
    later = Look(attempt=attempt.id, lo=5, hi=99, note="again")
    await store.run(partial(keep_looks, [later], now=NOW + 6))
    (one,) = await store.read(all_doubts)
    assert (one.attempt.id, one.charge, one.currency, one.quantity) == (attempt.id, 100, "USD", 10)
    assert (one.reason, str(one.cost), one.cost_currency) == ("time is up", "0.5", "EUR")
    assert (one.lo, one.hi, one.note, one.found, one.looked_at) == (10, 20, "again", (), NOW + 6)
    assert [each.attempt.order_id for each in await store.read(partial(open_doubts, "panel-a"))] == [ORDER, ORDER + 1]
    assert await store.read(partial(open_doubts, "panel-b")) == ()
    assert await store.read(partial(all_doubts, ORDER + 1)) == ()


async def test_quarantine_ends_once_by_the_databases_clock(store: Store, alpha: User) -> None:
    """Not before its time, and its event parts what was armed before from what is armed after."""
    attempt = await doubted(store, alpha)
    end = partial(end_quarantine, attempt, actor=ME, now=NOW)
    assert not await store.run(partial(end, ms=HOUR))
    assert await store.run(partial(end, ms=0))
    assert not await store.run(partial(end, ms=0))
    await bring(store, await sending(store, alpha, ORDER + 1), Accepted("77"))
    (doubt,) = await store.read(all_doubts)
    (own,) = await store.read(partial(own_orders, "panel-a", below=2**62, limit=9))
    assert doubt.quarantined is not None
    assert doubt.armed < doubt.quarantined < own.armed < own.told


async def test_bounds_rest_on_what_panels_answered_themselves(store: Store, alpha: User) -> None:
    """An id that a person wrote, or that was found by a look, bounds nothing; every accepted id is owned."""
    first = await sending(store, alpha, ORDER + 1)
    await bring(store, first, Accepted("70"))
    await doubted(store, alpha)
    await store.run(partial(accept_by_hand, ORDER, "9000", WORD, now=NOW))
    own = await store.read(partial(own_orders, "panel-a", below=2**62, limit=9))
    assert [each.upstream_order for each in own] == ["70"]
    assert isinstance(own[0], Own)
    assert await store.read(partial(own_orders, "panel-a", below=first.id, limit=9)) == ()
    assert await store.read(partial(owned, "panel-a", [69, 70, 9000])) == {70, 9000}
    assert await store.read(partial(owned, "panel-b", [70])) == frozenset()


async def test_accepted_by_hand_is_followed_and_its_history_says_by_whom(
    store: Store, alpha: User, database_url: str
) -> None:
    """The charge is captured once; an id of another order is refused, and so is an order that is not in doubt."""
    await active(store, alpha, ORDER + 1)
    await doubted(store, alpha)
    with pytest.raises(IdTaken, match=f"belongs to order {ORDER + 1}"):
        await store.run(partial(accept_by_hand, ORDER, f"up-{ORDER + 1}", WORD, now=NOW))
    decided = await store.run(partial(accept_by_hand, ORDER, "77", WORD, now=NOW))
    assert (decided.state, decided.cancel) == (OrderState.ACTIVE, None)
    assert await states(store) == (OrderState.ACTIVE, [AttemptState.ACCEPTED])
    assert await money_of(store) == (800, 0)
    assert (await told(database_url))[-2:] == ["order.active", "attempt.accepted_by_hand"]
    rows = await ask(database_url, "SELECT actor, reason FROM events WHERE kind = 'attempt.accepted_by_hand'")
    assert rows == [("cli:ops", WORD.reason)]
    with pytest.raises(NotInDoubt, match="no attempt in doubt"):
        await store.run(partial(accept_by_hand, ORDER, "78", WORD, now=NOW))
    with pytest.raises(NotInDoubt, match="there is no order 5"):
        await store.run(partial(accept_by_hand, 5, "78", WORD, now=NOW))


async def test_young_order_that_was_not_placed_is_placed_again(store: Store, alpha: User) -> None:
    """By whoever lives: the next sweep takes it over. One route is enough, it has no order there."""
    await doubted(store, alpha)
    decided = await store.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=NOW))
    assert decided.state is OrderState.RESERVED
    assert await states(store) == (OrderState.RESERVED, [AttemptState.NOT_PLACED, AttemptState.PLANNED])
    (taken,) = await store.run(partial(take_over, RIVAL, now=NOW))
    assert (taken.provider, taken.n) == ("panel-a", 2)
    assert await money_of(store) == (900, 100)


async def test_another_route_is_tried_before_the_same_again(store: Store, alpha: User) -> None:
    """A panel that lost one order may lose the next as well."""
    await doubted(store, alpha, routes=(make_planned(), make_planned("panel-b")))
    decided = await store.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=NOW))
    assert decided.next is not None
    assert decided.next.provider == "panel-b"


@pytest.mark.parametrize("canceled", [True, False])
async def test_order_nobody_waits_for_is_given_back_when_it_was_not_placed(
    store: Store, alpha: User, canceled: bool
) -> None:
    """Too old, or canceled by its user meanwhile."""
    await doubted(store, alpha)
    if canceled:
        await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    late = NOW if canceled else NOW + HOUR
    decided = await store.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=late))
    assert (decided.state, decided.next) == (OrderState.FAILED, None)
    assert await states(store) == (OrderState.FAILED, [AttemptState.NOT_PLACED])
    assert await money_of(store) == (1000, 0)


async def test_cancel_that_was_asked_for_in_doubt_is_passed_on_when_it_was_placed(store: Store, alpha: User) -> None:
    """Whoever settles the doubt is told to have it canceled."""
    await doubted(store, alpha)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    decided = await store.run(partial(accept_by_hand, ORDER, "77", WORD, now=NOW))
    assert (decided.state, decided.cancel) == (OrderState.ACTIVE, "77")


async def test_user_is_refunded_from_our_own_pocket_and_the_doubt_stays(store: Store, alpha: User) -> None:
    """Captured, refunded whole and canceled; the attempt is unknown still, and nothing can place the order again."""
    attempt = await doubted(store, alpha)
    await store.run(partial(give_back_by_hand, ORDER, WORD, now=NOW))
    assert await states(store) == (OrderState.CANCELED, [AttemptState.UNKNOWN])
    assert await money_of(store) == (1000, 0)
    (doubt,) = await store.read(all_doubts)
    assert doubt.refunded_at is not None
    with pytest.raises(NotInDoubt):
        await store.run(partial(give_back_by_hand, ORDER, WORD, now=NOW + 1))
    decided = await store.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=NOW))
    assert (decided.state, decided.next) == (OrderState.CANCELED, None)
    assert await states(store) == (OrderState.CANCELED, [AttemptState.NOT_PLACED])
    assert (await bring(store, attempt, Accepted("77"))).state is OrderState.CANCELED
    assert await money_of(store) == (1000, 0)


async def test_refunded_order_that_turns_out_placed_is_our_loss(store: Store, alpha: User, database_url: str) -> None:
    """The attempt alone changes, its cost is a loss, and the panel is to cancel it; a late refusal costs nothing."""
    attempt = await doubted(store, alpha)
    other = await doubted(store, alpha, ORDER + 1)
    for number in (ORDER, ORDER + 1):
        await store.run(partial(give_back_by_hand, number, WORD, now=NOW))
    decided = await bring(store, attempt, Accepted("77"))
    assert (decided.state, decided.cancel) == (OrderState.CANCELED, "77")
    assert await states(store) == (OrderState.CANCELED, [AttemptState.ACCEPTED])
    refused = await bring(store, other, Rejected(RejectKind.FUNDS, "no"))
    assert (refused.state, refused.next) == (OrderState.CANCELED, None)
    assert await states(store, ORDER + 1) == (OrderState.CANCELED, [AttemptState.REJECTED])
    costs = "SELECT t.tx_key, a.code FROM transfers t JOIN accounts a ON a.id = t.dest_id WHERE t.kind = 'cost'"
    assert await ask(database_url, costs) == [(f"cost:{ORDER}:0", "losses:unknown:EUR")]
    assert (await told(database_url))[-1] == "attempt.settled"
    assert await money_of(store) == (1000, 0)


async def test_rule_refunds_by_both_clocks_and_up_to_its_cap(store: Store, alpha: User) -> None:
    """Time that nobody watched does not count, nor does watched time by a clock that has not passed."""
    first = await doubted(store, alpha)
    second = await doubted(store, alpha, ORDER + 1)
    assert await store.read(partial(due_back, "panel-a", ms=50)) == ()
    await asyncio.sleep(0.06)
    assert await store.read(partial(due_back, "panel-a", ms=50)) == ()  # the watcher's clock has not moved
    await store.run(partial(watch_doubts, [], aged=[first.id, second.id], ms=HOUR))
    assert await store.read(partial(due_back, "panel-a", ms=HOUR)) == ()  # the database's has not
    due = await store.read(partial(due_back, "panel-a", ms=50))
    assert [each.id for each in due] == [first.id, second.id]
    paid = [await store.run(partial(give_back_by_rule, each, WORD, cap=150, now=NOW)) for each in due]
    assert paid == [True, False]
    assert await money_of(store) == (900, 100)
    assert not await store.run(partial(give_back_by_rule, first, WORD, cap=10**9, now=NOW))
    assert [each.id for each in await store.read(partial(due_back, "panel-a", ms=50))] == [second.id]


async def test_late_reply_settles_what_the_sweep_gave_up(store: Store, alpha: User) -> None:
    """The sender kept its socket: its word is legal from unknown, both ways (RELIABILITY 1.8, R0)."""
    accepted = await doubted(store, alpha)
    refused = await doubted(store, alpha, ORDER + 1)
    assert (await bring(store, accepted, Accepted("77"))).state is OrderState.ACTIVE
    assert (await bring(store, refused, Rejected(RejectKind.LINK, "no"))).state is OrderState.FAILED
    assert await money_of(store) == (900, 0)


async def test_two_who_settle_one_doubt_settle_it_once(store: Store, rival: Store, alpha: User) -> None:
    """A look and a person at the same moment: one of them is first, and one attempt lives at most."""
    attempt = await doubted(store, alpha)
    done = await asyncio.gather(
        bring(store, attempt, Accepted("77")),
        rival.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=NOW)),
        bring(rival, attempt, Accepted("78")),
        store.run(partial(give_back_by_hand, ORDER, WORD, now=NOW)),
        return_exceptions=True,
    )
    assert [each for each in done if isinstance(each, BaseException) and not isinstance(each, NotInDoubt)] == []
    order, attempts = await states(store)
    live = [each for each in attempts if each in {AttemptState.ACCEPTED, AttemptState.PLANNED, AttemptState.UNKNOWN}]
    assert len(live) <= 1
    assert order in {OrderState.ACTIVE, OrderState.RESERVED, OrderState.CANCELED}
    avail, held = await money_of(store)
    assert (avail, held) == {
        OrderState.ACTIVE: (900, 0), OrderState.RESERVED: (900, 100), OrderState.CANCELED: (1000, 0),
    }[order]  # fmt: skip


async def test_proof_by_a_look_is_a_verdict_like_any_other(store: Store, alpha: User) -> None:
    """Not placed is stored once; brought again it finds the attempt it planned."""
    attempt = await doubted(store, alpha)
    first = await bring(store, attempt, NotPlaced("every id was denied twice"), go_on=True)
    again = await bring(store, attempt, NotPlaced("every id was denied twice"), go_on=True)
    assert first.next is not None
    assert again.next == first.next
    assert len(await attempts_of(store)) == 2


async def test_planned_attempt_is_in_no_doubt(store: Store, alpha: User) -> None:
    """What was never armed cannot be anywhere."""
    await planned(store, alpha)
    assert await store.read(partial(open_doubts, "panel-a")) == ()
    with pytest.raises(NotInDoubt):
        await store.run(partial(deny_by_hand, ORDER, WORD, replace_ms=HOUR, now=NOW))


async def test_strange_ids_are_kept_until_they_are_somebodys(store: Store, alpha: User) -> None:
    """Once each; one that a person attaches is strange no more."""
    assert await store.run(partial(keep_strange, "panel-a", {"15": "Pending", "16": "Completed"}, now=NOW)) == (
        "15", "16",
    )  # fmt: skip
    assert await store.run(partial(keep_strange, "panel-a", {"15": "other"}, now=NOW)) == ()
    await doubted(store, alpha)
    await store.run(partial(accept_by_hand, ORDER, "15", WORD, now=NOW))
    (left,) = await store.read(strange_ids)
    assert (left.provider, left.upstream_order, left.said, left.found_at) == ("panel-a", "16", "Completed", NOW)
    assert await store.read(partial(strange_ids, "panel-b")) == ()


def _told_of(decided: Decided | None) -> object:
    """What a person is told, and what goes on; whether a pause comes first is not kept."""
    return None if decided is None else (decided.state, decided.next, decided.cancel)


@pytest.mark.parametrize("canceled", [False, True])
async def test_command_by_hand_run_again_answers_as_it_did(store: Store, alpha: User, *, canceled: bool) -> None:
    """After a commit nobody heard of: neither a refusal, nor a second attempt, nor money twice."""
    for number in (1, 2, 3):
        await doubted(store, alpha, number)
        if canceled:
            await store.run(partial(ask_cancel, number, alpha.id, now=NOW))
    commands = (
        partial(accept_by_hand, 1, "777", WORD, now=NOW),
        partial(deny_by_hand, 2, WORD, replace_ms=HOUR, now=NOW),
        partial(give_back_by_hand, 3, WORD, now=NOW),
    )
    for command in commands:
        first, second = await store.run(command), await store.run(command)
        assert _told_of(first) == _told_of(second)
    money = await money_of(store)
    assert money == ((900, 0) if canceled else (800, 100))
    assert [len(await attempts_of(store, number)) for number in (1, 2, 3)] == [1, 1 if canceled else 2, 1]
    for later in (1, 3):
        with pytest.raises(NotInDoubt):
            await store.run(partial(give_back_by_hand, later, WORD, now=NOW + 1))
