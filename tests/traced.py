"""A gateway that is traced, and what its collector was told: for the tests of spans and of what leaves with them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.collector import Collector, Kept
from tests.gateway_process import House, running_house
from tests.world import World, on_sale

CALLER = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
TRACEPARENT = f"00-{CALLER[0]}-{CALLER[1]}-01"
SERVER, CLIENT = 2, 3


@asynccontextmanager
async def traced(world: World, collector: Collector, **more: str) -> AsyncIterator[House]:
    """A gateway that keeps every trace, with its list on sale; once it is left, everything was sent."""
    async with running_house(world.settings(**{"tracing_url": collector.url, "tracing_ratio": "1", **more})) as house:
        await on_sale(house)
        yield house


def request_of(collector: Collector, name: str = "POST add") -> Kept:
    """The only request of that name; a call to a panel has the same name and is the other side."""
    (only,) = [each for each in collector.named(name) if each.kind == SERVER]
    return only


def parts(collector: Collector, whole: Kept, name: str = "") -> list[Kept]:
    """What a span is made of, or what of it has that name, as it began."""
    return [each for each in collector.of(whole.trace) if each.parent == whole.id and name in ("", each.name)]


def part(collector: Collector, whole: Kept, name: str) -> Kept:
    """The only part of that name."""
    (only,) = parts(collector, whole, name)
    return only
