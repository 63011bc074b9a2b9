"""Row D12: a pooler in transaction mode in between; nothing of ours is left in a session, nothing is missed there."""

import asyncio
from typing import Final

import asyncpg
import pytest

from gateway.store.engine import StoreError
from gateway.store.postgres import PostgresStore
from tests.matrix.trial import Trial
from tests.transaction_pooler import SERVERS, TransactionPooler

LINK: Final = "https://social.example/p"
# What a session of ours could leave behind for the next client of the same server connection.
LEFT: Final = {
    "named statements": "SELECT count(*) FROM pg_prepared_statements",
    "session locks": "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "listeners": "SELECT count(*) FROM pg_listening_channels()",
    "cursors": "SELECT count(*) FROM pg_cursors WHERE name <> ''",
    # The driver itself switches `jit` off while it looks at a type, and back to what it was.
    "settings": "SELECT string_agg(name, ' ') FROM pg_settings WHERE source = 'session' AND setting <> reset_val",
}


def port_of(url: str) -> int:
    """The port in a PostgreSQL URL."""
    return int(url.rpartition(":")[2].partition("/")[0])


async def test_d12_pooler_in_transaction_mode_changes_nothing(postgres_trial: Trial) -> None:
    """Every transaction on another server connection: orders, statuses, lists, migrations, all as without it."""
    trial = postgres_trial
    port, database = port_of(trial.database_url), trial.database_url.rpartition("/")[2]
    async with TransactionPooler(port, database) as pooler:
        url = trial.database_url.replace(f":{port}/", f":{pooler.port}/")
        async with trial.gateway(trial.settings(database_url=url + "?pgbouncer=transaction")) as house:
            call = await house.user()
            answers = await asyncio.gather(*(trial.add(call, f"{LINK}{n}") for n in range(30)))
            assert all("order" in each for each in answers)
            statuses = await asyncio.gather(*(call("status", order=each["order"]) for each in answers))
            assert all("status" in each for each in statuses)
            assert house.gateway.store.counts.repeated == 0
        assert min(pooler.transactions) > 10
        for what, query in LEFT.items():
            for _ in range(SERVERS):
                anybody = await asyncpg.connect(url, statement_cache_size=0)
                assert not await anybody.fetchval(query), what
                await anybody.close()
    states = await trial.judge()
    assert (len(states), set(states.values())) == (30, {"completed"})


async def test_d12_pooler_nobody_told_us_of_is_noticed_at_the_start(postgres_trial: Trial) -> None:
    """Without the word in the URL the start is refused by the pooler, in words, not the tenth order."""
    postgres_trial.judged = True  # No gateway and no panel here: the store alone.
    port, database = port_of(postgres_trial.database_url), postgres_trial.database_url.rpartition("/")[2]
    async with TransactionPooler(port, database) as pooler:
        store = PostgresStore(postgres_trial.database_url.replace(f":{port}/", f":{pooler.port}/"))
        with pytest.raises(StoreError, match=r"\?pgbouncer=transaction.*unsupported startup parameter"):
            await store.open()
