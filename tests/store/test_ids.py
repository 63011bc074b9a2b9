"""Order ids: apart by chance, below 2^31, and never the same for two processes."""

import asyncio
import itertools
import json
import random
import subprocess
import sys
from functools import partial

import pytest

from gateway.core.errors import GatewayError
from gateway.store.engine import Store
from gateway.store.ids import BLOCK, FIRST, GAP_MAX, ID_MAX, IdBlock, IdsExhausted, reserve
from tests.store.trade import ask

ANOTHER_PROCESS = """
import asyncio, json, random, sys
from gateway.store.ids import GAP_MAX, IdBlock
from gateway.store.store import open_store

async def main():
    store = open_store(sys.argv[1])
    await store.open()
    block = IdBlock(store, lambda: random.randint(1, GAP_MAX))
    print(json.dumps([await block.take() for _ in range(1500)]))
    await store.close()

asyncio.run(main())
"""


def by_chance(seed: int) -> partial[int]:
    """Gaps as the gateway makes them, from a seed."""
    return partial(random.Random(seed).randint, 1, GAP_MAX)  # noqa: S311 - the width of a gap in a test


async def test_gaps_are_one_to_twenty(store: Store) -> None:
    """Every width occurs; where a block ends, what is left of it is lost as well."""
    ids = IdBlock(store, by_chance(1))
    taken = [await ids.take() for _ in range(1000)]
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert set(range(1, GAP_MAX + 1)) <= set(gaps)
    wide = [gap for gap in gaps if gap > GAP_MAX]
    assert len(wide) <= (taken[-1] - taken[0]) // BLOCK + 1
    assert max(gaps) < 2 * GAP_MAX
    assert min(gaps) >= 1
    assert FIRST <= taken[0] < FIRST + GAP_MAX


async def test_block_is_asked_for_once_for_many_ids(store: Store) -> None:
    """One statement in some 190 orders, also when they are taken at once."""
    ids = IdBlock(store, lambda: 10)
    taken = await asyncio.gather(*(ids.take() for _ in range(BLOCK // 10)))
    assert len(set(taken)) == len(taken)
    assert store.counts.commands == 1
    await ids.take()
    assert store.counts.commands == 2


async def test_two_processes_never_share_an_id(store: Store, rival: Store, database_url: str) -> None:
    """Two stores here and a process of its own, all at once over several blocks."""
    program = [sys.executable, "-c", ANOTHER_PROCESS, database_url]
    elsewhere = await asyncio.create_subprocess_exec(*program, stdout=subprocess.PIPE)

    async def take(books: Store, seed: int) -> list[int]:
        ids = IdBlock(books, by_chance(seed))
        taken = []
        for _ in range(500):
            taken.append(await ids.take())
            await asyncio.sleep(0.002)
        return taken

    here = await asyncio.gather(take(store, 1), take(rival, 2))
    out, _ = await asyncio.wait_for(elsewhere.communicate(), 30)
    assert elsewhere.returncode == 0
    taken = [*here[0], *here[1], *json.loads(out)]
    assert len(taken) == 2500
    assert len(set(taken)) == 2500


async def test_restart_begins_a_new_block(store: Store) -> None:
    """What the last process left of its block is lost, not used twice."""
    first = await IdBlock(store, lambda: 1).take()
    assert await IdBlock(store, lambda: 1).take() == first + BLOCK


async def test_last_id_is_below_two_to_the_31(store: Store, database_url: str) -> None:
    """Panels keep ids in a signed 32-bit column: the last one fits, and after it there is none, for good."""
    start = ID_MAX + 1 - 3
    await ask(database_url, f"INSERT INTO counters(name, value) VALUES('order_ids', {start})")
    ids = IdBlock(store, lambda: 1)
    assert [await ids.take() for _ in range(3)] == [2**31 - 3, 2**31 - 2, 2**31 - 1]
    for _ in range(2):
        with pytest.raises(IdsExhausted, match="2\\^31"):
            await ids.take()
    with pytest.raises(GatewayError):
        await IdBlock(store, lambda: 1).take()


async def test_counters_are_apart(store: Store) -> None:
    """Each name counts for itself, from the first number of its own."""
    assert await store.run(partial(reserve, "a", 5)) == FIRST
    assert await store.run(partial(reserve, "a", 5)) == FIRST + 5
    assert await store.run(partial(reserve, "b", 1)) == FIRST
