"""The line to PostgreSQL: what a URL may say, which servers are refused, and what every session is told."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

import asyncpg
import pytest

from gateway.store.engine import StoreError, StoreUnavailable
from gateway.store.ids import reserve
from gateway.store.postgres import PostgresStore
from gateway.store.postgres_line import FOREIGN, LIMITS, Session, connect, end_session, read_line
from tests.servers import PostgresServer


@pytest.fixture
async def admin(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody who may change the database's settings."""
    connection = await asyncpg.connect(postgres_dsn)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL that only this file uses, to be started in ways that harm others."""
    server = PostgresServer(tmp_path_factory.mktemp("own-postgres"))
    yield server
    server.stop()


def test_url_is_the_drivers_without_our_words() -> None:
    """What is ours is taken out, what is not stays; nothing said is no pooler and four readers."""
    line = read_line("postgresql://u:p@h:1/d?sslmode=require&pgbouncer=transaction&readers=2")
    assert (line.url, line.pooled, line.readers) == ("postgresql://u:p@h:1/d?sslmode=require", True, 2)
    plain = read_line("postgresql://u:p@h:1/d")
    assert (plain.url, plain.pooled, plain.readers) == ("postgresql://u:p@h:1/d", False, 4)


@pytest.mark.parametrize("bad", ["pgbouncer=session", "pgbouncer=", "readers=0", "readers=65", "readers=x", "readers="])
def test_url_that_says_something_else_is_told(bad: str) -> None:
    """At the start, not at the first order."""
    with pytest.raises(StoreError, match=bad.partition("=")[0]):
        read_line(f"postgresql://h/d?{bad}")


async def test_every_session_has_its_limits(postgres_dsn: str) -> None:
    """2 s for a lock, 5 s for a statement, 10 s for a forgotten transaction, and a dead peer is noticed."""
    connection, _ = await connect(read_line(postgres_dsn))
    told = [await connection.fetchval(f"SHOW {name}") for name in (*LIMITS, "tcp_keepalives_idle")]
    await connection.close()
    assert told == ["2s", "5s", "10s", "15"]


async def refused(url: str, why: str) -> None:
    """A store does not open on it, and says why."""
    store = PostgresStore(url)
    with pytest.raises(StoreUnavailable, match=why):
        await store.open()
    with pytest.raises(StoreUnavailable, match=why):
        await store.migrate()


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER DATABASE {name} SET synchronous_commit = off",
        "ALTER ROLE gateway IN DATABASE {name} SET synchronous_commit = 'local'",
        "ALTER DATABASE {name} SET synchronous_commit = remote_write",
    ],
)
async def test_commit_that_is_not_durable_for_this_role_or_database_is_refused(
    admin: asyncpg.Connection, postgres_dsn: str, statement: str
) -> None:
    """What counts is what our own session has, whatever postgresql.conf says."""
    await admin.execute(statement.format(name=postgres_dsn.rpartition("/")[2]))
    await refused(postgres_dsn, "synchronous_commit=.*could be lost")


async def test_commit_that_is_not_durable_by_the_url_is_refused(postgres_dsn: str) -> None:
    """The driver hands `options` to the server."""
    await refused(postgres_dsn + "?options=-csynchronous_commit%3Doff", "synchronous_commit=off")


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
async def test_server_that_does_not_care_for_its_disk_is_refused(own_server: PostgresServer, setting: str) -> None:
    """Also when a server that was good comes back so: the writer's next line is refused as the first one is."""
    url = own_server.create_database()
    store = PostgresStore(url)
    await store.open()
    await store.migrate()
    own_server.restart({setting: "off"})
    await refused(url, f"{setting}=off.*could be lost")
    with pytest.raises(StoreUnavailable, match=f"{setting}=off"):
        await store.run(partial(reserve, "c", 1))
    assert setting in store.trouble
    await store.close()
    own_server.restart()


async def test_standby_is_refused(own_server: PostgresServer) -> None:
    """It would take no order; after a failover the URL has to name the new primary."""
    url = own_server.create_database()
    own_server.stop()
    signal = own_server.data / "standby.signal"
    signal.touch()
    own_server.start()
    await refused(url, "standby")
    own_server.stop()
    signal.unlink()
    own_server.start()
    store = PostgresStore(url)
    await store.open()
    await store.close()


async def test_session_whose_line_was_lost_is_ended_and_no_other(postgres_dsn: str) -> None:
    """Its locks come free at once; one that only has its number now is left alone."""
    line = read_line(postgres_dsn)
    lost, was = await connect(line)
    other, its = await connect(line)
    await end_session(other, Session(was.pid, its.since))
    assert await lost.fetchval("SELECT 1") == 1
    await end_session(other, was)
    # Which of the driver's errors depends on whether it has read the server's last word yet.
    with pytest.raises(FOREIGN):
        await lost.fetchval("SELECT 1")
    lost.terminate()
    assert await other.fetchval("SELECT 1") == 1
    await other.close()
