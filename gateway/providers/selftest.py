"""The self-test of the fence: whether the libraries of this process still let us stop a request before its first byte.

httpcore says that the names of its trace events may change. So every start sends two requests over loopback: one that
is let through and must arrive, one that is stopped and must not. A process that fails this places no orders.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.core.errors import GatewayError
from gateway.core.fields import HttpRequest
from gateway.providers.upstream import Timeouts, Upstream
from gateway.providers.wire import Closed, Limits, exchange, open_transport, tls_context

# Two milliseconds do on an idle machine. One that is starting many things at once must not be told that its libraries
# have changed (seen: more than two seconds, with ten runnable processes on two cores).
_SECONDS: Final = 20.0
_ANSWER: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


class SelfTestFailed(GatewayError):
    """The fence does not hold with the libraries installed; no order may be placed."""


async def self_test() -> None:
    """Prove on loopback that the fence is asked before the first byte and can stop it; raises SelfTestFailed."""
    heard = 0

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += len(await reader.read(65536)) > 0
        writer.write(_ANSWER)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        upstream = Upstream(
            name="self-test",
            url=f"http://127.0.0.1:{port}/",
            key="",
            currency="USD",
            timeouts=Timeouts(),
            allow_private=True,
            verify_tls=False,
        )
        heard_at_fence = await _through(upstream, lambda: heard)
        if heard_at_fence != 0 or heard != 1:
            raise SelfTestFailed("the fence is not asked before the first byte leaves: httpx or httpcore has changed")
        if not await _stopped(upstream) or heard != 1:
            raise SelfTestFailed("the fence cannot stop a request: httpx or httpcore has changed")
    finally:
        server.close()
        await server.wait_closed()


async def _through(upstream: Upstream, heard: Callable[[], int]) -> int:
    """Send a request that is let through; answers how much had arrived when the fence was asked."""
    at_fence = -1

    async def fence() -> None:
        nonlocal at_fence
        await asyncio.sleep(0.02)  # Time enough for a byte that had left already to arrive.
        at_fence = heard()

    await _send(upstream, fence)
    return at_fence


async def _stopped(upstream: Upstream) -> bool:
    """Send a request that the fence stops; answers whether it was stopped."""

    async def fence() -> None:
        raise Closed

    try:
        await _send(upstream, fence)
    except Closed:
        await asyncio.sleep(0.02)
        return True
    return False


async def _send(upstream: Upstream, fence: Callable[[], Awaitable[None]]) -> None:
    transport = open_transport(upstream, connections=1, keep=False, tls=tls_context(upstream))
    limits = Limits(connect=_SECONDS, write=_SECONDS, total=_SECONDS, bytes_max=1024)
    try:
        await exchange(transport, upstream, HttpRequest(body=b"self-test"), limits=limits, fence=fence)
    finally:
        await transport.aclose()
