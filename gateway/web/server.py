"""Listening: a Litestar application behind granian, on this process's own event loop, so that signals stay ours."""

import asyncio
import contextlib
import errno
import os
import socket
import weakref
from collections.abc import Sequence
from typing import Final

import msgspec
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar
from litestar.types import ControllerRouterHandler

from gateway.core.errors import GatewayError

# Connections beyond these wait in the kernel; panels keep some open all day.
BACKLOG: Final = 1024
# Requests that are worked on at once: above any proxy's pool of kept-alive connections (granian counts connections).
BACKPRESSURE: Final = 4096
# A connection that has sent no whole header by then is closed; it is also how long an idle one is kept (granian's own
# 30 seconds cut off panels that poll once a minute). Milliseconds.
HEADER_MS: Final = 65_000


class CannotListen(GatewayError):
    """An address is taken or not ours to take; the message says which, in one line."""


class Address(msgspec.Struct, frozen=True):
    """Where to listen; port 0 is replaced by a free one by `free_address`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"


def free_address(wanted: Address) -> Address:
    """The address with a port that can be taken right now; raises CannotListen.

    Granian binds with SO_REUSEPORT, which would silently share a port with somebody else's process: so it is tried
    without first.
    """
    family = socket.AF_INET6 if ":" in wanted.host else socket.AF_INET
    try:
        with contextlib.closing(socket.socket(family)) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((wanted.host, wanted.port))
            tried.listen(1)
            return Address(wanted.host, tried.getsockname()[1])
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(f"port {wanted.port} on {wanted.host} is taken by another program") from error
        raise CannotListen(f"cannot listen on {wanted.host} port {wanted.port}: {error.strerror}") from error


def _hold(address: Address) -> int:
    """The number of a socket that keeps the port until granian has it: no other program is given it meanwhile."""
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((address.host, address.port))
        return held.detach()


class Listener:
    """One application on one address."""

    def __init__(
        self, address: Address, handlers: Sequence[ControllerRouterHandler], *, header_ms: int = HEADER_MS
    ) -> None:
        self.address = free_address(address)
        self._let_go = weakref.finalize(self, os.close, _hold(self.address))
        # No OpenAPI pages, no default logging: nothing is served but what is handed in.
        self._app = Litestar(route_handlers=list(handlers), openapi_config=None, logging_config=None)
        self._server = Server(
            self._app,
            address=self.address.host,
            port=self.address.port,
            interface=Interfaces.ASGINL,
            backlog=BACKLOG,
            backpressure=BACKPRESSURE,
            # No panel speaks HTTP/2 to an address without TLS, and granian's limits of time are HTTP/1's alone.
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=header_ms),
            websockets=False,
            log_enabled=False,
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to listen; returns once connections are taken, raises CannotListen if that fails."""
        self._serving = asyncio.create_task(self._server.serve(), name=f"listen:{self.address}")
        for _ in range(200):
            if self._serving.done():
                self._serving.result()
                break
            if await asyncio.to_thread(self._answers):
                self._let_go()
                return
            await asyncio.sleep(0.01)
        raise CannotListen(f"the server on {self.address} did not start")

    async def stop(self, seconds: float) -> None:
        """Take no more connections, and wait for those that are being answered, at most so long."""
        if self._serving is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call] # granian leaves this method without types
        await asyncio.wait({self._serving}, timeout=seconds)

    def _answers(self) -> bool:
        try:
            with contextlib.closing(socket.create_connection((self.address.host, self.address.port), timeout=0.2)):
                return True
        except OSError:
            return False
