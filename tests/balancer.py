"""A load balancer as a cluster has one: each connection goes to a gateway whose /ready said yes when it last looked.

It carries bytes and knows no HTTP, repeats nothing, and holds nothing back; what comes of a connection to a gateway
that is gone is the caller's to see.
"""

import asyncio
import contextlib
from typing import Final, Self

import httpx

from tests.matrix.served import Served

LOOK_SECONDS: Final = 0.2
READ_BYTES: Final = 65_536


class Balancer:
    """The balancer in front of some gateways; to be used as an async context manager."""

    def __init__(self) -> None:
        self.behind: list[Served] = []  # gateways it looks at
        self.ready: list[Served] = []  # those that get connections
        self.url = ""
        self.refused = 0  # connections there was nobody for
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/api/v2"
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._looking is not None
        self._server.close()
        self._looking.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._looking, *self._tasks, return_exceptions=True)

    async def _look(self) -> None:
        """Ask each gateway again and again whether it wants callers."""
        async with httpx.AsyncClient(trust_env=False, timeout=2) as http:

            async def wants(gateway: Served) -> bool:
                try:
                    return (await http.get(f"{gateway.health}/ready")).status_code == 200
                except httpx.TransportError:
                    return False

            while True:
                behind = list(self.behind)
                said = await asyncio.gather(*map(wants, behind))
                self.ready = [gateway for gateway, yes in zip(behind, said, strict=True) if yes]
                await asyncio.sleep(LOOK_SECONDS)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if self.ready:
                self._turn += 1
                await self._carry(self.ready[self._turn % len(self.ready)], reader, writer)
            else:
                self.refused += 1
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _carry(self, to: Served, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what both sides say until both have ended."""
        host, _, port = to.users.removeprefix("http://").rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_pump(reader, back), _pump(there, writer))
        finally:
            back.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(READ_BYTES):
            sink.write(data)
            await sink.drain()
        sink.write_eof()
