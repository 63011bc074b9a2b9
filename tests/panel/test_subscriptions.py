"""A simulated subscription: posts appear, each is an order that is charged then, and it ends in one of three ways."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messages import StatusWord
from gateway.panel.subscriptions import Subscription, made_after, pieces, stand, subscription_of
from tests.panel_process import SimulatedPanel, simulated_panel

SUBSCRIPTIONS = st.builds(
    Subscription,
    posts=st.integers(1, 20),
    old_posts=st.integers(0, 5),
    smallest=st.just(10),
    largest=st.integers(10, 50),
    every=st.floats(0.1, 100),
    delay=st.floats(0, 100),
    expires=st.just(inf) | st.floats(0, 1000),
    canceled=st.just(inf) | st.floats(0, 1000),
)
FIELDS = {"username": "someone", "min": "20", "max": "30", "posts": "2", "old_posts": "1", "delay": "0"}


@given(SUBSCRIPTIONS, st.floats(0, 5000), st.floats(0, 5000))
def test_nothing_goes_backwards(found: Subscription, one: float, other: float) -> None:
    """Later there are no fewer orders, and what has ended stays as it is."""
    early, late = (stand(found, age) for age in sorted((one, other)))
    assert late == early if early.ended else late.made >= early.made
    assert late.made + late.left == found.posts + found.old_posts


@given(SUBSCRIPTIONS)
def test_every_subscription_ends(found: Subscription) -> None:
    """Completed with no post left, else canceled or expired, whichever was first."""
    end = stand(found, 1e9)
    assert (end.word == "Completed") == (end.left == 0)
    if end.left:
        assert end.word == ("Canceled" if found.canceled <= found.expires else "Expired")
    assert end.standing.ended


@given(SUBSCRIPTIONS, st.integers(1, 10**6), st.integers(0, 24))
def test_each_post_gets_what_was_asked_for(found: Subscription, order: int, n: int) -> None:
    """Between the fewest and the most, after its delay; old posts are there at once."""
    assert found.smallest <= pieces(found, order, n) <= found.largest
    assert made_after(found, n) >= found.delay
    assert (made_after(found, n) == found.delay) == (n < found.old_posts)


def test_last_day_is_over_at_midnight() -> None:
    """By the clock of the world; without one it never is."""
    created = int(datetime(2026, 12, 30, 23, tzinfo=UTC).timestamp()) * 1000
    found = subscription_of({**FIELDS, "expiry": "31/12/2026"}, created, seconds=10, pace=2)
    assert (found.expires, found.every, found.posts, found.old_posts) == (25 * 3600, 20, 2, 1)
    assert subscription_of({**FIELDS, "delay": "5"}, created, seconds=1, pace=0.5).delay == 150
    assert subscription_of(FIELDS, created, seconds=1, pace=1).expires == inf


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel where a post appears every thousand seconds."""
    async with simulated_panel(tmp_path, pace=100.0) as running:
        yield running


async def ask(panel: SimulatedPanel, action: str, **fields: str) -> Any:
    """What the panel answers."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        return (await http.post(panel.url, data={"key": panel.key, "action": action, **fields})).json()


async def test_posts_become_orders_that_are_charged_one_by_one(panel: SimulatedPanel) -> None:
    """Nothing is paid at first; each order has an id, a charge and a status of its own, and can end in part."""
    order = (await ask(panel, "add", service="120", **FIELDS))["order"]
    first = await ask(panel, "status", order=order)
    assert first == {"status": "Active", "expiry": "", "posts": "1", "orders": ["2"]}
    charge = 1000 - float((await ask(panel, "balance"))["balance"])
    assert 0.6 * 20 / 1000 <= charge <= 0.6 * 30 / 1000
    panel.program.books.advance(1_100_000)
    assert (await ask(panel, "status", order=order))["orders"] == ["2", "3"]
    panel.program.books.force(3, status=StatusWord.PARTIAL.value, remains=5, start_count=None)
    panel.program.books.advance(1_000_000)
    both = await ask(panel, "status", orders=f"{order},2,3")
    assert both[order] == {"status": "Completed", "expiry": "", "posts": "3", "orders": ["2", "3", "4"]}
    assert (both["2"]["status"], both["3"]["status"], both["3"]["remains"]) == ("Completed", "Partial", "5")
    pieces_of = {each.id: each.quantity for each in panel.program.books.orders()}
    paid = sum(pieces_of[n] for n in (2, 3, 4)) - 5
    assert 1000 - float((await ask(panel, "balance"))["balance"]) == pytest.approx(0.6 * paid / 1000)


async def test_it_expires_or_is_canceled_with_the_posts_it_has(panel: SimulatedPanel) -> None:
    """No more orders come, and it is not canceled twice."""
    today = datetime.fromtimestamp(panel.program.panel.now() / 1000, UTC)
    many = {**FIELDS, "posts": "1000", "expiry": f"{today:%d/%m/%Y}"}
    expiring = (await ask(panel, "add", service="120", **many))["order"]
    canceled = (await ask(panel, "add", service="120", **{**FIELDS, "username": "other"}))["order"]
    assert "success" in await ask(panel, "cancel", order=canceled)
    panel.program.books.advance(24 * 3600 * 1000)
    both = await ask(panel, "status", orders=f"{expiring},{canceled}")
    assert both[canceled]["status"] == "Canceled"
    assert len(both[canceled]["orders"]) == 1
    assert both[expiring]["status"] == "Expired"
    assert 1 <= len(both[expiring]["orders"]) <= 88
    assert "error" in await ask(panel, "cancel", order=canceled)


async def test_post_nobody_can_pay_for_waits(panel: SimulatedPanel) -> None:
    """Until there is money for its order."""
    panel.program.books.set_balance(panel.key, 0)
    order = (await ask(panel, "add", service="120", **FIELDS))["order"]
    assert (await ask(panel, "status", order=order))["orders"] == []
    panel.program.books.set_balance(panel.key, panel.program.panel.units("5"))
    assert len((await ask(panel, "status", order=order))["orders"]) == 1
