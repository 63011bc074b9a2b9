"""Measure holding, arming and deciding of orders in the books: python -m bench.orders [--rounds N] [--orders N]."""

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.attempt import Attempt
from gateway.core.outcome import Accepted
from gateway.store.attempts import Verdict, arm, decide
from gateway.store.engine import Store
from gateway.store.orders import place
from gateway.store.store import open_store
from tests.servers import PostgresServer
from tests.store.trade import ME, NOW, make_new_order, make_user

CONCURRENCIES: Final = (1, 32, 256)
USERS: Final = 16
# PERFORMANCE.md's figures at 1, 32 and 256 at once: two commands an order, four statements each, by a prototype.
GOALS: Final = {"sqlite": (721, 12_636, 30_868), "postgresql": (624, 6_073, 16_595)}
# What was done, beside the seconds: it is the same on any machine.
WORK: Final = ("statements", "savepoints", "round trips", "commits")


class Measured(msgspec.Struct, frozen=True):
    """One round at one concurrency."""

    per_second: float
    cpu_us: float  # of this process, an order: on PostgreSQL the server's is not in it
    statements: float  # an order
    savepoints: float
    round_trips: float  # to PostgreSQL
    commits: float


class Bench:
    """Books with users, and orders that come one after the other or many at once."""

    def __init__(self, store: Store, users: Sequence[int]) -> None:
        self.store = store
        self.users = users
        self.numbers = count(100_001)

    async def round(self, orders: int, at_once: int) -> Measured:
        """So many orders from hold to capture, `at_once` of them in hand."""
        left = iter(range(orders))
        gc.collect()
        counts = self.store.counts
        before = (counts.statements, counts.savepoints, counts.round_trips, counts.commits)
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(self._work(left) for _ in range(at_once)))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        after = (counts.statements, counts.savepoints, counts.round_trips, counts.commits)
        work = ((now - then) / orders for then, now in zip(before, after, strict=True))
        return Measured(orders / seconds, cpu / orders * 1e6, *work)

    async def _work(self, left: Iterator[int]) -> None:
        for _ in left:  # One iterator that all workers share.
            await self._order(next(self.numbers))

    async def _order(self, number: int) -> None:
        """Held, armed, accepted: what an `add` writes, without what it says to a panel."""
        new = make_new_order(self.users[number % USERS], number, charge=1)
        placed = await self.store.run(partial(place, new, now=NOW))
        attempt = placed.attempt
        assert isinstance(attempt, Attempt)
        assert await self.store.run(partial(arm, attempt, now=NOW, mark=str(number)))
        verdict = Verdict(outcome=Accepted(str(number)), go_on=False, failure="", owner=ME, poll_at=NOW)
        await self.store.run(partial(decide, attempt, verdict, now=NOW))


async def measure(url: str, rounds: int, orders: int) -> dict[int, list[Measured]]:
    """Interleaved rounds, so that a noisy minute spoils no concurrency alone."""
    store = open_store(url)
    await store.open()
    await store.migrate()
    users = [(await make_user(store, f"user-{n}", money=10**9)).id for n in range(USERS)]
    bench = Bench(store, users)
    found: dict[int, list[Measured]] = {at_once: [] for at_once in CONCURRENCIES}
    for _ in range(rounds):
        for at_once in CONCURRENCIES:
            found[at_once].append(await bench.round(orders // 8 if at_once == 1 else orders, at_once))
    await store.close()
    return found


def main() -> None:
    """Measure both databases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--orders", type=int, default=2_000)
    chosen = parser.parse_args()
    columns = ("database", "at once", "orders/s", "× the prototype's", "CPU µs", *WORK)
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as name:
        folder = Path(name)
        server = PostgresServer(folder)
        try:
            for kind, url in (
                ("sqlite", f"sqlite:///{folder}/gateway.db"),
                ("postgresql", server.create_database()),
            ):
                found = asyncio.run(measure(url, chosen.rounds, chosen.orders))
                for at_once, goal in zip(CONCURRENCIES, GOALS[kind], strict=True):
                    print(_row(kind, at_once, goal, rows=found[at_once]), flush=True)
        finally:
            server.stop()


def _row(kind: str, at_once: int, goal: int, *, rows: Sequence[Measured]) -> str:
    rate = statistics.median(row.per_second for row in rows)
    cells = (
        kind,
        at_once,
        f"{rate:.0f}",
        f"{rate / goal:.2f}",
        f"{statistics.median(row.cpu_us for row in rows):.0f}",
        f"{statistics.median(row.statements for row in rows):.1f}",
        f"{statistics.median(row.savepoints for row in rows):.2f}",
        f"{statistics.median(row.round_trips for row in rows):.2f}",
        f"{statistics.median(row.commits for row in rows):.3f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
