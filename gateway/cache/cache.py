"""A cache: named bytes that may be lost at any moment, so nothing here is ever the only copy of anything."""

from typing import Final, Protocol

from gateway.core.gcra import Limit

# What a caller may wait for a cache, a fault included: RELIABILITY.md section 4 promises 50 ms once, then nothing.
QUICK_SECONDS: Final = 0.045
# Lists of several MB take longer, and nobody but a job waits for them.
LONG_SECONDS: Final = 1.0


class Cache(Protocol):
    """What every cache offers; a fault is a miss, never an exception."""

    trouble: str  # why what replicas share is not to be had just now; empty while it is

    async def get(self, name: str, *, within: float = QUICK_SECONDS) -> bytes | None:
        """The bytes under a name, or None; waits at most ``within`` seconds."""

    async def put(self, name: str, value: bytes, *, within: float = QUICK_SECONDS) -> None:
        """Keep bytes under a name, if that is possible in so many seconds."""

    async def take(self, name: str, limit: Limit, *, now: int, within: float = QUICK_SECONDS) -> int:
        """Take one time of what a name may do so often; answers the milliseconds to wait, 0 when it is allowed.

        Counted by all replicas together where there is a Redis that answers, by this process alone otherwise.
        """

    async def close(self) -> None:
        """Let go of every connection."""


class Observer(Protocol):
    """Who is told when a cache fails; the metrics are one."""

    def cache_failed(self, operation: str) -> None:
        """A call failed and was treated as a miss."""
