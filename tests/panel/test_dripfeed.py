"""A simulated drip-feed: each run is an order that the panel makes by itself, and the whole is paid for at once."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messages import StatusWord
from gateway.panel.dripfeed import DripFeed, begun, whole
from gateway.panel.progress import Standing
from tests.panel_process import SimulatedPanel, simulated_panel

DRIPFEEDS = st.builds(
    DripFeed,
    runs=st.integers(2, 20),
    per_run=st.integers(1, 100),
    every=st.floats(0.1, 100),
    canceled=st.none() | st.floats(0, 1000),
)
WISH = {"action": "add", "service": "101", "link": "https://social.example/p/1", "quantity": "100", "interval": "60"}


@given(DRIPFEEDS, st.floats(0, 5000), st.floats(0, 5000))
def test_runs_are_never_fewer_later(found: DripFeed, one: float, other: float) -> None:
    """There is one at once, never more than were ordered, and none begins after a cancel."""
    early, late = (begun(found, age) for age in sorted((one, other)))
    assert 1 <= early <= late <= found.runs
    if found.canceled is not None:
        assert late <= begun(found, found.canceled)


@given(DRIPFEEDS, st.lists(st.integers(0, 100), min_size=1, max_size=20))
def test_what_is_missing_is_that_of_every_run(found: DripFeed, remains: list[int]) -> None:
    """Of those that began and of those that did not."""
    made = [Standing(status=StatusWord.PARTIAL, remains=each, start_count=1) for each in remains[: found.runs]]
    stands = whole(found, 1e9, made)
    assert stands.remains == sum(each.remains for each in made) + (found.runs - len(made)) * found.per_run
    assert stands.status is (StatusWord.COMPLETED if found.canceled is None else StatusWord.CANCELED)


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel at which a run takes 6000 seconds, as its own clock goes."""
    async with simulated_panel(tmp_path, pace=1000) as running:
        yield running


async def ask(panel: SimulatedPanel, **fields: str) -> Any:
    """What the panel answers."""
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.post(panel.url, data={"key": panel.key, **fields})).json()


async def test_run_is_an_order_and_the_whole_names_it(panel: SimulatedPanel) -> None:
    """One at once, the next when its time has come; all in one answer, too. The key pays once, and whole."""
    order = (await ask(panel, **WISH, runs="3"))["order"]
    first = await ask(panel, action="status", order=order)
    assert first == {
        "charge": "0.27",
        "start_count": "0",
        "status": "Pending",
        "remains": "300",
        "currency": "USD",
        "orders": ["2"],
    }
    panel.program.books.advance(6_005_000)
    both = await ask(panel, action="status", orders=f"{order},2,3")
    assert both[order]["orders"] == ["2", "3"]
    assert (both[order]["status"], both[order]["remains"]) == ("In progress", "200")
    assert (both["2"]["status"], both["2"]["charge"], both["2"]["remains"]) == ("Completed", "0.09", "0")
    assert both["3"]["status"] == "Pending"
    assert await ask(panel, action="balance") == {"balance": "999.73", "currency": "USD"}
    panel.program.books.advance(12_000_000)
    ended = await ask(panel, action="status", order=order)
    assert (ended["status"], ended["remains"], ended["orders"]) == ("Completed", "0", ["2", "3", "4"])


async def test_canceled_dripfeed_gives_back_what_no_run_delivered(panel: SimulatedPanel) -> None:
    """The run under way gives back its own part, the whole what never began, and both once."""
    order = (await ask(panel, **WISH, runs="3"))["order"]
    panel.program.books.advance(6_000_000 + 3_700_000)  # the second run is half delivered
    assert "success" in await ask(panel, action="cancel", order=order)
    ended = await ask(panel, action="status", order=order)
    assert (ended["status"], ended["orders"]) == ("Canceled", ["2", "3"])
    run = await ask(panel, action="status", order="3")
    assert (run["status"], run["remains"]) == ("Partial", "48")
    assert Decimal(ended["charge"]) == Decimal("0.27") - Decimal("0.09") - Decimal("0.09") * 48 / 100
    for _ in range(2):
        assert 1000 - Decimal((await ask(panel, action="balance"))["balance"]) == Decimal(ended["charge"])
    panel.program.books.advance(10**9)
    assert (await ask(panel, action="status", order=order))["orders"] == ["2", "3"]
    assert await ask(panel, action="cancel", order=order) == {"error": "Order not eligible for cancellation."}


async def test_whole_is_completed_however_its_runs_ended(panel: SimulatedPanel) -> None:
    """The panel does not look back: a run that ended in part gave back its part, and is only seen in itself."""
    order = (await ask(panel, **WISH, runs="2"))["order"]
    panel.program.panel.go_on()
    panel.program.books.force(2, status=StatusWord.PARTIAL, remains=40, start_count=None)
    panel.program.books.advance(12_000_000)
    ended = await ask(panel, action="status", order=order)
    assert (ended["status"], ended["remains"]) == ("Completed", "40")
    assert Decimal(ended["charge"]) == Decimal("0.18") - Decimal("0.09") * 40 / 100
    assert 1000 - Decimal((await ask(panel, action="balance"))["balance"]) == Decimal(ended["charge"])


async def test_one_run_is_an_order_like_any_other(panel: SimulatedPanel) -> None:
    """Nothing is made for it."""
    order = (await ask(panel, **WISH, runs="1"))["order"]
    assert "orders" not in await ask(panel, action="status", order=order)
    assert [each.id for each in panel.program.books.orders()] == [int(order)]
