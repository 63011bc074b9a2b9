"""The outbox: nothing waits while nobody listens; claims are leases; an order's events come one after the other."""

import asyncio
from functools import partial
from typing import Any, Final

import pytest

from gateway.core.outcome import Accepted
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.events import record
from gateway.store.outbox import (
    GIVE_UP_MS,
    LEASE_MS,
    RETRY_MAX_MS,
    Told,
    claim_events,
    count_events,
    dead_events,
    mark_failed,
    mark_published,
    retry_events,
    want_events,
)
from tests.store.trade import NOW, ask, bring, sending

BY: Final[dict[str, Any]] = {"actor": "test", "reason": "mended", "now": NOW}


@pytest.fixture
async def wanted(store: Store) -> Store:
    """Books whose events are to be told."""
    await store.run(partial(want_events, wanted=True))
    return store


async def claimed(store: Store, *, now: int = NOW, limit: int = 50) -> list[tuple[int, str]]:
    """What a publisher gets."""
    return [(told.id, told.kind) for told in await claims(store, now=now, limit=limit)]


async def claims(store: Store, *, now: int = NOW, limit: int = 50) -> tuple[Told, ...]:
    """The same, whole."""
    return await store.run(partial(claim_events, now=now, limit=limit))


async def happen(store: Store, kind: str, order_id: int | None = None) -> None:
    """One event."""
    await store.run(partial(record, kind, actor="test", order_id=order_id, now=NOW))


async def test_nothing_waits_while_nobody_listens(store: Store, database_url: str, alpha: User) -> None:
    """Events are kept for the history, none is to be told, none is in the index, and no statement is spent on it."""
    before = store.counts.statements
    await happen(store, "one")
    assert store.counts.statements - before == 1
    await bring(store, await sending(store, alpha), Accepted("up-1"))
    assert await ask(database_url, "SELECT id FROM events WHERE published_at IS NULL") == []
    assert (await store.read(count_events)).waiting == 0
    assert await claimed(store) == []
    await store.run(partial(want_events, wanted=True))
    await store.run(partial(want_events, wanted=True))
    await happen(store, "later")
    assert [kind for _, kind in await claimed(store)] == ["later"]
    await store.run(partial(want_events, wanted=False))
    await happen(store, "nobody")
    assert (await store.read(count_events)).waiting == 1  # what waited is not lost


async def test_claim_is_a_lease_and_a_mark_ends_it(wanted: Store) -> None:
    """What is claimed is nobody else's until the lease runs out; what is marked never comes again."""
    await happen(wanted, "one")
    await happen(wanted, "two")
    first = await claimed(wanted)
    assert [kind for _, kind in first] == ["one", "two"]
    assert await claimed(wanted, now=NOW + LEASE_MS - 1) == []
    await wanted.run(partial(mark_published, [first[0][0]], now=NOW))
    assert await claimed(wanted, now=NOW + LEASE_MS) == [first[1]]
    await wanted.run(partial(mark_published, [first[1][0]], now=NOW))
    assert await claimed(wanted, now=NOW + 10 * LEASE_MS) == []


async def test_events_of_an_order_wait_for_each_other(wanted: Store) -> None:
    """The second is claimed only when the first was told, also while somebody else has the first; others go on."""
    for kind, order in (("a1", 1), ("b1", 2), ("a2", 1), ("free", None), ("a3", 1)):
        await happen(wanted, kind, order)
    first = await claims(wanted)
    assert [told.kind for told in first] == ["a1", "b1", "free"]
    assert await claims(wanted) == ()
    await wanted.run(partial(mark_published, [told.id for told in first if told.kind != "a1"], now=NOW))
    assert await claims(wanted) == ()
    await wanted.run(partial(mark_failed, first[0], "no", now=NOW))
    assert await claims(wanted, now=NOW + 500) == ()  # a2 does not overtake
    again = await claims(wanted, now=NOW + 2_000)
    assert [told.kind for told in again] == ["a1"]
    await wanted.run(partial(mark_published, [again[0].id], now=NOW))
    assert [told.kind for told in await claims(wanted, now=NOW + 2_000)] == ["a2"]


async def test_failures_are_tried_again_later_each_time_and_given_up_after_a_day(wanted: Store) -> None:
    """A second, two, four … an hour; after a day it is dead, and the order's next event goes on."""
    await happen(wanted, "first", 1)
    await happen(wanted, "second", 1)
    now, pauses = NOW, []
    while True:
        (told,) = await claims(wanted, now=now)
        assert told.kind == "first"
        if await wanted.run(partial(mark_failed, told, f"HTTP 500 {told.tries}", now=now)):
            break
        waits = [1_000 * 2**n for n in range(12)] + [RETRY_MAX_MS]
        pause = next(wait for wait in waits if wait >= min(1_000 * 2**told.tries, RETRY_MAX_MS))
        assert await claims(wanted, now=now + pause - 1) == ()
        now += pause
        pauses.append(pause)
    assert pauses[:4] == [1_000, 2_000, 4_000, 8_000]
    assert pauses[-1] == RETRY_MAX_MS
    assert GIVE_UP_MS - RETRY_MAX_MS < now - NOW <= GIVE_UP_MS
    (dead,) = await wanted.read(dead_events)
    assert (dead.kind, dead.order_id, dead.problem) == ("first", 1, f"HTTP 500 {len(pauses)}")
    assert (await wanted.read(count_events)).dead == 1
    assert [told.kind for told in await claims(wanted, now=now)] == ["second"]


async def test_dead_events_are_put_back(wanted: Store) -> None:
    """By number or all; they begin anew, and what is not dead is not touched."""
    for kind in ("one", "two", "three"):
        await happen(wanted, kind)
    for told in await claims(wanted):
        if told.kind != "three":
            late = Told(**{**{f: getattr(told, f) for f in told.__struct_fields__}, "first_try_at": NOW - GIVE_UP_MS})
            assert await wanted.run(partial(mark_failed, late, "gone", now=NOW))
    one, two = [dead.id for dead in await wanted.read(dead_events)]
    assert await wanted.run(partial(retry_events, [one, 999], **BY)) == (one,)
    anew = [(told.kind, told.tries, told.first_try_at, told.reason) for told in await claims(wanted)]
    assert anew == [("one", 0, None, None), ("events.retried", 0, None, "mended")]
    assert await wanted.run(partial(retry_events, [], every=True, **BY)) == (two,)
    assert (await wanted.read(count_events)).dead == 0


async def test_two_publishers_never_get_the_same_event(wanted: Store, rival: Store) -> None:
    """Two processes claim at once: each event goes to one of them, and all are claimed."""
    for number in range(120):
        await happen(wanted, "one", number + 1)
    got: list[int] = []

    async def work(store: Store) -> None:
        while batch := await claims(store, limit=7):
            got.extend(told.id for told in batch)

    await asyncio.gather(work(wanted), work(rival), work(wanted))
    # SKIP LOCKED may answer nothing while the other holds the rest; what is left is claimed after.
    await work(wanted)
    assert len(got) == len(set(got)) == 120
