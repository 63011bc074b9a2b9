"""The main job on real sockets: users order through the gateway, panels deliver, and the money is exact.

On SQLite and on PostgreSQL, with and without Redis.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.core.dialects import UserDialect
from gateway.jobs.sweep import sweep
from gateway.store.engine import Query
from gateway.store.owners import take_over
from gateway.store.users import Choices
from tests.gateway_process import NOBODY, Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel

LINK = "https://social.example/p/1"


class World:
    """Two panels, and what is needed to start gateways in front of them."""

    def __init__(self, a: SimulatedPanel, b: SimulatedPanel, folder: Path, more: dict[str, str]) -> None:
        self.a = a
        self.b = b
        self.folder = folder
        self._more = more

    def settings(self, **changes: str) -> Any:
        """Settings of a gateway on these panels, with changes."""
        values = {"a": self.a.url, "b": self.b.url, **self._more, **changes}
        return house_settings(self.folder, **values)


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and a database, with Redis and without."""
    more = {"database_url": database_url}
    if request.param == "redis":
        more["redis_url"] = request.getfixturevalue("redis_url")
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, more)


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    """A gateway in front of both panels, with its list on sale."""
    async with running_house(world.settings()) as running:
        await on_sale(running)
        yield running


async def until(found: Callable[[], Awaitable[Any]], *, seconds: float = 15.0) -> Any:
    """What is found at last; fails when it takes too long."""
    for _ in range(int(seconds / 0.05)):
        value = await found()
        if value:
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s")


async def on_sale(house: House) -> None:
    """Wait for the first catalogue."""

    async def ready() -> bool:
        snapshot = house.gateway.desk.snapshot
        return snapshot is not None and snapshot.complete

    await until(ready)


async def status_of(call: Caller, order: str, *words: str) -> dict[str, str]:
    """The status of an order once it is one of these words."""

    async def found() -> dict[str, str] | None:
        status: dict[str, str] = await call("status", order=order)
        return status if status["status"] in words else None

    reached: dict[str, str] = await until(found)
    return reached


async def balance(call: Caller) -> Decimal:
    """What a user has."""
    return Decimal((await call("balance"))["balance"])


async def test_order_is_placed_followed_and_charged_exactly(world: World, house: House) -> None:
    """List, order, poll, completed; the balance falls by the listed rate × quantity, and the panel has one order."""
    call = await house.user()
    services = {row["service"]: row for row in await call("services")}
    assert services[1]["rate"] == "1.35"
    placed = await call("add", service="1", link=LINK, quantity="1000")
    assert list(placed) == ["order"]
    first = await call("status", order=placed["order"])
    assert (first["charge"], first["remains"], first["currency"]) == ("1.35", "1000", "USD")
    done = await status_of(call, placed["order"], "Completed")
    assert (done["charge"], done["remains"]) == ("1.35", "0")
    assert int(done["start_count"]) > 0
    assert await balance(call) == Decimal("98.65")
    assert (world.a.links(), world.b.links()) == ([LINK], [])


async def test_dead_panel_is_passed_by(world: World) -> None:
    """Where nothing was sent the next route follows at once, for the same charge."""
    async with running_house(world.settings()) as house:
        await on_sale(house)
        call = await house.user()
    # The list is kept; the first panel is gone when the order comes.
    async with running_house(world.settings(a=NOBODY)) as house:
        again = house.caller(call.key)
        placed = await again("add", service="1", link=LINK, quantity="100")
        await status_of(again, placed["order"], "Completed")
        assert await balance(again) == Decimal("99.865")
    assert (world.a.links(), world.b.links()) == ([], [LINK])


@pytest.mark.parametrize("text", ["Not enough funds on balance", "Incorrect service ID", "Invalid API key"])
async def test_clear_refusal_that_is_not_the_users_goes_to_the_next_route(
    world: World, house: House, text: str
) -> None:
    """Our money, our key or their list: the user never hears of it."""
    world.a.switch("error", text, action="add", processed=False)
    call = await house.user()
    placed = await call("add", service="1", link=LINK, quantity="100")
    await status_of(call, placed["order"], "Completed")
    assert (world.a.links(), world.b.links()) == ([], [LINK])


async def test_users_own_mistake_is_told_and_nothing_is_charged(world: World, house: House) -> None:
    """In our words, never in the panel's; no other panel is asked, and the money is back before the answer."""
    world.a.switch("error", "Bad link, dear panel-a-key!", action="add", processed=False)
    call = await house.user()
    assert await call("add", service="1", link=LINK, quantity="100") == {"error": "Incorrect link"}
    assert await balance(call) == 100
    assert (world.b.heard("add"), world.b.links()) == (0, [])


@pytest.mark.parametrize(
    ("name", "value", "processed"),
    [
        ("close", "", True),
        ("reset", "", False),
        ("status", "500", True),
        ("html", "", False),
        ("empty", "", True),
        ("cut", "75", True),
        ("order_as", "0", True),
        ("order_as", "true", True),
        ("error", "Something went wrong, try again", True),
        ("redirect", "http://127.0.0.1:1/elsewhere", False),
    ],
)
async def test_unclear_answer_is_pending_and_never_sent_again(
    world: World, house: House, name: str, value: str, processed: bool
) -> None:
    """An order id for who was charged, the money held, one call to one panel, whatever it really did."""
    world.a.switch(name, value, action="add", processed=processed)
    call = await house.user()
    placed = await call("add", service="1", link=LINK, quantity="100")
    assert (await call("status", order=placed["order"]))["status"] == "Pending"
    assert await balance(call) == Decimal("99.865")
    await asyncio.sleep(0.6)
    assert (world.a.heard("add"), world.b.heard("add")) == (1, 0)
    assert (await call("status", order=placed["order"]))["status"] == "Pending"


async def test_slow_panel_keeps_nobody_waiting(world: World) -> None:
    """The answer comes within `answer_within`, the order goes on behind it and is accepted."""
    async with running_house(world.settings(answer_within="0.3")) as house:
        await on_sale(house)
        world.a.switch("latency", "1200", action="add")
        call = await house.user()
        began = asyncio.get_running_loop().time()
        placed = await call("add", service="1", link=LINK, quantity="100")
        assert asyncio.get_running_loop().time() - began < 1.0
        await status_of(call, placed["order"], "Completed")
    assert world.a.links() == [LINK]


async def test_partial_order_gives_back_what_remains(world: World, house: House) -> None:
    """Forty per cent undelivered, forty per cent back, and the charge shown is the net one."""
    call = await house.user()
    placed = await call("add", service="4", link=LINK, quantity="100")
    done = await status_of(call, placed["order"], "Partial")
    assert (done["remains"], done["charge"]) == ("40", "0.0144")
    assert await balance(call) == Decimal("99.9856")
    assert world.a.heard("add") == 1


async def test_cancel_is_passed_on_and_refunded_when_it_shows(world: World, house: House) -> None:
    """Single and multi; a foreign, a finished or an unknown order is refused in its own words."""
    world.a.program.panel.pace = 100.0
    call = await house.user()
    first, second = [(await call("add", service="1", link=f"{LINK}{n}", quantity="100"))["order"] for n in "ab"]
    assert "success" in await call("cancel", order=first)
    rows = await call("cancel", orders=f"{second},{first},999")
    assert rows == [
        {"order": int(second), "cancel": 1},
        {"order": int(first), "cancel": {"error": "Order not eligible for cancellation."}},
        {"order": 999, "cancel": {"error": "Incorrect order ID"}},
    ]
    for order in (first, second):
        assert (await status_of(call, order, "Canceled"))["remains"] == "100"
    assert await balance(call) == 100


async def test_refill_is_passed_on_and_followed(world: World, house: House) -> None:
    """For a finished order of a service that offers it, once; the status by the refill's id and by the order's."""
    call = await house.user()
    order = (await call("add", service="1", link=LINK, quantity="100"))["order"]
    assert await call("refill", order=order) == {"error": "Order not eligible for refill."}
    await status_of(call, order, "Completed")
    asked = await call("refill", order=order)
    assert isinstance(asked["refill"], int)
    assert await call("refill", order=order) == {"error": "Order not eligible for refill."}
    assert await call("refill", orders=f"{order},7") == [
        {"order": int(order), "refill": {"error": "Order not eligible for refill."}},
        {"order": 7, "refill": {"error": "Order not eligible for refill."}},
    ]

    async def completed() -> bool:
        by_order = await call("refill_status", order=order)
        return bool(by_order == {"status": "Completed"})

    await until(completed)
    refill = str(asked["refill"])
    assert await call("refill_status", refill=refill) == {"status": "Completed"}
    assert await call("refill_status", refills=f"{refill},5") == [
        {"refill": int(refill), "status": "Completed"},
        {"refill": 5, "status": {"error": "Refill Request Not found"}},
    ]
    assert world.a.heard("refill") == 1


async def test_every_type_is_billed_by_its_own_count(world: World, house: House) -> None:
    """Comments by their lines, a package flat, a drip-feed for all its runs; the panel gets what it needs."""
    call = await house.user()
    await call("add", service="2", link=LINK, comments="one\r\ntwo\n\nthree", quantity="7")
    assert await balance(call) == 100 - Decimal("0.045")
    await call("add", service="3", link=LINK)
    assert await balance(call) == 100 - Decimal("0.045") - Decimal("5.988")
    await call("add", service="1", link=LINK, quantity="100", runs="5", interval="10")
    assert await balance(call) == 100 - Decimal("0.045") - Decimal("5.988") - Decimal("0.675")
    fields = [order.fields for order in world.a.program.books.orders()]
    assert '["comments","one\\ntwo\\nthree"]' in fields[0]
    assert '["runs","5"],["interval","10"]' in fields[2]


async def test_nobody_sees_anothers_orders(house: House) -> None:
    """A foreign id is answered exactly like one that does not exist, alone and among others."""
    alpha, beta = await house.user("alpha"), await house.user("beta")
    order = (await alpha("add", service="1", link=LINK, quantity="100"))["order"]
    error = {"error": "Incorrect order ID"}
    assert await beta("status", order=order) == error == await beta("status", order="999")
    mixed = await beta("status", orders=f"{order},999,-1,x")
    assert mixed == {order: error, "999": error, "-1": error, "x": error}
    assert await beta("cancel", order=order) == error
    assert await beta("refill_status", order=order) == {"error": "Refill Request Not found"}
    own = (await beta("add", service="1", link=LINK, quantity="100"))["order"]
    both = await beta("status", orders=f"{order},{own}")
    assert (both[order], set(both[own])) == (error, {"charge", "start_count", "status", "remains", "currency"})


async def test_money_for_one_buys_one(world: World, house: House) -> None:
    """Racing orders spend what is there and not a unit more."""
    call = await house.user(credit=135_000 * 100 * 3)  # 0.405: three orders of 100
    answers = await asyncio.gather(*(call("add", service="1", link=f"{LINK}/{n}", quantity="100") for n in range(10)))
    assert sum("order" in answer for answer in answers) == 3
    assert sum(answer == {"error": "Not enough funds on balance"} for answer in answers) == 7
    assert await balance(call) == 0
    assert len(world.a.links()) == 3


async def test_marked_order_is_placed_once(world: World, house: House) -> None:
    """Sixteen racing adds with two marks are two orders; a mark with another payload is refused (Q19)."""
    call = await house.user()
    answers = await asyncio.gather(
        *(call("add", service="1", link=LINK, quantity="100", idempotency_key=f"mark-{n % 2}") for n in range(16))
    )
    assert len({answer["order"] for answer in answers}) == 2
    assert len(world.a.links()) == 2
    other = await call("add", service="1", link=LINK, quantity="101", idempotency_key="mark-1")
    assert other == {"error": "Idempotency key was used with other parameters"}


async def test_answer_that_nobody_heard_is_given_again(world: World, house: House) -> None:
    """A caller who hung up before the answer and asks again gets the same order, charged once (Q18)."""
    call = await house.user()
    world.a.switch("latency", "400", action="add", times=1)
    fields = {"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
    with pytest.raises(httpx.ReadTimeout):
        await call.http.post(call.url, data=fields, timeout=0.15)

    async def placed() -> bool:
        return bool(world.a.links()) and house.gateway.desk.at_work == 0

    await until(placed)
    again = await call("add", service="1", link=LINK, quantity="100")
    assert world.a.links() == [LINK]
    assert await balance(call) == Decimal("99.865")
    await asyncio.sleep(0.1)
    third = await call("add", service="1", link=LINK, quantity="100")
    assert third != again
    assert world.a.links() == [LINK, LINK]


async def test_duplicate_window_is_the_users_choice(world: World, house: House) -> None:
    """Off by default: two identical orders are two; with a window they are one (Q18)."""
    plain = await house.user("plain")
    assert len({(await plain("add", service="1", link=LINK, quantity="100"))["order"] for _ in range(2)}) == 2
    careful = await house.user("careful", choices=Choices(duplicate_window=60))
    assert len({(await careful("add", service="1", link=LINK, quantity="100"))["order"] for _ in range(2)}) == 1
    assert len(world.a.links()) == 3


async def test_user_is_answered_in_its_dialect_and_tier(house: House) -> None:
    """A number for the id, the old words, and its own price."""
    dialect = UserDialect(name="legacy", order_id="number")
    call = await house.user("legacy", choices=Choices(tier="reseller", dialect=dialect))
    services = {row["service"]: row for row in await call("services")}
    assert (services[1]["rate"], services[2]["type"]) == ("1.2825", "custom_comments")
    placed = await call("add", service="1", link=LINK, quantity="1000")
    assert isinstance(placed["order"], int)
    assert await balance(call) == Decimal("98.7175")


async def test_stopped_process_loses_nothing(world: World) -> None:
    """Orders that wait for a panel are taken over by the next process and placed once; ids and money stay."""
    async with running_house(world.settings()) as house:
        await on_sale(house)
        call = await house.user()
    async with running_house(world.settings(a=NOBODY, b=NOBODY, answer_within="0.2", drain_seconds="0")) as house:
        waiting = house.caller(call.key)
        placed = await waiting("add", service="1", link=LINK, quantity="100")
        assert (await waiting("status", order=placed["order"]))["status"] == "Pending"
    assert (world.a.links(), world.b.links()) == ([], [])
    async with running_house(world.settings()) as house:
        later = house.caller(call.key)
        await status_of(later, placed["order"], "Completed")
        assert await balance(later) == Decimal("99.865")
    assert len(world.a.links() + world.b.links()) == 1


async def test_order_caught_in_the_middle_is_unknown_not_sent_again(world: World) -> None:
    """A process that ends while a panel is thinking leaves doubt, and doubt is never resolved by sending again."""
    async with running_house(world.settings(answer_within="0.2", drain_seconds="0")) as house:
        await on_sale(house)
        world.a.switch("silent", action="add")
        call = await house.user()
        placed = await call("add", service="1", link=LINK, quantity="100")
    async with running_house(world.settings()) as house:
        later = house.caller(call.key)

        async def in_doubt() -> bool:
            counted: dict[str, int] = await house.gateway.store.read(read_states)
            return counted == {"unknown": 1}

        await until(in_doubt)
        assert (await later("status", order=placed["order"]))["status"] == "Pending"
        await asyncio.sleep(0.5)
    assert world.a.heard("add") + world.b.heard("add") == 1


def read_states() -> Any:
    """How many orders there are by state, as a read of the store."""
    rows = yield Query("orders_count_by_state")
    return {row["state"]: row["orders"] for row in rows}


async def test_list_is_served_before_any_panel_answers(world: World) -> None:
    """A cold start with kept lists sells at once; a dead panel's services stay on the list."""
    async with running_house(world.settings()) as house:
        await on_sale(house)
        call = await house.user()
        before = await call("services")
    async with running_house(world.settings(a=NOBODY, b=NOBODY)) as house:
        assert await house.caller(call.key)("services") == before


async def test_first_list_is_whole_or_an_error(world: World) -> None:
    """Until every panel was heard or given up, a new gateway answers no part of a list."""
    world.a.switch("latency", "700", action="services")
    async with running_house(world.settings()) as house:
        call = await house.user()
        early = await call("services")
        assert early == {"error": "Service temporarily unavailable"}
        await on_sale(house)
        assert len(await call("services")) == 6


async def test_order_left_lying_is_taken_up_again(world: World) -> None:
    """An attempt of a living process that nobody is at (its dispatch ended while the books were away) is sent once."""
    async with running_house(world.settings()) as house:
        await on_sale(house)
        call = await house.user()
    async with running_house(world.settings(a=NOBODY, b=NOBODY, answer_within="0.2", drain_seconds="0")) as house:
        placed = await house.caller(call.key)("add", service="1", link=LINK, quantity="100")
    async with running_house(world.settings()) as house:
        desk = house.gateway.desk

        async def ours() -> bool:
            taken = await desk.store.run(partial(take_over, desk.owner, now=desk.clock()))
            return bool(taken) or bool(world.a.links())

        await until(ours)
        await sweep(desk)
        again = house.caller(call.key)
        await status_of(again, placed["order"], "Completed")
    assert len(world.a.links() + world.b.links()) == 1
