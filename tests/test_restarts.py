"""Processes that end and others that begin: nothing is lost, nothing sent twice, the list is whole or an error."""

import asyncio
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from gateway.jobs.sweep import sweep
from gateway.store.engine import Query
from gateway.store.owners import take_over
from gateway.web.panel import ANSWER_OUT_SECONDS
from tests.crash.truth import rows_of
from tests.gateway_process import NOBODY, house_settings, running_house
from tests.panel_process import simulated_panel
from tests.world import LINK, World, balance, on_sale, status_of, until


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


async def test_answer_counts_as_heard_only_once_it_is_out(world: World, database_url: str) -> None:
    """A process killed right after it handed an answer over leaves it unheard: the caller comes again and is known."""
    async with running_house(world.settings()) as house:
        await on_sale(house)
        call = await house.user()
        await call("add", service="1", link=LINK, quantity="100")

        async def heard() -> list[dict[str, Any]]:
            query = "SELECT created_at, answered_at FROM orders WHERE answered_at IS NOT NULL"
            (found,) = await asyncio.to_thread(rows_of, database_url, query)
            return found

        (order,) = await until(heard)
        assert order["answered_at"] - order["created_at"] >= ANSWER_OUT_SECONDS * 1000


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
        assert len(await call("services")) == 20


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


async def test_warm_redis_alone_is_enough_to_sell(redis_url: str, tmp_path: Path) -> None:
    """New books, dead panels, and the lists another replica put into Redis: the services are answered at once."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with (
        simulated_panel(tmp_path, "panel-a") as a,
        simulated_panel(tmp_path, "panel-b") as b,
        running_house(house_settings(tmp_path / "one", a=a.url, b=b.url, redis_url=redis_url)) as house,
    ):
        await on_sale(house)
        before = await (await house.user())("services")
    async with running_house(house_settings(tmp_path / "two", redis_url=redis_url)) as house:
        assert await (await house.user())("services") == before
