"""The switch: tracing as the operator wants it, from the first span of a process to the last.

Off, and nothing of OpenTelemetry is imported, unless an address is given. Asked for without being installed it says
so at the start, and what to install.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import GatewayError
from gateway.tracing.span import Hearing, Tracer, turn_off, turn_on

if TYPE_CHECKING:
    from gateway.tracing.outlet import Outlet

# What waits at the end may take so long, of the five seconds that a stop has for closing (docs/operating.md).
CLOSE_SECONDS: Final = 3.0
# Where collectors take traces, below their address.
PATH: Final = "/v1/traces"


class TracingMissing(GatewayError):
    """Tracing is asked for, and what it needs is not installed."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator asks for."""

    url: str  # the collector's, with or without a path
    headers: tuple[tuple[str, str], ...] = ()
    ratio: float = 1.0  # of traces that are kept
    hearing: Hearing = "ignore"


class Switch:
    """Tracing of one process; without a wish every method does nothing."""

    def __init__(self, wanted: Wanted | None, *, instance: str, version: str, strike: Callable[[str], str]) -> None:
        self._wanted = wanted
        self.outlet: Outlet | None = None
        if wanted is None:
            return
        about = {"service.name": "panel-gateway", "service.version": version, "service.instance.id": instance}
        self.outlet = _outlet_class()(
            address(wanted.url), dict(wanted.headers), about=about, strike=strike, version=version
        )

    def on(self) -> None:
        """Begin to trace."""
        if self.outlet is not None and self._wanted is not None:
            self.outlet.start()
            turn_on(Tracer(self.outlet.put, ratio=self._wanted.ratio, hearing=self._wanted.hearing))

    async def off(self) -> None:
        """Trace nothing more, and send what waits within a limit."""
        if self.outlet is not None:
            turn_off()
            await self.outlet.close(CLOSE_SECONDS)


def address(url: str) -> str:
    """Where traces are POSTed: an address without a path is a collector's, which has them at PATH."""
    parts = urlsplit(url)
    return url if parts.path.strip("/") else parts._replace(path=PATH).geturl()


def _outlet_class() -> "type[Outlet]":
    try:
        found: type[Outlet] = importlib.import_module("gateway.tracing.outlet").Outlet
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("gateway"):
            raise
        raise TracingMissing(
            f"GATEWAY_TRACING_URL is set, but OpenTelemetry is not installed (there is no {error.name}): "
            "pip install --require-hashes -r tracing.lock, or pip install '.[tracing]', in the gateway's folder; "
            "an image has it when it is built with --build-arg LOCK=tracing.lock"
        ) from error
    return found
