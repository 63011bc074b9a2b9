"""Following orders in a process that does not reach their panel: they stay due for the one that does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from gateway.actions.desk import Desk
from gateway.actions.track import track
from gateway.core.dialects import ProviderDialect
from gateway.core.messages import AddReply, AddRequest, StatusWord
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted
from gateway.core.user import User
from gateway.store.polls import claim
from tests.cut_books import CutBooks
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import NOBODY, NOW, Time, close_desk, make_desk
from tests.store.trade import ME, ORDER, RIVAL, ask, bring, make_planned, order_of, sending

ROUTES = (make_planned(cost="0.009"),)


@asynccontextmanager
async def desk_at(
    books: CutBooks, url: str, owner: str = ME, *, time: Time | None = None, dialect: ProviderDialect | None = None
) -> AsyncIterator[Desk]:
    """A process whose panel-a is at this address."""
    desk = make_desk(books, {"panel-a": url}, time or Time(), owner=owner, dialect=dialect)
    yield desk
    await close_desk(desk)


async def accepted(books: CutBooks, alpha: User, panel: SimulatedPanel, number: int = ORDER) -> str:
    """An order that the panel has done already, due to be asked about now; answers the panel's own id."""
    upstream_order = panel.order_by(f"https://s.example/{number}")
    await bring(books, await sending(books, alpha, number, routes=ROUTES), Accepted(upstream_order), now=NOW)
    return upstream_order


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


async def subscription(books: CutBooks, alpha: User, panel: SimulatedPanel) -> tuple[str, ...]:
    """One whose two posts are there already, due to be asked about now; answers the panel's orders for them."""
    fields = (("username", "someone"), ("min", "20"), ("max", "40"), ("posts", "1"), ("old_posts", "1"), ("delay", "0"))
    said = panel.program.panel.answer(panel.key, AddRequest(service="120", fields=fields))
    assert isinstance(said, AddReply)
    routes = (msgspec.structs.replace(make_planned(cost="0.048"), currency="USD"),)
    kind: dict[str, Any] = {"type": "Subscriptions", "charge": 100, "quantity": 2, "fields": fields}
    await bring(books, await sending(books, alpha, routes=routes, **kind), Accepted(said.order), now=NOW)
    panel.program.books.advance(3_600_000)
    panel.program.panel.go_on()
    return tuple(map(str, panel.program.books.made_for(int(said.order))))


@pytest.mark.parametrize("dialect", [ProviderDialect(), ProviderDialect(multi_status=False), ProviderDialect(batch=1)])
async def test_what_a_panel_made_is_asked_about_beside_its_orders(
    cut_books: CutBooks, alpha: User, tmp_path: Path, dialect: ProviderDialect
) -> None:
    """First it is named, then each is asked about, then the subscription is settled: whole batches or one by one."""
    time = Time()
    async with simulated_panel(tmp_path) as panel, desk_at(cut_books, panel.url, time=time, dialect=dialect) as desk:
        made = await subscription(cut_books, alpha, panel)
        assert len(made) == 2
        assert await track(desk, "panel-a") == 1
        assert (await order_of(cut_books)).order.state is OrderState.ACTIVE
        rounds = 0
        while (await order_of(cut_books)).order.state is OrderState.ACTIVE:
            time.pass_by(60)
            await track(desk, "panel-a")
            rounds += 1
            assert rounds < 9
        orders = [each for number in made if (each := panel.program.books.order(int(number))) is not None]
        delivered = sum(each.quantity for each in orders)
        order = (await order_of(cut_books)).order
        assert (order.state, order.remains) == (OrderState.COMPLETED, 0)
        assert order.refunded == 100 - ceil(Fraction(100 * delivered, 80))


async def test_children_that_cannot_be_asked_about_are_handed_back(
    cut_books: CutBooks, alpha: User, tmp_path: Path, database_url: str
) -> None:
    """Without a miss, to whoever reaches the panel; and silence about them is no word of their order."""
    async with (
        simulated_panel(tmp_path) as panel,
        desk_at(cut_books, panel.url) as desk,
        desk_at(cut_books, NOBODY, RIVAL) as cut_off,
    ):
        await subscription(cut_books, alpha, panel)
        await track(desk, "panel-a")
        assert await track(cut_off, "panel-a") == 0
        panel.switch("missing", action="status")
        assert await track(desk, "panel-a") == 2
        rows = await ask(database_url, "SELECT status, misses FROM children ORDER BY misses")
        assert rows == [("Completed", 0), (None, 1)]


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


@pytest.mark.parametrize(("agreed", "alarm"), [("0.08", True), ("0.09", False)])
async def test_u25_panel_that_took_more_than_it_listed_sets_off_an_alarm(
    cut_books: CutBooks, alpha: User, tmp_path: Path, agreed: str, *, alarm: bool
) -> None:
    """When the order ends, and once: a late look at it says the same again."""
    time = Time()
    async with simulated_panel(tmp_path) as panel, desk_at(cut_books, panel.url, time=time) as desk:
        upstream_order = panel.order_by("https://s.example/dear")  # for 0.09
        routes = (msgspec.structs.replace(make_planned(cost=agreed), currency="USD"),)
        await bring(cut_books, await sending(cut_books, alpha, routes=routes), Accepted(upstream_order), now=NOW)
        panel.program.books.force(int(upstream_order), status=StatusWord.COMPLETED, remains=0, start_count=7)
        for _ in range(2):
            assert await track(desk, "panel-a") == 1
            time.pass_by(26 * 3600)
        told = generate_latest(desk.metrics.registry).decode()
        assert ("gateway_orders_dearer_total 1.0" in told) is alarm
    assert (await order_of(cut_books)).order.state is OrderState.COMPLETED


async def test_q84_panel_that_works_again_on_what_has_ended_is_noted(
    cut_books: CutBooks, alpha: User, tmp_path: Path
) -> None:
    """Its word goes back, ours and the money do not; while it worked there was nothing to note."""
    time = Time()
    async with simulated_panel(tmp_path) as panel, desk_at(cut_books, panel.url, time=time) as desk:
        upstream_order = await accepted(cut_books, alpha, panel)
        with capture_logs() as logs:
            for word in (StatusWord.IN_PROGRESS, StatusWord.PROCESSING, StatusWord.COMPLETED, StatusWord.IN_PROGRESS):
                panel.program.books.force(int(upstream_order), status=word, remains=0, start_count=7)
                assert await track(desk, "panel-a") == 1
                time.pass_by(26 * 3600)
        noted = [line for line in logs if line["event"] == "status_went_back"]
        assert [(line["order_id"], line["status"]) for line in noted] == [(ORDER, "In progress")]
    order = (await order_of(cut_books)).order
    assert (order.state, order.shown, order.refunded) == (OrderState.COMPLETED, StatusWord.COMPLETED, 0)
