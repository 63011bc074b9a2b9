"""A verdict that meets books that are away outlives the kill of the process that knew it: real ones."""

import asyncio
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import asyncpg

from gateway.core.keys import RANDOM_BYTES, hash_key, make_key, shown_part
from gateway.store.keys import NewKey, create_key
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user, credit_user
from tests.gateway_process import Caller, house_file
from tests.panel_process import simulated_panel
from tests.store.trade import NOW, ask
from tests.world import LINK, balance, status_of, until

_SECRET = "00" * 16
_KEY = make_key(b"a" * RANDOM_BYTES)


class Served:
    """A gateway as a program of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.call = Caller(f"{url}/api/v2", _KEY)

    async def kill(self) -> None:
        """End it as a power cut would."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
        await self.process.wait()


@asynccontextmanager
async def served(folder: Path, database_url: str) -> AsyncIterator[Served]:
    """A gateway that is started here, and killed at the end."""
    environ = {
        **os.environ,
        "GATEWAY_CONFIG": str(folder / "providers.yaml"), "GATEWAY_DATA_DIR": str(folder / "data"),
        "GATEWAY_DATABASE_URL": database_url, "GATEWAY_KEY_SECRET": _SECRET, "GATEWAY_PORT": "0",
        "GATEWAY_METRICS_PORT": "0", "GATEWAY_ANSWER_WITHIN": "0.2", "GATEWAY_LOG_LEVEL": "error",
        "GATEWAY_LOG_FORMAT": "console",
        "PANEL_A_KEY": "panel-a-key", "PANEL_B_KEY": "panel-b-key",
    }  # fmt: skip
    command = [sys.executable, "-m", "gateway", "serve"]
    process = await asyncio.create_subprocess_exec(
        *command, env=environ, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    told = (await process.stderr.readline()).decode()
    found = re.search(r"users: (http://\S+)/api/v2", told)
    assert found is not None, told
    running = Served(process, found[1])
    draining = asyncio.create_task(process.stderr.read())
    try:
        yield running
    finally:
        await running.call.http.aclose()
        await running.kill()
        await draining


async def make_alpha(database_url: str) -> None:
    """A user with a key and 100 USD."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    stored = NewKey(hash=hash_key(_KEY, bytes.fromhex(_SECRET)), prefix=shown_part(_KEY))
    await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW))
    await store.run(partial(create_key, "alpha", stored, actor="test", now=NOW))
    await store.run(partial(credit_user, "alpha", 100 * 10**8, reference="first", actor="test", now=NOW))
    await store.close()


@contextmanager
def locked_file(path: str) -> Iterator[None]:
    """Somebody else's transaction on the books, of the kind that lets nobody else write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as books:
        books.execute("BEGIN IMMEDIATE")
        yield
        books.execute("ROLLBACK")


@asynccontextmanager
async def closed_to_all(database_url: str) -> AsyncIterator[None]:
    """A database that ends every connection and takes no new one."""
    server, _, name = database_url.rpartition("/")
    admin = await asyncpg.connect(f"{server}/postgres")
    try:
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        yield
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    finally:
        await admin.close()


@asynccontextmanager
async def away(database_url: str) -> AsyncIterator[None]:
    """Books that cannot be written: locked by another, or a server that turns everybody away."""
    if database_url.startswith("sqlite"):
        with locked_file(database_url.removeprefix("sqlite:///")):
            yield
    else:
        async with closed_to_all(database_url):
            yield


async def test_verdict_that_met_books_that_were_away_outlives_a_kill(database_url: str, tmp_path: Path) -> None:
    """The panel has said yes, the books are away, the process is killed: the next one knows the panel's word.

    The panel heard of the order once, the charge moved once, and the file is gone.
    """
    await make_alpha(database_url)
    spool = tmp_path / "data" / "spool"
    async with simulated_panel(tmp_path, "panel-a") as a:
        (tmp_path / "providers.yaml").write_text(house_file(a=a.url, total="10"))

        async def sold() -> bool:
            return "error" not in await running.call("services")

        async def heard() -> bool:
            return a.heard("add") == 1

        async def spooled() -> bool:
            return any(file.stat().st_size for file in spool.glob("*.spool"))

        async with served(tmp_path, database_url) as running:
            await until(sold)
            a.switch("latency", "1000", action="add")
            order = (await running.call("add", service="1", link=LINK, quantity="100"))["order"]
            await until(heard)
            async with away(database_url):
                await until(spooled, seconds=60)
                await running.kill()
        async with served(tmp_path, database_url) as running:
            await status_of(running.call, order, "Completed")
            assert await balance(running.call) == Decimal("99.865")
        assert (a.heard("add"), len(a.links())) == (1, 1)
    assert list(spool.glob("*")) == []
    rows = await ask(database_url, "SELECT state, evidence FROM attempts")
    assert [state for state, _ in rows] == ["accepted"]
    assert '"status":200' in rows[0][1]
