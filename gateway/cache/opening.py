"""Which cache an address means: Redis where there is one, this process's memory otherwise."""

from gateway.cache.cache import Cache, Observer
from gateway.cache.memory import MemoryCache
from gateway.cache.redis_cache import RedisCache


def open_cache(redis_url: str | None, observer: Observer) -> Cache:
    """The cache at `redis://…`, or in memory without one; not connected yet; raises ValueError."""
    return MemoryCache() if redis_url is None else RedisCache(redis_url, observer)
