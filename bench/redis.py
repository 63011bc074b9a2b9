"""What a Redis that is ill costs: rows C1 to C7 of the fault matrix under load, measured: python -m bench.redis.

A Valkey stands behind the fault proxy of the tests; the gateway is a program of its own (bench.watched), which notes
how long each call to Redis kept somebody waiting. Callers order, ask for balances and lists, and come with wrong keys:
the last two are all that asks Redis while somebody waits, and each list here is one that was not rendered before.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from bench.house import House
from bench.load import form
from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.settings.secrets import kept_secret
from gateway.store.keys import NewKey, create_key
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user
from tests.fault_proxy import Blackhole, FaultProxy, Latency
from tests.servers import ValkeyServer

SECONDS: Final = 12.0  # of each row; the fault comes after two of them
BEFORE: Final = 2.0
LISTS: Final = 10  # lists in a row that were never rendered
PAUSE: Final = 0.02  # between two requests of a caller
CALLERS: Final = {"add": 4, "balance": 2, "wrong": 4}


class Ill(msgspec.Struct, frozen=True):
    """What a row does to Redis, and how it is undone."""

    name: str
    fault: Callable[["Redis"], Awaitable[None]]
    mend: Callable[["Redis"], Awaitable[None]]


class Redis:
    """The Valkey, the proxy before it, and an operator's hand on it."""

    def __init__(self, server: ValkeyServer, proxy: FaultProxy) -> None:
        self.server = server
        self.proxy = proxy

    @asynccontextmanager
    async def hand(self) -> AsyncIterator[redis.asyncio.Redis]:
        """A connection past the proxy."""
        client = redis.asyncio.Redis.from_url(self.server.url)
        try:
            yield client
        finally:
            await client.aclose()

    async def nothing(self) -> None:
        """It is well."""

    async def die(self) -> None:
        """SHUTDOWN NOSAVE."""
        async with self.hand() as client:
            with suppress(RedisError):
                await client.shutdown(nosave=True)
        await asyncio.to_thread(self.server.stop)

    async def rise(self) -> None:
        """Started again, empty."""
        await asyncio.to_thread(self.server.start)

    async def empty(self) -> None:
        """FLUSHALL, every tenth of a second."""
        async with self.hand() as client:
            for _ in range(50):
                await client.flushall()
                await asyncio.sleep(0.1)

    async def pause(self) -> None:
        """CLIENT PAUSE for longer than the row."""
        async with self.hand() as client:
            await client.client_pause(30_000)

    async def again(self) -> None:
        """Ended and started: it would not hear an UNPAUSE either."""
        await asyncio.to_thread(self.server.stop)
        await asyncio.to_thread(self.server.start)

    async def slow(self, seconds: float) -> None:
        """Each answer comes so much later."""
        await asyncio.to_thread(self.proxy.down, Latency(seconds))

    async def swallow(self) -> None:
        """Nothing is answered, nobody is told."""
        await asyncio.to_thread(self.proxy.up, Blackhole())

    async def heal(self) -> None:
        """The line is well."""
        await asyncio.to_thread(self.proxy.heal)

    async def poison(self) -> None:
        """Nonsense under each of our names, every tenth of a second."""
        async with self.hand() as client:
            for _ in range(50):
                async with client.pipeline(transaction=True) as line:
                    for key in await client.keys("gateway:*"):
                        line.delete(key)
                        line.rpush(key, "no", "value")
                    await line.execute()
                await asyncio.sleep(0.1)

    async def tell(self, name: str, value: str) -> None:
        """CONFIG SET."""
        async with self.hand() as client:
            await client.config_set(name, value)

    async def follow(self, host: str, port: str) -> None:
        """REPLICAOF: a replica that only reads, or one no more."""
        async with self.hand() as client:
            await client.replicaof(host, port)


ROWS: Final = (
    Ill("well, to compare with", Redis.nothing, Redis.nothing),
    Ill("C2 dead: SHUTDOWN NOSAVE", Redis.die, Redis.rise),
    Ill("C3 emptied: FLUSHALL again and again", Redis.empty, Redis.nothing),
    Ill("C4 stands still: CLIENT PAUSE", Redis.pause, Redis.again),
    Ill("C4 slow: 20 ms an answer", lambda it: it.slow(0.02), Redis.heal),
    Ill("C4 slow: 500 ms an answer", lambda it: it.slow(0.5), Redis.heal),
    Ill("C4 swallowed by the network", Redis.swallow, Redis.heal),
    Ill("C5 poisoned", Redis.poison, Redis.nothing),
    Ill("C7 read-only", lambda it: it.follow("127.0.0.1", "1"), lambda it: it.follow("NO", "ONE")),
    Ill("C7 out of memory", lambda it: it.tell("maxmemory", "1"), lambda it: it.tell("maxmemory", "0")),
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What callers saw in a row, and when it was."""

    name: str
    began: float
    ended: float
    orders: int
    requests: int
    failed: list[str]
    times: list[float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="", help="only rows whose name begins so")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as folder:
        path = Path(folder)
        path.chmod(0o755)  # Valkey runs as another user
        server = ValkeyServer(path / "valkey")
        waits = path / "waits.json"
        rows = [row for row in ROWS if row.name.startswith(chosen.rows)]
        tiers = [f"tier{n}" for n in range((len(rows) + 1) * LISTS)]
        lines = "tiers:\n" + "".join(f"  {tier}: {{percent: {n / 100}}}\n" for n, tier in enumerate(tiers))
        with FaultProxy(server.port) as proxy:
            ill = Redis(server, proxy)
            proxy.refuse()  # row C1
            house = House(
                path,
                None,
                program="bench.watched",
                lines=lines,
                more={
                    "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
                    "GATEWAY_WRONG_KEYS_PER_MINUTE": "1000000",
                    "BENCH_WAITS": str(waits),
                },
            )
            try:
                keys = asyncio.run(readers(path, tiers))
                found = asyncio.run(measure(house, ill, rows, keys=keys))
            finally:
                house.close()
        server.stop()
        print(table(found, json.loads(waits.read_text("utf-8"))))


async def readers(folder: Path, tiers: Sequence[str]) -> list[str]:
    """The keys of new users, one of each tier: the commands would take a second for each."""
    store = open_store(f"sqlite:///{folder}/gateway.db")
    await store.open()
    secret, now, keys = kept_secret(folder / "key.secret"), time.time_ns() // 1_000_000, []
    for tier in tiers:
        key = make_key(os.urandom(RANDOM_BYTES))
        stored = NewKey(hash=hash_key(key, secret), prefix=shown_part(key))
        await store.run(partial(create_user, tier, "USD", Choices(tier=tier), actor="bench", now=now))
        await store.run(partial(create_key, tier, stored, actor="bench", now=now))
        keys.append(key)
    await store.close()
    return keys


async def measure(house: House, ill: Redis, rows: Sequence[Ill], *, keys: Sequence[str]) -> list[Row]:
    """C1, which the gateway was started in, then each row, well again between them."""
    first = Ill("C1 away at the start", Redis.nothing, Redis.heal)
    found: list[Row] = []
    for number, row in enumerate([first, *rows]):
        found.append(await one(house, ill, row, lists=keys[number * LISTS : (number + 1) * LISTS]))
        print(f"{row.name}: done", flush=True)
        await well(house)
    return found


async def well(house: House) -> None:
    """Ask, as callers do, until the gateway uses its Redis again: up to half a minute, and it says so on /ready."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    seen = Seen()
    for _ in range(600):
        await seen.ask(reader, writer, form("gw_nobody", action="balance"))
        if "Redis" not in await asyncio.to_thread(house.get, "/ready"):
            writer.close()
            return
        await asyncio.sleep(0.2)
    raise RuntimeError("the gateway does not use its Redis again")


async def one(house: House, ill: Redis, row: Ill, *, lists: Sequence[str]) -> Row:
    """Callers come and go for a row's time; what is done to Redis is done in the middle of it."""
    began = time.monotonic()
    until = began + SECONDS
    seen = Seen()
    callers = [seen.call(house, action, until) for action, count in CALLERS.items() for _ in range(count)]

    async def operator() -> None:
        await asyncio.sleep(BEFORE)
        await row.fault(ill)

    await asyncio.gather(*callers, seen.lists(house, lists), operator())
    ended = time.monotonic()
    await row.mend(ill)
    return Row(
        name=row.name,
        began=began,
        ended=ended,
        orders=seen.orders,
        requests=len(seen.times),
        failed=seen.failed,
        times=sorted(seen.times),
    )


class Seen:
    """What the callers of a row saw."""

    def __init__(self) -> None:
        self.orders = 0
        self.failed: list[str] = []
        self.times: list[float] = []
        self._last = 100_000

    async def call(self, house: House, action: str, until: float) -> None:
        """One caller, over and over."""
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        turn = 0
        while time.monotonic() < until:
            turn += 1
            match action:
                case "add":
                    link = f"https://social.example/{id(reader)}/{turn}"
                    sent = form(house.key, action="add", service="1001", link=link, quantity="100")
                    body = await self.ask(reader, writer, sent)
                    good = body.startswith(b'{"order"')
                    self.orders += good
                case "balance":
                    body = await self.ask(reader, writer, form(house.key, action="balance"))
                    good = body.startswith(b'{"balance"')
                case _:
                    body = await self.ask(reader, writer, form(f"gw_nobody{turn}", action="balance"))
                    good = body == b'{"error":"Invalid API key"}'
            if not good:
                self.failed.append(f"{action}: {body[:100]!r}")
            await asyncio.sleep(PAUSE)
        writer.close()

    async def lists(self, house: House, keys: Sequence[str]) -> None:
        """Users who ask for lists nobody has asked for, one after the other over the time of the row."""
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port, limit=16 * 1024 * 1024)
        for key in keys:
            await asyncio.sleep(SECONDS / (len(keys) + 1))
            body = await self.ask(reader, writer, form(key, "Accept-Encoding: gzip\r\n", action="services"))
            if not body.startswith(b"\x1f\x8b"):
                self.failed.append(f"services: {body[:100]!r}")
        writer.close()

    async def ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> bytes:
        """What a request is answered; how long that took is noted."""
        began = time.perf_counter()
        writer.write(sent)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        self.times.append(time.perf_counter() - began)
        return body


def table(rows: Sequence[Row], waits: Sequence[tuple[float, str, float]]) -> str:
    """The table of docs/reliability.md; milliseconds."""
    lines = [
        f"load of the machine {os.getloadavg()[0]:.0f}",
        "",
        "| row | requests | orders | failed | asked Redis | over 5 ms | longest | all waits | median | p99 |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        own = [seconds * 1000 for at, _, seconds in waits if row.began + BEFORE <= at <= row.ended]
        cells = (
            *(row.requests, row.orders, len(row.failed), len(own), sum(each > 5 for each in own)),
            f"{max(own, default=0):.0f}",
            f"{sum(own):.0f}",
            f"{statistics.median(row.times) * 1000:.1f}",
            f"{row.times[len(row.times) * 99 // 100] * 1000:.0f}",
        )
        lines.append(f"| {row.name} | {' | '.join(map(str, cells))} |")
        lines += [f"failed in {row.name}: {each}" for each in row.failed[:3]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
