"""Every dialect on real sockets: a whole gateway in front of a panel that hears and speaks nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from gateway.app import Pace
from gateway.core.dialects import ProviderDialect
from gateway.core.messages import StatusWord
from gateway.core.presets import PRESETS
from gateway.settings.load import load_settings
from tests.gateway_process import Caller, House, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.world import LINK, balance, on_sale, status_of, until

FILE = """
version: 1
markup: {{percent: 50}}
providers:
  panel-a:
    url: {url}
    key: ${{ENV:PANEL_A_KEY}}
    allow_private: true
    requests_per_second: 1000
    poll_seconds: 0.2
    refresh_seconds: 1
    timeouts: {{connect: 1, total: 5, total_read: 3}}
    imports: all
    dialect: {dialect}
services:
  1: {{routes: [panel-a/101]}}
  2: {{routes: [panel-a/104]}}
  4: {{routes: [panel-a/106]}}
"""
# A panel that does everything its own way, and lacks what a preset does not.
OWN = (
    "{preset: json, key_header: Authorization, key_scheme: Bearer, action_field: act, body: query, balance: false, "
    "actions: {services: packages, add: create, multi_status: orders}, fields: {order: order_id, link: url}, "
    'extra_fields: {version: "2"}, add_fields: {request_id: "{order}", trace: "gw-{attempt}"}, batch: 2, '
    "replies: {order: data.trx.id, refill: job, status: state_text, remains: left, start_count: begin, charge: paid}, "
    'statuses: {"1": Pending, "2": Processing, "3": In progress, "4": Completed, "5": Partial, "6": Canceled}}'
)
DIALECTS = {**{name: name for name in PRESETS}, "get": "{method: GET, decimal_comma: true}", "own": OWN}


class Shop:
    """A gateway, its panel, and a user."""

    def __init__(self, house: House, panel: SimulatedPanel, call: Caller, dialect: ProviderDialect) -> None:
        self.house = house
        self.panel = panel
        self.call = call
        self.dialect = dialect

    async def order(self, service: str = "1", **fields: str) -> str:
        """Place an order; answers its id."""
        placed = await self.call("add", service=service, link=LINK, **(fields or {"quantity": "100"}))
        assert list(placed) == ["order"]
        return str(placed["order"])


@asynccontextmanager
async def shop(folder: Path, spoken: str, heard: ProviderDialect | None = None) -> AsyncIterator[Shop]:
    """A shop whose gateway speaks one dialect and whose panel hears one, the same unless it is given another."""
    file = folder / "providers.yaml"
    environ = {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "PANEL_A_KEY": "panel-a-key",
    }
    file.write_text(FILE.format(url="http://127.0.0.1:1/", dialect=spoken))
    dialect = load_settings(environ, file).file.providers["panel-a"].dialect
    async with simulated_panel(folder, dialect=heard or dialect) as panel:
        file.write_text(FILE.format(url=panel.url, dialect=spoken))
        async with running_house(load_settings(environ, file), pace=Pace(balances=0.3)) as house:
            await on_sale(house)
            yield Shop(house, panel, await house.user(), dialect)


@pytest.fixture(params=DIALECTS)
async def each(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop for each dialect."""
    async with shop(tmp_path, DIALECTS[request.param]) as made:
        yield made


async def test_orders_are_placed_followed_and_paid_for(each: Shop) -> None:
    """List, add of three types, status of one and of many, and what was not delivered comes back, to the last digit."""
    rows = {row["service"]: row for row in await each.call("services")}
    assert (rows[1]["rate"], rows[1]["type"], rows[2]["type"]) == ("1.35", "Default", "Custom Comments")
    first = await each.order()
    assert (await status_of(each.call, first, "Completed"))["charge"] == "0.135"
    others = [await each.order() for _ in range(3)]
    comments = await each.order("2", comments="One\nTwo")
    partial = await each.order("4", quantity="100")
    for number in others:
        done = await status_of(each.call, number, "Completed")
        assert (done["remains"], int(done["start_count"]) > 0) == ("0", True)
    await status_of(each.call, comments, "Completed")
    assert (await status_of(each.call, partial, "Partial"))["remains"] == "40"
    assert await balance(each.call) == 100 - Decimal("0.135") * 4 - Decimal("0.0375") - Decimal("0.018")
    assert len(each.panel.links()) == 6
    assert each.panel.heard("add") == 6


async def test_refill_is_asked_for_where_there_is_one(each: Shop) -> None:
    """Once, and followed to its end; a panel without the action never hears of it."""
    number = await each.order()
    await status_of(each.call, number, "Completed")
    rows = {row["service"]: row for row in await each.call("services")}
    answer = await each.call("refill", order=number)
    assert rows[1]["refill"] is ("refill" in answer) is each.dialect.refill
    assert each.panel.heard("refill") == int(each.dialect.refill)
    if not each.dialect.refill:
        assert answer == {"error": "Order not eligible for refill."}
        return

    async def refilled() -> bool:
        status = await each.call("refill_status", refill=str(answer["refill"]))
        return bool(status == {"status": "Completed"})

    await until(refilled)


async def test_cancel_is_asked_for_where_there_is_one(each: Shop) -> None:
    """The money comes back when the panel says canceled; a panel without the action never hears of it."""
    each.panel.program.panel.pace = 10.0
    number = await each.order()
    await until(lambda: _heard_of(each, number))
    answer = await each.call("cancel", order=number)
    assert ("success" in answer) is each.dialect.cancel
    if each.dialect.cancel:
        await status_of(each.call, number, "Canceled", "Partial")
    else:
        assert answer == {"error": "Order not eligible for cancellation."}
    assert each.panel.heard("cancel") == int(each.dialect.cancel)


async def test_refusals_are_refusals_doubt_is_doubt_and_balances_are_asked_for_where_there_are(each: Shop) -> None:
    """A clear no gives the charge back, an unclear answer holds it, sent once; no balance, no question."""
    each.panel.switch("error", "Incorrect link", action="add", processed=False, times=1)
    assert await each.call("add", service="1", link=LINK, quantity="100") == {"error": "Incorrect link"}
    assert await balance(each.call) == 100
    assert each.panel.links() == []
    for name, value in (("cut", "9"), ("error", "Blub")):
        each.panel.switch(name, value, action="add", times=1)
        number = await each.order(quantity="200" if name == "cut" else "100")
        assert (await each.call("status", order=number))["status"] == "Pending"
    assert await balance(each.call) == 100 - Decimal("0.27") - Decimal("0.135")
    assert each.panel.heard("add") == 3
    if not each.dialect.balance:
        assert each.panel.heard("balance") == 0
        return

    async def known() -> bool:
        text = (await each.call.http.get(f"{each.house.health}/metrics")).text
        return 'gateway_provider_balance{provider="panel-a"' in text

    await until(known)


async def test_q67_panel_that_wants_a_mark_gets_our_numbers(tmp_path: Path) -> None:
    """Each order's own, and the attempt's."""
    async with shop(tmp_path, OWN) as own:
        numbers = [await own.order(), await own.order()]
        marks = own.panel.program.marks
        assert [mark["request_id"] for mark in marks] == numbers
        assert len({mark["trace"] for mark in marks}) == 2


@pytest.mark.parametrize("dialect", ["{batch: 2}", "rentalpanel"])
async def test_small_batches_leave_nobody_behind(tmp_path: Path, dialect: str) -> None:
    """A panel that takes few ids, or one, is asked more often within one round."""
    async with shop(tmp_path, dialect) as own:
        numbers = [await own.order() for _ in range(15)]
        for number in numbers:
            await status_of(own.call, number, "Completed")


async def test_panel_of_another_dialect_sells_nothing(tmp_path: Path) -> None:
    """A wrong dialect shows at once: no list, no order, and nothing charged."""
    heard = msgspec.structs.replace(PRESETS["json"].dialect, statuses={"1": StatusWord.PENDING})
    async with simulated_panel(tmp_path, dialect=heard) as panel:
        file = tmp_path / "providers.yaml"
        file.write_text(FILE.format(url=panel.url, dialect="perfectpanel"))
        environ = {"GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_PORT": "0", "GATEWAY_METRICS_PORT": "0",
                   "PANEL_A_KEY": "panel-a-key"}  # fmt: skip
        async with running_house(load_settings(environ, file)) as house:
            call = await house.user()
            assert "error" in await call("add", service="1", link=LINK, quantity="100")
            assert await balance(call) == 100


async def _heard_of(made: Shop, number: str) -> bool:
    """Whether the panel was asked about an order."""
    return (await made.call("status", order=number))["status"] != "Pending" or made.panel.heard("status") > 0
