"""Rows G1 to G3: providers.yaml changed under a gateway that serves."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from tests.gateway_process import Caller, House
from tests.matrix.trial import CHARGE, Trial
from tests.world import until

LINK = "https://social.example/r"
DEARER = {"1": {"routes": ["panel-b/2001", "panel-a/101"], "markup": {"percent": 100}}}
# At panel-a's 0.90 a thousand and half as much again; at panel-b's 0.85 and as much again.
DEARER_CHARGE = 17_000_000
ADDS = 80
CALLERS = 4


async def metric(house: House, name: str) -> str:
    """What the gateway tells of itself."""
    async with httpx.AsyncClient(trust_env=False) as http:
        told = (await http.get(f"{house.health}/metrics")).text
    return next((line.rpartition(" ")[2] for line in told.splitlines() if line.startswith(f"{name} ")), "0.0")


def is_told(house: House, name: str, value: str) -> Callable[[], Awaitable[bool]]:
    """Whether a metric has come to a value."""

    async def told() -> bool:
        return await metric(house, name) == value

    return told


def charge_in(rows: list[dict[str, object]], link: str) -> object:
    """What an order was charged."""
    return next(row["charge"] for row in rows if link in str(row["fields"]))


def spoil(file: Path, kind: str) -> None:
    """Make a bad file of it."""
    good = file.read_text()
    match kind:
        case "syntax":
            file.write_text(good[:-1])
        case "unknown field":
            file.write_text(good.replace('"currency"', '"curency"'))
        case "negative markup":
            file.write_text(good.replace('"percent": 50', '"percent": -150'))
        case _:
            file.unlink()


@pytest.mark.parametrize("kind", ["syntax", "unknown field", "negative markup", "missing"])
async def test_g1_broken_configuration_during_a_reload_leaves_the_old_one(trial: Trial, kind: str) -> None:
    """Nothing of it is applied: the same list at the same price, orders go on; a good file later is taken up."""
    async with trial.gateway(trial.settings(watch_config="yes")) as house:
        call = await house.user()
        before = await call("services")
        await asyncio.to_thread(spoil, trial.folder / "providers.yaml", kind)
        await until(is_told(house, "gateway_config_refused", "1.0"))
        assert await call("services") == before
        await trial.add(call, LINK + "old")
        trial.settings(services=DEARER)
        await until(is_told(house, "gateway_config_refused", "0.0"))
        await trial.add(call, LINK + "new")
    rows = await trial.rows("SELECT fields, charge FROM orders")
    assert (charge_in(rows, "rold"), charge_in(rows, "rnew")) == (CHARGE, DEARER_CHARGE)
    assert await trial.judge() == {LINK + "old": "completed", LINK + "new": "completed"}


async def test_g3_prices_and_routes_changed_under_load_leave_each_order_its_own(trial: Trial) -> None:
    """Eighty adds while the file goes to and fro: each is charged one price whole, and sent by that text's routes."""
    async with trial.gateway() as house:
        call = await house.user()
        left = iter(range(ADDS))

        async def order(caller: Caller) -> None:
            for n in left:
                await trial.add(caller, f"{LINK}/{n}")

        ordering = [asyncio.create_task(order(house.caller(call.key))) for _ in range(CALLERS)]
        turns = 0
        while not all(task.done() for task in ordering):
            trial.settings(services=DEARER if turns % 2 == 0 else None)
            assert await house.gateway.reload.reload()
            turns += 1
            await asyncio.sleep(0.02)
        await asyncio.gather(*ordering)
    assert turns >= 2
    rows = await trial.rows(
        "SELECT o.charge, o.rate, o.quantity, a.provider FROM orders o JOIN attempts a ON a.order_id = o.id"
    )
    assert len(rows) == ADDS
    found = {(row["charge"], row["provider"]) for row in rows}
    assert found <= {(CHARGE, "panel-a"), (DEARER_CHARGE, "panel-b")}
    assert all(row["rate"] * row["quantity"] == row["charge"] * 1000 for row in rows)
    assert set((await trial.judge()).values()) == {"completed"}


async def test_g2_provider_with_open_orders_does_not_leave_the_file(
    trial: Trial, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused, with what would be lost; once they have ended it may go, and is still asked for a late refund."""
    trial.a.panel.program.panel.pace = 1000.0
    only_b = {"1": {"routes": ["panel-b/2001"]}}
    async with trial.gateway() as house:
        call = await house.user()
        for name in ("one", "two"):
            await trial.add(call, LINK + name)
        trial.settings(without=["panel-a"], services=only_b)
        assert not await house.gateway.reload.reload()
        assert (
            "providers.panel-a: orders are open there that nobody could follow without it, 2 worth 0.27 USD"
            in capsys.readouterr().out
        )
        await trial.add(call, LINK + "three")
        assert trial.a.panel.heard("add") == 3
        trial.settings(panels={"panel-a": {"enabled": False}}, services=only_b)
        assert await house.gateway.reload.reload()
        trial.a.panel.program.panel.pace = 0.001
        await until(lambda: ended(trial, 3))
        trial.settings(without=["panel-a"], services=only_b)
        assert await house.gateway.reload.reload()
        assert "provider_removed" in capsys.readouterr().out
    assert set((await trial.judge(trial.settings())).values()) == {"completed"}


async def ended(trial: Trial, orders: int) -> bool:
    """Whether so many orders are completed."""
    return list((await trial.states()).values()) == ["completed"] * orders


async def test_g3_providers_come_and_go_while_orders_are_under_way(trial: Trial) -> None:
    """One that comes is asked and sold at once; one that is switched off keeps its orders and gets no new ones."""
    trial.a.panel.program.panel.pace = 1000.0
    only_a = {"1": {"routes": ["panel-a/101"]}}
    only_b = {"1": {"routes": ["panel-b/2001"]}}
    async with trial.gateway(trial.settings(without=["panel-b"], services=only_a)) as house:
        call = await house.user()
        first = await trial.add(call, LINK + "first")
        trial.settings()
        assert await house.gateway.reload.reload()
        trial.settings(panels={"panel-a": {"enabled": False}}, services=only_b)
        assert await house.gateway.reload.reload()

        async def sold_by_b() -> bool:
            return (await call("services")) != [] and "order" in await trial.add(call, LINK + "second")

        await until(sold_by_b)
        trial.a.panel.program.panel.pace = 0.001

        async def completed() -> bool:
            told: dict[str, str] = await call("status", order=first["order"])
            return told["status"] == "Completed"

        await until(completed)
    assert await trial.judge() == {LINK + "first": "completed", LINK + "second": "completed"}
    assert (trial.a.panel.heard("add"), trial.b.panel.heard("add")) == (1, 1)


async def test_g3_currencies_do_not_change_without_a_restart(trial: Trial) -> None:
    """What is in the books was made in them; a moved panel or another key is taken up."""
    async with trial.gateway() as house:
        call = await house.user()
        trial.settings(panels={"panel-a": {"currency": "EUR", "exchange_rate": 1.1}})
        assert not await house.gateway.reload.reload()
        trial.settings(panels={"panel-a": {"url": trial.a.panel.url}, "panel-b": {"url": trial.b.panel.url}})
        assert await house.gateway.reload.reload()
        for side in (trial.a, trial.b):
            side.proxy.refuse()
            side.proxy.cut()

        async def both_lists() -> bool:
            snapshot = house.gateway.desk.snapshot
            service = None if snapshot is None else snapshot.catalogue.by_id.get(1)
            return service is not None and len(service.routes) == 2

        async def sold() -> bool:
            return "order" in await trial.add(call, LINK + "moved")

        await until(both_lists)  # Whichever panel's list is fetched first would have the order otherwise.
        await until(sold)
        await until(lambda: _completed(trial))
    assert (trial.a.placed(), await trial.judge()) == ([LINK + "moved"], {LINK + "moved": "completed"})


async def _completed(trial: Trial) -> bool:
    return await trial.state(LINK + "moved") == "completed"
