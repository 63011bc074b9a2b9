"""Proofs that the servers tests rely on are real, fresh for each test, and say why when they do not start."""

import asyncio
import signal
import socket
import sqlite3
import sys
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio

from tests.servers import Program, ServerFailed, ValkeyServer, _on_free_port, _wheel_folder, free_port


async def test_postgres_runs_statements_and_syncs_to_disk(postgres_dsn: str) -> None:
    """The server is a PostgreSQL that keeps what it acknowledged, as in production."""
    connection = await asyncpg.connect(postgres_dsn)
    try:
        await connection.execute("CREATE TABLE books (amount bigint CHECK (amount >= 0))")
        await connection.execute("INSERT INTO books VALUES (42)")
        assert await connection.fetchval("SELECT sum(amount) FROM books") == 42
        assert await connection.fetchval("SHOW fsync") == "on"
        assert await connection.fetchval("SHOW synchronous_commit") == "on"
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("INSERT INTO books VALUES (-1)")
    finally:
        await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_each_test_has_a_database_of_its_own(postgres_dsn: str, turn: int) -> None:
    """What one test wrote, the next does not see."""
    connection = await asyncpg.connect(postgres_dsn)
    try:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert await connection.fetchval(tables) == 0, f"turn {turn} found tables"
        await connection.execute("CREATE TABLE left_behind (id int)")
    finally:
        await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_valkey_answers_and_starts_each_test_empty(redis_url: str, turn: int) -> None:
    """The server speaks Redis, and what one test put there the next does not find."""
    client = redis.asyncio.from_url(redis_url)
    try:
        assert await client.dbsize() == 0, f"turn {turn} found keys"
        await client.set("kept", b"bytes")
        assert await client.get("kept") == b"bytes"
    finally:
        await client.aclose()


def test_database_url_names_a_database_that_opens(database_url: str, database_kind: str) -> None:
    """The address fits the database this run is on, and the database is empty."""
    scheme, _, rest = database_url.partition("://")
    assert scheme == database_kind
    if scheme == "sqlite":
        assert not Path(rest).exists()
        with sqlite3.connect(rest) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        connection.close()
    else:
        assert asyncio.run(_tables(database_url)) == 0


async def _tables(address: str) -> int:
    connection = await asyncpg.connect(address)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        return count
    finally:
        await connection.close()


def test_free_port_can_be_listened_on() -> None:
    """The port is free, and is none of the well-known ones."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        assert listener.getsockname()[1] > 1023


def test_failed_start_shows_the_end_of_the_servers_log(tmp_path: Path) -> None:
    """A server that ends at once is not waited for, and its last words are in the error."""
    script = "import sys; print('no room on this disk'); sys.exit(3)"
    with pytest.raises(ServerFailed, match=r"(?s)exit code 3.*no room on this disk"):
        Program([sys.executable, "-c", script], tmp_path / "log").wait_until(lambda: False)


def test_server_that_never_answers_is_ended_and_reported(tmp_path: Path) -> None:
    """The wait is bounded, and nothing keeps running after it."""
    program = Program([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log")
    with pytest.raises(ServerFailed, match=r"not ready after 0\.1 seconds"):
        program.wait_until(lambda: False, seconds=0.1)
    assert program.process.returncode == -signal.SIGKILL


def test_lost_port_is_tried_again_and_other_failures_are_not() -> None:
    """Only a port that somebody took in between is worth another start."""
    asked: list[int] = []

    def start(port: int) -> Program:
        asked.append(port)
        raise ServerFailed("Address already in use" if len(asked) < 3 else "disk full")

    with pytest.raises(ServerFailed, match="disk full"):
        _on_free_port(start)
    assert len(asked) == 3


def test_missing_wheel_says_what_to_run() -> None:
    """A test machine without the wheel is told how to get it."""
    with pytest.raises(ServerFailed, match=r"\./setup\.sh dev"):
        _wheel_folder("no_such_package_here", "bin")


def test_stopped_server_is_gone(tmp_path: Path) -> None:
    """After stop() nobody listens on the port, and a flush says so."""
    server = ValkeyServer(tmp_path)
    server.stop()
    with pytest.raises(ServerFailed, match="FLUSHALL"):
        server.flush()
