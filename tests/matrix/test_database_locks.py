"""Rows D7, D8 and D9: somebody else's lock, a deadlock, a second process on the SQLite file."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

from gateway.store.engine import Query, Steps
from gateway.store.postgres import PostgresStore
from gateway.store.users import credit_user
from tests.gateway_process import CREDIT
from tests.matrix.holding import Holding
from tests.matrix.trial import CHARGE, Trial
from tests.store.trade import NOW, make_user, money_of
from tests.world import balance

LINK = "https://social.example/l"
# What a caller may wait for somebody's lock: six runs and the pauses between them, on a busy machine.
LOCK_SECONDS = 10.0


async def test_d7_lock_held_elsewhere_ends_in_503_and_harms_nobody_else(postgres_trial: Trial) -> None:
    """A user's row is held: its adds are tried again, then 503, nothing half done; another user's go through."""
    trial = postgres_trial
    async with trial.gateway() as house:
        blocked, free = await house.user("alpha"), await house.user("beta")
        await trial.add(free, LINK + "first")
        with Holding(trial.database_url, "SELECT id FROM accounts WHERE code LIKE 'user:1:%' FOR UPDATE"):
            began = time.monotonic()
            waiting = [
                asyncio.create_task(
                    blocked.post(
                        {"key": blocked.key, "action": "add", "service": "1", "link": f"{LINK}{n}", "quantity": "100"}
                    )
                )
                for n in range(10)
            ]
            for n in range(3):
                at_once = time.monotonic()
                assert "order" in await trial.add(free, f"{LINK}free-{n}")
                # Behind a wait or two of a third of a second, not behind ten of them for each of its commits.
                assert time.monotonic() - at_once < LOCK_SECONDS / 3
            told = await asyncio.gather(*waiting)
            assert {each.status_code for each in told} == {503}
            assert time.monotonic() - began < LOCK_SECONDS
        assert house.gateway.store.counts.conflicts["lock"] >= 10
        assert await balance(blocked) == Decimal(CREDIT) / 10**8
        assert "order" in await trial.add(blocked, LINK + "after")
        assert await balance(blocked) == Decimal(CREDIT - CHARGE) / 10**8
    states = await trial.judge()
    assert len(states) == 5
    assert set(states.values()) == {"completed"}


def crossing(first: int, second: int, number: int) -> Steps[bool]:
    """Lock two accounts one after the other: what no command of ours does unless it is in id order."""
    yield Query("accounts_lock", {"ids": [first]})
    yield Query("accounts_lock", {"ids": [second]})
    return (yield from credit_user("alpha", 1, reference=f"cross-{first}-{number}", actor="test", now=NOW))


async def test_d8_deadlock_is_tried_again_and_counted(postgres_trial: Trial) -> None:
    """Two processes lock two rows crosswise: one of them is rolled back, comes again, and both are done once."""
    postgres_trial.judged = True  # No gateway and no panel here: two stores alone.
    name = postgres_trial.database_url.rpartition("/")[2]
    await postgres_trial.rows(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
    stores = [PostgresStore(postgres_trial.database_url) for _ in range(2)]
    for store in stores:
        await store.open()
    await stores[0].migrate()
    await make_user(stores[0])
    ids = [row["id"] for row in await postgres_trial.rows("SELECT id FROM accounts WHERE enforced = 1 ORDER BY id")]
    crossed = 0
    while not sum(store.counts.conflicts["deadlock"] for store in stores):
        assert crossed < 50, "the two never met"
        crossed += 1
        both = (ids, ids[::-1])
        work = (each.run(partial(crossing, one, two, crossed)) for each, (one, two) in zip(stores, both, strict=True))
        assert await asyncio.gather(*work) == [True, True]
    assert sum(store.counts.repeated for store in stores) <= 5
    assert await money_of(stores[0]) == (1_000 + 2 * crossed, 0)
    for store in stores:
        await store.close()


@asynccontextmanager
async def second_process(path: Path, seconds: float, pauses: int) -> AsyncIterator[None]:
    """A program that writes to the file, again and again, holding the write lock for so long each time."""
    work = (
        "import sqlite3, sys, time\n"
        "books = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"
        "for _ in range(int(sys.argv[3])):\n"
        "    books.execute('BEGIN IMMEDIATE')\n"
        "    books.execute(\"INSERT INTO counters VALUES('second', 1) \"\n"
        '                  "ON CONFLICT(name) DO UPDATE SET value = value + 1")\n'
        "    print('held', flush=True)\n"
        "    time.sleep(float(sys.argv[2]))\n"
        "    books.execute('COMMIT')\n"
        "    time.sleep(0.05)\n"
    )
    command = [sys.executable, "-c", work, str(path), str(seconds), str(pauses)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:  # noqa: ASYNC220 - it takes a millisecond
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
        yield
        await asyncio.to_thread(process.wait)
        assert process.returncode == 0


async def test_d9_second_process_on_the_file_is_waited_for(small_trial: Trial) -> None:
    """A command line or a backup that writes too: adds wait for it, and no snapshot is found stale.

    One that keeps the file for longer than five seconds costs a 503, and nothing is kept of what was refused.
    """
    trial = small_trial
    path = trial.folder / "gateway.db"
    async with trial.gateway() as house:
        call = await house.user()
        async with second_process(path, 0.3, 4):
            for n in range(6):
                assert "order" in await trial.add(call, f"{LINK}{n}")
        spent = await balance(call)
        async with second_process(path, 5.8, 1):
            began = time.monotonic()
            told = await call.post(
                {"key": call.key, "action": "add", "service": "1", "link": LINK + "no", "quantity": "100"}
            )
            # Whoever came first was refused after five seconds; who came during that had the file in the end, or not.
            assert time.monotonic() - began < LOCK_SECONDS
            kept = told.status_code == 200
            assert kept or told.status_code == 503
            waited = [
                each.value
                for metric in house.gateway.metrics.registry.collect()
                for each in metric.samples
                if each.name == "gateway_job_failures_total"
            ]
            assert sum(waited) >= 1 or not kept
            assert (await call("balance"))["balance"] is not None  # Reads go on.
        assert "order" in await trial.add(call, LINK + "after")
        assert spent - await balance(call) == Decimal(CHARGE * (1 + kept)) / 10**8
    states = await trial.judge()
    assert (len(states), set(states.values())) == (7 + kept, {"completed"})
