"""A consumer of events on loopback: it keeps every request it heard whole, and answers as it is told to."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec


class Heard(msgspec.Struct, frozen=True):
    """One request."""

    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The id by which it is deduped."""
        return self.headers["webhook-id"]

    @property
    def told(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


# What to do with a request: the bytes to answer, or None to say nothing for ever.
Manners = Callable[[Heard], bytes | None]


def answer(status: str, *headers: str, body: str = "ok") -> bytes:
    """An answer that ends the connection."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


TAKEN = answer("200 OK")


class ConsumerServer:
    """Where events arrive."""

    def __init__(self) -> None:
        self.manners: Manners = lambda _: TAKEN
        self.heard: list[Heard] = []
        self.taken: list[Heard] = []  # of these, what was answered with 200
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head)}
            heard = Heard(headers, await reader.readexactly(int(headers["content-length"])))
            self.heard.append(heard)
            said = self.manners(heard)
            if said == TAKEN:
                self.taken.append(heard)
            if said is None:
                await reader.read()  # until the other side gives up
            else:
                writer.write(said)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def consumer_server() -> AsyncIterator[ConsumerServer]:
    """A consumer that listens."""
    consumer = ConsumerServer()
    server = await asyncio.start_server(consumer.serve, "127.0.0.1", 0)
    consumer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield consumer
    finally:
        server.close()
