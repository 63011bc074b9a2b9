"""Refills in the books: one open at a time, a day apart, asked once, and shown to their user alone."""

import asyncio
from functools import partial

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.refill import COOL_DOWN_MS, RefillState
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.owners import leave
from gateway.store.polls import apply
from gateway.store.refills import (
    LEASE_MS,
    OpenRefill,
    RefillTask,
    ask_refill,
    claim_refills,
    doubt_refills,
    settle,
    show_newest_refill,
    show_refills,
)
from tests.store.trade import ME, NOW, ORDER, active, ask, make_user, told

REFILL = 500_001
TASK = RefillTask(id=REFILL, provider="panel-a", upstream_order=f"up-{ORDER}")


@pytest.fixture
async def finished(store: Store, alpha: User) -> User:
    """The user of an order that panel-a has completed."""
    await finish(store, alpha, ORDER)
    return alpha


async def finish(store: Store, user: User, number: int, **changes: object) -> None:
    """An order that panel-a has completed."""
    due = await active(store, user, number, **changes)
    said = StatusReply(status=StatusWord.COMPLETED)
    await store.run(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))


async def wish(
    store: Store, user: User, refill: int = REFILL, order: int = ORDER, *, now: int = NOW
) -> RefillTask | None:  # fmt: skip
    """The user asks for a refill of an order."""
    return await store.run(partial(ask_refill, refill, order, user.id, now=now))


async def taken(store: Store, state: RefillState, *, refill: int = REFILL, due_at: int = NOW) -> None:
    """The panel answered as `r-1`, and so the refill stands."""
    shown = {RefillState.OPEN: "In progress", RefillState.COMPLETED: "Completed"}.get(state, "Rejected")
    command = partial(settle, refill, state, shown=shown, upstream_refill="r-1", due_at=due_at, now=NOW)
    await store.run(command)


async def test_finished_order_is_refilled(store: Store, finished: User, database_url: str) -> None:
    """What to ask of whom is stored before it is asked."""
    assert await wish(store, finished) == TASK
    assert await store.read(partial(show_newest_refill, finished.id, ORDER)) == "Pending"
    assert (await told(database_url))[-1] == "refill.asked"


async def test_second_run_of_an_asking_answers_as_the_first(store: Store, finished: User, database_url: str) -> None:
    """After a COMMIT nobody heard of: the same task, once in the books."""
    assert [await wish(store, finished) for _ in range(3)] == [TASK] * 3
    assert await ask(database_url, "SELECT COUNT(*) FROM refills") == [(1,)]


async def test_one_refill_at_a_time(store: Store, rival: Store, finished: User) -> None:
    """Ten wishes at once, by two processes: one is asked of the panel, and none more while it is open."""
    racing = (wish((store, rival)[n % 2], finished, REFILL + n) for n in range(10))
    tasks = [task for task in await asyncio.gather(*racing) if task is not None]
    assert len(tasks) == 1
    await taken(store, RefillState.OPEN, refill=tasks[0].id)
    assert await wish(store, finished, REFILL + 20, now=NOW + 2 * COOL_DOWN_MS) is None


async def test_day_lies_between_two_refills(store: Store, finished: User) -> None:
    """Counted from when the last was asked for; a rejected one does not count."""
    await wish(store, finished)
    await taken(store, RefillState.COMPLETED)
    assert await wish(store, finished, REFILL + 1, now=NOW + COOL_DOWN_MS - 1) is None
    later = NOW + COOL_DOWN_MS
    assert await wish(store, finished, REFILL + 1, now=later) is not None
    await taken(store, RefillState.REJECTED, refill=REFILL + 1)
    assert await wish(store, finished, REFILL + 2, now=later + 1) is not None


async def test_what_cannot_be_refilled_is_not(store: Store, finished: User) -> None:
    """Another's order, one that does not exist, one under way, a service without refill."""
    beta = await make_user(store, "beta")
    await active(store, finished, ORDER + 1)
    await finish(store, finished, ORDER + 2, can_refill=False)
    assert await wish(store, beta) is None
    for number in (ORDER + 1, ORDER + 2, ORDER + 9):
        assert await wish(store, finished, order=number) is None


async def test_refill_in_doubt_stays_open(store: Store, finished: User) -> None:
    """Its process died while asking: the panel may have it, so no second is asked; a late answer still settles it."""
    await wish(store, finished)
    assert await store.run(partial(doubt_refills, before=NOW, now=NOW)) == 0
    assert await store.run(partial(doubt_refills, before=NOW + 1, now=NOW)) == 1
    assert await store.run(partial(doubt_refills, before=NOW + 1, now=NOW)) == 0
    assert await wish(store, finished, REFILL + 1, now=NOW + 2 * COOL_DOWN_MS) is None
    await taken(store, RefillState.COMPLETED)
    assert await store.read(partial(show_newest_refill, finished.id, ORDER)) == "Completed"


async def test_ended_refill_stays_as_it_is(store: Store, finished: User) -> None:
    """A late word changes nothing that was told as final."""
    await wish(store, finished)
    await taken(store, RefillState.COMPLETED)
    await taken(store, RefillState.REJECTED)
    assert await store.read(partial(show_refills, finished.id, [REFILL])) == {REFILL: "Completed"}


async def test_open_refills_are_claimed_when_they_are_due(store: Store, finished: User) -> None:
    """Ours for the lease, of one provider, with the panel's own id; not before their time, and not once they ended."""
    await wish(store, finished)
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 1)) == ()
    await taken(store, RefillState.OPEN, due_at=NOW + 10)
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 9)) == ()
    assert await store.run(partial(claim_refills, "panel-b", ME, limit=10, now=NOW + 10)) == ()
    mine = (OpenRefill(id=REFILL, upstream_refill="r-1", created_at=NOW),)
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 10)) == mine
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 10 + LEASE_MS)) == ()
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 11 + LEASE_MS)) == mine
    await taken(store, RefillState.COMPLETED)
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 10 * LEASE_MS)) == ()


async def test_process_that_leaves_hands_back_the_refills_it_had_claimed(store: Store, finished: User) -> None:
    """At once for whoever is left; another's claim is another's, and one that has ended is not touched."""
    claim = partial(partial, claim_refills, "panel-a", limit=10)
    await wish(store, finished)
    await taken(store, RefillState.OPEN, due_at=NOW)
    assert len(await store.run(claim(ME, now=NOW))) == 1
    await store.run(partial(leave, "another"))
    assert await store.run(claim("another", now=NOW + 1)) == ()
    await store.run(partial(leave, ME))
    assert len(await store.run(claim("another", now=NOW + 1))) == 1
    await store.run(partial(leave, ME))
    assert await store.run(claim(ME, now=NOW + 2)) == ()


async def test_refill_without_the_panels_id_cannot_be_asked_about(store: Store, finished: User) -> None:
    """Some panels give none: it is never claimed; an id that was told is not forgotten."""
    await wish(store, finished)
    unnamed = partial(settle, REFILL, RefillState.OPEN, shown="Pending", upstream_refill=None, due_at=NOW, now=NOW)
    await store.run(unnamed)
    assert await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 1)) == ()
    await taken(store, RefillState.OPEN)
    await store.run(unnamed)
    (claimed,) = await store.run(partial(claim_refills, "panel-a", ME, limit=10, now=NOW + 1))
    assert claimed.upstream_refill == "r-1"


async def test_only_ones_own_refills_are_shown(store: Store, finished: User) -> None:
    """By its own id and by its order: another's is missing, like one that does not exist."""
    beta = await make_user(store, "beta")
    await wish(store, finished)
    assert await store.read(partial(show_refills, finished.id, [REFILL, REFILL + 1])) == {REFILL: "Pending"}
    assert await store.read(partial(show_refills, beta.id, [REFILL, REFILL + 1])) == {}
    assert await store.read(partial(show_newest_refill, beta.id, ORDER)) is None
    assert await store.read(partial(show_newest_refill, finished.id, ORDER + 1)) is None


async def test_newest_refill_is_the_one_shown(store: Store, finished: User) -> None:
    """Of several of one order."""
    await wish(store, finished)
    await taken(store, RefillState.COMPLETED)
    await wish(store, finished, REFILL + 1, now=NOW + COOL_DOWN_MS)
    assert await store.read(partial(show_newest_refill, finished.id, ORDER)) == "Pending"


async def test_database_itself_forbids_a_second_open_refill(finished: User, store: Store, database_url: str) -> None:
    """Whatever a mistake of ours would try."""
    await wish(store, finished)
    with pytest.raises(Exception, match=r"one_open_refill|UNIQUE"):
        await ask(
            database_url,
            "INSERT INTO refills(id, order_id, user_id, provider, upstream_order, state, shown, due_at, created_at, "
            "updated_at) SELECT 7, order_id, user_id, provider, upstream_order, 'open', 'x', 1, 1, 1 FROM refills",
        )


async def test_every_change_of_a_refill_is_told(store: Store, finished: User, database_url: str) -> None:
    """Asked, taken, ended, by whom; a panel that says the same again tells nothing new, nor does one that is late."""
    await wish(store, finished)
    for state in (RefillState.OPEN, RefillState.OPEN, RefillState.COMPLETED, RefillState.REJECTED):
        await taken(store, state)
    text = "SELECT kind, actor, after FROM events WHERE kind LIKE 'refill.%' ORDER BY id"
    assert await ask(database_url, text) == [
        ("refill.asked", f"user:{finished.id}", None),
        ("refill.open", "provider:panel-a", '{"refill":500001,"state":"open","shown":"In progress"}'),
        ("refill.completed", "provider:panel-a", '{"refill":500001,"state":"completed","shown":"Completed"}'),
    ]


async def test_doubted_refill_is_told(store: Store, finished: User, database_url: str) -> None:
    """Nobody asked for the doubt, so the sweep is who did it; once."""
    await wish(store, finished)
    for _ in range(2):
        await store.run(partial(doubt_refills, before=NOW + 1, now=NOW))
    assert (await told(database_url))[-2:] == ["refill.asked", "refill.unknown"]
