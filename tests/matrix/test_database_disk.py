"""Rows D4, D5, D6 and D10: a disk that is full, fails, or is slow, and side files of SQLite that are cut or gone."""

import asyncio
import resource
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import asyncpg
import httpx
import pytest

from gateway.store.engine import StoreUnavailable
from gateway.store.sqlite import SqliteStore
from tests.gateway_process import CREDIT, Caller
from tests.matrix.moments import A1, A5, A9, after_commit_of, always, at, before_commit_of
from tests.matrix.served import served
from tests.matrix.trial import CHARGE, Trial
from tests.servers import PostgresServer
from tests.sound import broken_invariants
from tests.world import balance, until

LINK: Final = "https://social.example/k"
NO_LIMIT: Final = resource.RLIM_INFINITY


async def asked(call: Caller, link: str) -> int:
    """The HTTP status an add is answered with."""
    fields = {"key": call.key, "action": "add", "service": "1", "link": link, "quantity": "100"}
    return (await call.post(fields)).status_code


def may_write(pid: int, most: int) -> None:
    """Let no file that a process writes grow beyond so many bytes: the next write fails, as on a full disk."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, NO_LIMIT))


async def test_d4_full_disk_under_sqlite_refuses_adds_and_answers_reads(small_trial: Trial) -> None:
    """The log cannot grow: 503, nothing half done, reads go on; with room again all is well, without a restart."""
    trial = small_trial
    async with trial.gateway() as house:
        key = (await house.user()).key
    async with served(trial.environ(), trial.folder) as running:
        await running.ready()
        call = running.caller(key)
        assert "order" in await trial.add(call, LINK + "before")
        had = await balance(call)
        with closing(sqlite3.connect(trial.folder / "gateway.db")) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT COUNT(*) FROM orders").fetchone()  # The log cannot begin anew while this reads.
            may_write(running.process.pid, (trial.folder / "gateway.db-wal").stat().st_size)
            heard = trial.heard()
            assert [await asked(call, f"{LINK}{n}") for n in range(3)] == [503] * 3
            assert await balance(call) == had
            assert len(await call("services")) == 2
            assert trial.heard() == heard
        may_write(running.process.pid, NO_LIMIT)

        async def again() -> bool:
            return await asked(call, LINK + "after") == 200

        await until(again)
        assert had - await balance(call) == Decimal(CHARGE) / 10**8
    assert await trial.judge() == {LINK + "before": "completed", LINK + "after": "completed"}


async def test_d4_full_disk_under_postgresql_refuses_adds_and_answers_reads(own_trial: Trial) -> None:
    """A table cannot grow: the same."""
    trial = own_trial
    async with trial.gateway() as house:
        call = await house.user()
        # Small rows, so that no page has room for one of ours.
        filler = "INSERT INTO events(kind, actor, created_at) SELECT '', '', 1 FROM generate_series(1, 20000)"
        await trial.rows(filler)
        for row in await trial.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'gateway'"):
            may_write(row["pid"], 2**20)
        placed = 0
        while await asked(call, f"{LINK}{placed}") == 200:
            placed += 1
            assert placed < 60, "the disk was never full"
        had = await balance(call)
        await asyncio.sleep(0.5)
        heard = trial.heard()
        assert [await asked(call, f"{LINK}full-{n}") for n in range(3)] == [503] * 3
        assert await balance(call) == had == Decimal(CREDIT - placed * CHARGE) / 10**8
        assert trial.heard() == heard
        for row in await trial.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'gateway'"):
            may_write(row["pid"], NO_LIMIT)
        assert await asked(call, LINK + "after") == 200
    states = await trial.judge()
    assert (len(states), set(states.values())) == (placed + 1, {"completed"})


async def test_d4_no_room_for_postgresqls_own_log_ends_it_and_loses_nothing(
    own_trial: Trial, own_postgres: PostgresServer
) -> None:
    """The server panics and cannot come back: 503 and no byte to a panel. With room and a start of it all is well."""
    trial = own_trial
    async with trial.gateway(trial.settings(answer_within="0.5")) as house:
        call = await house.user()
        await trial.add(call, LINK + "before")
        for pid in own_postgres.pids():
            may_write(pid, 2**19)  # a piece of its log is a megabyte, written whole before it is used
        await until(lambda: log_is_full(trial), seconds=30)
        heard = trial.heard()
        assert [await asked(call, f"{LINK}full-{n}") for n in range(3)] == [503] * 3
        assert trial.heard() == heard
        assert b"PANIC" in own_postgres.said()
        own_postgres.stop(immediate=True)
        own_postgres.start()

        async def again() -> bool:
            return await asked(call, LINK + "after") == 200

        await until(again, seconds=30)
    states = await trial.judge()
    assert states == {LINK + "before": "completed", LINK + "after": "completed"}


async def log_is_full(trial: Trial) -> bool:
    """Fill another piece of the server's log; whether it is gone."""
    try:
        await trial.rows("SELECT pg_switch_wal(), txid_current()")
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return True
    return False


def fails() -> None:
    """What SQLite says when the disk does not take a sync."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    raise error


@pytest.mark.parametrize("moment", [before_commit_of, after_commit_of])
async def test_d5_commit_that_fails_once_is_looked_up_and_done_once(
    small_trial: Trial, moment: Callable[..., object]
) -> None:
    """Told as failed, whether it happened or not: the file is opened anew, the commands run again by their keys."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        for step in (A1, A5, A9):
            opened = house.gateway.store.counts.reopened
            with at(moment(step, fails)):  # type: ignore[arg-type] # one of the two makers of moments
                assert "order" in await trial.add(call, LINK + step)
            assert house.gateway.store.counts.reopened > opened
        assert await balance(call) == Decimal(CREDIT - 3 * CHARGE) / 10**8
    assert await trial.judge() == dict.fromkeys([LINK + A1, LINK + A5, LINK + A9], "completed")
    assert trial.heard() == 3


async def test_d5_disk_that_fails_for_ever_stops_orders_not_reads(small_trial: Trial) -> None:
    """Each commit fails: 503, nothing is sent, not ready; the disk is mended, and so are we."""
    trial = small_trial
    async with trial.gateway() as house:
        call = await house.user()
        assert "order" in await trial.add(call, LINK + "before")

        async def ready() -> int:
            async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
                return (await http.get(f"{house.health}/ready")).status_code

        async def unready() -> bool:
            return await ready() == 503

        with always("before", "COMMIT", fails):
            assert [await asked(call, f"{LINK}{n}") for n in range(3)] == [503] * 3
            assert (await call("balance"))["balance"] == "99.865"
            assert trial.heard() == 1
            await until(unready)

        async def again() -> bool:
            return await ready() == 200

        await until(again)
        assert "order" in await trial.add(call, LINK + "after")
    assert await trial.judge() == {LINK + "before": "completed", LINK + "after": "completed"}


async def test_d6_slow_disk_makes_larger_groups_and_no_storm(trial: Trial) -> None:
    """A third of a second a commit (a tenth on PostgreSQL, the most its own delay can be): all answered, few groups."""
    if trial.database_url.startswith("postgres"):
        name = trial.database_url.rpartition("/")[2]
        await trial.rows(f"ALTER DATABASE {name} SET commit_delay = 100000")
        await trial.rows(f"ALTER DATABASE {name} SET commit_siblings = 0")
    slow = partial(time.sleep, 0.3 if trial.database_url.startswith("sqlite") else 0.0)
    async with trial.gateway() as house:
        call = await house.user()
        counts = house.gateway.store.counts
        with always("before", "COMMIT", slow):
            answers = await asyncio.gather(*(trial.add(call, f"{LINK}{n}") for n in range(40)))
        assert all("order" in each for each in answers)
        assert max(counts.batches) >= 10
        assert (counts.repeated, counts.reopened) == (0, 0)
    states = await trial.judge()
    assert (len(states), set(states.values())) == (40, {"completed"})
    assert trial.heard() == 40


def remove(path: Path, suffix: str) -> None:
    """Take a side file away."""
    Path(f"{path}-{suffix}").unlink()


def spoil(path: Path, suffix: str, *, keep: int, junk: bytes = b"") -> None:
    """Keep the beginning of a side file; what stands after it is cut off or, with junk, written over."""
    with Path(f"{path}-{suffix}").open("r+b") as file:
        file.seek(keep)
        file.write(junk)
        if not junk:
            file.truncate()


async def opened(path: Path) -> str:
    """What comes of opening the books: nothing, or why not."""
    store = SqliteStore(path)
    try:
        await store.open()
        await store.migrate()
    except StoreUnavailable as error:
        return str(error)
    await store.close()
    return ""


async def test_d10_killed_process_and_side_files_that_are_cut_or_gone(small_trial: Trial) -> None:
    """After kill -9 the books open whole; without the log, or with half of it, they are refused in words.

    Said to go on all the same, they open as a sound earlier state.
    """
    trial = small_trial
    async with trial.gateway() as house:
        key = (await house.user()).key
    async with served(trial.environ(), trial.folder) as running:
        await running.ready()
        for n in range(5):
            await trial.add(running.caller(key), f"{LINK}{n}")
        running.signal(signal.SIGKILL)
        await running.ended()
    log = (trial.folder / "gateway.db-wal").stat().st_size

    def variant(name: str) -> Path:
        (trial.folder / name).mkdir()
        for file in trial.folder.glob("gateway.db*"):
            shutil.copy(file, trial.folder / name)
        return trial.folder / name / "gateway.db"

    no_index = variant("no-shm")
    remove(no_index, "shm")
    junk_index = variant("junk-shm")
    spoil(junk_index, "shm", keep=0, junk=b"\xff" * 32768)
    for path in (no_index, junk_index):
        assert await opened(path) == ""
        with closing(sqlite3.connect(path)) as books:
            assert books.execute("SELECT COUNT(*) FROM orders").fetchone() == (5,)
    no_log = variant("no-wal")
    remove(no_log, "wal")
    half_log = variant("half-wal")
    spoil(half_log, "wal", keep=log // 2)
    junk_log = variant("junk-wal")
    spoil(junk_log, "wal", keep=log // 2, junk=b"\0" * (log // 4))
    for path in (no_log, half_log, junk_log):
        why = await opened(path)
        assert "was committed" in why, (path, why)
        assert "gateway.db-high" in why
        remove(path, "high")
        assert await opened(path) == ""
        with closing(sqlite3.connect(path)) as books:
            assert books.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert await broken_invariants(f"sqlite:///{path}") == []
    states = await trial.judge()
    assert len(states) == 5
