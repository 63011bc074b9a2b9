"""A real Prometheus scrapes a real gateway: every name returns a series, a broken provider alarms, and it clears.

The time an alert has to last is cut to seconds in a copy of the rules; nothing else of them is changed.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.app import Pace
from tests.alerts.with_promtool import promtool
from tests.collector import collecting
from tests.gateway_process import House, running_house
from tests.panel_process import simulated_panel
from tests.world import LINK, World, on_sale, until
from tools.observed import RULES, looks

# What is asked of the books and of providers by the minute is asked by the second here.
QUICK = Pace(sweep=1.0, figures=1.0, balances=1.0, reconcile=1.0)
SECONDS_MAX = 90.0
# Lines that are drawn only where something happened.
NEEDS_MORE = re.compile(r"increase\(.*\[1d\]|> 0$")


# A pace of seconds taken for an hour's says little of funds, a busy machine is slow for two seconds, and the load here
# cancels each order.
MAY_BE = {
    "GatewayRefundsHigh",
    *("GatewayProviderFundsLow", "GatewayProviderFundsOut", "GatewayMarginLost"),
    *("GatewaySlow", "GatewayBooksSlow", "GatewayLoopLagging"),
}


class Prometheus:
    """A running Prometheus, asked over its API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(timeout=10, trust_env=False)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def ready(self) -> bool:
        """Whether it answers."""
        try:
            return (await self._http.get(f"{self.url}/-/ready")).status_code == 200
        except httpx.HTTPError:
            return False

    async def ask(self, expression: str) -> list[Any]:
        """The series an expression returns now."""
        answer = (await self._http.get(f"{self.url}/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", answer
        found: list[Any] = answer["data"]["result"]
        return found

    async def exemplars(self, expression: str) -> set[str]:
        """The traces that the buckets of an expression name."""
        asked = {"query": expression, "start": str(time.time() - 300), "end": str(time.time() + 300)}
        answer = (await self._http.get(f"{self.url}/api/v1/query_exemplars", params=asked)).json()
        assert answer["status"] == "success", answer
        return {each["labels"]["trace_id"] for series in answer["data"] for each in series["exemplars"]}

    async def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, with the provider they are about."""
        answer = (await self._http.get(f"{self.url}/api/v1/alerts")).json()
        return {
            (each["labels"]["alertname"], each["labels"].get("provider", ""))
            for each in answer["data"]["alerts"]
            if each["state"] == "firing"
        }


@asynccontextmanager
async def prometheus(folder: Path, health: str, *more: str) -> AsyncIterator[Prometheus]:
    """Prometheus on a port of its own, scraping a gateway each second with our rules, their waits cut short.

    `more` are arguments besides.
    """
    for path in RULES.glob("*.yaml"):
        content = yaml.safe_load(path.read_text("utf-8"))
        for group in content["groups"]:
            group["interval"] = "1s"
            for rule in group["rules"]:
                if "for" in rule:
                    rule["for"] = "2s"
        (folder / path.name).write_text(yaml.safe_dump(content), "utf-8")
    config = folder / "prometheus.yml"
    target = {"targets": [health.removeprefix("http://")]}
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(folder / path.name) for path in RULES.glob("*.yaml")],
                "scrape_configs": [{"job_name": "gateway", "static_configs": [target]}],
            }
        ),
        "utf-8",
    )
    promtool("check", "config", config)
    with closing(socket.socket()) as tried:
        tried.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{tried.getsockname()[1]}"
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'series'}",
            f"--web.listen-address={address}",
            *more,
            stdout=log,
            stderr=log,
        )
        asked = Prometheus(f"http://{address}")
        try:
            await until(asked.ready, seconds=SECONDS_MAX)
            yield asked
        finally:
            await asked.close()
            process.terminate()
            await process.wait()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Two panels."""
    a, b = tmp_path / "a", tmp_path / "b"
    a.mkdir()
    b.mkdir()
    async with simulated_panel(a) as first, simulated_panel(b, "panel-b") as second:
        yield World(first, second, tmp_path, {})


async def trade(house: House) -> None:
    """Users' life: every action, good and bad, without an end."""
    call = await house.user(credit=10**12)
    stranger = house.caller("gw_nobody")
    n = 0
    while True:
        n += 1
        order = await call("add", service="1", link=f"{LINK}{n}", quantity="100")
        await call("add", service="1", link=f"{LINK}{n}", quantity="1")
        await call("services")
        await call("balance")
        await call("status", order=order.get("order", "1"))
        await call("refill", order=order.get("order", "1"))
        await call("cancel", orders=order.get("order", "1"))
        await stranger.post({"key": "gw_nobody", "action": "balance"})
        await asyncio.sleep(0.05)


@asynccontextmanager
async def trading(house: House) -> AsyncIterator[None]:
    """Trade in the background."""
    task = asyncio.create_task(trade(house))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_every_name_returns_a_series_and_a_broken_provider_alarms(world: World, tmp_path: Path) -> None:
    """Under load every metric that is looked at is there; a panel breaks and alarms; it is back, and that clears."""
    async with (
        running_house(world.settings(), pace=QUICK) as house,
        prometheus(tmp_path, house.health) as watch,
    ):
        await on_sale(house)
        async with trading(house):
            names = sorted(frozenset[str]().union(*(look.names for look in looks())))
            assert len(names) > 50

            async def missing() -> list[str]:
                asked = {name: f'{{__name__=~"{name}(_bucket|_sum|_count)?"}}' for name in names}
                return [name for name, query in asked.items() if not await watch.ask(query)]

            async def all_there() -> bool:
                return not await missing()

            try:
                await until(all_there, seconds=SECONDS_MAX)
            except AssertionError:
                pytest.fail(f"no series: {await missing()}")
            empty = [
                (look.where, look.expression)
                for look in looks()
                if look.kind != "alert"
                and not NEEDS_MORE.search(look.expression)
                and not await watch.ask(look.expression.replace("$provider", ".*"))
            ]
            assert empty == []
            quiet = {name for name, _ in await watch.firing()}
            assert quiet <= MAY_BE, quiet
            world.b.switch("status", "503 down", action="balance")
            broken = ("GatewayProviderDown", "panel-b")

            async def alarmed() -> bool:
                return broken in await watch.firing()

            async def calm() -> bool:
                return broken not in await watch.firing()

            await until(alarmed, seconds=SECONDS_MAX)
            assert not {name for name, provider in await watch.firing() if provider == "panel-a"} & {broken[0]}
            world.b.program.switches.clear()
            await until(calm, seconds=SECONDS_MAX)


async def test_latency_leads_to_its_trace(world: World, tmp_path: Path) -> None:
    """Prometheus asks for OpenMetrics by itself, takes what it gets whole, and knows the traces the collector has."""
    with collecting() as collector:
        settings = world.settings(tracing_url=collector.url, tracing_ratio="1")
        async with (
            running_house(settings, pace=QUICK) as house,
            prometheus(tmp_path, house.health, "--enable-feature=exemplar-storage") as watch,
        ):
            await on_sale(house)
            async with trading(house):
                names = ("request_seconds", "upstream_add_seconds", "upstream_ask_seconds", "store_write_seconds")

                async def named() -> bool:
                    return all([await watch.exemplars(f"gateway_{name}_bucket") for name in names])

                await until(named, seconds=SECONDS_MAX)
                assert [each["value"][1] for each in await watch.ask("up")] == ["1"]
                assert await watch.ask('gateway_spans_total{outcome="sent"} > 0')
            adds = await watch.exemplars('gateway_request_seconds_bucket{action="add"}')
    assert adds
    assert adds <= {each.trace for each in collector.spans}
