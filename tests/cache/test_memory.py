"""The cache of one process: a dictionary that cannot grow for ever."""

from gateway.cache.memory import MemoryCache
from gateway.cache.opening import open_cache


class Nobody:
    """Is told nothing."""

    def cache_failed(self, operation: str) -> None:
        """A memory never fails."""
        raise AssertionError(operation)


async def test_bytes_come_back_and_are_replaced() -> None:
    """The last value counts."""
    cache = open_cache(None, Nobody())
    await cache.put("a", b"1")
    await cache.put("a", b"2")
    assert (await cache.get("a"), await cache.get("b")) == (b"2", None)
    await cache.close()
    assert await cache.get("a") is None


async def test_oldest_goes_first_when_it_is_full() -> None:
    """And what is larger than all of it is not kept."""
    cache = MemoryCache(bytes_max=10)
    for name in "abc":
        await cache.put(name, b"1234")
    assert [await cache.get(name) for name in "abc"] == [None, b"1234", b"1234"]
    await cache.put("d", b"x" * 11)
    assert await cache.get("d") is None
    assert await cache.get("c") == b"1234"
