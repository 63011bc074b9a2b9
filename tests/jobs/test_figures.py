"""Figures: what the books say reaches the metrics, and funds are said to last as long as the pace lets them."""

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from gateway.actions.desk import Desk
from gateway.core.outcome import Accepted, Unknown
from gateway.core.routing import PlannedRoute
from gateway.jobs.balances import Balances
from gateway.jobs.figures import LEDGER_SECONDS, Ledger, figures
from gateway.jobs.lag import feel_lag
from gateway.metrics import Metrics
from gateway.store.polls import poll_soon
from gateway.store.store import open_store
from tests.panel_process import simulated_panel
from tests.stocked import NOW, Time, close_desk, make_desk
from tests.store.trade import ORDER, bring, make_user, sending

UNIT = 10**8


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk in front of a panel where we have 1000."""
    async with simulated_panel(tmp_path) as panel:
        store = open_store(database_url)
        await store.open()
        await store.migrate()
        made = make_desk(store, {"panel-a": panel.url}, Time())
        yield made
        await close_desk(made)
        await store.close()


def lines(metrics: Metrics) -> list[str]:
    """What a scrape would get."""
    return generate_latest(metrics.registry).decode().splitlines()


async def trade(desk: Desk) -> None:
    """Two orders for 3 and 2 dollars: one taken, for a dollar of cost, one in doubt."""
    alpha = await make_user(desk.store, money=100 * UNIT)
    route = PlannedRoute(provider="panel-a", service="101", cost=Decimal(1), currency="USD", exchange_rate=Decimal(1))
    first = await sending(desk.store, alpha, charge=3 * UNIT, routes=(route,))
    await bring(desk.store, first, Accepted("up-1"))
    second = await sending(desk.store, alpha, ORDER + 1, charge=2 * UNIT, routes=(route,))
    await bring(desk.store, second, Unknown("time is up"))
    await desk.store.run(partial(poll_soon, ORDER, due_at=NOW - 90_000))


async def test_books_reach_the_metrics(desk: Desk) -> None:
    """Orders, doubt and lag; then the day's money, and how long funds last at the pace of an hour and more."""
    await trade(desk)
    await figures(desk)
    balances = Balances(desk)
    await balances.ask("panel-a")
    ledger = Ledger(desk, balances, lambda: {"panel-a": Decimal("1.5")})
    desk.clock.pass_by(12 * 3600)  # type: ignore[attr-defined] # the test's own clock
    await ledger.sum_up()
    found = lines(desk.metrics)
    for line in (
        'gateway_orders{state="active"} 1.0',
        "gateway_orders_unknown 1.0",
        'gateway_money_in_doubt{currency="USD"} 2.0',
        'gateway_poll_lag_seconds{provider="panel-a"} 90.0',
        'gateway_unheard_oldest_seconds{provider="panel-a"} 90.0',
        'gateway_money_available{currency="USD"} 95.0',
        'gateway_money_held{currency="USD"} 2.0',
        'gateway_money_sold_day{currency="USD"} 3.0',
        'gateway_money_refunded_day{currency="USD"} 0.0',
        'gateway_money_margin_day{currency="USD"} 1.5',
        'gateway_provider_cost_day{provider="panel-a"} 1.0',
        'gateway_provider_funds_days{provider="panel-a"} 500.0',
        'gateway_orders_stuck{provider="panel-a"} 0.0',
    ):
        assert line in found
    assert ledger.pause() >= LEDGER_SECONDS


async def test_funds_last_for_ever_where_nothing_is_spent(desk: Desk) -> None:
    """And nothing is said of a provider whose balance nobody knows."""
    balances = Balances(desk)
    ledger = Ledger(desk, balances, dict)
    await ledger.sum_up()
    assert not any(line.startswith("gateway_provider_funds_days{") for line in lines(desk.metrics))
    await balances.ask("panel-a")
    await ledger.sum_up()
    assert 'gateway_provider_funds_days{provider="panel-a"} +Inf' in lines(desk.metrics)
    assert 'gateway_money_margin_day{currency="USD"} 0.0' in lines(desk.metrics)


async def test_lag_is_felt() -> None:
    """One nap is one observation; a loop that turns in time is hardly late."""
    metrics = Metrics()
    await feel_lag(metrics)
    assert "gateway_event_loop_lag_seconds_count 1.0" in lines(metrics)
