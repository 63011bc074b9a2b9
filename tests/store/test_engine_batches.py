"""Many commands in one commit: what they cost, and that each is still on its own where there is no savepoint."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import pytest

from gateway import points
from gateway.core.attempt import AttemptState
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, Unknown
from gateway.core.user import User
from gateway.store.attempts import Decided, Verdict, arm, decide
from gateway.store.engine import (
    CAREFUL_BATCHES,
    Command,
    ConstraintBroken,
    Query,
    Refused,
    Steps,
    Store,
    StoreUnavailable,
)
from gateway.store.ids import reserve
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import IdempotencyKeyReused, Placed, answered, place
from gateway.store.postgres import PostgresStore
from gateway.store.verify import verify
from tests.machine.cut import COMMITTED, Cut
from tests.store.trade import (
    ME,
    NOW,
    ORDER,
    attempts_of,
    bring,
    make_new_order,
    make_user,
    money_of,
    order_of,
    planned,
    put,
    sending,
)

AT_ONCE: Final = 32
# Statements of an order from hold to capture: five to place it, four to arm, ten to decide.
STATEMENTS: Final = 19
# Of PostgreSQL's writer for all of those orders: their statements, a savepoint before each command but the first of a
# commit, and BEGIN and COMMIT of the three.
ROUND_TRIPS: Final = STATEMENTS * AT_ONCE + 3 * (AT_ONCE - 1) + 6


class No(Refused):
    """A command's own no."""


def write_then_refuse(name: str) -> Steps[None]:
    """Write something, then say no."""
    yield from reserve(name, 1)
    raise No("no")


def write_then_break(name: str) -> Steps[None]:
    """Write something, then what the schema forbids."""
    yield from reserve(name, 1)
    yield Query("account_open_user", {"code": "user:1:avail", "user_id": 1, "currency": "USD"})


def count_on(name: str) -> Steps[int]:
    """The next number of a counter, in one statement that guards itself."""
    return (yield from reserve(name, 1))


@pytest.fixture(autouse=True)
def no_hook() -> Iterator[None]:
    """Whatever a test cuts, the next one is not cut."""
    yield
    points.hook = None


@pytest.fixture
async def rich(store: Store) -> User:
    """A user whose first order opened the accounts of the house."""
    user = await make_user(store, "rich", money=10**9)
    attempt = await sending(store, user, ORDER)
    await bring(store, attempt, Accepted("first"))
    return user


def verdict(outcome: Accepted | Unknown) -> Verdict:
    """What a dispatcher brings."""
    return Verdict(outcome=outcome, go_on=False, failure="", owner=ME, poll_at=NOW)


async def all_of(store: Store, commands: Sequence[Command[Any]]) -> list[Any]:
    """What became of each of these, handed in at once."""
    return await asyncio.gather(*(store.run(command) for command in commands), return_exceptions=True)


async def no_fault(store: Store) -> None:
    """The books hold together."""
    assert (await store.read_at_length(verify)).sound


async def test_order_costs_so_much(store: Store, rich: User) -> None:
    """Statements, savepoints, round trips and commits of orders that are accepted, many at once: the gate on work."""
    counts = store.counts
    before = (counts.statements, counts.round_trips, counts.commits, counts.savepoints)
    numbers = range(ORDER + 1, ORDER + 1 + AT_ONCE)
    placed: list[Placed] = await all_of(store, [partial(place, make_new_order(rich.id, n), now=NOW) for n in numbers])
    attempts = [each.attempt for each in placed if each.attempt is not None]
    armed = await all_of(store, [partial(arm, each, now=NOW, mark=str(each.id)) for each in attempts])
    brought = [partial(decide, each, verdict(Accepted(f"up-{each.order_id}")), now=NOW) for each in attempts]
    decided: list[Decided] = await all_of(store, brought)
    assert armed == [True] * AT_ONCE
    assert {each.state for each in decided} == {OrderState.ACTIVE}
    assert counts.statements - before[0] == STATEMENTS * AT_ONCE
    assert counts.savepoints - before[3] == (3 * AT_ONCE if isinstance(store, PostgresStore) else 0)
    assert counts.undone == 0
    assert counts.commits - before[2] <= 3 * 2  # SQLite's thread may begin with the first alone.
    assert counts.round_trips - before[1] == (ROUND_TRIPS if isinstance(store, PostgresStore) else 0)
    await no_fault(store)


async def test_command_alone_is_undone_alone(store: Store, rich: User) -> None:
    """On SQLite without a savepoint, and when it fails after it wrote all the same."""
    before = (store.counts.round_trips, store.counts.savepoints)
    placed = await put(store, make_new_order(rich.id, ORDER + 1))
    assert store.counts.savepoints - before[1] == (1 if isinstance(store, PostgresStore) else 0)
    assert store.counts.round_trips - before[0] == (7 if isinstance(store, PostgresStore) else 0)
    first = await store.run(partial(count_on, "c"))
    for failing, error in ((write_then_refuse, No), (write_then_break, ConstraintBroken)):
        with pytest.raises(error):
            await store.run(partial(failing, "c"))
    assert await store.run(partial(count_on, "c")) == first + 1
    assert placed.attempt is not None


async def test_refusal_before_anything_was_written_costs_nobody_anything(store: Store, rich: User) -> None:
    """One without the money among those with: nothing is run again."""
    poor = await make_user(store, "poor", money=10)
    commands: list[Command[Any]] = [
        partial(place, make_new_order(each.id, ORDER + n), now=NOW) for n, each in enumerate([rich, poor, rich], 1)
    ]
    results = await all_of(store, commands)
    assert [type(each) for each in results] == [Placed, NotEnoughFunds, Placed]
    assert (store.counts.undone, store.counts.refused) == (0, 1)
    assert await money_of(store, "poor") == (10, 0)
    await no_fault(store)


@pytest.mark.parametrize(("failing", "error"), [(write_then_refuse, No), (write_then_break, ConstraintBroken)])
async def test_failure_after_a_write_harms_no_neighbour(
    store: Store, rich: User, failing: Any, error: type[Exception]
) -> None:
    """All is rolled back and run again with savepoints: it is undone, they are kept, each once."""
    attempts = [await planned(store, rich, ORDER + n) for n in (1, 2)]
    commands: list[Command[Any]] = [
        partial(count_on, "c"),
        partial(arm, attempts[0], now=NOW, mark="1"),
        partial(failing, "c"),
        partial(arm, attempts[1], now=NOW, mark="2"),
        partial(count_on, "c"),
    ]
    results = await all_of(store, commands)
    first = results[0]
    assert results[1] is results[3] is True
    assert isinstance(results[2], error)
    assert results[4] == first + 1  # What the failed one counted is undone.
    assert store.counts.undone == (0 if isinstance(store, PostgresStore) else 1)
    assert store.counts.refused == 1
    assert [(await attempts_of(store, ORDER + n))[0].state for n in (1, 2)] == [AttemptState.SENDING] * 2
    await no_fault(store)


async def test_after_a_failure_savepoints_are_used_for_a_while(store: Store) -> None:
    """Somebody who goes on failing does not have every batch run twice; later it is tried without again."""
    if isinstance(store, PostgresStore):
        return  # There each of several commands has one.
    commands: list[Command[Any]] = [partial(count_on, "c"), partial(write_then_refuse, "c"), partial(count_on, "c")]
    for _ in range(5):
        await all_of(store, commands)
    assert store.counts.undone == 1
    for _ in range(CAREFUL_BATCHES):
        await store.run(partial(count_on, "c"))
    savepoints = store.counts.savepoints
    results = await all_of(store, [partial(count_on, "c") for _ in range(3)])
    assert store.counts.savepoints == savepoints
    assert len(set(results)) == 3


async def test_two_orders_with_one_upstream_id_in_one_commit(store: Store, rich: User) -> None:
    """Whoever comes second finds it taken, as it would one after the other: one is accepted, the other in doubt."""
    attempts = [await sending(store, rich, ORDER + n) for n in (1, 2)]
    decided = await all_of(store, [partial(decide, each, verdict(Accepted("same")), now=NOW) for each in attempts])
    assert [each.state for each in decided] == [OrderState.ACTIVE, OrderState.UNKNOWN]
    await no_fault(store)


async def test_same_wish_twice_in_one_commit_is_one_order(store: Store, rich: User) -> None:
    """Within the user's window, and under one key; the second sees what the first stored."""
    window = {"duplicate_window": 60, "fingerprint": "same"}
    keyed = {"idem_key": "k", "fingerprint": "keyed"}
    commands: list[Command[Any]] = [
        partial(place, make_new_order(rich.id, ORDER + n, **changes), now=NOW)  # type: ignore[arg-type] # by name
        for n, changes in enumerate([window, window, keyed, keyed, {**keyed, "fingerprint": "other"}], 1)
    ]
    results = await all_of(store, commands)
    assert [each.order_id for each in results[:4]] == [ORDER + 1, ORDER + 1, ORDER + 3, ORDER + 3]
    assert isinstance(results[4], IdempotencyKeyReused)
    assert await money_of(store, "rich") == (10**9 - 300, 200)
    await no_fault(store)


async def test_money_for_ten_among_many(store: Store, rich: User) -> None:
    """Those it is not enough for are refused before they wrote, and harm nobody."""
    tight = await make_user(store, "tight", money=1_000)
    commands: list[Command[Any]] = [
        partial(place, make_new_order(each.id, ORDER + 2 * n + k), now=NOW)
        for n in range(1, 31)
        for k, each in enumerate((tight, rich))
    ]
    results = await all_of(store, commands)
    mine = [each for each in results[::2] if isinstance(each, Placed)]
    assert len(mine) == 10
    assert all(isinstance(each, Placed) for each in results[1::2])
    assert await money_of(store, "tight") == (0, 1_000)
    await no_fault(store)


async def mixed_world(store: Store, rich: User, base: int) -> list[Command[Any]]:
    """Commands of an order's life, on orders that are as far as that, and another."""
    planned_ones = [await planned(store, rich, base + n) for n in (1, 2)]
    sent = [await sending(store, rich, base + n) for n in (3, 4)]
    return [
        partial(place, make_new_order(rich.id, base + 101), now=NOW),
        partial(arm, planned_ones[0], now=NOW, mark=f"{base}a"),
        partial(decide, sent[0], verdict(Accepted(f"up-{base}")), now=NOW),
        partial(answered, ORDER, rich.id, heard=True, now=NOW),
        partial(place, make_new_order(rich.id, base + 102), now=NOW),
        partial(reserve, "c", 1),
        partial(decide, sent[1], verdict(Unknown("no answer")), now=NOW),
        partial(arm, planned_ones[1], now=NOW, mark=f"{base}b"),
    ]


async def settled(run: Awaitable[Any], again: Command[Any], store: Store) -> Any:
    """A command's result; one whose outcome nobody could tell is run again, as its caller may."""
    try:
        return await run
    except StoreUnavailable:
        return await store.run(again)


async def passed_points(store: Store, commands: Sequence[Command[Any]]) -> int:
    """How many points these pass in one commit."""
    passed = 0

    def count(*_: str) -> None:
        nonlocal passed
        passed += 1

    points.hook = count
    await all_of(store, commands)
    points.hook = None
    return passed


async def test_cut_at_any_moment_of_a_batch(store: Store, rich: User) -> None:
    """A line or file lost at each point in turn, COMMIT's other side included: each command happens, and once."""
    total = await passed_points(store, await mixed_world(store, rich, ORDER))
    assert total > 60
    for n, at in enumerate((*range(0, total, 7), total - 1, COMMITTED), 1):
        base = ORDER + 200 * n
        commands = await mixed_world(store, rich, base)
        points.hook = Cut(store, at, seen=True)
        results = await asyncio.gather(*(settled(store.run(each), each, store) for each in commands))
        points.hook = None
        assert [results[0].order_id, results[4].order_id] == [base + 101, base + 102], at
        assert results[0].attempt is not None, at
        assert (results[1], results[7]) == (True, True), at
        states = [(await order_of(store, base + n)).order.state for n in (1, 2, 3, 4, 101)]
        assert states == ["placing", "placing", "active", "unknown", "reserved"], at
    await no_fault(store)
