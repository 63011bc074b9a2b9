"""Programs that others wrote to talk to panels, from the package registry, unchanged, against a whole gateway.

None of their authors ever saw it. What each cannot do is not asked of it; docs/api.md names them.
"""

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import anyio
import anyio.to_thread
import optsmm
import pytest
import safesmm
import smm
import smmpy

from tests.gateway_process import House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.shopping import NOBODYS, WITHIN_SECONDS, Client, canceled, refilled, refusals, shopping
from tests.sound import broken_invariants
from tests.world import LINK, balance, on_sale, status_of


def babismm(url: str, key: str) -> Client:
    """babismm: requests, a session, throws on anything but a 2xx."""
    made = smm.SMM(url, key)
    return Client(
        services=made.get_services,
        balance=made.get_balance,
        add=made.add_order,
        status=made.get_status,
        statuses=made.get_multi_status,
        cancel=made.cancel_orders,
        refill=made.create_refill,
        refill_status=made.get_refill_status,
        refills=made.create_multi_refill,
        refill_statuses=made.get_multi_refill_status,
        refused=smm.SMMAPIError,
    )


def smmpy_(url: str, key: str) -> Client:
    """smmpy: requests without a session, with the User-Agent of a browser of 1999, every value as text."""
    made = smmpy.smm(url, key)
    return Client(
        services=made.get_services,
        balance=made.get_balance,
        add=made.add_order,
        status=made.get_status,
        statuses=made.get_multi_status,
        cancel=made.cancel_orders,
        refill=made.create_refill,
        refill_status=made.get_refill_status,
        refills=made.create_multi_refill,
        refill_statuses=made.get_multi_refill_status,
        refused=Exception,
    )


def safesmm_(url: str, key: str) -> Client:
    """safesmm: urllib, so HTTP/1.1 with a connection for each call, and `Connection: close`."""
    made = safesmm.SafeSMM(key, api_url=url)
    return Client(
        services=made.services,
        balance=made.balance,
        add=made.add_order,
        status=made.status,
        statuses=made.multi_status,
        cancel=made.cancel,
        refill=made.refill,
        refused=safesmm.SafeSMMError,
    )


CLIENTS = {"babismm": babismm, "smmpy": smmpy_, "safesmm": safesmm_}


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """The one panel of these tests."""
    async with simulated_panel(tmp_path) as running:
        yield running


@pytest.fixture
async def house(panel: SimulatedPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """A gateway with its list on sale; no proxy of the machine's stands before it."""
    monkeypatch.setenv("NO_PROXY", "*")
    async with running_house(house_settings(tmp_path, a=panel.url)) as running:
        await on_sale(running)
        yield running


@pytest.mark.parametrize("name", CLIENTS)
async def test_program_of_others_works_as_with_any_panel(
    name: str, house: House, panel: SimulatedPanel, tmp_path: Path
) -> None:
    """List, balance, orders, statuses, refill, cancel and refusals, by a program that knows nothing of us."""
    call = await house.user()
    made = CLIENTS[name](house.url, call.key)
    placed = await anyio.to_thread.run_sync(shopping, made)
    await anyio.to_thread.run_sync(refilled, made, placed[0])
    panel.program.panel.pace = 100.0
    placed += await anyio.to_thread.run_sync(canceled, made)
    await anyio.to_thread.run_sync(refusals, made, CLIENTS[name](house.url, "no key"))
    assert len(panel.links()) == len(placed) == 5
    # A thousand; a drip-feed of two hundred; two comments. The two that were canceled came back.
    assert await balance(call) == 100 - Decimal("1.35") - Decimal("0.27") - Decimal("0.03")
    assert await broken_invariants(f"sqlite:///{tmp_path}/gateway.db") == []


async def test_optsmm_orders_by_get_and_looks_before_each_order(house: House, panel: SimulatedPanel) -> None:
    """Over aiohttp, everything in the query; the list and the balance before every order, as many bots do."""
    call = await house.user()
    client = optsmm.OptSMM(call.key)
    client.base_url = house.url
    assert await client.balance() == (100.0, "USD")
    assert [row["service"] for row in await client.search_services("economy")]
    order = await client.create_order(1, f"{LINK}?a=1&b=ü", 1000)
    assert await balance(call) == Decimal("98.65")
    assert panel.links() == [f"{LINK}?a=1&b=ü"]
    assert isinstance(order, int)
    status = await client.order_status(order)
    with anyio.fail_after(WITHIN_SECONDS):
        while status["status"] != "Completed":
            await anyio.sleep(0.05)
            status = await client.order_status(order)
    assert status == {
        "charge": "1.35", "start_count": status["start_count"], "status": "Completed", "remains": "0", "currency": "USD"
    }  # fmt: skip
    with pytest.raises(Exception, match="Incorrect order ID"):
        await client.order_status(NOBODYS)
    # Its cancel wants {"status": "success"}, which the API does not have: a refusal is understood, a yes is not.
    with pytest.raises(Exception, match=r"Order not eligible for cancellation\."):
        await client.order_cancel(order)
    panel.program.panel.pace = 100.0
    order = await client.create_order(1, LINK, 100)
    with pytest.raises(KeyError, match="error"):
        await client.order_cancel(order)
    await status_of(call, str(order), "Canceled")
