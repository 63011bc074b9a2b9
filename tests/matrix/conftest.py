"""What every row of the matrix finds laid out: a trial on both databases, on one of them, on a server of its own."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fault_proxy import FaultProxy
from tests.matrix.trial import Side, Trial
from tests.panel_process import SimulatedPanel, simulated_panel
from tests.servers import PostgresServer


@pytest.fixture
async def trial(tmp_path: Path, database_url: str) -> AsyncIterator[Trial]:
    """A trial on each database."""
    async with _trial(tmp_path, database_url) as made:
        yield made


@pytest.fixture
async def small_trial(tmp_path: Path) -> AsyncIterator[Trial]:
    """A trial on SQLite alone."""
    async with _trial(tmp_path, f"sqlite:///{tmp_path}/gateway.db") as made:
        yield made


@pytest.fixture
async def postgres_trial(tmp_path: Path, postgres_dsn: str) -> AsyncIterator[Trial]:
    """A trial on PostgreSQL alone, for what needs a network between the gateway and its books."""
    async with _trial(tmp_path, postgres_dsn) as made:
        yield made


@pytest.fixture(scope="session")
def own_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL to be stopped, crashed and starved; its log comes in pieces of a megabyte, so little fills it."""
    server = PostgresServer(tmp_path_factory.mktemp("matrix-postgres"), "--wal-segsize=1")
    yield server
    server.stop()


@pytest.fixture
async def own_trial(tmp_path: Path, own_postgres: PostgresServer) -> AsyncIterator[Trial]:
    """A trial on that one."""
    async with _trial(tmp_path, own_postgres.create_database()) as made:
        yield made


@asynccontextmanager
async def _trial(folder: Path, database_url: str) -> AsyncIterator[Trial]:
    async with simulated_panel(folder, "panel-a") as a, simulated_panel(folder, "panel-b") as b:
        with FaultProxy(_port(a)) as before_a, FaultProxy(_port(b)) as before_b:
            made = Trial(folder, database_url, Side(a, before_a), Side(b, before_b))
            yield made
            assert made.judged, "a row of the matrix ends with trial.judge()"


def _port(panel: SimulatedPanel) -> int:
    return int(panel.url.rpartition(":")[2].partition("/")[0])
