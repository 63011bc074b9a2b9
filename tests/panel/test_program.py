"""The simulated panel: a real one when it behaves, every misdeed when told to, and a memory like stone."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.service import TYPES, ServiceType
from gateway.core.service_fields import FIELDS
from gateway.panel.switches import INSTEAD, KNOWN
from tests.panel_process import PanelProcess, SimulatedPanel, simulated_panel

DOCUMENT = Path(__file__).parent.parent.parent / "docs" / "panel.md"
LINK = "https://social.example/1"


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel in this process, slow enough to be watched."""
    async with simulated_panel(tmp_path, pace=100.0) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps its connections."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        yield client


async def ask(http: httpx.AsyncClient, panel: SimulatedPanel, action: str, **fields: str) -> Any:
    """What the panel answers."""
    return (await http.post(panel.url, data={"key": panel.key, "action": action, **fields})).json()


async def order(http: httpx.AsyncClient, panel: SimulatedPanel, **more: str) -> str:
    """An order of 100 pieces."""
    placed = await ask(http, panel, "add", **{"service": "101", "link": LINK, "quantity": "100", **more})
    number: str = placed["order"]
    return number


async def test_it_sells_charges_and_delivers(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """Services, an order, its way to the end, and the balance that paid for it."""
    services = await ask(http, panel, "services")
    assert [row["service"] for row in services] == list(range(101, 121))
    number = await order(http, panel)
    assert await ask(http, panel, "balance") == {"balance": "999.91", "currency": "USD"}
    words = []
    for _ in range(4):
        words.append((await ask(http, panel, "status", order=number))["status"])
        panel.program.books.advance(90_000 if words[-1] != "In progress" else 600_000)
    assert words == ["Pending", "Processing", "In progress", "Completed"]


async def test_partial_and_canceled_orders_are_paid_back(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """What was not delivered, once."""
    partial = await order(http, panel, service="106")
    canceled = await order(http, panel)
    assert "success" in await ask(http, panel, "cancel", order=canceled)
    panel.program.books.advance(3_600_000)
    both = await ask(http, panel, "status", orders=f"{partial},{canceled},99")
    assert (both[partial]["status"], both[partial]["remains"]) == ("Partial", "40")
    assert (both[canceled]["status"], both[canceled]["remains"]) == ("Canceled", "100")
    assert both["99"] == {"error": "Incorrect order ID"}
    for _ in range(2):
        assert (await ask(http, panel, "balance"))["balance"] == "999.988"


async def test_refill_is_for_what_is_done(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """And goes on with time as well."""
    number = await order(http, panel)
    assert "error" in await ask(http, panel, "refill", order=number)
    panel.program.books.advance(3_600_000)
    refill = str((await ask(http, panel, "refill", order=number))["refill"])
    assert await ask(http, panel, "refill_status", refill=refill) == {"status": "Pending"}
    panel.program.books.advance(3_600_000)
    assert await ask(http, panel, "refill_status", order=number) == {"status": "Completed"}
    assert "error" in await ask(http, panel, "refill_status", refill="99")


@pytest.mark.parametrize("kind", TYPES, ids=lambda kind: kind.name)
async def test_it_checks_the_fields_of_every_type(
    panel: SimulatedPanel, http: httpx.AsyncClient, kind: ServiceType
) -> None:
    """One service of each is sold; without any field that its order needs it is refused by that name, else taken."""
    row = next(row for row in await ask(http, panel, "services") if row["type"] == kind.name)
    fields = {field.name: field.example for field in kind.fields if field.needs is None or field.needs[1] == "1"}
    for name in (name for name in fields if not FIELDS[name].optional):
        short = {key: value for key, value in fields.items() if key != name}
        assert await ask(http, panel, "add", service=str(row["service"]), **short) == {"error": f"Incorrect {name}"}
    assert panel.links() == []
    placed = await ask(http, panel, "add", service=str(row["service"]), **fields)
    assert [dict(json.loads(order.fields)) for order in panel.program.books.orders()] == [fields], placed


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"key": "other"}, "Invalid API key"),
        ({"action": "drop"}, "Incorrect request"),
        ({"service": "9"}, "Incorrect service ID"),
        ({"quantity": "5"}, "Quantity less than minimal 10"),
        ({"link": ""}, "Incorrect link"),
        ({"service": "102", "quantity": "50000", "runs": "2", "interval": "1"}, "Incorrect runs"),
    ],
)
async def test_it_refuses_what_a_real_panel_refuses(
    panel: SimulatedPanel, http: httpx.AsyncClient, fields: dict[str, str], text: str
) -> None:
    """In a panel's words, and nothing is kept."""
    good = {"key": panel.key, "action": "add", "service": "101", "link": LINK, "quantity": "100"}
    assert (await http.post(panel.url, data={**good, **fields})).json() == {"error": text}
    assert panel.links() == []


async def test_racing_orders_never_overspend(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """Money for three buys three."""
    panel.program.books.set_balance(panel.key, panel.program.panel.units("0.27"))
    placed = await asyncio.gather(
        *(ask(http, panel, "add", service="101", link=f"{LINK}{n}", quantity="100") for n in range(10))
    )
    assert sum("order" in each for each in placed) == 3
    assert (await ask(http, panel, "balance"))["balance"] == "0"


@pytest.mark.parametrize("processed", [True, False])
@pytest.mark.parametrize("name", sorted(INSTEAD - {"silent"}))
async def test_misdeed_in_the_place_of_an_answer(
    panel: SimulatedPanel, http: httpx.AsyncClient, name: str, processed: bool
) -> None:
    """The order is there or not, as was asked for, and the answer is none; the next call is answered well."""
    value = {"status": "503", "redirect": "http://x.example/", "bomb": "1", "error": "Oops", "body": "[]"}.get(name, "")
    panel.switch(name, value, action="add", processed=processed, times=1)
    form = {"key": panel.key, "action": "add", "service": "101", "link": LINK, "quantity": "100"}
    if name in ("close", "reset"):
        with pytest.raises(httpx.TransportError):
            await http.post(panel.url, data=form)
    else:
        assert '"order":"' not in (await http.post(panel.url, data=form)).text
    assert panel.links() == ([LINK] if processed else [])
    assert "order" in await ask(http, panel, "add", service="101", link="other", quantity="100")


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("notices", "", "Undefined index: interval [x]"),
        ("bom", "", "\ufeff"),
        ("order_as", "null", '{"order":null}'),
        ("order_field", "data.order_id", '{"data":{"order_id":"1"}}'),
        ("order_field", "", '"1"'),
        ("headers", "50", '{"order":"1"}'),
        ("framing", "chunked", '{"order":"1"}'),
        ("framing", "close", '{"order":"1"}'),
        ("drip", "1", '{"order":"1"}'),
    ],
)
async def test_misdeed_in_the_shape_of_an_answer(
    panel: SimulatedPanel, http: httpx.AsyncClient, name: str, value: str, found: str
) -> None:
    """The order is there, and its id is told in an odd way."""
    panel.switch(name, value)
    form = {"key": panel.key, "action": "add", "service": "101", "link": LINK, "quantity": "100"}
    answer = await http.post(panel.url, data=form)
    assert found in answer.content.decode()
    assert panel.links() == [LINK]


async def test_misdeeds_of_status(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """Odd words, figures, lists, holes, and no multi status at all."""
    one, two = [await order(http, panel, link=f"{LINK}{n}") for n in range(2)]
    panel.switch("word", "canelled", times=1)
    panel.switch("remains", "Unknown", times=1)
    assert (await ask(http, panel, "status", order=one)) | {"charge": ""} == {
        "charge": "", "start_count": "0", "status": "canelled", "remains": "Unknown", "currency": "USD",
    }  # fmt: skip
    panel.switch("as_list", times=1)
    assert [row["order"] for row in await ask(http, panel, "status", orders=f"{one},{two}")] == [one, two]
    panel.switch("missing", times=1)
    assert list(await ask(http, panel, "status", orders=f"{one},{two}")) == [one]
    panel.switch("no_multi", times=1)
    assert await ask(http, panel, "status", orders=f"{one},{two}") == {"error": "Incorrect request"}


async def test_misdeeds_of_ids_and_links(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """The id of another order; a link that is being worked on."""
    one = await order(http, panel)
    panel.switch("same_id", times=1)
    assert str(await order(http, panel)) == one
    panel.switch("active_link", times=1)
    assert (
        "active order with this link"
        in (await ask(http, panel, "add", service="101", link=LINK, quantity="100"))["error"]
    )


async def test_cut_and_silent_answers(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """Half an answer, and none."""
    panel.switch("cut", "60", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await order(http, panel)
    panel.switch("silent", times=1)
    with pytest.raises(httpx.ReadTimeout):
        await http.post(panel.url, data={"key": panel.key, "action": "balance"}, timeout=0.3)


async def test_control_needs_its_token_and_tells_the_truth(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """Switches, orders, calls, time and money from outside."""
    base = panel.url.replace("/api/v2", "/control")
    assert (await http.get(f"{base}/orders")).status_code == 403
    token = {"x-control-token": "token"}
    number = await order(http, panel)
    (found,) = (await http.get(f"{base}/orders", headers=token)).json()
    assert (found["link"], found["quantity"], found["status"]) == (LINK, 100, "Pending")
    forced = {"order": int(number), "status": "Partial", "remains": 7, "start_count": 9}
    assert (await http.post(f"{base}/order", headers=token, json=forced)).json()["remains"] == 7
    assert (await ask(http, panel, "status", order=number))["remains"] == "7"
    await http.post(f"{base}/switches", headers=token, json={"name": "empty", "action": "balance"})
    assert (await http.get(f"{base}/switches", headers=token)).json()[0]["name"] == "empty"
    await http.request("DELETE", f"{base}/switches", headers=token)
    await http.post(f"{base}/balance", headers=token, json={"key": panel.key, "balance": "5"})
    assert (await ask(http, panel, "balance"))["balance"] == "5"
    assert (await http.post(f"{base}/advance", headers=token, json={"seconds": 5})).json() == {"ahead_ms": 5000}
    assert (await http.get(f"{base}/calls", headers=token)).json()["add"] == 1
    for path, body in (("order", {"order": 99}), ("switches", {"name": "x"}), ("nothing", {}), ("advance", {"s": 1})):
        answer = await http.post(f"{base}/{path}", headers=token, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_orders_survive_a_kill(tmp_path: Path) -> None:
    """The ground truth is on the disk before the answer is out."""
    running = PanelProcess(tmp_path)
    form = {"key": "panel-a-key", "action": "add", "service": "101", "link": LINK, "quantity": "100"}
    number = httpx.post(running.url, data=form, trust_env=False).json()["order"]
    running.kill()
    again = PanelProcess(tmp_path)
    status = httpx.post(again.url, data={**form, "action": "status", "order": number}, trust_env=False).json()
    assert status["charge"] == "0.09"
    assert again.stop() == 0


async def test_late_order_comes_after_its_answer(panel: SimulatedPanel, http: httpx.AsyncClient) -> None:
    """An error first, with any text and status, and the order a while later."""
    panel.switch("late", "150", action="add", times=1)
    panel.switch("status", '503 {"error":"timed out"}', action="add", times=1)
    assert await ask(http, panel, "add", service="101", link=LINK, quantity="100") == {"error": "timed out"}
    assert panel.links() == []
    await asyncio.sleep(0.4)
    assert panel.links() == [LINK]


def test_document_lists_every_switch() -> None:
    """docs/panel.md has a line for each, marked where it takes the place of the answer."""
    told = dict(re.findall(r"^\| `(\w+)` (\*?) ?\|", DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert set(told) == set(KNOWN)
    assert {name for name, mark in told.items() if mark} == INSTEAD
