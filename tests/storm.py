"""A storm of calls that are cancelled and run out of time: python -m tests.storm [--calls N] (make storm).

Reads on kept-alive connections, orders and cancels on fresh ones, against a panel on loopback that is slow or silent;
each call is cancelled at a moment of chance, or left to its deadline. Afterwards every slot has to be usable, and no
task and no socket left: httpx's pool is known to lose slots for ever when a call is cancelled (DESIGN.md section 10).
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

import msgspec

from gateway.core.messages import BalanceReply, BalanceRequest, CancelRequest
from gateway.core.outcome import Accepted
from gateway.providers.client import READS_MAX
from gateway.providers.said import Answered
from gateway.providers.upstream import Timeouts
from tests.providers.clients import BALANCE, NOW, ORDER, Client, yes
from tests.providers.misdeeds import GOOD, Line, misdoer

CALLS = 10_000
CONCURRENCY = 32
TOGETHER = 96  # calls under way at once: three times what the client lets through
SILENT_SHARE = 0.1
THINKS_SECONDS_MAX = 0.02
DEADLINE_SECONDS = 0.3
SETTLE_SECONDS = 60.0
_GOOD_ANSWERS = {b"action=add": GOOD, b"action=balance": BALANCE, b"action=cancel": b'{"success":"ok"}'}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a storm left behind."""

    calls: int
    ends: dict[str, int]  # calls by how they ended
    tasks_left: int
    sockets_left: int
    reads_good: int  # of READS_MAX at once, when it was over
    orders_good: int  # of CONCURRENCY at once
    slots_lost: int
    seconds: float

    @property
    def clean(self) -> bool:
        """Whether nothing was lost."""
        lost = (self.tasks_left, self.sockets_left, self.slots_lost)
        return lost == (0, 0, 0) and (self.reads_good, self.orders_good) == (READS_MAX, CONCURRENCY)


class Weather:
    """The panel: while it storms it is slow and now and then silent, afterwards prompt."""

    def __init__(self, chance: random.Random) -> None:
        self.storming = True
        self._chance = chance

    async def __call__(self, line: Line) -> None:
        """One connection, for as many requests as come."""
        while True:
            await line.read_all()
            if self.storming:
                await asyncio.sleep(self._chance.random() * THINKS_SECONDS_MAX)
                if self._chance.random() < SILENT_SHARE:
                    await asyncio.sleep(60)
            request = line.last
            body = next(answer for asked, answer in _GOOD_ANSWERS.items() if asked in request)
            await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def storm(calls: int, seed: int) -> Report:
    """Run one; what it reports depends on chance in its numbers alone."""
    began = time.monotonic()
    sockets, tasks = _sockets(), len(asyncio.all_tasks())
    chance = random.Random(seed)  # noqa: S311 - chance makes weather here, no secrets
    weather = Weather(chance)
    ends: Counter[str] = Counter()
    async with misdoer(weather) as there:
        times = Timeouts(connect=0.3, write=0.3, total=DEADLINE_SECONDS, total_read=DEADLINE_SECONDS)
        client = Client(there.url, timeouts=times, concurrency=CONCURRENCY, requests_per_second=Decimal(1_000_000))
        room = asyncio.Semaphore(TOGETHER)
        async with asyncio.TaskGroup() as group:
            for _ in range(calls):
                await room.acquire()
                group.create_task(_one(client, chance, ends)).add_done_callback(lambda _: room.release())
        weather.storming = False
        async with asyncio.timeout(SETTLE_SECONDS):  # Reads go on to their own deadline, whoever was cancelled.
            await asyncio.gather(*client._under_way)
        reads = await asyncio.gather(*(client.ask(BalanceRequest()) for _ in range(READS_MAX)))
        orders = await asyncio.gather(*(client.place(ORDER, yes, now=NOW) for _ in range(CONCURRENCY)))
        lost = READS_MAX - client._reads._free + CONCURRENCY - client._orders._free
        await client.aclose()
    await asyncio.sleep(0.05)  # Both ends of a socket have to hear of its end.
    return Report(
        calls=calls,
        ends=dict(ends),
        tasks_left=len(asyncio.all_tasks()) - tasks,
        sockets_left=_sockets() - sockets,
        reads_good=sum(isinstance(said, BalanceReply) for said in reads),
        orders_good=sum(isinstance(said, Answered) and isinstance(said.outcome, Accepted) for said in orders),
        slots_lost=lost,
        seconds=time.monotonic() - began,
    )


async def _one(client: Client, chance: random.Random, ends: Counter[str]) -> None:
    """One call, of any kind, cancelled at any moment or not at all."""
    match chance.randrange(3):
        case 0:
            call: asyncio.Task[object] = asyncio.create_task(client.ask(BalanceRequest()))
        case 1:
            call = asyncio.create_task(client.tell(CancelRequest("5")))
        case _:
            call = asyncio.create_task(client.place(ORDER, yes, now=NOW))
    if chance.random() < 0.2:
        for _ in range(chance.randrange(40)):  # In the first steps of all: before, while and after connecting.
            await asyncio.sleep(0)
        call.cancel()
    elif chance.random() < 0.7:
        await asyncio.wait({call}, timeout=chance.random() * 2 * THINKS_SECONDS_MAX)
        call.cancel()
    await asyncio.wait({call})
    if call.cancelled():
        ends["cancelled"] += 1
    else:
        said = call.result()
        ends[type(said.outcome if isinstance(said, Answered) else said).__name__] += 1


def _sockets() -> int:
    """Open sockets of this process."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += str(entry.readlink()).startswith("socket:")
        except OSError:  # The one that lists the folder is gone by now.
            continue
    return found


def main() -> int:
    """Run one and print what it left; 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    asked = parser.parse_args()
    report = asyncio.run(storm(asked.calls, asked.seed))
    sys.stdout.write(f"seed {asked.seed}  {msgspec.json.format(msgspec.json.encode(report)).decode()}\n")
    sys.stdout.write("clean\n" if report.clean else "LOST SOMETHING\n")
    return int(not report.clean)


if __name__ == "__main__":
    sys.exit(main())
