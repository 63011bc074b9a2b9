"""Balances: asked for, kept when they change, and funds that are back are noticed."""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from gateway.actions.desk import Desk
from gateway.core.rejections import RejectKind
from gateway.jobs.balances import Balances
from gateway.store.store import open_store
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import NOW, Time, close_desk, make_desk
from tests.store.trade import ask


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel where we have 1000."""
    async with simulated_panel(tmp_path) as made:
        yield made


@pytest.fixture
async def desk(database_url: str, panel: SimulatedPanel) -> AsyncIterator[Desk]:
    """A desk in front of it."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    made = make_desk(store, {"panel-a": panel.url}, Time())
    yield made
    await close_desk(made)
    await store.close()


async def test_balance_is_kept_when_it_changes(desk: Desk, panel: SimulatedPanel, database_url: str) -> None:
    """For the balance equation; one that stands still is one row, also for a process that begins anew."""
    balances = Balances(desk)
    await balances.ask("panel-a")
    await balances.ask("panel-a")
    await Balances(desk).ask("panel-a")
    panel.order_by("https://s.example/1", quantity="1000")
    await balances.ask("panel-a")
    rows = await ask(database_url, "SELECT provider, balance, currency FROM balance_readings ORDER BY id")
    assert rows == [("panel-a", "1000", "USD"), ("panel-a", "999.1", "USD")]


async def test_q52_provider_that_counts_in_another_currency_gets_no_orders(desk: Desk, panel: SimulatedPanel) -> None:
    """Its rates would be read in the wrong one; it is told once, and ends when the panel names the right one."""
    balances = Balances(desk)
    panel.switch("body", '{"balance":"1000","currency":"INR"}', action="balance", times=2)
    with capture_logs() as logs:
        await balances.ask("panel-a")
        await balances.ask("panel-a")
        assert desk.condition("panel-a").held == "it counts in INR"
        await balances.ask("panel-a")
    assert desk.condition("panel-a").held is None
    assert [each["event"] for each in logs] == ["currency_differs", "currency_right"]
    assert (logs[0]["configured"], logs[0]["answered"], logs[0]["log_level"]) == ("USD", "INR", "error")


async def test_provider_that_is_mended_is_up_with_the_next_balance(desk: Desk, panel: SimulatedPanel) -> None:
    """Though reads are spared for minutes yet: whoever mended it wants to see that, and calls may go there again."""
    balances = Balances(desk)
    panel.switch("status", "503 down", action="balance")
    client = desk.providers["panel-a"]
    while not client.reads_tripped:
        await balances.ask("panel-a")
    panel.program.switches.clear()
    assert 'gateway_provider_up{provider="panel-a"} 0.0' in generate_latest(desk.metrics.registry).decode()
    await balances.ask("panel-a")
    told = generate_latest(desk.metrics.registry).decode()
    assert 'gateway_provider_up{provider="panel-a"} 1.0' in told
    assert 'gateway_breaker{kind="reads",provider="panel-a"} 0.0' in told
    assert not client.reads_tripped


async def test_risen_balance_ends_a_hold_for_funds(desk: Desk, panel: SimulatedPanel) -> None:
    """Orders may go there again."""
    balances = Balances(desk)
    await balances.ask("panel-a")
    desk.conditions.refused("panel-a", "101", RejectKind.FUNDS, now=NOW)
    assert desk.condition("panel-a").held == "funds"
    panel.program.books.set_balance(panel.key, panel.program.panel.units(str(Decimal(2000))))
    await balances.ask("panel-a")
    assert desk.condition("panel-a").held is None
