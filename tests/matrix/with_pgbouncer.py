"""Row D12 with PgBouncer itself: `make faults-pgbouncer`, where the program is installed."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.matrix.trial import Trial
from tests.servers import Program, contained, free_port, taken

LINK: Final = "https://social.example/p"


@contextmanager
def pgbouncer(folder: Path, server: int) -> Iterator[int]:
    """A PgBouncer in transaction mode with three server connections; answers its port."""
    port = free_port()
    ini = folder / "pgbouncer.ini"
    settings = {
        "listen_addr": "127.0.0.1",
        "listen_port": port,
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": 3,
        "logfile": folder / "pgbouncer.log",
    }
    lines = [f"{name} = {value}" for name, value in settings.items()]
    databases = ["[databases]", f"* = host=127.0.0.1 port={server} user=gateway", "[pgbouncer]"]
    ini.write_text("\n".join([*databases, *lines, ""]))
    program = Program(contained("pgbouncer", str(ini)), folder / "pgbouncer.out").wait_until(lambda: taken(port))
    try:
        yield port
    finally:
        program.stop(signal.SIGINT)


async def test_d12_pgbouncer_changes_nothing(postgres_trial: Trial) -> None:
    """Orders, statuses, lists and migrations through it, as without it."""
    trial = postgres_trial
    server = int(trial.database_url.rpartition(":")[2].partition("/")[0])
    with pgbouncer(trial.folder, server) as port:
        url = trial.database_url.replace(f":{server}/", f":{port}/") + "?pgbouncer=transaction"
        async with trial.gateway(trial.settings(database_url=url)) as house:
            call = await house.user()
            answers = await asyncio.gather(*(trial.add(call, f"{LINK}{n}") for n in range(100)))
            assert all("order" in each for each in answers)
            statuses = await asyncio.gather(*(call("status", order=each["order"]) for each in answers))
            assert all("status" in each for each in statuses)
    states = await trial.judge()
    assert (len(states), set(states.values())) == (100, {"completed"})
