"""The life of one order and lists of orders, read back on both databases."""

from functools import partial

import pytest

from gateway.core.outcome import Accepted, NotSent
from gateway.core.user import User
from gateway.store.attempts import Verdict, decide
from gateway.store.engine import Store
from gateway.store.history import NoSuchOrder, Wanted, life_of, list_orders
from gateway.store.refills import ask_refill
from tests.store.trade import ME, NOW, ORDER, ask, attempts_of, bring, make_planned, make_user, planned, sending


async def test_life_tells_everything_about_an_order(store: Store, alpha: User) -> None:
    """What was asked, each attempt and what came of it, money, polls and events, in the order they happened."""
    routes = (make_planned(), make_planned("panel-b", "7"))
    attempt = await sending(store, alpha, routes=routes, passed="panel-c/9: provider is switched off")
    evidence = '{"service":"101","asked":[["link","L"]],"at":5,"sent":true,"status":200,"body":"{}"}'
    verdict = Verdict(outcome=Accepted("up-1"), go_on=False, failure="", owner=ME, poll_at=NOW + 5, evidence=evidence)
    await store.run(partial(decide, attempt, verdict, now=NOW + 40))
    life = await store.read_at_length(partial(life_of, ORDER))
    assert (life.order.user_name, life.order.charge, life.order.rule, life.order.state) == (
        "alpha", 100, "default", "active",
    )  # fmt: skip
    (told,) = life.attempts
    assert (told.state, told.upstream_order, told.sending_at, told.resolved_at) == ("accepted", "up-1", NOW, NOW + 40)
    assert told.exchange is not None
    assert (told.exchange.status, told.exchange.body) == (200, "{}")
    assert [(each.kind, each.amount) for each in life.transfers] == [
        ("hold", 100), ("capture", 100), ("cost", 50_000_000),
    ]  # fmt: skip
    assert life.poll is not None
    assert (life.poll.upstream_order, life.poll.due_at) == ("up-1", NOW + 5)
    assert [each.kind for each in life.events] == ["order.reserved", "order.placing", "order.active"]
    assert life.events[0].reason == "panel-c/9: provider is switched off"
    assert all(each.actor for each in life.events)
    assert life.refills == ()
    assert life.children == ()


async def test_unknown_order_is_refused(store: Store) -> None:
    """One clear word, no empty page."""
    with pytest.raises(NoSuchOrder, match="there is no order 5"):
        await store.read_at_length(partial(life_of, 5))


async def test_lists_choose_by_user_state_review_and_time(store: Store, database_url: str, alpha: User) -> None:
    """Each condition alone and none; the newest first, no more than was asked for."""
    beta = await make_user(store, "beta")
    await planned(store, alpha, 100_001)
    await sending(store, beta, 100_002)
    await bring(store, (await attempts_of(store, 100_001))[0], NotSent("away"))
    await planned(store, alpha, 100_003)
    await ask(database_url, "UPDATE orders SET review = 'odd', created_at = created_at + 1000 WHERE id = 100003")

    async def ids(**wanted: object) -> list[int]:
        listed = await store.read_at_length(partial(list_orders, Wanted(**wanted)))  # type: ignore[arg-type] # by name
        return [each.id for each in listed]

    assert await ids() == [100_003, 100_002, 100_001]
    assert await ids(user="alpha") == [100_003, 100_001]
    assert await ids(state="placing") == [100_002]
    assert await ids(state="failed", user="alpha") == [100_001]
    assert await ids(review=True) == [100_003]
    assert await ids(since=NOW + 1) == [100_003]
    assert await ids(limit=1) == [100_003]
    assert await ids(user="nobody") == []


async def test_refill_is_part_of_the_life(store: Store, database_url: str, alpha: User) -> None:
    """A refill that was asked for is told with its state and its event."""
    await bring(store, await sending(store, alpha), Accepted("up-1"))
    await ask(database_url, "UPDATE orders SET state = 'completed', shown = 'Completed'")
    assert await store.run(partial(ask_refill, 9, ORDER, alpha.id, now=NOW)) is not None
    life = await store.read_at_length(partial(life_of, ORDER))
    assert [(each.id, each.state) for each in life.refills] == [(9, "asking")]
    assert life.events[-1].kind == "refill.asked"
