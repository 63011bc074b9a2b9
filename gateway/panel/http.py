"""The simulated panel's HTTP server: taken apart by h11, so that it can misbehave byte by byte."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import h11

from gateway.core.fields import HttpRequest
from gateway.panel.misdeeds import Answer

BODY_MAX: Final = 1024 * 1024
READ_BYTES: Final = 65_536
IDLE_SECONDS: Final = 60.0  # a connection that says nothing for so long is closed
SILENT_SECONDS: Final = 600.0  # how long "never answers" is

Handler = Callable[[str, HttpRequest], Awaitable[Answer]]


class PanelServer:
    """Listens on one port and hands each request to a handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Begin to listen; answers the port."""
        self._server = await asyncio.start_server(self._connected, host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more connections and end those there are."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, h11.ProtocolError, TimeoutError, asyncio.CancelledError):
            return  # A caller who left or spoke no HTTP; there is nobody to tell.
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Request after request, until one side closes."""
        connection = h11.Connection(h11.SERVER)
        while True:
            received = await _receive(connection, reader, writer)
            if received is None:
                return
            target, http = received
            answer = await self._handler(target, http)
            if not await _send(connection, writer, answer):
                return
            connection.start_next_cycle()


async def _receive(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, HttpRequest] | None:
    """The next request with its path, or None when the caller is gone."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = connection.send(h11.InformationalResponse(status_code=100, headers=[]))
                writer.write(go_on or b"")
            async with asyncio.timeout(IDLE_SECONDS):
                connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_MAX:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            target = urlsplit(head.target.decode("latin-1"))
            headers = tuple((bytes(name), bytes(value)) for name, value in head.headers)
            method, query = head.method.decode("latin-1"), target.query.encode("latin-1")
            return target.path, HttpRequest(method=method, query=query, headers=headers, body=bytes(body))
        else:
            return None


async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, answer: Answer) -> bool:
    """Send an answer as it asks to be sent; says whether the connection can go on."""
    if answer.ending == "silent":
        await asyncio.sleep(SILENT_SECONDS)
        return False
    if answer.ending == "reset":
        _reset(writer)
        return False
    if answer.ending == "close":
        return False
    wire = _wire(connection, answer)
    if answer.cut is not None:
        wire = wire[: answer.cut]
    if answer.drip:
        for byte in wire:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(answer.drip)
    else:
        writer.write(wire)
        await writer.drain()
    return answer.cut is None and connection.our_state is h11.DONE and connection.their_state is h11.DONE


def _wire(connection: h11.Connection, answer: Answer) -> bytes:
    headers = list(answer.headers)
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    match answer.framing:
        case "length":
            headers.append(("content-length", str(len(answer.body))))
        case "chunked":
            headers.append(("transfer-encoding", "chunked"))
        case "close":
            headers.append(("connection", "close"))
            # h11 would frame it in chunks for an HTTP/1.1 caller; this panel is older than that.
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
            connection.send_failed()
            return f"HTTP/1.1 {answer.status} OK\r\n{lines}\r\n".encode() + answer.body
    parts = [connection.send(h11.Response(status_code=answer.status, headers=headers))]
    if answer.body:
        parts.append(connection.send(h11.Data(data=answer.body)))
    parts.append(connection.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if isinstance(found, socket.socket) or hasattr(found, "setsockopt"):
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
