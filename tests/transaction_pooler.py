"""A pooler in transaction mode between a program and PostgreSQL, stricter than PgBouncer.

No two transactions in a row run on the same server connection. It speaks as much of the protocol as that takes. A
client has a server connection from its first message until the server is idle and every answer is out; the connection
then goes to the end of the row. Parameters a pooler cannot keep for a client are refused at its start, as PgBouncer
refuses them.
"""

import asyncio
import struct
from collections import deque
from types import TracebackType
from typing import Final, Self

# What PgBouncer lets a client say at its start.
ALLOWED: Final = frozenset({"user", "database", "application_name", "client_encoding", "datestyle", "timezone"})
SERVERS: Final = 3
_STARTUP: Final = 196608
_REQUESTS_FOR_ENCRYPTION: Final = (80877103, 80877104)
# Messages that are answered with a ReadyForQuery: Query, Sync, FunctionCall.
_ANSWERED: Final = frozenset(b"QSF")

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class TransactionPooler:
    """To be used as an async context manager; `port` is where it listens."""

    def __init__(self, port: int, database: str, user: str = "gateway") -> None:
        self.port = 0
        self.transactions: list[int] = []  # by server connection: how many transactions it had
        self._target = port
        self._login = {"user": user, "database": database}
        self._idle: deque[tuple[int, Streams]] = deque()
        self._some_idle = asyncio.Condition()
        self._greeting = b""
        self._listener: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        for number in range(SERVERS):
            self.transactions.append(0)
            self._idle.append((number, await self._server()))
        self._listener = await asyncio.start_server(self._client, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._listener is not None
        self._listener.close()
        for _, (_, writer) in self._idle:
            writer.close()

    async def _server(self) -> Streams:
        """A connection to the server, past its greeting, which every client is given as its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        words = b"".join(f"{name}\0{value}\0".encode() for name, value in self._login.items()) + b"\0"
        writer.write(struct.pack("!ii", 8 + len(words), _STARTUP) + words)
        greeting = b""
        while True:
            kind, message = await _message(reader)
            greeting += message
            if kind == b"Z":
                self._greeting = greeting
                return reader, writer

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await self._greet(reader, writer):
                await self._serve(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        while True:
            length, code = struct.unpack("!ii", await reader.readexactly(8))
            rest = await reader.readexactly(length - 8)
            if code in _REQUESTS_FOR_ENCRYPTION:
                writer.write(b"N")
                continue
            if code != _STARTUP:
                return False  # A request to cancel; nobody here is slow.
            words = rest.decode().rstrip("\0").split("\0")
            strange = [name for name in words[::2] if name.lower() not in ALLOWED]
            if strange:
                text = f"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: {strange[0]}\0\0".encode()
                writer.write(b"E" + struct.pack("!i", 4 + len(text)) + text)
                return False
            writer.write(self._greeting)
            return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            kind, message = await _message(reader)
            if kind == b"X":
                return
            async with self._some_idle:
                await self._some_idle.wait_for(lambda: bool(self._idle))
                number, server = self._idle.popleft()
            self.transactions[number] += 1
            clean = False
            try:
                clean = await self._transaction((kind, message), (reader, writer), server)
            finally:
                if not clean:  # The client left in the middle: as PgBouncer does, the connection is not used again.
                    server[1].close()
                    server = await self._server()
                async with self._some_idle:
                    self._idle.append((number, server))
                    self._some_idle.notify()

    async def _transaction(self, first: tuple[bytes, bytes], client: Streams, server: Streams) -> bool:
        """Carry messages both ways until the server is idle; answers whether it is."""
        asked = int(first[0][0] in _ANSWERED)
        server[1].write(first[1])
        listening = asyncio.ensure_future(_message(client[0]))
        answering = asyncio.ensure_future(_message(server[0]))
        try:
            while True:
                await asyncio.wait({listening, answering}, return_when=asyncio.FIRST_COMPLETED)
                if listening.done():
                    kind, message = listening.result()
                    if kind == b"X":
                        return False
                    asked += kind[0] in _ANSWERED
                    server[1].write(message)
                    listening = asyncio.ensure_future(_message(client[0]))
                if answering.done():
                    kind, message = answering.result()
                    client[1].write(message)
                    asked -= kind == b"Z"
                    if kind == b"Z" and asked == 0 and message[5:6] == b"I" and not listening.done():
                        return True
                    answering = asyncio.ensure_future(_message(server[0]))
        finally:
            for waiting in (listening, answering):
                waiting.cancel()
            await asyncio.gather(listening, answering, return_exceptions=True)


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """One message: its kind, and all of it."""
    head = await reader.readexactly(5)
    return head[:1], head + await reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)
