"""The commands on services that wait: what an operator sees after a panel's list jumped, and what accepting does."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.store.holds import held_services
from tests.gateway_process import Caller, House, house_settings, running_house
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.stocked import say
from tests.world import on_sale, until


class Held:
    """A running gateway, its panel, and the command line beside it."""

    def __init__(self, folder: Path, panel: SimulatedPanel, house: House, call: Caller) -> None:
        self.folder = folder
        self.panel = panel
        self.house = house
        self.call = call

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says, on both outputs."""
        environ = {
            **os.environ,
            "GATEWAY_DATA_DIR": str(self.folder),
            "GATEWAY_CONFIG": str(self.folder / "providers.yaml"),
            "PANEL_A_KEY": "panel-a-key",
            "PANEL_B_KEY": "panel-b-key",
        }
        command = [sys.executable, "-m", "gateway", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    async def rates(self) -> dict[str, str]:
        """What a user is shown, by name."""
        return {row["name"]: row["rate"] for row in await self.call("services")}

    async def waiting(self, *keys: str) -> None:
        """Wait until all of these wait, and the command says so."""

        async def found() -> bool:
            return {key for _, key in await self.house.gateway.store.read(held_services)} == set(keys)

        await until(found, seconds=30)
        listed = [json.loads(line) for line in (await self("catalogue", "held", "--json")).splitlines()]
        assert {each["key"] for each in listed} == set(keys)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    """A gateway that sells three services of one panel, before anything has changed."""
    async with simulated_panel(tmp_path, "panel-a") as panel:
        say(panel, *({"service": key, "name": f"Instagram {key}"} for key in ("x", "y", "z")))
        async with running_house(house_settings(tmp_path, a=panel.url)) as house:
            await on_sale(house)
            yield Held(tmp_path, panel, house, await house.user())


async def test_q80_q81_what_waits_is_listed_told_and_accepted(held: Held) -> None:
    """The list, the doctor and the catalogue say it; what is accepted is sold as it is now, by the running gateway."""
    assert await held("catalogue", "held") == "nothing waits\n"
    assert await held.rates() == {"Instagram x": "1.08", "Instagram y": "1.08", "Instagram z": "1.08"}
    say(
        held.panel,
        {"service": "x", "name": "Instagram x", "rate": "9.00"},
        {"service": "y", "name": "TikTok Likes \x1b[31m"},
        {"service": "z", "name": "Instagram z"},
    )
    await held.waiting("x", "y")
    assert await held.rates() == {"Instagram z": "1.08"}
    text = await held("catalogue", "held")
    for part in ("panel-a/x", "price", " 9 ", "the same", "panel-a/y", "changed", "TikTok Likes", "2 wait"):
        assert part in text, text
    assert "\x1b" not in text
    told = await held("catalogue")
    assert "2 services of providers wait for a person: gateway catalogue held" in told
    assert "left out: panel-a/y is held: it was 'Instagram y', and is 'TikTok Likes" in told
    doctor = await held("doctor", code=1)  # panel-b of the file is away
    assert "2 wait for a person: 1 changed, 1 price" in doctor
    done = await held("catalogue", "accept", "panel-a/x", "--reason", "they told us before")
    assert "accepted: panel-a/x Instagram x (Default, 9)" in done

    async def sold() -> bool:
        return {name: Decimal(rate) for name, rate in (await held.rates()).items()} == {
            "Instagram x": Decimal("10.8"),
            "Instagram z": Decimal("1.08"),
        }

    await until(sold, seconds=30)
    assert "accepted: panel-a/y" in await held("catalogue", "accept", "--all-of", "panel-a", "--reason", "fine")
    assert "nothing of panel-a waits" in await held("catalogue", "accept", "--all-of", "panel-a", "--reason", "fine")


async def test_accepting_nothing_that_waits_is_refused(held: Held) -> None:
    """Without a name, with a name that is none, and for what does not wait; a reason is asked for."""
    assert "panel-a/x waits for nobody" in await held("catalogue", "accept", "panel-a/x", "--reason", "why not", code=1)
    assert "panel-a is not PROVIDER/ID" in await held("catalogue", "accept", "panel-a", "--reason", "why not", code=1)
    assert "name what is accepted" in await held("catalogue", "accept", "--reason", "why not", code=2)
    assert "--reason" in await held("catalogue", "accept", "panel-a/x", code=2)
    assert "needs a reason" in await held("catalogue", "accept", "panel-a/x", "--reason", " ", code=2)


async def test_q81_service_sold_at_its_former_price_says_so_in_the_catalogue(held: Held) -> None:
    """It is marked where it is sold, with what waits."""
    say(
        held.panel,
        {"service": "x", "name": "Instagram x", "rate": "0.10"},
        *({"service": key, "name": f"Instagram {key}"} for key in ("y", "z")),
    )
    await held.waiting("x")
    assert (await held.rates())["Instagram x"] == "1.08"
    listed = [json.loads(line) for line in (await held("catalogue", "--json")).splitlines() if line[0] == "{"]
    assert {each["service"]: each["held"] for each in listed} == {
        "x": "its price went from 0.9 to 0.1",
        "y": None,
        "z": None,
    }
    assert "HELD: its price went from 0.9 to 0.1" in await held("catalogue")
