"""The cache of a process that has no Redis: a dictionary with a limit on its bytes, the oldest going first."""

from collections import OrderedDict
from typing import Final

from gateway.cache.cache import QUICK_SECONDS
from gateway.cache.counting import Counting
from gateway.core.gcra import Limit

# Nothing here is news to the process that put it, so there is room for what is current and not for a day's past.
BYTES_MAX: Final = 32 * 1024 * 1024


class MemoryCache:
    """Named bytes in this process."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self.trouble = ""  # there is none
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._bytes_max = bytes_max
        self._counting = Counting()

    async def get(self, name: str, *, within: float = QUICK_SECONDS) -> bytes | None:  # noqa: ARG002 - never waits
        """The bytes under a name, or None."""
        return self._kept.get(name)

    async def put(self, name: str, value: bytes, *, within: float = QUICK_SECONDS) -> None:  # noqa: ARG002 - never waits
        """Keep bytes; what is larger than the whole limit is not kept."""
        self._bytes -= len(self._kept.pop(name, b""))
        if len(value) > self._bytes_max:
            return
        self._kept[name] = value
        self._bytes += len(value)
        while self._bytes > self._bytes_max:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)

    async def take(
        self,
        name: str,
        limit: Limit,
        *,
        now: int,
        within: float = QUICK_SECONDS,  # noqa: ARG002 - never waits
    ) -> int:
        """Take one time; see :class:`gateway.cache.cache.Cache`."""
        return self._counting.take(name, limit, now=now)

    async def close(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0
