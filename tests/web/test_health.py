"""Probes: three questions, three answers, from the first moment of a start to the last of a stop."""

import asyncio
import socket
import time
from pathlib import Path

import httpx
import pytest

from gateway.app import Gateway
from gateway.metrics import Metrics
from gateway.store.engine import StoreError
from gateway.web.health import Standing, health_routes
from gateway.web.server import Address, Listener
from tests.gateway_process import House, house_settings, running_house
from tests.world import World, on_sale


class Probed:
    """The health listener of a process that stands as it is told to."""

    def __init__(self) -> None:
        self.standing = Standing()
        self.listener = Listener(Address("127.0.0.1", 0), health_routes(Metrics(), lambda: self.standing))

    async def ask(self) -> dict[str, tuple[int, str]]:
        """What each probe answers."""
        return await probes(str(self.listener.address))


async def probes(address: str) -> dict[str, tuple[int, str]]:
    """The status and the text of each probe."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        answers = {name: await http.get(f"{address}/{name}") for name in ("live", "startup", "ready")}
    return {name: (answer.status_code, answer.text) for name, answer in answers.items()}


async def test_each_probe_answers_its_own_question() -> None:
    """Only a start that is not over fails /startup, only obstacles fail /ready, nothing fails /live."""
    probed = Probed()
    await probed.listener.start()
    try:
        probed.standing = Standing(starting="opening the books", obstacles=("no service on sale yet",))
        assert await probed.ask() == {
            "live": (200, "alive\n"),
            "startup": (503, "starting: opening the books\n"),
            "ready": (503, "not ready: starting: opening the books\nnot ready: no service on sale yet\n"),
        }
        probed.standing = Standing(obstacles=("on its way out",), degraded=("Redis did not answer",))
        assert await probed.ask() == {
            "live": (200, "alive\n"),
            "startup": (200, "started\n"),
            "ready": (503, "not ready: on its way out\ndegraded: Redis did not answer\n"),
        }
        probed.standing = Standing(degraded=("Redis did not answer",))
        assert (await probed.ask())["ready"] == (200, "ready\ndegraded: Redis did not answer\n")
    finally:
        await probed.listener.stop(1.0)


async def test_probes_answer_while_the_start_waits_for_its_books(tmp_path: Path) -> None:
    """A start that hangs at its database is alive, says what it is at, and gives its port back when it fails."""
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections, and says nothing
    port = silent.getsockname()[1]
    gateway = Gateway(house_settings(tmp_path, database_url=f"postgresql://u:p@127.0.0.1:{port}/books"))
    starting = asyncio.create_task(gateway.start())
    try:
        at: dict[str, tuple[int, str]] = {}
        for _ in range(100):
            await asyncio.sleep(0.02)
            try:
                at = await probes(str(gateway.health.address))
            except httpx.ConnectError:
                continue
            if "opening the books" in at["startup"][1]:
                break
        assert at["live"] == (200, "alive\n")
        assert at["startup"] == (503, "starting: opening the books and bringing their schema up to date\n")
        assert at["ready"][0] == 503
    finally:
        with pytest.raises(StoreError):
            await starting
        silent.close()
    with pytest.raises(httpx.ConnectError):
        await probes(str(gateway.health.address))


async def test_users_are_served_through_the_drain_delay(panels: World) -> None:
    """After a stop was asked for: not ready at once, new callers answered, their connections closed, orders whole."""
    settings = panels.settings(drain_delay_seconds="1.5")
    gateway = Gateway(settings)
    await gateway.start()
    house = House(gateway, settings)
    await on_sale(house)
    call = await house.user()
    began = time.monotonic()
    stopping = asyncio.create_task(gateway.stop())
    await asyncio.sleep(0.1)
    assert (await probes(house.health))["ready"] == (503, "not ready: on its way out\n")
    late = await call.post({"key": call.key, "action": "add", "service": "1", "link": LINK, "quantity": "100"})
    assert "order" in late.json()
    assert late.headers["connection"] == "close"
    assert await stopping == 0
    assert time.monotonic() - began > 1.5
    await house.close()
    assert panels.a.links() == [LINK]


LINK = "https://social.example/late"


async def test_redis_that_is_away_is_told_and_keeps_nobody_out(panels: World) -> None:
    """Ready all the same, with what is missed in words."""
    async with running_house(panels.settings(redis_url="redis://127.0.0.1:1/0")) as house:
        await on_sale(house)
        status, text = (await probes(house.health))["ready"]
        assert (status, text.splitlines()[0]) == (200, "ready")
        assert "degraded: Redis did not answer (ConnectionError)" in text


async def test_violation_stops_orders_and_not_readiness(house: House) -> None:
    """A process out of rotation could not be read either; the probe says what is missed."""
    house.gateway.desk.placing = False
    status, text = (await probes(house.health))["ready"]
    assert (status, text) == (200, "ready\ndegraded: no order is taken: the books break an invariant, see the log\n")
