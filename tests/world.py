"""The world of the end-to-end tests: two panels, gateways in front of them, and how to wait for what must come."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.gateway_process import Caller, House, house_settings
from tests.panel_process import SimulatedPanel

LINK = "https://social.example/p/1"


class World:
    """Two panels, and what is needed to start gateways in front of them."""

    def __init__(self, a: SimulatedPanel, b: SimulatedPanel, folder: Path, more: dict[str, str]) -> None:
        self.a = a
        self.b = b
        self.folder = folder
        self._more = more

    def settings(self, **changes: str) -> Any:
        """Settings of a gateway on these panels, with changes."""
        values = {"a": self.a.url, "b": self.b.url, **self._more, **changes}
        return house_settings(self.folder, **values)


async def until(found: Callable[[], Awaitable[Any]], *, seconds: float = 15.0) -> Any:
    """What is found at last; fails when it takes too long."""
    for _ in range(int(seconds / 0.05)):
        value = await found()
        if value:
            return value
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds:g} s")


async def on_sale(house: House) -> None:
    """Wait for the first catalogue."""

    async def ready() -> bool:
        snapshot = house.gateway.desk.snapshot
        return snapshot is not None and snapshot.complete

    await until(ready)


async def status_of(call: Caller, order: str, *words: str) -> dict[str, str]:
    """The status of an order once it is one of these words."""

    async def found() -> dict[str, str] | None:
        status: dict[str, str] = await call("status", order=order)
        return status if status["status"] in words else None

    reached: dict[str, str] = await until(found)
    return reached


async def balance(call: Caller) -> Decimal:
    """What a user has."""
    return Decimal((await call("balance"))["balance"])
