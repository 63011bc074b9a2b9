"""The brake as this process sees it: on the desk, in the metrics, and off again when all is settled."""

from collections.abc import AsyncIterator
from functools import partial

import pytest
from prometheus_client import generate_latest

from gateway.actions.brake import check_brakes
from gateway.actions.desk import Desk
from gateway.core.outcome import Accepted, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.user import User
from gateway.store.brakes import change_brakes, read_brakes
from tests.cut_books import CutBooks
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import ME, ORDER, attempts_of, bring, sending


@pytest.fixture
async def desk(cut_books: CutBooks) -> AsyncIterator[Desk]:
    """A desk with two providers."""
    made = make_desk(cut_books, {"panel-a": NOBODY, "panel-b": NOBODY}, Time(), owner=ME)
    yield made
    await close_desk(made)


async def test_brake_holds_a_provider_until_all_is_settled(desk: Desk, alpha: User) -> None:
    """It goes before a hold that passes by itself, and is told apart from the providers that are well."""
    for number in range(3):
        await bring(desk.store, await sending(desk.store, alpha, ORDER + number), Unknown("time is up"))
    desk.conditions.refused("panel-a", "101", RejectKind.THROTTLED, now=NOW)
    await check_brakes(desk)
    assert desk.condition("panel-a").held == "3 orders in doubt within 600 s"
    assert desk.condition("panel-b").held is None
    told = generate_latest(desk.metrics.registry).decode()
    assert 'gateway_provider_braked{provider="panel-a"} 1.0' in told
    assert 'gateway_provider_braked{provider="panel-b"} 0.0' in told
    for number in range(3):
        attempt = (await attempts_of(desk.store, ORDER + number))[0]
        await bring(desk.store, attempt, Accepted(f"up-{number}"))
    await check_brakes(desk)
    assert desk.condition("panel-a").held == "throttled"
    assert 'gateway_provider_braked{provider="panel-a"} 0.0' in generate_latest(desk.metrics.registry).decode()


async def test_brake_that_another_set_is_learnt(desk: Desk, alpha: User) -> None:
    """By reading, and without writing anything."""
    for number in range(3):
        await bring(desk.store, await sending(desk.store, alpha, ORDER + number), Unknown("time is up"))
    other = make_desk(desk.store, {"panel-a": NOBODY}, Time(), owner="other")
    await check_brakes(other)
    before = desk.store.counts.commits
    await check_brakes(desk)
    assert desk.condition("panel-a").held is not None
    assert desk.store.counts.commits == before
    await close_desk(other)


async def test_provider_without_a_rule_here_is_left_alone(desk: Desk) -> None:
    """One that only another replica's file has."""
    found = await desk.store.read(partial(read_brakes, {}))
    await desk.store.run(partial(change_brakes, found, actor=ME, now=NOW))
    await check_brakes(desk)
    assert desk.condition("panel-a").held is None
