"""What every test finds laid out: the event loop, the real servers, and a clean environment.

How tests are written here:

- An async test is `async def test_...` and nothing else: anyio's plugin runs it on asyncio (`anyio_mode = "auto"` in
  pyproject.toml). Async fixtures are plain `@pytest.fixture` on `async def`; they share the test's loop.
- `database_url` runs a test twice, on SQLite and on the real PostgreSQL, each time on a fresh empty database.
- `postgres_dsn` and `redis_url` give one of the real servers, empty. A server starts when it is first asked for.
- Nothing here patches the gateway; a test makes a `Settings(...)` of its own and never reads the environment.
"""

import os
import re
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Literal

import coverage
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.gateway_process import House, running_house
from tests.panel_process import simulated_panel
from tests.servers import PostgresServer, ValkeyServer
from tests.world import World, on_sale

# Two shared cores: the time one example takes says nothing. The rest is hypothesis's own.
settings.register_profile("gateway", deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")


def pytest_configure() -> None:
    """The developer's own settings reach no test, nor any program a test starts."""
    for name in [name for name in os.environ if name.startswith("GATEWAY_")]:
        del os.environ[name]
    # The tests' PostgreSQL has no TLS. Where it is asked for that first, as by default, and cut off meanwhile, asyncpg
    # leaves a future that nobody reads, and the collector reports it in whatever test runs by then.
    os.environ["PGSSLMODE"] = "disable"
    # structlog's own colours and frames take a tenth of a second a traceback, and the event loop stands meanwhile.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure([*structlog.get_config()["processors"][:-1], plain])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tell a running coverage which test takes each branch; tests/coverage_of_core.py judges each file by its own.

    Coverage's own `dynamic_context = "test_function"` takes a function inside hypothesis for the test.
    """
    measuring = coverage.Coverage.current()
    if measuring is not None and isinstance(item, pytest.Function):
        measuring.switch_context(f"{item.module.__name__}.{item.originalname}")
    ran = yield
    if measuring is not None:
        measuring.switch_context("")
    return ran


# Keys that tests use, and the form of those the gateway makes; none of them may turn up in anything that is logged or
# printed while the suite runs.
CANARIES = re.compile(r"gw_[0-9A-Za-z]{20,}|panel-[ab]-key|secret-key")
_leaks: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look for keys in what a test's code printed and logged."""
    if report.nodeid.startswith("tests/test_logs.py::"):
        return  # Those log keys on purpose, into a stream they look at themselves.
    for title, text in report.sections:
        found = CANARIES.search(text)
        if found is not None:
            _leaks.append(f"{report.nodeid}: {found[0][:12]}… in {title}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A suite that leaked a key has failed, whatever its tests say."""
    if _leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the keys turned up."""
    for leak in dict.fromkeys(_leaks):
        terminalreporter.write_line(f"a key leaked: {leak}", red=True)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The one event loop the gateway runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The session's PostgreSQL; most tests want `postgres_dsn` or `database_url`."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres"))
    yield server
    server.stop()


@pytest.fixture
def postgres_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The address of a fresh, empty PostgreSQL database."""
    address = postgres_server.create_database()
    yield address
    postgres_server.drop_database(address)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """The session's Valkey; most tests want `redis_url`."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture
def redis_url(valkey_server: ValkeyServer) -> str:
    """The address of an empty Redis (a real Valkey)."""
    valkey_server.flush()
    return valkey_server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_kind(request: pytest.FixtureRequest) -> Literal["sqlite", "postgresql"]:
    """Which database this run of the test is on."""
    kind: Literal["sqlite", "postgresql"] = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of a fresh, empty database: a SQLite file in the test's first run, a PostgreSQL in the second."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path}/gateway.db"
    address: str = request.getfixturevalue("postgres_dsn")
    return address


@pytest.fixture(params=["memory", "redis"])
async def world(request: pytest.FixtureRequest, database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and a database, with Redis and without."""
    more = {"database_url": database_url}
    if request.param == "redis":
        more["redis_url"] = request.getfixturevalue("redis_url")
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, more)


@pytest.fixture
async def house(world: World) -> AsyncIterator[House]:
    """A gateway in front of both panels, with its list on sale."""
    async with running_house(world.settings()) as running:
        await on_sale(running)
        yield running


@pytest.fixture
async def both(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and a database, each kind in its turn."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, {"database_url": database_url})


@pytest.fixture
async def panels(tmp_path: Path) -> AsyncIterator[World]:
    """Two panels and books on SQLite: what the databases do differently is tests/store's matter."""
    async with simulated_panel(tmp_path, "panel-a") as a, simulated_panel(tmp_path, "panel-b") as b:
        yield World(a, b, tmp_path, {})
