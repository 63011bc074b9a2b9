"""A raw server that does one misdeed to every connection and remembers what it had received."""

import asyncio
import contextlib
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Misdeed = Callable[["Line"], Awaitable[None]]
GOOD = b'{"order":12345}'


class Line:
    """One connection as a misdeed sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: list[bytes]) -> None:
        self._reader = reader
        self._writer = writer
        self._heard = heard
        self.last = b""  # the whole request that came last

    async def read_head(self) -> None:
        """Read the head of a request, and leave its body."""
        await self._reader.readuntil(b"\r\n\r\n")

    async def read_all(self) -> None:
        """Read the whole request, and remember it."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        body = await self._reader.readexactly(length)
        self.last = head + body
        self._heard.append(self.last)

    async def send(self, data: bytes) -> None:
        """Send some bytes."""
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End with RST."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Misdoer:
    """The running server."""

    def __init__(self, port: int, heard: list[bytes], connections: list[int]) -> None:
        self.port = port
        self.heard = heard  # whole requests that arrived
        self._connections = connections

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/api/v2"

    @property
    def connections(self) -> int:
        """How many connections were made to it."""
        return len(self._connections)


@asynccontextmanager
async def misdoer(misdeed: Misdeed) -> AsyncIterator[Misdoer]:
    """A server that does this to everybody."""
    heard: list[bytes] = []
    connections: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        connections.append(1)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await misdeed(Line(reader, writer, heard))
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Misdoer(server.sockets[0].getsockname()[1], heard, connections)
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(head: bytes, body: bytes = b"") -> Misdeed:
    """Read everything, send this, close."""

    async def misdeed(line: Line) -> None:
        await line.read_all()
        await line.send(head + b"\r\n\r\n" + body)

    return misdeed


def whole(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> Misdeed:
    """Read everything and send a well-framed answer."""
    return answering(b"HTTP/1.1 %s\r\nContent-Length: %d%s" % (status, len(body), headers), body)


async def fin_on_accept(_: Line) -> None:
    """Close before reading."""


async def rst_on_accept(line: Line) -> None:
    """Reset before reading."""
    line.reset()


async def read_then_fin(line: Line) -> None:
    """Read everything, close."""
    await line.read_all()


async def read_then_rst(line: Line) -> None:
    """Read everything, reset."""
    await line.read_all()
    line.reset()


async def read_then_silence(line: Line) -> None:
    """Read everything, never answer."""
    await line.read_all()
    await asyncio.sleep(60)


async def head_then_rst(line: Line) -> None:
    """Read the head, reset."""
    await line.read_head()
    line.reset()


async def early_400(line: Line) -> None:
    """Answer and close before the body was read, as a server with a size limit does."""
    await line.read_head()
    await line.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    line.reset()


async def close_when_idle(line: Line) -> None:
    """Answer, keep the connection, and close it while nobody uses it."""
    await line.read_all()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + GOOD)


async def close_at_the_second(line: Line) -> None:
    """Answer the first request of a connection; read the second, and close."""
    await line.read_all()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + GOOD)
    await line.read_all()


async def never_read(_: Line) -> None:
    """Accept, and nothing more."""
    await asyncio.sleep(60)


async def half_headers(line: Line) -> None:
    """Break off in the head."""
    await line.read_all()
    await line.send(b"HTTP/1.1 200 OK\r\nContent-Le")


half_body = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 15", GOOD[:9])
half_chunk = answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", b"f\r\n" + GOOD[:9])
half_close_delimited = answering(b"HTTP/1.1 200 OK\r\nConnection: close", GOOD[:9])
short_bare_number = answering(b"HTTP/1.1 200 OK\r\nConnection: close", b"123")
header_bomb = answering(b"HTTP/1.1 200 OK" + b"".join(b"\r\nx-%d: %s" % (n, b"y" * 100) for n in range(20_000)))
gzip_bomb = whole(gzip.compress(bytes(50 * 1024 * 1024)), headers=b"\r\nContent-Encoding: gzip")
endless_body = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000", b"x" * 9_000_000)


async def drip(line: Line) -> None:
    """A byte at a time."""
    await line.read_all()
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n" + GOOD:
        await line.send(bytes([byte]))
        await asyncio.sleep(0.1)


async def endless_continue(line: Line) -> None:
    """`100 Continue`, for ever."""
    await line.read_all()
    while True:
        await line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)
