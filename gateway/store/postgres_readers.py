"""The few connections that reads go over: taken for one read, given back, cut when a read is out of time.

The driver's pool would cancel a call that is out of time. The driver then asks the server to stop on another line, and
a server that says nothing keeps that waiting. Here the line is cut, and those that lie idle with it: if one is silent,
so are they.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import asyncpg

from gateway.metrics.declare import Spread
from gateway.store.postgres_line import CONNECT_SECONDS, Line, connect_reader

# A connection that is begun is given this long, however little time its read has left.
_CONNECT_LEAST_SECONDS: Final = 0.2


class Readers:
    """At most ``line.readers`` connections."""

    def __init__(self, line: Line, waits: Spread) -> None:
        self._line = line
        self._waits = waits  # seconds until a connection was to be had
        self._slots = asyncio.Semaphore(line.readers)
        self._idle: list[asyncpg.Connection] = []
        self._closed = False

    async def open(self) -> None:
        """Make the first connection; raises the driver's errors."""
        self._idle.append(await connect_reader(self._line, seconds=CONNECT_SECONDS))

    @asynccontextmanager
    async def one(self, until: float) -> AsyncIterator[asyncpg.Connection]:
        """A connection until the moment ``until`` (monotonic); raises TimeoutError, or what a cut line raises."""
        began = monotonic()
        async with asyncio.timeout(max(until - began, 0.0)):
            await self._slots.acquire()
        self._waits.note(monotonic() - began)
        connection = None
        try:
            connection = self._take() or await self._connect(until)
            cut = asyncio.get_running_loop().call_later(until - monotonic(), self._cut, connection)
            try:
                yield connection
            finally:
                cut.cancel()
        except asyncio.CancelledError:
            if connection is not None:
                connection.terminate()
            raise
        finally:
            if connection is not None and not connection.is_closed() and not self._closed:
                self._idle.append(connection)
            self._slots.release()

    def close(self) -> None:
        """Let go of every connection."""
        self._closed = True
        self._distrust()

    def _take(self) -> asyncpg.Connection | None:
        """An idle connection that still stands."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self, until: float) -> asyncpg.Connection:
        seconds = min(max(until - monotonic(), _CONNECT_LEAST_SECONDS), CONNECT_SECONDS)
        return await connect_reader(self._line, seconds=seconds)

    def _cut(self, connection: asyncpg.Connection) -> None:
        connection.terminate()
        self._distrust()

    def _distrust(self) -> None:
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()
