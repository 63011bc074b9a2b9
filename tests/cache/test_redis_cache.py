"""The shared cache: bytes come back, and whatever is wrong with Redis is a miss that costs next to nothing."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis.asyncio

from gateway.cache.cache import LONG_SECONDS, QUICK_SECONDS
from gateway.cache.opening import open_cache
from gateway.cache.redis_cache import PAUSE_MAX_SECONDS, PREFIX, RedisCache
from gateway.core.gcra import Limit, take
from tests.fault_proxy import FaultProxy
from tests.servers import ValkeyServer


class Counted:
    """How often a cache failed, by operation."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def cache_failed(self, operation: str) -> None:
        """Remember one."""
        self.failures.append(operation)


@pytest.fixture
def told() -> Counted:
    """Who is told."""
    return Counted()


@pytest.fixture
async def cache(redis_url: str, told: Counted) -> AsyncIterator[RedisCache]:
    """A cache on the real server."""
    opened = RedisCache(redis_url, told)
    yield opened
    await opened.close()


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """Somebody else on the same server."""
    opened = redis.asyncio.Redis.from_url(redis_url)
    yield opened
    await opened.aclose()


async def test_bytes_come_back(cache: RedisCache, redis_url: str, told: Counted) -> None:
    """Whole, to another replica too; a name nobody put is a miss."""
    value = bytes(range(256)) * 10_000
    await cache.put("list:panel-a", value, within=LONG_SECONDS * 5)
    other = open_cache(redis_url, told)
    assert await other.get("list:panel-a", within=LONG_SECONDS * 5) == value
    assert await other.get("nothing") is None
    assert told.failures == []
    await other.close()


@pytest.mark.parametrize("junk", [b"", b"short", b"x" * 16, b"y" * 5000])
async def test_what_somebody_else_wrote_is_a_miss(cache: RedisCache, raw: redis.asyncio.Redis, junk: bytes) -> None:
    """A poisoned value has no digest of ours."""
    await raw.set(PREFIX + "a", junk)
    assert await cache.get("a") is None


async def test_wrong_type_is_a_miss(cache: RedisCache, raw: redis.asyncio.Redis, told: Counted) -> None:
    """A list where bytes should be is a fault of Redis's, not of ours."""
    await raw.lpush(PREFIX + "a", "1")
    assert await cache.get("a") is None
    assert told.failures == ["get"]


async def test_paused_server_keeps_nobody_waiting(cache: RedisCache, raw: redis.asyncio.Redis, told: Counted) -> None:
    """One call waits, the next ones do not even ask, and later all is well again."""
    await cache.put("a", b"1")
    await raw.client_pause(1500)
    began = time.monotonic()
    assert await cache.get("a") is None
    assert QUICK_SECONDS <= 0.05
    assert time.monotonic() - began < LONG_SECONDS / 2  # The machine may be busy.
    began = time.monotonic()
    for _ in range(1000):
        assert await cache.get("a") is None
    assert time.monotonic() - began < 0.2
    assert told.failures == ["get"]
    for _ in range(60):
        await asyncio.sleep(0.1)
        if await cache.get("a") == b"1":
            return
    raise AssertionError("it did not come back")


@pytest.mark.parametrize("junk", ["nonsense", "1e999", ["a", "list"]], ids=["text", "huge", "list"])
async def test_limit_somebody_else_wrote_over_counts_from_nought(
    cache: RedisCache, raw: redis.asyncio.Redis, told: Counted, junk: str | list[str]
) -> None:
    """A key of another type would else be a fault at each wrong key, and Redis be left alone for ever."""
    name = f"{PREFIX}limit:x"
    await (raw.rpush(name, *junk) if isinstance(junk, list) else raw.set(name, junk))
    waits = [await cache.take("x", Limit(3, 60_000), now=1_000, within=5) for _ in range(5)]
    assert [wait > 0 for wait in waits] == [False, False, False, True, True]
    assert told.failures == []


async def test_one_caller_looks_whether_it_is_back(redis_url: str, told: Counted) -> None:
    """When its pause is over, fifty callers at once are not kept waiting by a server that still says nothing."""
    seconds = 0.0
    with FaultProxy(int(redis_url.rpartition(":")[2].partition("/")[0])) as proxy:
        cache = RedisCache(f"redis://127.0.0.1:{proxy.port}/0", told, lambda: seconds)
        await cache.put("a", b"1", within=LONG_SECONDS)
        proxy.partition()
        assert await cache.get("a") is None
        seconds += 2 * PAUSE_MAX_SECONDS
        assert await asyncio.gather(*(cache.get("a") for _ in range(50))) == [None] * 50
        assert told.failures == ["get", "get"]
        proxy.heal()
        seconds += 2 * PAUSE_MAX_SECONDS
        assert await cache.get("a", within=LONG_SECONDS) == b"1"
        assert await asyncio.gather(*(cache.get("a", within=LONG_SECONDS) for _ in range(50))) == [b"1"] * 50
        await cache.close()


async def test_server_that_was_away_for_an_hour_is_found_again(tmp_path: Path, told: Counted) -> None:
    """It is asked for now and then, twice a minute at most in the end, and used within a minute of its return."""
    server = ValkeyServer(tmp_path)
    seconds = 0.0
    cache = RedisCache(server.url, told, lambda: seconds)
    await cache.put("a", b"1")
    server.stop()
    for _ in range(3600):
        seconds += 1
        assert await cache.get("a") is None
    assert 3600 / (1.25 * PAUSE_MAX_SECONDS) < len(told.failures) < 3600 / (0.75 * PAUSE_MAX_SECONDS) + 10
    server.start()
    back = seconds
    while await cache.get("a") is None:
        await cache.put("a", b"2")
        seconds += 1
        assert seconds - back < 60
    assert await cache.get("a") == b"2"
    server.stop()
    await cache.close()


async def test_dead_server_is_a_miss_and_its_return_is_noticed(tmp_path: Path, told: Counted) -> None:
    """Gone in the middle, gone from the start: a cache without a server is an empty one."""
    server = ValkeyServer(tmp_path)
    cache = RedisCache(server.url, told)
    await cache.put("a", b"1")
    server.stop()
    assert await cache.get("a") is None
    await cache.put("a", b"2")
    assert told.failures == ["get"]
    await cache.close()


async def test_address_that_leads_nowhere_costs_a_moment(told: Counted) -> None:
    """A process starts without Redis."""
    cache = RedisCache("redis://127.0.0.1:1/0", told)
    began = time.monotonic()
    assert await cache.get("a") is None
    assert time.monotonic() - began < 1.0
    await cache.close()


def test_bad_address_is_told(told: Counted) -> None:
    """At the start, not at the first call."""
    with pytest.raises(ValueError, match="redis"):
        open_cache("http://x", told)


async def test_replicas_count_limits_together_as_the_rule_says(redis_url: str, told: Counted) -> None:
    """Two of them, in turn and at once: each answer is the one the pure rule gives for all that was taken before."""
    replicas = [RedisCache(redis_url, told) for _ in range(2)]
    chance = random.Random(5)  # noqa: S311 - a walk, not a secret
    limit, now, empty_at = Limit(7, 10_000), 1_700_000_000_000, None
    for n in range(200):
        now += chance.choice([0, 0, 1, 700, 3_000])
        taken = take(empty_at, limit, now=now)
        empty_at = taken.empty_at
        assert await replicas[n % 2].take("x", limit, now=now, within=5) == taken.wait
    racing = await asyncio.gather(*(replicas[n % 2].take("y", limit, now=now, within=5) for n in range(40)))
    assert racing.count(0) == 7
    assert told.failures == []
    for replica in replicas:
        await replica.close()


async def test_limits_hold_without_redis(told: Counted) -> None:
    """This process counts by itself, and a dead server is asked once."""
    cache = RedisCache("redis://127.0.0.1:1/0", told)
    waits = [await cache.take("x", Limit(3, 60_000), now=1_000) for _ in range(5)]
    assert waits == [0, 0, 0, 20_000, 20_000]
    assert told.failures == ["take"]
    await cache.close()
