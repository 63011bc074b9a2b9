"""Doubt settled by looking, on real sockets: found, proved not placed, or left to a person.

The simulated panel's own books are the truth. Rows U6 to U8 and U17 to U20 of the fault matrix end here.
"""

import asyncio
from decimal import Decimal
from functools import partial

import pytest

from gateway.core.attempt import AttemptState
from gateway.store.attempts import read_attempts
from gateway.store.unknown import strange_ids
from tests.doubt import OTHERS, lost, noted, order, quarantined, queue, settling
from tests.world import LINK, World, balance, status_of, until


async def test_u7_processed_order_without_an_answer_is_found_and_charged_once(both: World) -> None:
    """Among orders of others, without a later order of ours; nothing is sent again."""
    async with settling(both) as (house, call):
        both.a.order_by(f"{OTHERS}1", key="other")
        number = await lost(both, call, "lost", processed=True)
        both.a.order_by(f"{OTHERS}2", key="other")
        await status_of(call, number, "Completed")
        assert await queue(house) == ()
        assert await balance(call) == Decimal("99.73")
        assert both.a.heard("add") == 2
        assert both.b.links() == []
        (attempt,) = await house.gateway.store.read(partial(read_attempts, int(number)))
        assert (attempt.state, attempt.upstream_order) == (AttemptState.ACCEPTED, "3")


async def test_u6_order_that_was_not_placed_is_placed_again_once(both: World) -> None:
    """Only when a later order bounds where it could be and every id between was denied twice."""
    async with settling(both) as (house, call):
        number = await lost(both, call, "lost", processed=False)
        both.a.order_by(f"{OTHERS}1", key="other")
        await until(quarantined(house))
        await until(noted(house, "no later order bounds the window yet"))
        assert both.a.links() == [f"{LINK}first", f"{OTHERS}1"]
        await order(call, "later")
        await status_of(call, number, "Completed")
        assert await queue(house) == ()
        links = both.a.links() + both.b.links()
        assert sorted(links) == sorted([f"{LINK}first", f"{OTHERS}1", f"{LINK}later", f"{LINK}lost"])
        assert await balance(call) == Decimal("99.595")
        attempts = await house.gateway.store.read(partial(read_attempts, int(number)))
        assert [each.state for each in attempts] == [AttemptState.NOT_PLACED, AttemptState.ACCEPTED]
        assert [each.provider for each in attempts] == ["panel-a", "panel-b"]


async def test_order_of_one_route_is_placed_again_where_it_was_not_placed(panels: World) -> None:
    """There is nowhere else, and it is proved that it is not there."""
    async with settling(panels) as (house, call):
        number = await lost(panels, call, "lost", processed=False, service="4")
        await until(quarantined(house))
        await order(call, "later")
        await status_of(call, number, "Partial")
        assert sorted(panels.a.links()) == sorted([f"{LINK}first", f"{LINK}later", f"{LINK}lost"])


async def test_u19_two_of_one_price_are_left_to_a_person(both: World) -> None:
    """One of them was placed, and nothing says which: nobody guesses, nothing is sent, the money stays held."""
    async with settling(both) as (house, call):
        await lost(both, call, "one", processed=True)
        await lost(both, call, "two", processed=False)
        await until(quarantined(house))
        await order(call, "later")
        await until(noted(house, "more than one pairing fits: 2"))
        await asyncio.sleep(0.5)
        doubts = await queue(house)
        assert [each.found[0][0] for each in doubts] == ["2", "2"]
        assert [(each.lo, each.hi) for each in doubts] == [(1, 3), (1, 3)]
        assert both.a.links() == [f"{LINK}first", f"{LINK}one", f"{LINK}later"]
        assert both.b.links() == []


async def test_charge_tells_two_apart(panels: World) -> None:
    """Of two prices the panel says which it has; the other was not placed then."""
    async with settling(panels) as (house, call):
        cheap = await lost(panels, call, "cheap", processed=False, service="4")
        dear = await lost(panels, call, "dear", processed=True)
        await until(quarantined(house))
        await order(call, "later")
        await status_of(call, dear, "Completed")
        await status_of(call, cheap, "Partial")
        assert await queue(house) == ()
        assert panels.a.links().count(f"{LINK}dear") == 1
        assert panels.a.links().count(f"{LINK}cheap") == 1


@pytest.mark.parametrize("said", [True, False])
async def test_u20_others_with_our_key_are_listed_and_never_attached(panels: World, said: bool) -> None:
    """Whether the operator said so, or it is seen by an order between ours that nobody of us made."""
    async with settling(panels, more="foreign_orders: true" if said else "") as (house, call):
        if not said:
            panels.a.order_by(f"{OTHERS}before")
            await order(call, "second")
        number = await lost(panels, call, "lost", processed=False)
        stranger = panels.a.order_by(f"{OTHERS}1")
        await until(quarantined(house))
        await order(call, "later")
        await until(noted(house, "nobody's"))
        await asyncio.sleep(0.5)
        found = await house.gateway.store.read(strange_ids)
        assert stranger in [each.upstream_order for each in found]
        (doubt,) = await queue(house)
        assert doubt.attempt.order_id == int(number)
        assert f"{LINK}lost" not in panels.a.links() + panels.b.links()


async def test_u18_late_order_within_the_quarantine_is_found(panels: World) -> None:
    """The panel makes it long after our deadline; a later order of ours does not close the window before that."""
    async with settling(panels, quarantine="1.5") as (house, call):
        panels.a.switch("close", action="add", times=1)
        panels.a.switch("late", "1000", action="add", times=1)
        number = await order(call, "late")
        await order(call, "between")
        assert f"{LINK}late" not in panels.a.links()
        await status_of(call, number, "Completed")
        assert sorted(panels.a.links()) == sorted([f"{LINK}first", f"{LINK}between", f"{LINK}late"])
        assert panels.b.links() == []
        assert await queue(house) == ()


async def test_u17_lying_refusal_is_found_out(panels: World) -> None:
    """An error that smells of time, and the order is there all the same."""
    async with settling(panels) as (house, call):
        panels.a.switch("error", "Timed out, please try again", action="add", times=1)
        number = await order(call, "lied")
        await status_of(call, number, "Completed")
        assert panels.a.links().count(f"{LINK}lied") == 1
        assert panels.b.links() == []
        assert await queue(house) == ()


async def test_u8_order_whose_answer_was_cut_is_found(panels: World) -> None:
    """Half an answer is none, and the order is there."""
    async with settling(panels) as (house, call):
        panels.a.switch("cut", "75", action="add", times=1)
        number = await order(call, "cut")
        await status_of(call, number, "Completed")
        assert panels.a.links().count(f"{LINK}cut") == 1
        assert panels.b.links() == []
        assert await queue(house) == ()


async def test_ids_that_are_no_numbers_are_not_looked_for(panels: World) -> None:
    """They bound nothing; the queue says why nothing is done."""
    async with settling(panels) as (house, call):
        panels.a.switch("order_as", '"ab-77"', action="add", times=1)
        await order(call, "odd")
        await lost(panels, call, "lost", processed=False)
        await until(noted(house, "its ids are not numbers: ab-77"))
        asked = panels.a.heard("status")
        await order(call, "later", service="4")
        await asyncio.sleep(0.5)
        assert len(await queue(house)) == 1
        assert panels.a.heard("status") - asked < 20  # the poller's own


async def test_panel_without_multi_status_is_asked_one_by_one(panels: World) -> None:
    """A smaller look for the same budget of calls."""
    more = "probe_calls_max: 20}\n    dialect: {multi_status: false"
    async with settling(panels, more=more) as (house, call):
        for other in "12345":
            panels.a.order_by(f"{OTHERS}{other}", key="other")
        number = await lost(panels, call, "lost", processed=False)
        await until(quarantined(house))
        await order(call, "later")
        await status_of(call, number, "Completed")
        assert panels.b.links() == [f"{LINK}lost"]


async def test_window_that_costs_too_much_is_left_to_a_person(panels: World) -> None:
    """And says so."""
    async with settling(panels, more="probe_calls_max: 1") as (house, call):
        await lost(panels, call, "lost", processed=True)
        for number in range(120):
            panels.a.order_by(f"{OTHERS}{number}", key="other")
        await order(call, "between")
        await until(noted(house, "more than probe_calls_max allows"))
        assert len(await queue(house)) == 1
