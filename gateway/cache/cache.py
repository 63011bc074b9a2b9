"""A cache: named bytes that may be lost at any moment, so nothing here is ever the only copy of anything."""

from typing import Protocol


class Cache(Protocol):
    """What every cache offers; a fault is a miss, never an exception."""

    async def get(self, name: str) -> bytes | None:
        """The bytes under a name, or None."""

    async def put(self, name: str, value: bytes) -> None:
        """Keep bytes under a name, if that is possible."""

    async def close(self) -> None:
        """Let go of every connection."""


class Observer(Protocol):
    """Who is told when a cache fails; the metrics are one."""

    def cache_failed(self, operation: str) -> None:
        """A call failed and was treated as a miss."""
