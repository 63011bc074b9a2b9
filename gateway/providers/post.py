"""A place out of our hands that is POSTed to: one transport, one address, its limits, and only where it may go.

It is out of our hands like a provider, so the same care is taken (gateway/providers/wire.py): the address that is
really connected to is judged, no redirect is followed, one deadline bounds the whole, an answer is cut at its cap.
"""

from typing import Final
from urllib.parse import urlsplit

import httpcore

from gateway.core.fields import HttpRequest
from gateway.core.outcome import Evidence
from gateway.providers.addresses import GuardedBackend
from gateway.providers.upstream import Upstream
from gateway.providers.wire import Limits, exchange, open_transport, tls_context

# Seconds and bytes of one try: Standard Webhooks advises 15 to 30 s; a receiver that needs longer should take it and
# work later. An answer's body says little to us.
LIMITS: Final = Limits(connect=5.0, write=5.0, total=15.0, bytes_max=16 * 1024)


class Post:
    """One address; to be closed at the end."""

    def __init__(self, name: str, url: str, *, allow_private: bool, connections: int, limits: Limits = LIMITS) -> None:
        self._limits = limits
        # An address with limits is what the wire needs; the rest of an upstream does not matter here.
        self._upstream = Upstream(name=name, url=url, key="", currency="", allow_private=allow_private)
        tls = tls_context(self._upstream)
        self._transport = open_transport(self._upstream, connections=connections, keep=True, tls=tls)

    async def send(self, http: HttpRequest) -> Evidence:
        """Send one request and gather what came of it; never raises for the world's faults."""
        return await exchange(self._transport, self._upstream, http, limits=self._limits)

    async def aclose(self) -> None:
        """Let go of kept connections."""
        await self._transport.aclose()


async def reach(url: str, *, allow_private: bool, seconds: float) -> str:
    """Connect to an address and say nothing; answers why that cannot be done, nothing where it can."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    upstream = Upstream(name="reached", url=url, key="", currency="", allow_private=allow_private)
    backend = GuardedBackend(allow_private=allow_private)
    try:
        stream = await backend.connect_tcp(host, parts.port or (443 if secure else 80), timeout=seconds)
        try:
            if secure:
                stream = await stream.start_tls(tls_context(upstream), server_hostname=host, timeout=seconds)
        finally:
            await stream.aclose()
    except (httpcore.NetworkError, httpcore.TimeoutException) as error:
        return f"{type(error).__name__}: {error}"
    return ""
