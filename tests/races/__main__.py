"""The race at length: `python -m tests.races [ADDS]`, ten thousand adds over three processes, on both databases."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from gateway.store.store import open_store
from tests.races.race import race, shares
from tests.servers import PostgresServer
from tests.sound import broken_invariants
from tests.store.trade import make_user, money_of

ADDS: Final = 10_000
USERS: Final = ("alpha", "beta", "gamma", "delta", "epsilon")


async def run(url: str, adds: int) -> None:
    """Race for money that is enough for a third of the adds; raises when the books are not exact."""
    store = open_store(url)
    await store.open()
    await store.migrate()
    each = adds // 3 // len(USERS)
    users = {name: (await make_user(store, name, money=each * 100)).id for name in USERS}
    told, watched = await race(shares(url, users, adds, charge=100))
    placed, refused = sum(one.placed for one in told), sum(one.refused for one in told)
    assert (placed, refused) == (each * len(USERS), adds - each * len(USERS)), (placed, refused)
    for name in users:
        assert await money_of(store, name) == (0, each * 100), name
    assert watched.lowest >= 0, watched
    assert await broken_invariants(url) == []
    await store.close()
    seconds = max(one.seconds for one in told)
    sys.stdout.write(
        f"{url.partition(':')[0]}: {adds} adds over {len(told)} processes in {seconds:.1f} s, {placed} placed and "
        f"{refused} refused, exactly; {watched.readings} readings, no balance below nought; books sound\n"
    )


def main(adds: str = str(ADDS)) -> None:
    """Race on both databases."""
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(f"sqlite:///{name}/gateway.db", int(adds)))
        server = PostgresServer(Path(name))
        try:
            asyncio.run(run(server.create_database(), int(adds)))
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
