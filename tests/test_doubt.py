"""Doubt settled by evidence, on real sockets: found, proved not placed, left to a person, refunded in time.

The simulated panel's own books are the truth. Rows U6, U7, U17 to U20 of the fault matrix end here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from gateway.app import Pace
from gateway.core.attempt import AttemptState
from gateway.store.attempts import read_attempts
from gateway.store.brakes import release_brake
from gateway.store.unknown import OpenDoubt, all_doubts, strange_ids
from tests.gateway_process import Caller, House, running_house
from tests.panel_process import simulated_panel
from tests.world import LINK, World, balance, on_sale, status_of, until

# An order of a call that broke off may take a second; an id is denied twice, a fifth of a second apart.
PROBE = "{{probe: id_window, quarantine_seconds: {quarantine}, recheck_seconds: 0.2, calls_per_second: 100{more}}}"
FAST = Pace(sweep=0.2, figures=1, balances=0.2, reconcile=0.05)
OTHERS = "https://elsewhere.example/p/"


@pytest.fixture
async def both(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and a database, each kind in its turn."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, {"database_url": database_url})


@pytest.fixture
async def panels(tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and books on SQLite: what the databases do differently is tests/store's matter."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, {})


@asynccontextmanager
async def settling(panels: World, *, quarantine: str = "0.3", more: str = "") -> AsyncIterator[tuple[House, Caller]]:
    """A gateway that looks for lost orders, and a user with an order that panel-a has."""
    rules = PROBE.format(quarantine=quarantine, more=f", {more}" if more else "")
    async with running_house(panels.settings(total="1", unknown=rules), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        await order(call, "first")
        yield house, call


async def order(call: Caller, name: str, *, service: str = "1", quantity: str = "100") -> str:
    """An order with a link of its own."""
    placed: dict[str, str] = await call("add", service=service, link=LINK + name, quantity=quantity)
    return placed["order"]


async def lost(panels: World, call: Caller, name: str, *, processed: bool, service: str = "1") -> str:
    """An order whose answer never came, whether the panel has it or not."""
    panels.a.switch("close", action="add", processed=processed, times=1)
    return await order(call, name, service=service)


async def queue(house: House) -> tuple[OpenDoubt, ...]:
    """What is in doubt."""
    return await house.gateway.store.read(all_doubts)


def noted(house: House, words: str) -> Callable[[], Awaitable[bool]]:
    """Whether a look said this of everything that is in doubt."""

    async def found() -> bool:
        doubts = await queue(house)
        return bool(doubts) and all(words in each.note for each in doubts)

    return found


def quarantined(house: House) -> Callable[[], Awaitable[bool]]:
    """Whether every doubt's quarantine is over."""

    async def found() -> bool:
        doubts = await queue(house)
        return bool(doubts) and all(each.quarantined is not None for each in doubts)

    return found


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
