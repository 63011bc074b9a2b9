"""The commands on events that were given up."""

import asyncio
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from gateway.store.outbox import want_events
from gateway.store.store import open_store
from tests.test_command_line import WHY, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A folder whose books have three events to tell, two of them given up."""
    made = Shell(tmp_path)
    made("user", "create", "nobody-is-told-of")
    path = tmp_path / "data" / "gateway.db"
    asyncio.run(_listen(f"sqlite:///{path}"))
    for name in ("alpha", "beta", "gamma"):
        made("user", "create", name)
    with closing(sqlite3.connect(path, isolation_level=None)) as books:
        books.execute("UPDATE events SET dead_at = 1700000000000, tries = 36, problem = 'HTTP 400' WHERE id IN (2, 3)")
    return made


async def _listen(url: str) -> None:
    store = open_store(url)
    await store.open()
    await store.run(partial(want_events, wanted=True))
    await store.close()


def test_dead_events_are_listed_and_put_back(shell: Shell) -> None:
    """What was given up, why, and how many wait; the command line's own events, of this too, are to be told."""
    told = shell("events", "dead")
    assert "user.created" in told
    assert "HTTP 400" in told
    assert told.endswith("2 given up; 1 waiting to be told\n")
    assert shell("events", "retry", "2", "4", *WHY) == "1 event put back\n"
    assert shell("events", "retry", "--all", *WHY) == "1 event put back\n"
    assert shell("events", "dead") == "0 given up; 5 waiting to be told\n"
    assert "name events by their numbers, or say --all" in shell("events", "retry", *WHY, code=2)
    assert "name events by their numbers, or say --all" in shell("events", "retry", "1", "--all", *WHY, code=2)
