"""The commands on orders: what an operator sees of one that was placed, and of one that two panels refused."""

import asyncio
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.order import order
from gateway.core.outcome import Accepted
from gateway.store.cancels import settle_cancel, take_cancel
from gateway.store.orders import ask_cancel
from gateway.store.store import open_store
from tests.gateway_process import house_settings, running_house
from tests.panel_process import simulated_panel
from tests.store.trade import NOW, ORDER, bring, make_user, sending
from tests.world import LINK, on_sale, status_of


class Told:
    """Orders that were lived through, and the command line on their books."""

    def __init__(self, folder: Path, orders: list[str]) -> None:
        self.folder = folder
        self.orders = orders

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command says, beside a gateway or not."""
        environ = {**os.environ, "GATEWAY_DATA_DIR": str(self.folder)}
        command = [sys.executable, "-m", "gateway", "order", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
async def told(tmp_path: Path) -> Told:
    """One order that panel-a refused and panel-b completed, one that panel-b refused for good."""
    async with (
        simulated_panel(tmp_path, "panel-a") as a,
        simulated_panel(tmp_path, "panel-b") as b,
        running_house(house_settings(tmp_path, a=a.url, b=b.url)) as house,
    ):
        await on_sale(house)
        call = await house.user()
        a.switch("error", "Not enough funds on balance panel-a-key", action="add")
        first = (await call("add", service="1", link=LINK, quantity="100"))["order"]
        await status_of(call, first, "Completed")
        b.switch("error", "Invalid link \x1b[31m", action="add")
        refused = await call("add", service="1", link=f"{LINK}?second", quantity="100")
        assert "error" in refused
        (failed,) = [order for order in await _ids(tmp_path) if order != first]
    return Told(tmp_path, [first, failed])


async def _ids(folder: Path) -> list[str]:
    listed: list[dict[str, Any]] = json.loads(await Told(folder, [])("list", "--json"))
    return [str(each["id"]) for each in listed]


async def test_life_of_an_order_is_told_on_a_screen(told: Told) -> None:
    """Who asked what at which price, both attempts with what the panels said, the money, and every event."""
    text = await told("show", told.orders[0])
    for part in (
        f"order {told.orders[0]} of alpha: completed, shown as Completed",
        f"link = {LINK}",
        "rate 1.35 by the rule service:1, charge 0.135 USD",
        "1. panel-a/101  rejected",
        "2. panel-b/2001  accepted as ",
        "HTTP 200 application/json",
        "user:1:avail → user:1:held  hold:",
        "panel-b is asked about",
        "order.reserved     by user:1",
        "state placing → active",
    ):
        assert part in text, f"{part!r} is missing in\n{text}"
    assert "panel-a-key" not in text
    assert len(text.splitlines()) < 80
    life = json.loads(await told("show", told.orders[0], "--json"))
    assert [each["state"] for each in life["attempts"]] == ["rejected", "accepted"]
    assert "panel-a-key" not in json.dumps(life)


async def test_failed_order_tells_why(told: Told) -> None:
    """The refusal and the void are there; what a panel said paints nothing on the terminal."""
    text = await told("show", told.orders[1])
    assert f"order {told.orders[1]} of alpha: failed" in text
    assert "Invalid link" in text
    assert "caller_link" in text  # the word that the metric and the log had
    assert "void:" in text
    assert "\x1b" not in text


async def test_list_finds_orders(told: Told) -> None:
    """By state and by user; what is not there is told in a line."""
    assert told.orders[1] in await told("list", "--state", "failed")
    assert told.orders[0] not in await told("list", "--state", "failed")
    assert told.orders[0] in await told("list", "--user", "alpha", "--since", "1h")
    assert "there is no order 7" in await told("show", "7", code=1)


async def test_subscription_is_shown_with_what_its_panel_made(tmp_path: Path) -> None:
    """Each order for a post, with its last word and what it costs."""
    fields = {"username": "someone", "min": "20", "max": "20", "posts": "1", "old_posts": "1", "delay": "0"}
    async with (
        simulated_panel(tmp_path, "panel-a") as panel,
        running_house(house_settings(tmp_path, a=panel.url)) as house,
    ):
        await on_sale(house)
        call = await house.user()
        row = next(row for row in await call("services") if row["type"] == "Subscriptions")
        order = (await call("add", service=str(row["service"]), **fields))["order"]
        await status_of(call, order, "Completed")
    shown = await Told(tmp_path, [])("show", order)
    made = [line.strip() for line in shown.partition("made by its panel\n")[2].splitlines()[:2]]
    assert all("charge 0.012, asked about next at" in line for line in made), shown
    assert [line.partition("  ")[0] for line in made] == ["panel-a/2", "panel-a/3"]
    life = json.loads(await Told(tmp_path, [])("show", order, "--json"))
    assert [(each["upstream_order"], each["charge"]) for each in life["children"]] == [("2", "0.012"), ("3", "0.012")]


async def test_cancel_is_told_step_by_step(tmp_path: Path) -> None:
    """Asked for before its panel has it, owed, told without an answer, told again and taken."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    store = open_store(url)
    await store.open()
    await store.migrate()

    async def shown() -> str:
        runner = CliRunner()
        done = await asyncio.to_thread(runner.invoke, order, ["show", str(ORDER)], env={"GATEWAY_DATABASE_URL": url})
        assert done.exit_code == 0, done.output
        return done.stdout

    async def tell(answer: str, now: int) -> None:
        telling = await store.run(partial(take_cancel, ORDER, answer, again_ms=1000, obstacle="", now=now))
        assert telling is not None
        await store.run(partial(settle_cancel, telling, answer, why="time is up", now=now))  # type: ignore[arg-type] # one of them

    alpha = await make_user(store)
    attempt = await sending(store, alpha)
    assert "cancel" not in await shown()
    await store.run(partial(ask_cancel, ORDER, alpha.id, now=NOW))
    assert "its panel is told once it is known to have the order" in await shown()
    await bring(store, attempt, Accepted("77"))
    assert "panel-a as 77: not told yet, owed since" in await shown()
    await tell("silent", NOW)
    assert "panel-a as 77: told 2023-11-14 22:13:20" in await shown()
    assert "it is told once more" in await shown()
    await tell("taken", NOW + 1000)
    assert "panel-a as 77: told 2 times 2023-11-14 22:13:21, taken 2023-11-14 22:13:21" in await shown()
    await store.close()
