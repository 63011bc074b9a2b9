"""The consumer of events: one POST for each, signed, within limits, and only where it may go.

It is out of our hands like a provider, so the same care is taken (gateway/providers/wire.py): the address that is
really connected to is judged, no redirect is followed, one deadline bounds the whole, an answer is cut at its cap.
"""

from typing import Final

import msgspec

from gateway.core.fields import HttpRequest
from gateway.core.webhook import Happened, signed_headers, write_event
from gateway.providers.upstream import Upstream
from gateway.providers.wire import Limits, exchange, open_transport, tls_context

# Seconds and bytes of one try: Standard Webhooks advises 15 to 30 s; a consumer that needs longer should take it and
# work later. The answer's body says nothing to us.
LIMITS: Final = Limits(connect=5.0, write=5.0, total=15.0, bytes_max=16 * 1024)
# Events on their way at once.
TOGETHER_MAX: Final = 8
_TAKEN: Final = range(200, 300)


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Where events go."""

    url: str
    secret: bytes
    allow_private: bool = False

    def __repr__(self) -> str:
        """Without the secret, and without the address, which may hold one."""
        return "Consumer()"


class Webhook:
    """The consumer as one may speak to it; to be closed at the end."""

    def __init__(self, consumer: Consumer, *, limits: Limits = LIMITS) -> None:
        self._consumer = consumer
        self._limits = limits
        # An address with limits is what the wire needs; the rest of an upstream does not matter here.
        self._upstream = Upstream(
            name="events", url=consumer.url, key="", currency="", allow_private=consumer.allow_private
        )
        tls = tls_context(self._upstream)
        self._transport = open_transport(self._upstream, connections=TOGETHER_MAX + 2, keep=True, tls=tls)

    async def tell(self, event: Happened, *, at: int) -> str | None:
        """Tell of an event, at `at` seconds since the epoch; answers None when it was taken, else why it was not."""
        body = write_event(event)
        http = HttpRequest(headers=signed_headers(event.id, body, self._consumer.secret, at=at), body=body)
        evidence = await exchange(self._transport, self._upstream, http, limits=self._limits)
        if evidence.status is None:
            return evidence.failure or "no answer"
        return None if evidence.status in _TAKEN else f"HTTP {evidence.status}"

    async def aclose(self) -> None:
        """Let go of kept connections."""
        await self._transport.aclose()
