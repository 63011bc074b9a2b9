"""The engines: many commands in a commit, each on its own, durable, and back again when the database is."""

import asyncio
import itertools
import sqlite3
import subprocess
import sys
from contextlib import closing
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from gateway.store.engine import ConstraintBroken, Query, Refused, SchemaError, Steps, Store, StoreUnavailable
from gateway.store.ids import GAP_MAX, ID_MAX, IdBlock, reserve
from gateway.store.ledger import NotEnoughFunds
from gateway.store.postgres import PostgresStore
from gateway.store.sqlite import SqliteStore
from gateway.store.sqlite_file import connect_file
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user, credit_user, list_users

NOW = 1_700_000_000_000


class No(Refused):
    """A command's own no."""


def advance_then_refuse() -> Steps[None]:
    """Write something, then say no."""
    yield from reserve("c", 1)
    raise No("no")


def fail_ourselves() -> Steps[None]:
    """A mistake in a command."""
    yield from reserve("c", 1)
    raise ZeroDivisionError


def file_number(path: Path) -> int:
    """Which file has that name now."""
    return path.stat().st_ino


async def counter(store: Store) -> int:
    """The next number of the counter."""
    return await store.run(partial(reserve, "c", 1))


async def test_waiting_commands_share_a_commit(store: Store) -> None:
    """Two hundred at once need far fewer commits, and each has its own result."""
    before = store.counts.commits
    numbers = await asyncio.gather(*(counter(store) for _ in range(200)))
    assert len(set(numbers)) == 200
    assert store.counts.commits - before < 100


async def test_refusal_undoes_its_own_command_alone(store: Store) -> None:
    """In one commit with others: they are kept, it is not, and each caller hears its own."""
    first = await counter(store)
    work = [counter(store), store.run(advance_then_refuse), counter(store), store.run(fail_ourselves), counter(store)]
    results = await asyncio.gather(*work, return_exceptions=True)
    assert isinstance(results[1], No)
    assert isinstance(results[3], ZeroDivisionError)
    assert await counter(store) == first + 4


async def test_broken_constraint_is_its_own_callers(store: Store) -> None:
    """The database's no, in our words; the neighbours go on."""
    await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW))

    def twice() -> Steps[None]:
        yield Query("account_open_user", {"code": "user:1:avail", "user_id": 1, "currency": "USD"})

    results = await asyncio.gather(counter(store), store.run(twice), counter(store), return_exceptions=True)
    assert isinstance(results[1], ConstraintBroken)
    assert results[2] == results[0] + 1  # type: ignore[operator] # both are numbers


async def test_money_for_ten_is_spent_ten_times(store: Store) -> None:
    """Eighty racers on one balance."""
    await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW))
    await store.run(partial(credit_user, "alpha", 1000, reference="r", actor="test", now=NOW))
    racing = (
        store.run(partial(credit_user, "alpha", -100, reference=f"take-{n}", actor="test", now=NOW)) for n in range(80)
    )
    results = await asyncio.gather(*racing, return_exceptions=True)
    assert results.count(True) == 10
    assert sum(isinstance(each, NotEnoughFunds) for each in results) == 70
    (listed,) = await store.read(partial(list_users, "alpha"))
    assert listed.avail == 0


async def test_two_processes_share_the_books(store: Store, database_url: str) -> None:
    """Each with its own writer; no number twice, none lost."""
    other = open_store(database_url)
    await other.open()
    await other.migrate()
    numbers = await asyncio.gather(*(counter(each) for _ in range(60) for each in (store, other)))
    assert len(set(numbers)) == 120
    assert max(numbers) - min(numbers) == 119
    await other.close()


async def test_ids_are_small_apart_and_never_shared(store: Store) -> None:
    """Gaps of 1 to 20, below 2^31, and another process has others."""
    gaps = iter([1, GAP_MAX] * 10_000)
    one, other = IdBlock(store, lambda: next(gaps)), IdBlock(store, lambda: 7)
    mine = [await one.take() for _ in range(300)]
    yours = [await other.take() for _ in range(300)]
    assert not set(mine) & set(yours)
    assert all(b - a > 0 for a, b in itertools.pairwise(mine))
    assert max(*mine, *yours) <= ID_MAX


async def test_closed_store_says_so(store: Store) -> None:
    """And does not wait for ever."""
    await store.close()
    with pytest.raises(StoreUnavailable):
        await counter(store)


async def test_migrating_again_does_nothing(store: Store) -> None:
    """And a database of a newer program is refused."""
    assert await store.migrate() == 0


async def test_newer_database_is_refused(database_url: str) -> None:
    """An old program must not take unknown states for ended ones."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    await store.close()
    sql = "INSERT INTO schema_migrations(number, name, checksum, applied_at) VALUES(999, 'later', 'x', 1)"
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as books:
            books.execute(sql)
            books.commit()
    else:
        connection = await asyncpg.connect(database_url)
        await connection.execute(sql)
        await connection.close()
    again = open_store(database_url)
    await again.open()
    with pytest.raises(SchemaError):
        await again.migrate()
    await again.close()


async def test_lost_connections_are_made_anew(postgres_dsn: str) -> None:
    """Every backend is killed under us; the next commands work, none is done twice."""
    store = PostgresStore(postgres_dsn)
    await store.open()
    await store.migrate()
    first = await counter(store)
    admin = await asyncpg.connect(postgres_dsn)
    others = "datname = current_database() AND pid <> pg_backend_pid()"
    await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")  # noqa: S608 - ours
    await admin.close()
    assert await counter(store) == first + 1
    assert await store.read(list_users) == ()
    await store.close()


async def test_sqlite_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    """A folder in its place, a file where its folder should be, a file that is no database."""
    (tmp_path / "file").write_text("not a database, but long enough to look like the beginning of one")
    for path in (tmp_path, tmp_path / "file" / "books.db", tmp_path / "file"):
        with pytest.raises(StoreUnavailable):
            await SqliteStore(path).open()


async def test_other_processes_leave_the_log_in_use_alone(tmp_path: Path) -> None:
    """A command line that opens and closes the file is not the last on it, whatever this process has opened before.

    The store's own opening, migrating and reopening must not drop its locks: the log would be removed while in use,
    and every commit from then on with it.
    """
    path = tmp_path / "books.db"
    store = SqliteStore(path)
    await store.open()
    await store.migrate()
    last = await counter(store)
    visit = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print(c.execute('SELECT * FROM counters').fetchall())"
    )
    log = Path(f"{path}-wal")
    before = file_number(log)
    for _ in range(2):
        ran = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", visit, str(path)], check=True)
        assert ran.returncode == 0
        last = await counter(store)
    assert file_number(log) == before
    with closing(sqlite3.connect(path)) as books:
        assert books.execute("SELECT value FROM counters WHERE name = 'c'").fetchone() == (last + 1,)
    await store.close()


def test_sqlite_is_durable(tmp_path: Path) -> None:
    """WAL, and a commit is on the disk before it is told (synchronous = FULL)."""
    with closing(connect_file(tmp_path / "books.db", read_only=False)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert connection.execute("PRAGMA foreign_keys").fetchone()[0] == 1


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://books.db", "sqlite:///", "postgresql://host"])
def test_address_that_is_none_is_told(url: str) -> None:
    """With the form it should have."""
    with pytest.raises(Exception, match=r"sqlite://|postgresql://"):
        open_store(url)
