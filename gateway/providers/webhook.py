"""The consumer of events: one POST for each, signed, within limits, and only where it may go (providers/post.py)."""

from typing import Final

import msgspec

from gateway.core.fields import HttpRequest
from gateway.core.webhook import Happened, signed_headers, write_event
from gateway.providers.post import LIMITS, Post
from gateway.providers.wire import Limits

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
        private = consumer.allow_private
        self._post = Post("events", consumer.url, allow_private=private, connections=TOGETHER_MAX + 2, limits=limits)

    async def tell(self, event: Happened, *, at: int) -> str | None:
        """Tell of an event, at `at` seconds since the epoch; answers None when it was taken, else why it was not."""
        body = write_event(event)
        headers = signed_headers(event.id, body, self._consumer.secret, at=at)
        evidence = await self._post.send(HttpRequest(headers=headers, body=body))
        if evidence.status is None:
            return evidence.failure or "no answer"
        return None if evidence.status in _TAKEN else f"HTTP {evidence.status}"

    async def aclose(self) -> None:
        """Let go of kept connections."""
        await self._post.aclose()
