"""Subscriptions from end to end: a panel whose posts appear with time, a gateway in front of it, and exact money."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway.core.messages import StatusWord
from gateway.store.users import Choices
from gateway.store.verify import verify
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.world import balance, on_sale, status_of, until

# A post appears every 20 000 seconds, and takes as long.
PACE, EVERY = 2000.0, 20_000
FIELDS = {"username": "someone", "min": "20", "max": "30", "posts": "10", "old_posts": "1", "delay": "0"}
RATE = Decimal("0.72")  # 0.60 and a fifth
CHARGE = RATE * 30 * 11 / 1000


@pytest.fixture
async def panel(tmp_path: Path) -> AsyncIterator[SimulatedPanel]:
    """A panel that sells subscriptions."""
    async with simulated_panel(tmp_path, pace=PACE) as running:
        yield running


async def service_of(call: Caller) -> dict[str, Any]:
    """The one service for new posts."""
    found: dict[str, Any] = next(row for row in await call("services") if row["type"] == "Subscriptions")
    return found


async def sound(house: House) -> None:
    """Nothing in the books is broken."""
    found = await house.gateway.store.read_at_length(verify)
    assert found.sound, found.violations


def advance(panel: SimulatedPanel, seconds: float) -> list[int]:
    """So much time passes at the panel; answers the orders it made for posts, by then."""
    panel.program.books.advance(int(seconds * 1000))
    panel.program.panel.go_on()
    return panel.program.books.made_for(1)


def delivered(panel: SimulatedPanel) -> int:
    """Pieces that its orders for posts were charged for, less what it gave back for."""
    books = panel.program.books
    orders = [order for number in books.made_for(1) if (order := books.order(number)) is not None]
    return sum(order.quantity - (order.forced_remains or 0) for order in orders)


async def test_whole_life_of_a_subscription(panel: SimulatedPanel, tmp_path: Path) -> None:
    """Held whole, posts come one by one, one ends in part, the last day passes; what was not delivered comes back.

    The gateway is started anew half-way, and goes on with what is in the books.
    """
    settings = house_settings(tmp_path, a=panel.url)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    async with running_house(settings) as house:
        await on_sale(house)
        call = await house.user()
        row = await service_of(call)
        assert (row["rate"], row["dripfeed"], row["refill"], row["cancel"]) == ("0.72", False, False, True)
        wish = {**FIELDS, "service": str(row["service"]), "expiry": f"{tomorrow:%d/%m/%Y}"}
        order = (await call("add", **wish))["order"]
        assert 100 - await balance(call) == CHARGE
        first = await status_of(call, order, StatusWord.IN_PROGRESS)
        assert (Decimal(first["charge"]), first["currency"]) == (CHARGE, "USD")
        assert await call("refill", order=order) == {"error": "Order not eligible for refill."}
        made = advance(panel, EVERY + 5)
        assert len(made) == 2
        panel.program.books.force(made[1], status=StatusWord.PARTIAL, remains=5, start_count=None)
        await until(lambda: remains(call, order, "9"))
        key = call.key
    async with running_house(settings) as house:
        await on_sale(house)
        call = house.caller(key)
        assert (await call("status", order=order))["status"] == "In progress"
        over = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC) + timedelta(days=1)
        made = advance(panel, over.timestamp() - panel.program.panel.now() / 1000 + 5)
        assert 5 <= len(made) <= 9
        # What the gateway before had leased when it ended is asked about when that lease is over.
        ended = await until(lambda: ended_partial(call, order), seconds=90)
        assert ended["remains"] == str(11 - len(made))
        assert Decimal(ended["charge"]) == RATE * delivered(panel) / 1000
        assert 100 - await balance(call) == RATE * delivered(panel) / 1000
        # The last post is still being delivered to. It ends in part, and that comes back too.
        panel.program.books.force(made[-1], status=StatusWord.PARTIAL, remains=7, start_count=None)
        paid = RATE * delivered(panel) / 1000
        await until(lambda: is_charged(call, order, paid), seconds=90)
        assert 100 - await balance(call) == paid
        await sound(house)
    assert panel.heard("add") == 1


async def test_canceled_subscription_gives_back_what_never_came(panel: SimulatedPanel, tmp_path: Path) -> None:
    """By the user's cancel, like any other order; nothing when it is asked again."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as house:
        await on_sale(house)
        call = await house.user()
        wish = {**FIELDS, "service": str((await service_of(call))["service"])}
        order = (await call("add", **wish))["order"]
        await until(lambda: remains(call, order, "10"))
        assert "success" in await call("cancel", order=order)
        ended = await status_of(call, order, StatusWord.PARTIAL)
        assert (ended["remains"], Decimal(ended["charge"])) == ("10", RATE * delivered(panel) / 1000)
        assert 100 - await balance(call) == RATE * delivered(panel) / 1000
        assert await call("cancel", order=order) == {"error": "Order not eligible for cancellation."}
        await sound(house)


async def test_subscription_is_refused_by_its_fields_and_known_again_by_all_of_them(
    panel: SimulatedPanel, tmp_path: Path
) -> None:
    """Nothing is charged for a refusal; the same wish inside a user's window is one order, another delay is another."""
    async with running_house(house_settings(tmp_path, a=panel.url)) as house:
        await on_sale(house)
        call = await house.user(choices=Choices(duplicate_window=600))
        wish = {**FIELDS, "service": str((await service_of(call))["service"])}
        yesterday = datetime.now(UTC) - timedelta(days=1)
        for changes, text in (
            ({"posts": "0"}, "Incorrect posts"),
            ({"posts": ""}, "Incorrect posts"),
            ({"expiry": f"{yesterday:%d/%m/%Y}"}, "Incorrect expiry"),
            ({"delay": "7"}, "Incorrect delay"),
            ({"min": "19"}, "Quantity less than minimal 20"),
            ({"max": "5001"}, "Quantity more than maximum 5000"),
            ({"username": ""}, "Incorrect username"),
            ({"posts": "1000", "max": "5000"}, "Not enough funds on balance"),
        ):
            assert await call("add", **{**wish, **changes}) == {"error": text}
        assert await balance(call) == 100
        first = await call("add", **wish)
        assert await call("add", **wish) == first
        assert await call("add", **{**wish, "delay": "5"}) != first
        assert 100 - await balance(call) == 2 * CHARGE


async def remains(call: Caller, order: str, posts: str) -> bool:
    """Whether so many posts are still to come, as a user is told."""
    return bool((await call("status", order=order))["remains"] == posts)


async def ended_partial(call: Caller, order: str) -> dict[str, str] | None:
    """The status of an order once it ended in part."""
    status: dict[str, str] = await call("status", order=order)
    return status if status["status"] == StatusWord.PARTIAL else None


async def is_charged(call: Caller, order: str, charge: Decimal) -> bool:
    """Whether an order costs so much by now."""
    return Decimal((await call("status", order=order))["charge"]) == charge
