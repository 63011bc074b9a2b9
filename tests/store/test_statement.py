"""Statements of account: every movement, exact running balances, any window of time, on both databases."""

from functools import partial

import pytest

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import Accepted, Rejected
from gateway.core.rejections import RejectKind
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.polls import Due, apply
from gateway.store.statement import Movement, Statement, statement
from gateway.store.users import NoSuchUser, credit_user
from tests.store.trade import NOW, bring, make_user, money_of, sending

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
async def traded(store: Store, alpha: User) -> Store:
    """A deposit, an order refunded in part a day later, one that failed, and a second deposit on the third day."""
    await bring(store, await sending(store, alpha, 100_001), Accepted("up-1"))
    await bring(store, await sending(store, alpha, 100_002), Rejected(RejectKind.LINK, "no"))
    due = Due(order_id=100_001, upstream_order="up-1", due_at=NOW, accepted_at=NOW, terminal_at=None, misses=0)
    said = StatusReply(status=StatusWord.PARTIAL, remains=4)
    await store.run(partial(apply, due, said, provider="panel-a", pace=1, now=NOW + DAY_MS))
    await store.run(partial(credit_user, "alpha", 7, reference="second", actor="test", now=NOW + 2 * DAY_MS))
    other = await make_user(store, "beta", money=500)
    await bring(store, await sending(store, other, 100_003), Accepted("up-3"))
    return store


async def of(store: Store, **window: int) -> Statement:
    """The statement of alpha."""
    return await store.read_at_length(partial(statement, "alpha", **window))


def told(made: Statement) -> list[tuple[str, int, int, int, int]]:
    """Each movement in short."""
    return [(each.kind, each.change, each.balance, each.held_change, each.held) for each in made.movements]


async def test_statement_has_every_movement_and_ends_at_the_balance(traded: Store) -> None:
    """From nothing to what the user has now, nobody else's money among it."""
    made = await of(traded)
    assert told(made) == [
        ("deposit", 1000, 1000, 0, 0),
        ("hold", -100, 900, 100, 100),
        ("capture", 0, 900, -100, 0),
        ("hold", -100, 800, 100, 100),
        ("void", 100, 900, -100, 0),
        ("refund", 40, 940, 0, 0),
        ("deposit", 7, 947, 0, 0),
    ]
    assert (made.opening, made.closing, made.closing_held) == (0, 947, 0)
    assert (made.closing, made.closing_held) == await money_of(traded)
    refund = made.movements[5]
    assert refund == Movement(
        at=NOW + DAY_MS, kind="refund", key="refund:100001:40", order_id=100_001, change=40, held_change=0, balance=940,
        held=0,
    )  # fmt: skip


async def test_window_opens_and_closes_at_its_balances(traded: Store) -> None:
    """What was before is in the opening balance, what came after is not told; windows join without a gap."""
    first = await of(traded, until=NOW + DAY_MS)
    second = await of(traded, since=NOW + DAY_MS, until=NOW + 2 * DAY_MS)
    third = await of(traded, since=NOW + 2 * DAY_MS)
    assert (first.opening, first.closing) == (0, 900)
    assert (second.opening, second.closing, told(second)) == (900, 940, [("refund", 40, 940, 0, 0)])
    assert (third.opening, third.closing, told(third)) == (940, 947, [("deposit", 7, 947, 0, 0)])


async def test_one_order_alone_keeps_the_balances_of_all(traded: Store) -> None:
    """The movements of one order, each with the balance the user had then."""
    made = await of(traded, order_id=100_001)
    assert told(made) == [("hold", -100, 900, 100, 100), ("capture", 0, 900, -100, 0), ("refund", 40, 940, 0, 0)]


async def test_user_without_money_has_an_empty_statement(store: Store) -> None:
    """No movement, nought at both ends; nobody has none at all."""
    await make_user(store, money=0)
    assert (await of(store)).movements == ()
    with pytest.raises(NoSuchUser, match="no user 'gamma'"):
        await store.read_at_length(partial(statement, "gamma"))
