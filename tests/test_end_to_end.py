"""The main job on real sockets: users order through the gateway, panels deliver, and the money is exact.

On SQLite and on PostgreSQL, with and without Redis.
"""

import asyncio
from decimal import Decimal

import pytest

from gateway.core.dialects import UserDialect
from gateway.store.users import Choices
from tests.gateway_process import NOBODY, House, running_house
from tests.world import LINK, World, balance, on_sale, status_of, until


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
    world.a.switch("latency", "1000", action="add", times=1)
    fields = {"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"}
    asking = asyncio.create_task(call.http.post(call.url, data=fields))

    async def stored() -> bool:
        return bool(house.gateway.desk.dispatching)

    await until(stored)
    asking.cancel()  # which closes its connection
    with pytest.raises(asyncio.CancelledError):
        await asking

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
