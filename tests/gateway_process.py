"""A whole gateway in this process, in front of simulated panels, on real sockets."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from gateway.app import Gateway, Pace, key_secret
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.settings.load import Settings, load_settings
from gateway.store.keys import NewKey, create_key
from gateway.store.users import Choices, create_user, credit_user

FILE = """
version: 1
currency: {currency}
markup: {{percent: 20}}
tiers: {{reseller: {{percent: -5}}}}
providers:
  panel-a:
    url: {a}
    key: ${{ENV:PANEL_A_KEY}}
    exchange_rate: {rate_a}
    allow_private: true
    requests_per_second: 1000
    concurrency: {concurrency}
    poll_seconds: 0.2
    refresh_seconds: 1
    timeouts: {{connect: 1, total: {total}, total_read: 2}}
    unknown: {unknown}
    imports: all
  panel-b:
    url: {b}
    key: ${{ENV:PANEL_B_KEY}}
    currency: EUR
    exchange_rate: {rate_b}
    allow_private: true
    requests_per_second: 1000
    poll_seconds: 0.2
    refresh_seconds: 1
    timeouts: {{connect: 1, total: {total}, total_read: 2}}
    unknown: {unknown}
services:
  1: {{routes: [panel-a/101, panel-b/2001], markup: {{percent: 50}}}}
  2: {{routes: [panel-a/104]}}
  3: {{routes: [panel-a/105]}}
  4: {{routes: [panel-a/106]}}
"""
CREDIT = 100 * 10**8
NOBODY = "http://127.0.0.1:1/api/v2"  # where nothing listens


class Caller:
    """A user's panel."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url
        self.key = key
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)

    async def __call__(self, action: str, **fields: str) -> Any:
        """What the gateway answers."""
        response = await self.post({"key": self.key, "action": action, **fields})
        assert response.status_code == 200
        return response.json()

    async def post(self, fields: Mapping[str, str]) -> httpx.Response:
        """A POST form."""
        return await self.http.post(self.url, data=dict(fields))


class House:
    """A running gateway with its callers."""

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway = gateway
        self._settings = settings
        self._callers: list[Caller] = []

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"{self.gateway.listener.address}/api/v2"

    @property
    def health(self) -> str:
        """The address of /metrics, /live and /ready."""
        return str(self.gateway.health.address)

    async def user(self, name: str = "alpha", *, credit: int = CREDIT, choices: Choices | None = None) -> Caller:
        """A new user with a key and money."""
        store, now = self.gateway.store, self.gateway.desk.clock()
        key = make_key(name.encode().ljust(RANDOM_BYTES, b"-")[:RANDOM_BYTES])
        stored = NewKey(hash=hash_key(key, key_secret(self._settings.environment)), prefix=shown_part(key))
        await store.run(partial(create_user, name, self.gateway.currency, choices or Choices(), actor="test", now=now))
        await store.run(partial(create_key, name, stored, actor="test", now=now))
        if credit:
            await store.run(partial(credit_user, name, credit, reference=f"first-{name}", actor="test", now=now))
        return self.caller(key)

    def caller(self, key: str) -> Caller:
        """A caller with any key."""
        self._callers.append(Caller(self.url, key))
        return self._callers[-1]

    async def close(self) -> None:
        """Let go of the callers' connections."""
        for caller in self._callers:
            await caller.http.aclose()


_USUAL: Final = {"total": "3", "unknown": "{}", "concurrency": "8", "currency": "USD", "rate_a": "1", "rate_b": "1.1"}


def house_file(*, a: str = NOBODY, b: str = NOBODY, **more: str) -> str:
    """The text of providers.yaml for a gateway between two panels."""
    return FILE.format(a=a, b=b, **{**_USUAL, **more})


def house_settings(folder: Path, *, a: str = NOBODY, b: str = NOBODY, **more: str) -> Settings:
    """Settings of a gateway between two panels; `more` are GATEWAY_ variables in small letters."""
    file = folder / "providers.yaml"
    file.write_text(house_file(a=a, b=b, **{name: more.pop(name, value) for name, value in _USUAL.items()}))
    environ = {
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0",
        "GATEWAY_DRAIN_SECONDS": "5",
        "GATEWAY_WATCH_CONFIG": "no",  # gateways of one test share the folder, not the file
        "PANEL_A_KEY": "panel-a-key",
        "PANEL_B_KEY": "panel-b-key",
        **{f"GATEWAY_{name.upper()}": value for name, value in more.items()},
    }
    return load_settings(environ, file)


@asynccontextmanager
async def running_house(
    settings: Settings,
    *,
    clock: Callable[[], int] | None = None,
    pace: Pace | None = None,
    environ: Mapping[str, str] = os.environ,
) -> AsyncIterator[House]:
    """A gateway that is started and will be stopped, by the machine's clock unless it is given another."""
    gateway = Gateway(settings, clock=clock, pace=pace, environ=environ)
    await gateway.start()
    house = House(gateway, settings)
    try:
        yield house
    finally:
        await house.close()
        await gateway.stop()
