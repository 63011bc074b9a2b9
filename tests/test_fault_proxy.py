"""The fault proxy does to two programs exactly what a test of them asks for."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing

import pytest

from tests.fault_proxy import (
    Bandwidth,
    Blackhole,
    CutAt,
    Drip,
    FaultProxy,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)


class Echo:
    """A server that sends back what it hears, and remembers it."""

    def __init__(self) -> None:
        self.heard = b""
        self.gone = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more connections."""
        assert self._server is not None
        self._server.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                self.heard += data
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # A reset is an end, too.
        finally:
            writer.close()
            self.gone.set()


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """A server behind the proxy."""
    server = Echo()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[FaultProxy]:
    """The proxy in front of it."""
    with FaultProxy(echo.port) as made:
        yield made


class Talk:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes, *, hear: int, within: float = 5.0) -> bytes:
        """Send, and answer what comes back: so many bytes, or fewer when it ends or takes too long."""
        self.writer.write(data)
        heard = b""
        try:
            async with asyncio.timeout(within):
                while len(heard) < hear and (part := await self.reader.read(hear - len(heard))):
                    heard += part
        except TimeoutError:
            pass
        return heard


Caller = Callable[[], Awaitable[Talk]]


@pytest.fixture
async def talk(proxy: FaultProxy) -> AsyncIterator[Caller]:
    """Makes a new connection; all are closed at the end."""
    made: list[Talk] = []

    async def connect() -> Talk:
        made.append(Talk(*await asyncio.open_connection("127.0.0.1", proxy.port)))
        return made[-1]

    yield connect
    for each in made:
        each.writer.close()


async def test_healthy_proxy_passes_everything(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """A megabyte there and back, unchanged and counted; the end is passed on as well."""
    line = await talk()
    data = bytes(range(256)) * 4096
    assert await line.say(data, hear=len(data)) == data == echo.heard
    assert (proxy.connections, proxy.open, proxy.passed) == (1, 1, {"up": len(data), "down": len(data)})
    line.writer.close()
    await asyncio.wait_for(echo.gone.wait(), 5)


async def test_latency_and_slices_take_their_time(proxy: FaultProxy, talk: Caller) -> None:
    """Each fault slows by what it says, in its own way only, and lifts at once for a connection that is open."""
    line = await talk()
    for fault, least in ((Latency(0.2), 0.2), (Drip(0.03), 0.2), (Slicer(5, 0.25), 0.2), (Bandwidth(40), 0.2)):
        proxy.down(fault)
        began = time.perf_counter()
        assert await line.say(b"0123456789", hear=10) == b"0123456789"
        assert time.perf_counter() - began >= least, fault
    proxy.heal()
    began = time.perf_counter()
    assert await line.say(b"0123456789", hear=10) == b"0123456789"
    assert time.perf_counter() - began < 0.2


@pytest.mark.parametrize("ending", ["close", "reset", "silent"])
async def test_limit_cuts_after_so_many_bytes(proxy: FaultProxy, ending: str, talk: Caller) -> None:
    """Four bytes of the answer, then the end of the kind asked for."""
    proxy.down(LimitData(4, ending))  # type: ignore[arg-type] # one of the three words
    line = await talk()
    if ending == "reset":
        with pytest.raises(ConnectionResetError):
            await line.say(b"0123456789", hear=10)
        return
    assert await line.say(b"0123456789", hear=10, within=0.3) == b"0123"
    assert line.reader.at_eof() is (ending == "close")


@pytest.mark.parametrize(("passed", "heard"), [(True, b"BEGIN;COMMIT"), (False, b"BEGIN;")])
async def test_cut_at_a_pattern_even_in_two_parts(
    proxy: FaultProxy, echo: Echo, passed: bool, heard: bytes, talk: Caller
) -> None:
    """The server hears up to the pattern, with it or without; the caller hears nothing of that."""
    proxy.up(CutAt(b"COMMIT", passed=passed))
    line = await talk()
    first = b"BEGIN;COM" if passed else b"BEGIN;"
    assert await line.say(first, hear=len(first)) == first
    with pytest.raises(ConnectionResetError):
        await line.say(b"MIT;" if passed else b"COMMIT;", hear=4)
    await asyncio.wait_for(echo.gone.wait(), 5)
    assert echo.heard == heard


async def test_blackhole_holds_one_way_until_it_heals(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """Up: the server hears nothing. Down: it hears, and its answer is held. Healed, everything arrives."""
    line = await talk()
    proxy.up(Blackhole())
    assert await line.say(b"one", hear=3, within=0.2) == b""
    assert echo.heard == b""
    proxy.heal()
    assert await line.say(b"", hear=3) == b"one"
    proxy.down(Blackhole())
    assert await line.say(b"two", hear=3, within=0.2) == b""
    assert echo.heard == b"onetwo"
    proxy.heal()
    assert await line.say(b"", hear=3) == b"two"
    proxy.partition()
    assert await line.say(b"six", hear=3, within=0.2) == b""
    proxy.heal()
    assert await line.say(b"", hear=3) == b"six"


async def test_reset_and_timeout_end_a_connection(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """At once before a byte was read, after a while, or closed; the server hears nothing of it."""
    proxy.up(ResetPeer())
    with pytest.raises(ConnectionResetError):
        await (await talk()).say(b"one", hear=3)
    proxy.up(ResetPeer(0.2))
    with pytest.raises(ConnectionResetError):
        await (await talk()).say(b"two", hear=3)
    proxy.up(Timeout(0.2))
    began = time.perf_counter()
    assert await (await talk()).say(b"six", hear=3) == b""
    assert 0.15 < time.perf_counter() - began < 3
    assert echo.heard == b""


async def test_slow_close_passes_the_end_on_later(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """The server learns of the end only after a while."""
    proxy.up(SlowClose(0.3))
    line = await talk()
    assert await line.say(b"one", hear=3) == b"one"
    line.writer.write_eof()
    await asyncio.sleep(0.1)
    assert not echo.gone.is_set()
    await asyncio.wait_for(echo.gone.wait(), 5)


async def test_refusing_ignoring_and_listening_again(proxy: FaultProxy, talk: Caller) -> None:
    """A closed port refuses, a full queue answers nothing, and the port is the same afterwards; open lines stay."""
    line = await talk()
    assert await line.say(b"one", hear=3) == b"one"
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await talk()
    assert await line.say(b"two", hear=3) == b"two"
    proxy.ignore()
    with closing(socket.socket()) as caller:
        caller.settimeout(0.3)
        with pytest.raises(TimeoutError):
            caller.connect(("127.0.0.1", proxy.port))
    proxy.accept()
    assert await (await talk()).say(b"six", hear=3) == b"six"


async def test_cut_ends_every_open_connection(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """Those that are open are reset; the next one is fine, and may go to another server."""
    line = await talk()
    assert await line.say(b"one", hear=3) == b"one"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        await line.say(b"two", hear=3)
    other = Echo()
    await other.start()
    proxy.target = ("127.0.0.1", other.port)
    assert await (await talk()).say(b"six", hear=3) == b"six"
    assert (echo.heard, other.heard) == (b"one", b"six")
    await other.stop()


async def test_server_that_is_away_is_a_reset(proxy: FaultProxy, echo: Echo, talk: Caller) -> None:
    """Nobody behind the proxy: the caller's connection ends at once."""
    await echo.stop()
    proxy.target = ("127.0.0.1", 1)
    with pytest.raises(ConnectionResetError):
        await (await talk()).say(b"one", hear=3)
