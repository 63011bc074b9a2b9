"""Drip-feeds from end to end: a panel that makes an order for each run, a gateway in front of it, and exact money."""

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.core.messages import StatusWord
from gateway.store.verify import verify
from tests.crash.truth import rows_of
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.world import LINK, balance, on_sale, status_of, until

# A run begins every 6 000 seconds, by the panel's own clock, and takes as long.
PACE, EVERY = 1000.0, 6_000
WISH = {"service": "1", "link": LINK, "quantity": "100", "runs": "4", "interval": "60"}
RATE = Decimal("1.35")
CHARGE = RATE * 400 / 1000


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel that makes an order for each run."""
    async with simulated_panel(tmp_path, pace=PACE) as running:
        yield running


class Ahead:
    """The gateways' clock: the machine's, and so many ms ahead of it."""

    def __init__(self) -> None:
        self.by = 0

    def __call__(self) -> int:
        """Ms since the epoch."""
        return time.time_ns() // 1_000_000 + self.by


def advance(panel: SimulatedPanel, seconds: float) -> list[int]:
    """So much time passes at the panel; answers the orders it made for runs, by then."""
    panel.program.books.advance(int(seconds * 1000))
    panel.program.panel.go_on()
    return [run.id for run in panel.program.books.runs_of(1)]


def delivered(panel: SimulatedPanel) -> int:
    """Pieces of all runs, by the panel's own books; of a run that was not made none."""
    books, stands = panel.program.books, panel.program.panel.standing
    return sum(run.quantity - stands(run).remains for run in books.runs_of(1))


async def sound(house: House, database_url: str, panel: SimulatedPanel) -> None:
    """Nothing in the books is broken, and every run is in them once, with its last word."""
    found = await house.gateway.store.read_at_length(verify)
    assert found.sound, found.violations
    runs, stands = panel.program.books.runs_of(1), panel.program.panel.standing

    async def known() -> bool:
        said = {row["upstream_order"]: row["status"] for row in await children(database_url)}
        return said == {str(run.id): stands(run).status for run in runs}

    await until(known)


async def children(database_url: str) -> list[dict[str, Any]]:
    """What the gateway's books have of runs."""
    (rows,) = await asyncio.to_thread(rows_of, database_url, "SELECT upstream_order, status FROM children ORDER BY id")
    assert len({row["upstream_order"] for row in rows}) == len(rows)
    return rows


async def test_runs_are_followed_and_what_they_missed_comes_back(
    panel: SimulatedPanel, tmp_path: Path, database_url: str
) -> None:
    """One run ends in part and one canceled: what they missed is paid back, though the panel calls the whole completed.

    The gateway is started anew half-way.
    """
    settings, clock = house_settings(tmp_path, a=panel.url, database_url=database_url), Ahead()
    async with running_house(settings, clock=clock) as house:
        await on_sale(house)
        call = await house.user()
        order = (await call("add", **WISH))["order"]
        assert 100 - await balance(call) == CHARGE
        first = await status_of(call, order, StatusWord.PENDING, StatusWord.PROCESSING, StatusWord.IN_PROGRESS)
        assert (Decimal(first["charge"]), first["remains"]) == (CHARGE, "400")
        made = advance(panel, EVERY + 5)
        assert len(made) == 2
        panel.program.books.force(made[1], status=StatusWord.PARTIAL, remains=30, start_count=None)
        await until(lambda: is_known(database_url, made[1]))
        assert 100 - await balance(call) == CHARGE  # nothing comes back while it runs
        key = call.key
    clock.by += 61_000  # what the one before had leased is nobody's any more
    async with running_house(settings, clock=clock) as house:
        await on_sale(house)
        call = house.caller(key)
        assert (await call("status", order=order))["status"] == "In progress"
        made = advance(panel, 2 * EVERY)
        panel.program.books.force(made[2], status=StatusWord.CANCELED, remains=100, start_count=None)
        advance(panel, EVERY)
        paid = RATE * (400 - 30 - 100) / 1000
        assert paid == RATE * delivered(panel) / 1000
        await until(lambda: is_charged(call, order, paid))
        ended = await status_of(call, order, StatusWord.PARTIAL)
        assert ended["remains"] == "130"
        assert 100 - await balance(call) == paid
        await sound(house, database_url, panel)
        # An hour later the last run turns out to have ended in part as well.
        panel.program.books.force(4 + 1, status=StatusWord.PARTIAL, remains=7, start_count=None)
        clock.by += 3_700_000
        await until(lambda: is_charged(call, order, RATE * (400 - 137) / 1000))
        await sound(house, database_url, panel)
    assert panel.heard("add") == 1


async def test_canceled_dripfeed_gives_back_what_no_run_delivered(
    panel: SimulatedPanel, tmp_path: Path, database_url: str
) -> None:
    """The runs that never began, and the part of the one that was under way; once, however often it is asked about."""
    async with running_house(house_settings(tmp_path, a=panel.url, database_url=database_url)) as house:
        await on_sale(house)
        call = await house.user()
        order = (await call("add", **WISH))["order"]
        advance(panel, 5)
        advance(panel, EVERY + EVERY * 0.6)
        assert "success" in await call("cancel", order=order)
        await until(lambda: was_canceled(panel))
        assert 0 < delivered(panel) - 100 < 100
        paid = RATE * delivered(panel) / 1000
        await until(lambda: is_charged(call, order, paid))
        ended = await status_of(call, order, StatusWord.PARTIAL)
        assert ended["remains"] == str(400 - delivered(panel))
        assert 100 - await balance(call) == paid
        await sound(house, database_url, panel)
        assert 100 - await balance(call) == paid


async def is_known(database_url: str, run: int) -> bool:
    """Whether the gateway heard how a run ended."""
    return any(row["upstream_order"] == str(run) and row["status"] for row in await children(database_url))


async def is_charged(call: Caller, order: str, charge: Decimal) -> bool:
    """Whether an order costs so much by now."""
    return Decimal((await call("status", order=order))["charge"]) == charge


async def was_canceled(panel: SimulatedPanel) -> bool:
    """Whether the panel was asked to cancel."""
    order = panel.program.books.order(1)
    return order is not None and order.canceled_at is not None
