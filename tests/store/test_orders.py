"""Orders in the books: placed whole, once a wish, shown to their user alone, canceled while nothing was sent."""

import asyncio
from functools import partial

import pytest

from gateway.core.attempt import AttemptState
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotSent, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.user import User
from gateway.store.attempts import arm
from gateway.store.engine import Store
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import REPLAY_MS, CancelTask, IdempotencyKeyReused, Placed, answered, ask_cancel, show
from gateway.store.owners import OWNER_DEAD_MS, beat, leave
from gateway.store.polls import apply
from tests.store.trade import (
    ME,
    NOW,
    ORDER,
    RIVAL,
    active,
    ask,
    attempts_of,
    bring,
    make_new_order,
    make_planned,
    make_user,
    money_of,
    order_of,
    planned,
    put,
    sending,
    told,
)

SAME = "the-same-wish"


@pytest.fixture(autouse=True)
async def _alive(store: Store) -> None:
    """Both processes live."""
    for owner in (ME, RIVAL):
        await store.run(partial(beat, owner, now=NOW))


async def orders(database_url: str) -> int:
    """How many orders the books have."""
    return int((await ask(database_url, "SELECT COUNT(*) FROM orders"))[0][0])


# ------------------------------------------------------------------------------------------------------------- placing


async def test_placed_order_is_there_whole(store: Store, alpha: User, database_url: str) -> None:
    """Money, order, first attempt and event stand together, as they were asked for."""
    routes = (make_planned("panel-b", "7"), make_planned("panel-a"))
    placed = await put(store, make_new_order(alpha.id, routes=routes, can_cancel=False, passed="panel-c/1: too dear"))
    assert await money_of(store) == (900, 100)
    locked = await order_of(store)
    assert (locked.order.state, locked.order.charge, locked.routes) == (OrderState.RESERVED, 100, routes)
    assert (locked.can_refill, locked.can_cancel, locked.created_at) == (True, False, NOW)
    (attempt,) = await attempts_of(store)
    assert attempt == placed.attempt
    assert (attempt.provider, attempt.provider_service, attempt.owner, attempt.n) == ("panel-b", "7", ME, 1)
    assert await told(database_url) == ["order.reserved"]
    assert await ask(database_url, "SELECT reason, actor FROM events WHERE kind = 'order.reserved'") == [
        ("panel-c/1: too dear", f"user:{alpha.id}")
    ]


async def test_order_without_the_money_leaves_nothing(store: Store, alpha: User, database_url: str) -> None:
    """Neither order nor attempt nor event, and not a unit held."""
    with pytest.raises(NotEnoughFunds):
        await put(store, make_new_order(alpha.id, charge=1_001))
    assert await orders(database_url) == 0
    assert await ask(database_url, "SELECT COUNT(*) FROM attempts") == [(0,)]
    assert await told(database_url) == []
    assert await money_of(store) == (1_000, 0)


async def test_racing_orders_spend_what_there_is(store: Store, rival: Store, alpha: User, database_url: str) -> None:
    """40 orders of 100 at once, by two processes, for 1 000: ten are stored, thirty refused, nothing in between."""
    racing = ((store, rival)[n % 2] for n in range(40))
    ended = await asyncio.gather(
        *(put(books, make_new_order(alpha.id, ORDER + n)) for n, books in enumerate(racing)), return_exceptions=True
    )
    assert sum(isinstance(one, NotEnoughFunds) for one in ended) == 30
    assert await orders(database_url) == 10
    assert await ask(database_url, "SELECT COUNT(*) FROM attempts WHERE state = 'planned'") == [(10,)]
    assert await money_of(store) == (0, 1_000)


@pytest.mark.parametrize("how", [{}, {"idem_key": "k"}, {"duplicate_window": 60}])
async def test_second_run_of_a_placing_answers_as_the_first(
    store: Store, alpha: User, database_url: str, how: dict[str, object]
) -> None:
    """After a COMMIT nobody heard of: the same order with its attempt, which would otherwise be sent by nobody."""
    new = make_new_order(alpha.id, **how)  # type: ignore[arg-type] # by name
    first = await put(store, new)
    assert first.attempt is not None
    assert await put(store, new) == first
    # Heartbeats stop while the books are away: the process that stored it looks dead to its own second run.
    assert await put(store, new, now=NOW + OWNER_DEAD_MS + 1) == first
    assert await orders(database_url) == 1
    assert await money_of(store) == (900, 100)


# -------------------------------------------------------------------------------------------------- the same wish again


async def test_key_stands_for_one_order_whatever_its_state(store: Store, alpha: User, database_url: str) -> None:
    """The same key with the same parameters is the same order, also when that failed; other parameters are refused."""
    await put(store, make_new_order(alpha.id, idem_key="k", fingerprint=SAME))
    again = make_new_order(alpha.id, ORDER + 1, idem_key="k", fingerprint=SAME)
    assert await put(store, again) == Placed(order_id=ORDER, attempt=None)
    (attempt,) = await attempts_of(store)
    await bring(store, attempt, NotSent("away"))
    assert (await put(store, again)).order_id == ORDER
    with pytest.raises(IdempotencyKeyReused, match=f"order {ORDER}"):
        await put(store, make_new_order(alpha.id, ORDER + 2, idem_key="k", fingerprint="another"))
    assert await orders(database_url) == 1


async def test_key_is_the_users_own(store: Store, alpha: User) -> None:
    """Two users with one key have an order each."""
    beta = await make_user(store, "beta")
    await put(store, make_new_order(alpha.id, idem_key="k"))
    assert (await put(store, make_new_order(beta.id, ORDER + 1, idem_key="k"))).attempt is not None


async def test_racing_keys_place_one_order_each(store: Store, rival: Store, alpha: User, database_url: str) -> None:
    """16 adds with 2 keys at once, by two processes: two orders, and each add has the id of its key's."""

    async def add(n: int) -> tuple[str, int]:
        key = f"k{n % 4 // 2}"
        new = make_new_order(alpha.id, ORDER + n, idem_key=key, fingerprint=key)
        return key, (await put((store, rival)[n % 2], new)).order_id

    answers = set(await asyncio.gather(*(add(n) for n in range(16))))
    assert len(answers) == 2
    assert await orders(database_url) == 2
    assert await money_of(store) == (800, 200)


async def test_answer_that_was_not_heard_is_given_again_once(store: Store, alpha: User, database_url: str) -> None:
    """The caller was gone: its next identical add gets that order; the one after is a new wish."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    again = await put(store, make_new_order(alpha.id, ORDER + 1, fingerprint=SAME))
    assert (again.order_id, again.attempt) == (ORDER, None)
    assert (await put(store, make_new_order(alpha.id, ORDER + 2, fingerprint=SAME))).order_id == ORDER + 2
    assert await ask(database_url, "SELECT id, replays FROM orders ORDER BY id") == [(ORDER, 1), (ORDER + 2, 0)]


async def test_unheard_answer_raced_for_is_given_once(store: Store, rival: Store, alpha: User) -> None:
    """Two identical adds, by two processes, after one lost answer: one is the retry, the other a new wish."""
    for number in range(ORDER, ORDER + 24, 3):
        wishes = [make_new_order(alpha.id, number + n, charge=1, fingerprint=f"wish-{number}") for n in range(3)]
        await put(store, wishes[0])
        await store.run(partial(answered, number, alpha.id, heard=False, now=NOW))
        both = await asyncio.gather(put(store, wishes[1]), put(rival, wishes[2]))
        assert [one.order_id for one in both].count(number) == 1


async def test_answer_of_a_dead_process_was_not_heard(store: Store, alpha: User) -> None:
    """It could not have answered; while it lives it may still, and the same add is a new order."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    assert (await put(store, make_new_order(alpha.id, ORDER + 1, fingerprint=SAME))).order_id == ORDER + 1
    await store.run(partial(leave, ME))
    third = make_new_order(alpha.id, ORDER + 2, fingerprint=SAME, owner=RIVAL)
    assert (await put(store, third)).order_id == ORDER + 1


@pytest.mark.parametrize(
    ("later", "fingerprint", "heard"),
    [(0, SAME, True), (REPLAY_MS + 1, SAME, False), (0, "another", False)],
    ids=["it was heard", "a day has passed", "another order"],
)
async def test_new_wish_is_a_new_order(
    store: Store, alpha: User, later: int, fingerprint: str, heard: bool
) -> None:  # fmt: skip
    """An answer that arrived, an old one, other parameters: none of them is a retry."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    await store.run(partial(answered, ORDER, alpha.id, heard=heard, now=NOW))
    for owner in (ME, RIVAL):
        await store.run(partial(beat, owner, now=NOW + later))
    second = make_new_order(alpha.id, ORDER + 1, fingerprint=fingerprint)
    assert (await put(store, second, now=NOW + later)).order_id == ORDER + 1


async def test_failed_order_is_not_given_again(store: Store, alpha: User) -> None:
    """Nothing was charged for it: the retry is sold anew, in a window too."""
    attempt = await planned(store, alpha, fingerprint=SAME)
    await store.run(partial(answered, ORDER, alpha.id, heard=False, now=NOW))
    await bring(store, attempt, NotSent("away"))
    second = make_new_order(alpha.id, ORDER + 1, fingerprint=SAME, duplicate_window=60)
    assert (await put(store, second)).order_id == ORDER + 1


async def test_nobody_marks_anothers_answer(store: Store, alpha: User) -> None:
    """Whether an answer was heard is noted by the order and its user together; heard is never unheard again."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME))
    await store.run(partial(answered, ORDER, alpha.id + 1, heard=False, now=NOW))
    assert (await put(store, make_new_order(alpha.id, ORDER + 1, fingerprint=SAME))).order_id == ORDER + 1
    for number in (ORDER, ORDER + 1):
        await store.run(partial(answered, number, alpha.id, heard=True, now=NOW))
        await store.run(partial(answered, number, alpha.id, heard=False, now=NOW))
    assert (await put(store, make_new_order(alpha.id, ORDER + 2, fingerprint=SAME))).order_id == ORDER + 2


async def test_window_gives_the_same_order_while_it_lasts(store: Store, alpha: User) -> None:
    """A user's own wish: identical adds within so many seconds are one order, heard or not."""
    await put(store, make_new_order(alpha.id, fingerprint=SAME, duplicate_window=120))
    await store.run(partial(answered, ORDER, alpha.id, heard=True, now=NOW))
    inside = make_new_order(alpha.id, ORDER + 1, fingerprint=SAME, duplicate_window=120)
    assert (await put(store, inside, now=NOW + 120_000)).order_id == ORDER
    for owner in (ME, RIVAL):
        await store.run(partial(beat, owner, now=NOW + 120_001))
    assert (await put(store, inside, now=NOW + 120_001)).order_id == ORDER + 1


async def test_racing_adds_in_a_window_are_one_order(
    store: Store, rival: Store, alpha: User, database_url: str
) -> None:
    """16 identical adds at once, by two processes: one order, one charge."""
    wishes = [make_new_order(alpha.id, ORDER + n, fingerprint=SAME, duplicate_window=60) for n in range(16)]
    answers = await asyncio.gather(*(put((store, rival)[n % 2], wish) for n, wish in enumerate(wishes)))
    assert len({one.order_id for one in answers}) == 1
    assert await orders(database_url) == 1
    assert await money_of(store) == (900, 100)


# -------------------------------------------------------------------------------------------------------------- showing


async def test_only_ones_own_orders_are_shown(store: Store, alpha: User) -> None:
    """Another's order is missing, like one that does not exist."""
    beta = await make_user(store, "beta")
    await put(store, make_new_order(alpha.id))
    await put(store, make_new_order(beta.id, ORDER + 1))
    ids = [ORDER, ORDER + 1, ORDER + 2]
    assert list(await store.read(partial(show, alpha.id, ids))) == [ORDER]
    assert list(await store.read(partial(show, beta.id, ids))) == [ORDER + 1]
    assert await store.read(partial(show, beta.id + 1, ids)) == {}
    assert await store.read(partial(show, alpha.id, [])) == {}


async def test_shown_charge_is_what_was_kept(store: Store, alpha: User) -> None:
    """Nothing of a failed order, the rest of a partial one; remains is all until the panel says more."""
    due = await active(store, alpha, ORDER)
    await bring(store, await planned(store, alpha, ORDER + 1), NotSent("away"))
    (before,) = (await store.read(partial(show, alpha.id, [ORDER]))).values()
    assert (before.charge, before.remains, before.status, before.start_count) == (100, 10, "Pending", 0)
    said = StatusReply(status=StatusWord.PARTIAL, remains=4, start_count=77)
    await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))
    shown = await store.read(partial(show, alpha.id, [ORDER, ORDER + 1]))
    partial_, failed = shown[ORDER], shown[ORDER + 1]
    assert (partial_.charge, partial_.remains, partial_.status, partial_.start_count) == (60, 4, "Partial", 77)
    assert (failed.charge, failed.remains, failed.status, failed.currency) == (0, 10, "Canceled", "USD")


# ------------------------------------------------------------------------------------------------------------ canceling


async def test_cancel_while_planned_gives_the_money_back(store: Store, alpha: User, database_url: str) -> None:
    """The only certain cancel: it can no longer be armed, and the charge is the user's again at once."""
    attempt = await planned(store, alpha)
    assert await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW)) == CancelTask(eligible=True)
    assert await money_of(store) == (1_000, 0)
    assert (await attempts_of(store))[0].state is AttemptState.NOT_SENT
    assert (await order_of(store)).order.state is OrderState.FAILED
    assert await told(database_url) == ["order.reserved", "order.failed"]
    # What was on its way comes late, and is late.
    assert (await bring(store, attempt, NotSent("fenced"))).state is OrderState.FAILED
    assert await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1)) == CancelTask(eligible=False)
    assert await money_of(store) == (1_000, 0)


@pytest.mark.parametrize("outcome", [None, Unknown("time is up")], ids=["sending", "unknown"])
async def test_cancel_in_doubt_is_only_noted(store: Store, alpha: User, outcome: Unknown | None) -> None:
    """Something may have left: the charge stays held, nothing is sent to a panel whose order we do not know."""
    attempt = await sending(store, alpha)
    if outcome is not None:
        await bring(store, attempt, outcome)
    assert await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW)) == CancelTask(eligible=True)
    assert await money_of(store) == (900, 100)
    locked = await order_of(store)
    assert (locked.cancel_requested, locked.order.state in {OrderState.PLACING, OrderState.UNKNOWN}) == (True, True)
    assert not (await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1))).eligible


async def test_canceled_order_takes_no_other_route(store: Store, alpha: User) -> None:
    """A cancel that came while one panel was asked: its refusal is the end, not the next panel's turn."""
    routes = (make_planned(), make_planned("panel-b"))
    attempt = await sending(store, alpha, routes=routes)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    ended = await bring(store, attempt, Rejected(RejectKind.FUNDS, "no funds"), go_on=True)
    assert (ended.state, ended.next) == (OrderState.FAILED, None)
    assert await money_of(store) == (1_000, 0)


async def test_cancel_of_an_active_order_is_the_panels_business(store: Store, alpha: User) -> None:
    """Whom to tell and about what; only a later status pays anything back. It is asked once."""
    await active(store, alpha)
    task = await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert task == CancelTask(eligible=True, provider="panel-a", upstream_order=f"up-{ORDER}")
    assert await money_of(store) == (900, 0)
    assert not (await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW + 1))).eligible


async def test_what_cannot_be_canceled_is_not(store: Store, alpha: User) -> None:
    """Another's order, one that does not exist, a service without cancel, an order that has ended."""
    beta = await make_user(store, "beta")
    await put(store, make_new_order(beta.id, ORDER + 1))
    await put(store, make_new_order(alpha.id, ORDER + 2, can_cancel=False))
    due = await active(store, alpha, ORDER + 3)
    said = StatusReply(status=StatusWord.COMPLETED)
    await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))
    for number in (ORDER + 1, ORDER + 2, ORDER + 3, ORDER + 9):
        assert not (await store.run(partial(ask_cancel, number, alpha.id, now=NOW))).eligible
    assert await money_of(store, "beta") == (900, 100)
    assert (await order_of(store, ORDER + 1)).cancel_requested is False


async def test_cancel_and_arming_race_and_one_of_them_wins(store: Store, rival: Store, alpha: User) -> None:
    """Either the order is sent and the cancel noted, or the money is back and nothing may leave; never both."""
    from_both = []
    for number in range(ORDER, ORDER + 8):
        attempt = await planned(store, alpha, number)
        arming = store.run(partial(arm, attempt, now=NOW, mark="m"))
        canceling = rival.run(partial(ask_cancel, number, alpha.id, now=NOW))
        armed, _ = await asyncio.gather(arming, canceling)
        state = (await order_of(store, number)).order.state
        assert state is (OrderState.PLACING if armed else OrderState.FAILED)
        from_both.append(armed)
    avail, held = await money_of(store)
    assert (avail, held) == (1_000 - 100 * sum(from_both), 100 * sum(from_both))


async def test_late_acceptance_after_a_cancel_keeps_the_wish(store: Store, alpha: User) -> None:
    """Asked for while sending, then the panel took it: the order is active and the wish still noted."""
    attempt = await sending(store, alpha)
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert (await bring(store, attempt, Accepted("77"))).state is OrderState.ACTIVE
    locked = await order_of(store)
    assert (locked.order.state, locked.cancel_requested) == (OrderState.ACTIVE, True)
