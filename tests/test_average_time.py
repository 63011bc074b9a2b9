"""The time an order takes: what a panel says of it, for the users who want it and for the operator."""

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

from gateway.core.dialects import UserDialect
from gateway.store.users import Choices
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.stocked import say
from tests.world import on_sale

STRANGE = "2 hours <b>order at panel-x.example</b>"


async def test_q69_users_who_want_it_read_a_time_in_words_of_ours(tmp_path: Path) -> None:
    """A duration is written anew, anything else is empty; who did not ask for it has the fields of the contract."""
    async with simulated_panel(tmp_path, "panel-a") as panel:
        say(
            panel,
            {"service": "x", "name": "Instagram x", "average_time": "1h 20m"},
            {"service": "y", "name": "Instagram y", "average_time": STRANGE},
            {"service": "z", "name": "Instagram z"},
        )
        async with running_house(house_settings(tmp_path, a=panel.url)) as house:
            await on_sale(house)
            timed = await house.user(choices=Choices(dialect=UserDialect(average_time=True)))
            plain = await house.user("beta")
            rows = {row["name"]: row["average_time"] for row in await timed("services")}
            assert rows == {"Instagram x": "1 hour 20 minutes", "Instagram y": "", "Instagram z": ""}
            assert all("average_time" not in row for row in await plain("services"))
            assert all("average_time" in row for row in await timed("services"))
    environ = {
        **os.environ,
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_CONFIG": str(tmp_path / "providers.yaml"),
        "PANEL_A_KEY": "panel-a-key",
        "PANEL_B_KEY": "panel-b-key",
    }

    def catalogue(*more: str) -> str:
        command = [sys.executable, "-m", "gateway", "catalogue", *more]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout

    table = await asyncio.to_thread(catalogue)
    assert "says 1 hour 20 minutes" in table
    assert "order at" not in table
    lines = [json.loads(line) for line in (await asyncio.to_thread(partial(catalogue, "--json"))).splitlines()]
    assert {line["service"]: (line["says_seconds"], line["took_seconds"]) for line in lines} == {
        "x": (4800, None),
        "y": (None, None),
        "z": (None, None),
    }
