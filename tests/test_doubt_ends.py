"""Doubt that ends in other ways, on real sockets: by late replies, by time, by cancels, by asking again, by brakes.

The simulated panel's own books are the truth.
"""

import asyncio
import time
from decimal import Decimal
from functools import partial

from gateway.store.brakes import release_brake
from tests.doubt import FAST, PROBE, lost, order, quarantined, queue, settling
from tests.gateway_process import running_house
from tests.world import LINK, World, balance, on_sale, status_of, until


async def test_reply_that_comes_after_all_settles_the_doubt(panels: World) -> None:
    """The call goes on though a sweep gave it up (its clock had jumped): the panel's word is taken both ways (R0)."""
    ahead = 0

    def clock() -> int:
        return time.time_ns() // 1_000_000 + ahead

    settings = panels.settings(answer_within="0.1", total="3")
    async with running_house(settings, clock=clock, pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        panels.a.switch("latency", "1500", action="add", times=2)
        panels.a.switch("error", "Incorrect link", action="add", processed=False, times=1)
        refused, taken = await order(call, "refused"), await order(call, "taken")
        ahead = 300_000

        async def in_doubt() -> bool:
            return len(await queue(house)) == 2

        await until(in_doubt)
        await status_of(call, taken, "Completed")
        await status_of(call, refused, "Canceled")
        assert await queue(house) == ()
        assert await balance(call) == Decimal("99.865")
        assert (panels.a.links(), panels.b.links()) == ([f"{LINK}taken"], [])


async def test_user_who_waited_long_enough_is_refunded_and_the_doubt_stays(both: World) -> None:
    """From our own pocket; the order is canceled for good, and found later it is our loss and canceled there."""
    async with settling(both, quarantine="3", more="refund_after_hours: 0.0003") as (house, call):
        both.a.program.panel.pace = 100.0
        number = await lost(both, call, "lost", processed=True)
        shown = await status_of(call, number, "Canceled")
        assert (shown["charge"], shown["remains"]) == ("0", "100")
        assert await balance(call) == Decimal("99.865")
        (doubt,) = await queue(house)
        assert doubt.refunded_at is not None

        async def canceled() -> bool:
            return both.a.heard("cancel") == 1

        await until(canceled)
        assert await queue(house) == ()
        assert (await call("status", order=number))["status"] == "Canceled"
        assert await balance(call) == Decimal("99.865")
        assert both.a.links().count(f"{LINK}lost") == 1


async def test_cap_leaves_refunds_to_a_person(panels: World) -> None:
    """The rule pays no more than that by itself."""
    more = "refund_after_hours: 0.0001, cap: 0.2, brake: {count: 0}"
    async with settling(panels, quarantine="100", more=more) as (_, call):
        first = await lost(panels, call, "one", processed=False)
        await status_of(call, first, "Canceled")
        second = await lost(panels, call, "two", processed=False)
        await asyncio.sleep(1.5)
        assert (await call("status", order=second))["status"] == "Pending"
        assert await balance(call) == Decimal("99.73")


async def test_cancel_asked_for_in_doubt_is_passed_on_when_the_order_is_found(panels: World) -> None:
    """Once; and the refund comes when the panel shows it."""
    async with settling(panels, quarantine="1") as (_, call):
        panels.a.program.panel.pace = 100.0
        number = await lost(panels, call, "lost", processed=True)
        assert "success" in await call("cancel", order=number)
        await status_of(call, number, "Canceled")
        assert panels.a.heard("cancel") == 1
        assert await balance(call) == Decimal("99.865")


async def test_cancel_asked_for_in_doubt_ends_an_order_that_was_not_placed(panels: World) -> None:
    """Nobody wants it any more: it is not placed again, and the charge is back."""
    async with settling(panels, quarantine="1") as (house, call):
        number = await lost(panels, call, "lost", processed=False)
        assert "success" in await call("cancel", order=number)
        await until(quarantined(house))
        await order(call, "later")
        await status_of(call, number, "Canceled")
        assert f"{LINK}lost" not in panels.a.links() + panels.b.links()
        assert await balance(call) == Decimal("99.73")


async def test_three_in_doubt_brake_a_provider_on_every_replica(both: World) -> None:
    """New orders go another way at once; a person lets them come back."""
    rules = "{quarantine_seconds: 100}"
    settings = both.settings(total="1", unknown=rules)
    async with running_house(settings, pace=FAST) as house, running_house(settings, pace=FAST) as twin:
        await on_sale(house)
        await on_sale(twin)
        call = await house.user()
        other = twin.caller(call.key)
        for name in ("one", "two", "three"):
            await lost(both, call, name, processed=False)

        async def everywhere() -> bool:
            desks = (house.gateway.desk, twin.gateway.desk)
            return all("in doubt" in (desk.condition("panel-a").held or "") for desk in desks)

        await until(everywhere)
        number = await order(other, "four")
        await status_of(other, number, "Completed")
        assert both.b.links() == [f"{LINK}four"]
        assert both.a.heard("add") == 3
        metrics = (await call.http.get(f"{house.health}/metrics")).text
        assert 'gateway_provider_braked{provider="panel-a"} 1.0' in metrics
        assert 'gateway_unknown_oldest_seconds{provider="panel-b"} 0.0' in metrics
        now = house.gateway.desk.clock()
        release = partial(release_brake, "panel-a", actor="cli:ops", reason="it is well", now=now)
        await house.gateway.store.run(release)

        async def neither() -> bool:
            return all(each.gateway.desk.condition("panel-a").held is None for each in (house, twin))

        await until(neither)
        await status_of(other, await order(other, "five"), "Completed")
        assert f"{LINK}five" in both.a.links()


async def test_panel_that_knows_an_order_again_is_asked_once_more(panels: World) -> None:
    """Inside the time its file says; the id it answers then is the first one's, and one order is there."""
    rules = "{same_id_window_seconds: 30}"
    async with running_house(panels.settings(total="1", unknown=rules), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        panels.a.switch("close", action="add", times=1)
        panels.a.switch("known_again", action="add")
        number = await order(call, "lost")
        await status_of(call, number, "Completed")
        assert panels.a.links() == [f"{LINK}lost"]
        assert panels.a.heard("add") == 2
        assert panels.b.links() == []


async def test_what_is_not_an_id_leaves_the_doubt_as_it_was(panels: World) -> None:
    """A refusal of the second call says nothing about the first."""
    rules = "{same_id_window_seconds: 30}"
    async with running_house(panels.settings(total="1", unknown=rules), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        panels.a.switch("close", action="add", times=1)
        panels.a.switch("error", "Not enough funds on balance", action="add", processed=False)
        number = await order(call, "lost")
        assert (await call("status", order=number))["status"] == "Pending"
        assert len(await queue(house)) == 1
        assert panels.a.heard("add") == 2
        assert (panels.a.links(), panels.b.links()) == ([f"{LINK}lost"], [])


async def test_two_replicas_settle_a_doubt_once(both: World) -> None:
    """One of them speaks to the panel; when it is gone the other goes on."""
    settings = both.settings(total="1", unknown=PROBE.format(quarantine="0.3", more=""))
    async with running_house(settings, pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        await order(call, "first")
        async with running_house(settings, pace=FAST) as twin:
            await on_sale(twin)
            number = await lost(both, call, "lost", processed=False)
            await until(quarantined(house))
            await order(twin.caller(call.key), "later")
            await status_of(call, number, "Completed")
        again = await lost(both, call, "again", processed=True)
        await status_of(call, again, "Completed")
    links = both.a.links() + both.b.links()
    assert sorted(links) == sorted([f"{LINK}{name}" for name in ("first", "lost", "later", "again")])
