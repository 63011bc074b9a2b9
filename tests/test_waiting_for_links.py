"""Orders whose link is busy at the only panel that sells them: they wait, in the books, and are placed once (Q83)."""

import asyncio
import subprocess
import sys
from functools import partial

import httpx

from gateway.jobs.pace import Pace
from gateway.store.history import Life, life_of
from tests.gateway_process import Caller, House, running_house
from tests.world import LINK, World, balance, on_sale, status_of, until

OFTEN = Pace(sweep=0.1, figures=0.1)


async def two_orders(call: Caller) -> tuple[str, str]:
    """One that panel-a works on, and one for the same link, which only panel-a sells."""
    first = (await call("add", service="2", link=LINK, comments="fine"))["order"]
    await status_of(call, first, "Pending", "Processing", "In progress")
    second = await call("add", service="2", link=LINK, comments="very fine\nvery fine indeed")
    assert list(second) == ["order"], second
    return first, second["order"]


async def life(house: House, order: str) -> Life:
    """All that the books know of an order."""
    return await house.gateway.store.read_at_length(partial(life_of, int(order)))


def busy(world: World) -> None:
    """Panel-a takes one order a link, and finishes none for now."""
    world.a.switch("active_link")
    world.a.program.panel.pace = 100_000.0


async def test_q83_order_waits_for_its_link_and_is_placed_once(panels: World) -> None:
    """Its caller has an id, its charge is held, the panel is asked once; when the link is free it is placed."""
    busy(panels)
    async with running_house(panels.settings(), pace=OFTEN) as house:
        await on_sale(house)
        call = await house.user()
        first, second = await two_orders(call)
        assert (await call("status", order=second))["status"] == "Pending"
        had = await balance(call)
        (refused, waiting) = (await life(house, second)).attempts
        assert (refused.state, waiting.state, waiting.waits_for) == ("rejected", "planned", int(first))
        asked = panels.a.heard("add")
        await asyncio.sleep(1)  # ten sweeps
        assert panels.a.heard("add") == asked == 2
        shown = await asyncio.to_thread(_shown, panels, second)
        assert f"waits    for order {first}, which has its link there, to end; sent at" in shown
        async with httpx.AsyncClient(trust_env=False) as client:
            assert 'gateway_orders{state="reserved"} 1.0' in (await client.get(f"{house.health}/metrics")).text
        assert await balance(call) == had
        panels.a.program.panel.pace = 0.01
        await status_of(call, first, "Completed")
        await status_of(call, second, "Completed")
        assert panels.a.links() == [LINK, LINK]
        assert panels.a.heard("add") == 3
        assert await balance(call) == had


async def test_q83_waiting_order_outlives_its_process(panels: World) -> None:
    """The next process on the books has it, and waits on for the same end."""
    busy(panels)
    async with running_house(panels.settings(), pace=OFTEN) as house:
        await on_sale(house)
        call = await house.user()
        first, second = await two_orders(call)
    async with running_house(panels.settings(), pace=OFTEN) as house:
        later = house.caller(call.key)

        async def ours() -> bool:
            return (await life(house, second)).attempts[-1].owner == house.gateway.desk.owner

        await until(ours)
        await asyncio.sleep(0.5)
        assert panels.a.heard("add") == 2
        panels.a.program.panel.pace = 0.01
        await status_of(later, first, "Completed")
        await status_of(later, second, "Completed")
    assert panels.a.links() == [LINK, LINK]


def _shown(world: World, order: str) -> str:
    """What `gateway order show` prints."""
    settings = world.settings()
    environ = {
        "GATEWAY_DATA_DIR": str(world.folder),
        "GATEWAY_DATABASE_URL": settings.environment.database_url.reveal(),
    }
    command = [sys.executable, "-m", "gateway", "order", "show", order]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
