"""Programs that others wrote to talk to panels, from the package registry, unchanged, against a whole gateway.

None of their authors ever saw it. What each cannot do is not asked of it; docs/api.md names them.
"""

import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import optsmm
import pytest
import safesmm
import smm
import smmpy

from tests.gateway_process import House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.sound import broken_invariants
from tests.world import LINK, balance, on_sale, status_of

NOBODYS = 999  # an order id that nobody has
WITHIN_SECONDS = 15.0  # orders take 0.3 s here; the machine may be busy
Do = Callable[..., Any]


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """What a library offers, each thing by its own method."""

    services: Do
    balance: Do
    add: Do  # service, link, quantity; other fields by name
    status: Do
    statuses: Do  # a list of ids, as for the next
    cancel: Do
    refill: Do
    refill_status: Do | None = None
    refills: Do | None = None
    refill_statuses: Do | None = None
    refused: type[Exception]  # what an `error` becomes


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
    placed = await anyio.to_thread.run_sync(_shopping, made)
    await anyio.to_thread.run_sync(_refilled, made, placed[0])
    panel.program.panel.pace = 100.0
    placed += await anyio.to_thread.run_sync(_canceled, made)
    await anyio.to_thread.run_sync(_refusals, made, CLIENTS[name](house.url, "no key"))
    assert len(panel.links()) == len(placed) == 5
    # A thousand; a drip-feed of two hundred; two comments. The two that were canceled came back.
    assert await balance(call) == 100 - Decimal("1.35") - Decimal("0.27") - Decimal("0.03")
    assert await broken_invariants(f"sqlite:///{tmp_path}/gateway.db") == []


def _shopping(client: Client) -> list[str]:
    """What is sold, what there is to spend, three orders, and what becomes of them; answers their ids."""
    rows = {row["service"]: row for row in client.services()}
    assert (rows[1]["rate"], rows[1]["min"], rows[1]["refill"], rows[1]["cancel"]) == ("1.35", "10", True, True)
    assert client.balance() == {"balance": "100", "currency": "USD"}
    first = client.add(1, LINK, 1000)["order"]
    second = client.add(1, f"{LINK}/2", 100, runs=2, interval=5)["order"]
    third = client.add(2, f"{LINK}/3", None, comments="One\nTwo")["order"]
    status = _until(client, first, "Completed")
    assert (status["charge"], status["remains"], status["currency"]) == ("1.35", "0", "USD")
    _until(client, second, "Completed")
    _until(client, third, "Completed")
    many = client.statuses([first, second, third, NOBODYS])
    assert {order: row.get("charge") for order, row in many.items()} == {
        first: "1.35", second: "0.27", third: "0.03", str(NOBODYS): None
    }  # fmt: skip
    assert many[str(NOBODYS)] == {"error": "Incorrect order ID"}
    return [first, second, third]


def _refilled(client: Client, order: str) -> None:
    """A refill, followed where the library can; one and many."""
    asked = client.refill(order)
    assert isinstance(asked["refill"], int)
    if client.refill_status is None or client.refills is None or client.refill_statuses is None:
        return
    assert client.refill_status(asked["refill"])["status"] in ("Pending", "In progress", "Completed")
    rows = client.refills([order, NOBODYS])
    assert [row["order"] for row in rows] == [int(order), NOBODYS]
    assert all(row["refill"] == {"error": "Order not eligible for refill."} for row in rows)
    first, second = client.refill_statuses([asked["refill"], NOBODYS])
    assert first["refill"] == asked["refill"]
    assert second == {"refill": NOBODYS, "status": {"error": "Refill Request Not found"}}


def _canceled(client: Client) -> list[str]:
    """Two orders that take long, taken back; answers their ids."""
    orders = [client.add(1, f"{LINK}/{each}", 100)["order"] for each in "ab"]
    rows = client.cancel([*orders, NOBODYS])
    assert rows == [
        *({"order": int(order), "cancel": 1} for order in orders),
        {"order": NOBODYS, "cancel": {"error": "Incorrect order ID"}},
    ]
    for order in orders:
        _until(client, order, "Canceled")
    return orders


def _refusals(client: Client, stranger: Client) -> None:
    """Each is the library's own exception with our words; none is a broken answer."""
    asked: tuple[tuple[str, Do], ...] = (
        ("Incorrect service ID", lambda: client.add(12345, LINK, 100)),
        ("Quantity less than minimal 10", lambda: client.add(1, LINK, 1)),
        ("Not enough funds on balance", lambda: client.add(1, LINK, 100_000)),
        ("Incorrect order ID", lambda: client.status(NOBODYS)),
        ("Order not eligible for refill.", lambda: client.refill(NOBODYS)),
        ("Invalid API key", stranger.balance),
    )
    for text, ask in asked:
        with pytest.raises(client.refused) as refused:
            ask()
        assert str(refused.value) == text


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


def _until(client: Client, order: str, word: str) -> dict[str, str]:
    """The status of an order once it is this."""
    ends = time.monotonic() + WITHIN_SECONDS
    while True:
        status: dict[str, str] = client.status(order)
        if status["status"] == word:
            return status
        assert time.monotonic() < ends, f"{order} is {status}"
        time.sleep(0.05)
