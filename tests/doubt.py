"""What tests of doubt share: a gateway that looks for lost orders, and how orders get lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.app import Pace
from gateway.store.unknown import OpenDoubt, all_doubts
from tests.gateway_process import Caller, House, running_house
from tests.world import LINK, World, on_sale

# An order of a call that broke off may take a second; an id is denied twice, a fifth of a second apart.
PROBE = "{{probe: id_window, quarantine_seconds: {quarantine}, recheck_seconds: 0.2, calls_per_second: 100{more}}}"
FAST = Pace(sweep=0.2, figures=1, balances=0.2, reconcile=0.05)
OTHERS = "https://elsewhere.example/p/"


@asynccontextmanager
async def settling(panels: World, *, quarantine: str = "0.3", more: str = "") -> AsyncIterator[tuple[House, Caller]]:
    """A gateway that looks for lost orders, and a user with an order that panel-a has."""
    rules = PROBE.format(quarantine=quarantine, more=f", {more}" if more else "")
    async with running_house(panels.settings(total="1", unknown=rules), pace=FAST) as house:
        await on_sale(house)
        call = await house.user()
        await order(call, "first")
        yield house, call


async def order(call: Caller, name: str, *, service: str = "1", quantity: str = "100") -> str:
    """An order with a link of its own."""
    placed: dict[str, str] = await call("add", service=service, link=LINK + name, quantity=quantity)
    return placed["order"]


async def lost(panels: World, call: Caller, name: str, *, processed: bool, service: str = "1") -> str:
    """An order whose answer never came, whether the panel has it or not."""
    panels.a.switch("close", action="add", processed=processed, times=1)
    return await order(call, name, service=service)


async def queue(house: House) -> tuple[OpenDoubt, ...]:
    """What is in doubt."""
    return await house.gateway.store.read(all_doubts)


def noted(house: House, words: str) -> Callable[[], Awaitable[bool]]:
    """Whether a look said this of everything that is in doubt."""

    async def found() -> bool:
        doubts = await queue(house)
        return bool(doubts) and all(words in each.note for each in doubts)

    return found


def quarantined(house: House) -> Callable[[], Awaitable[bool]]:
    """Whether every doubt's quarantine is over."""

    async def found() -> bool:
        doubts = await queue(house)
        return bool(doubts) and all(each.quarantined is not None for each in doubts)

    return found
