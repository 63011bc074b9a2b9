"""Brakes in the books: what sets and ends them, for every replica, and one speaker a provider."""

from functools import partial

import pytest

from gateway.core.outcome import Accepted, Unknown
from gateway.core.user import User
from gateway.store.brakes import (
    BrakeRule,
    Brakes,
    NotBraked,
    change_brakes,
    claim_job,
    read_brakes,
    release_brake,
    return_job,
)
from gateway.store.engine import Store
from gateway.store.unknown import Word, give_back_by_hand
from tests.store.trade import ME, NOW, ORDER, RIVAL, ask, attempts_of, bring, sending

RULES = {"panel-a": BrakeRule(count=3, within_ms=600_000, cap=1000, currency="USD")}


async def doubt(store: Store, user: User, number: int, *, at: int = NOW) -> None:
    """An order in doubt since then."""
    await bring(store, await sending(store, user, number), Unknown("time is up"), now=at)


async def braked(store: Store, rules: dict[str, BrakeRule] | None = None, *, now: int = NOW) -> Brakes:
    """What stands after the rules were applied once."""
    found = await store.read(partial(read_brakes, rules or RULES))
    await store.run(partial(change_brakes, found, actor=ME, now=now))
    return await store.read(partial(read_brakes, rules or RULES))


async def test_three_in_doubt_stop_new_orders_until_all_is_settled(
    store: Store, rival: Store, alpha: User, database_url: str
) -> None:
    """Every replica sees it; it stays while one is open, however long ago, and ends with the last."""
    for number in (ORDER, ORDER + 1):
        await doubt(store, alpha, number)
    assert (await braked(store)).on == {}
    await doubt(store, alpha, ORDER + 2, at=NOW + 599_999)
    assert (await braked(store)).on == {"panel-a": "3 orders in doubt within 600 s"}
    seen = await braked(rival)
    assert seen.on == {"panel-a": "3 orders in doubt within 600 s"}
    assert (seen.doubtful["panel-a"].orders, seen.doubtful["panel-a"].charge) == (3, 300)
    for number in (ORDER, ORDER + 1, ORDER + 2):
        assert (await braked(store)).on != {}
        await bring(store, (await attempts_of(store, number))[0], Accepted(f"up-{number}"))
    assert (await braked(store)).on == {}
    kinds = await ask(database_url, "SELECT kind FROM events WHERE kind LIKE 'provider.%' ORDER BY id")
    assert kinds == [("provider.braked",), ("provider.released",)]


async def test_doubts_far_apart_stop_nothing(store: Store, alpha: User) -> None:
    """Three in an hour are not three in ten minutes."""
    for number in range(3):
        await doubt(store, alpha, ORDER + number, at=NOW + number * 400_000)
    assert (await braked(store)).on == {}


async def test_money_in_doubt_over_the_cap_stops_new_orders(store: Store, alpha: User) -> None:
    """However few the orders are; a count of nought never does."""
    rules = {"panel-a": BrakeRule(count=0, within_ms=600_000, cap=150, currency="USD")}
    await doubt(store, alpha, ORDER)
    assert (await braked(store, rules)).on == {}
    await doubt(store, alpha, ORDER + 1)
    assert (await braked(store, rules)).on == {"panel-a": "0.000002 USD in doubt, over the cap of 0.0000015"}


async def test_released_by_hand_it_takes_new_doubt_to_stop_again(store: Store, alpha: User, database_url: str) -> None:
    """What was in doubt at the release is known and counts no more."""
    for number in range(3):
        await doubt(store, alpha, ORDER + number)
    assert (await braked(store)).on != {}
    release = partial(release_brake, "panel-a", actor="cli:ops", reason="the panel is well", now=NOW + 1)
    await store.run(release)
    assert (await braked(store)).on == {}
    await store.run(release)  # Again, after a commit nobody heard of: done is done.
    with pytest.raises(NotBraked, match="no brake on panel-a"):
        await store.run(partial(release_brake, "panel-a", actor="cli:ops", reason="again", now=NOW + 2))
    rows = await ask(database_url, "SELECT actor, reason FROM events WHERE kind = 'provider.released'")
    assert rows == [("cli:ops", "the panel is well")]
    for number in range(3, 5):
        await doubt(store, alpha, ORDER + number, at=NOW + 2)
    assert (await braked(store)).on == {}
    await doubt(store, alpha, ORDER + 5, at=NOW + 3)
    assert (await braked(store)).on == {"panel-a": "3 orders in doubt within 600 s"}


async def test_refunded_doubt_stops_nobody(store: Store, alpha: User) -> None:
    """Its user has the money; what is left of it is ours to find out."""
    for number in range(3):
        await doubt(store, alpha, ORDER + number)
    assert (await braked(store)).on != {}
    for number in range(3):
        word = Word(actor="cli:ops", reason="enough")
        await store.run(partial(give_back_by_hand, ORDER + number, word, now=NOW))
    assert (await braked(store)).on == {}


async def test_provider_that_is_gone_from_the_file_has_no_rule(store: Store, alpha: User) -> None:
    """Nothing is sent there anyway."""
    for number in range(3):
        await doubt(store, alpha, ORDER + number)
    rules = {"panel-b": RULES["panel-a"]}
    assert (await braked(store, rules)).on == {}


async def test_one_at_a_time_speaks_to_a_provider(store: Store, rival: Store) -> None:
    """The lease is the holder's until it is given back; other providers and other jobs are others'."""
    claim = partial(claim_job, "panel-a", "resolve")
    assert await store.run(partial(claim, ME))
    assert await store.run(partial(claim, ME))
    assert not await rival.run(partial(claim, RIVAL))
    assert await rival.run(partial(claim_job, "panel-b", "resolve", RIVAL))
    assert await rival.run(partial(claim_job, "panel-a", "other", RIVAL))
    await rival.run(partial(return_job, "panel-a", "resolve", RIVAL))
    assert not await rival.run(partial(claim, RIVAL))
    await store.run(partial(return_job, "panel-a", "resolve", ME))
    assert await rival.run(partial(claim, RIVAL))


async def test_lease_of_one_who_is_gone_runs_out(store: Store, database_url: str) -> None:
    """By the database's clock."""
    assert await store.run(partial(claim_job, "panel-a", "resolve", ME))
    await ask(database_url, "UPDATE provider_jobs SET lease_until = lease_until - 60001 RETURNING provider")
    assert await store.run(partial(claim_job, "panel-a", "resolve", RIVAL))
