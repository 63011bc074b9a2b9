"""Following orders in a process that does not reach their panel: they stay due for the one that does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.actions.desk import Desk
from gateway.actions.track import track
from gateway.core.outcome import Accepted
from gateway.core.user import User
from gateway.store.polls import claim
from tests.cut_books import CutBooks
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import ME, ORDER, RIVAL, bring, make_planned, sending

ROUTES = (make_planned(cost="0.009"),)


@asynccontextmanager
async def desk_at(books: CutBooks, url: str, owner: str = ME) -> AsyncIterator[Desk]:
    """A process whose panel-a is at this address."""
    desk = make_desk(books, {"panel-a": url}, Time(), owner=owner)
    yield desk
    await close_desk(desk)


async def accepted(books: CutBooks, alpha: User, panel: SimulatedPanel, number: int = ORDER) -> None:
    """An order that the panel has done already, due to be asked about now."""
    upstream_order = panel.order_by(f"https://s.example/{number}")
    await bring(books, await sending(books, alpha, number, routes=ROUTES), Accepted(upstream_order), now=NOW)


@pytest.mark.parametrize("orders", [1, 3])
async def test_what_cannot_be_asked_about_is_left_to_another_at_once(
    cut_books: CutBooks, alpha: User, tmp_path: Path, orders: int
) -> None:
    """Asked about by itself or with others: handed back without a miss, and who reaches the panel asks right away."""
    async with (
        simulated_panel(tmp_path) as panel,
        desk_at(cut_books, NOBODY) as cut_off,
        desk_at(cut_books, panel.url, RIVAL) as other,
    ):
        for number in range(ORDER, ORDER + orders):
            await accepted(cut_books, alpha, panel, number)
        assert await track(cut_off, "panel-a") == 0
        assert await track(other, "panel-a") == orders
        assert panel.heard("status") == 1
        assert await cut_books.run(partial(claim, "panel-a", ME, limit=10, now=NOW)) == ()


async def test_process_whose_breaker_is_open_takes_no_orders(cut_books: CutBooks, alpha: User, tmp_path: Path) -> None:
    """Not even for a moment: what is due can be claimed by others, with nothing missed and nothing silent."""
    async with simulated_panel(tmp_path) as panel, desk_at(cut_books, NOBODY) as cut_off:
        await accepted(cut_books, alpha, panel)
        for _ in range(5):
            assert await track(cut_off, "panel-a") == 0
        assert cut_off.providers["panel-a"].reads_tripped
        assert await track(cut_off, "panel-a") == 0
        (due,) = await cut_books.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW))
        assert (due.order_id, due.misses, due.silent_since) == (ORDER, 0, None)


async def test_panel_that_was_reached_and_said_nothing_is_missed(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """An answer of 500 is the panel's own silence: the order is asked about later, by anybody."""
    async with simulated_panel(tmp_path) as panel, desk_at(cut_books, panel.url) as desk:
        await accepted(cut_books, alpha, panel)
        panel.switch("status", "500", action="status")
        assert await track(desk, "panel-a") == 1
        assert await cut_books.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW)) == ()
        (due,) = await cut_books.run(partial(claim, "panel-a", RIVAL, limit=10, now=NOW + 60_000))
        assert (due.misses, due.silent_since) == (1, NOW)
