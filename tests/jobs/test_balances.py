"""Balances: asked for, kept when they change, and funds that are back are noticed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from gateway.actions.desk import Desk
from gateway.core.dialects import ProviderDialect
from gateway.core.messages import ServicesReply, ServicesRequest, StatusReply, StatusRequest
from gateway.core.rejections import RejectKind
from gateway.jobs.balances import Balances
from gateway.metrics.money import BALANCE
from gateway.metrics.providers import BREAKER, UP
from gateway.store.store import open_store
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import NOW, Time, close_desk, make_desk
from tests.store.trade import ask


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel where we have 1000."""
    async with simulated_panel(tmp_path) as made:
        yield made


@asynccontextmanager
async def desk_before(database_url: str, panel: SimulatedPanel, *, balance: bool = True) -> AsyncIterator[Desk]:
    """A desk in front of it, which knows whether it has a balance to tell."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    made = make_desk(store, {"panel-a": panel.url}, Time(), dialect=ProviderDialect(balance=balance))
    yield made
    await close_desk(made)
    await store.close()


@pytest.fixture
async def desk(database_url: str, panel: SimulatedPanel) -> AsyncIterator[Desk]:
    """A desk in front of it."""
    async with desk_before(database_url, panel) as made:
        yield made


@pytest.fixture
async def mute(database_url: str, panel: SimulatedPanel) -> AsyncIterator[Desk]:
    """A desk in front of one that has no `balance`, and says so."""
    panel.switch("error", "Incorrect request", action="balance", times=100_000)
    async with desk_before(database_url, panel, balance=False) as made:
        yield made


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


async def up(desk: Desk, balances: Balances) -> float | None:
    """Whether the provider is said to be there after the next look, if anything is."""
    await balances.ask("panel-a")
    return desk.metrics.said(UP, "panel-a")


async def test_provider_without_a_balance_is_there_as_long_as_its_calls_are_answered(
    mute: Desk, panel: SimulatedPanel
) -> None:
    """It is not asked anything for that, and nothing is said of it before the first of them."""
    client, balances = mute.providers["panel-a"], Balances(mute)
    assert await up(mute, balances) is None
    assert isinstance(await client.ask(ServicesRequest()), ServicesReply)
    assert [await up(mute, balances) for _ in range(3)] == [1, 1, 1]
    assert (panel.heard("services"), panel.heard("balance")) == (1, 0)


async def test_provider_without_a_balance_that_is_away_is_down_until_it_shows_its_list(
    mute: Desk, panel: SimulatedPanel
) -> None:
    """A call that failed is looked into each minute, with its list, even while its reads are spared."""
    client, balances = mute.providers["panel-a"], Balances(mute)
    panel.switch("status", "503 down", times=100_000)
    assert not isinstance(await client.ask(StatusRequest("1")), StatusReply)
    with capture_logs() as logs:
        assert await up(mute, balances) == 0
    assert [(each["event"], each["up"]) for each in logs if each["event"] == "list_unheard"] == [
        ("list_unheard", False)
    ]
    while not client.reads_tripped:
        await client.ask(StatusRequest("1"))
    heard = panel.heard("services")
    assert await up(mute, balances) == 0
    assert panel.heard("services") == heard + 1
    panel.program.switches.clear()
    assert await up(mute, balances) == 1
    assert mute.metrics.said(BREAKER, "panel-a", "reads") == 0
    assert mute.metrics.said(BALANCE, "panel-a") is None


async def test_provider_without_a_balance_whose_list_alone_is_broken_is_there(
    mute: Desk, panel: SimulatedPanel
) -> None:
    """Its statuses are answered: the list is another alarm's. Once nothing is answered any more, it is down."""
    client, balances = mute.providers["panel-a"], Balances(mute)
    order = panel.order_by("https://s.example/1", key=panel.key)
    panel.switch("html", action="services", times=100_000)
    await client.ask(ServicesRequest())
    assert isinstance(await client.ask(StatusRequest(order)), StatusReply)
    await client.ask(ServicesRequest())
    assert await up(mute, balances) == 1
    assert await up(mute, balances) == 0


async def test_one_call_that_failed_is_no_outage(mute: Desk, panel: SimulatedPanel) -> None:
    """It is looked into, and the list is there."""
    client, balances = mute.providers["panel-a"], Balances(mute)
    panel.switch("close", action="status", times=3)
    await client.ask(StatusRequest("1"))
    assert client.pulse.doubted
    assert await up(mute, balances) == 1
    assert (panel.heard("services"), client.pulse.doubted) == (1, False)
