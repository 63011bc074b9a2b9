"""Rows C1 to C7: whatever happens to Redis, no order fails, nobody waits, books and list are as without it."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as Gone

from gateway.cache.redis_cache import PREFIX
from gateway.core.dialects import UserDialect
from gateway.store.users import Choices
from tests.gateway_process import House
from tests.matrix.trial import Trial
from tests.servers import ValkeyServer, free_port

LINK: Final = "https://social.example/c"
# What all of them together may take that a Redis in earnest would answer at once; 50 ms were it idle here.
PATIENCE_SECONDS: Final = 2.0


@pytest.fixture(scope="module")
def own_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """A Valkey to be ended, paused and locked."""
    server = ValkeyServer(tmp_path_factory.mktemp("matrix-valkey"))
    yield server
    server.stop()


@pytest.fixture
async def raw(own_valkey: ValkeyServer) -> AsyncIterator[redis.asyncio.Redis]:
    """The operator's hand on it."""
    own_valkey.flush()
    client = redis.asyncio.Redis.from_url(own_valkey.url)
    yield client
    await client.aclose()


class Shop:
    """A gateway with users of every kind of list, each of which is looked for in the cache once."""

    def __init__(self, trial: Trial, house: House, *, first: int = 0) -> None:
        self._trial = trial
        self._house = house
        self._users = first

    async def trade(self, times: int = 5) -> None:
        """Orders, statuses and lists: all must be right, and quick."""
        self._users += 1
        call = await self._house.user(f"user-{self._users}")
        began = time.monotonic()
        for n in range(times):
            placed = await self._trial.add(call, f"{LINK}{self._users}-{n}")
            assert "order" in placed, placed
            assert "status" in await call("status", order=placed["order"])
        assert len(await call("services")) == 2
        legacy = await self._house.user(f"legacy-{self._users}", choices=Choices(dialect=UserDialect(name="legacy")))
        assert len(await legacy("services")) == 2
        assert time.monotonic() - began < PATIENCE_SECONDS * (1 + times)

    def misses(self) -> float:
        """How often the cache failed."""
        registry = self._house.gateway.metrics.registry
        return sum(each.value for metric in registry.collect() for each in metric.samples if "cache_fail" in each.name)


async def judged(trial: Trial) -> None:
    """The verdict: every order there was is completed."""
    states = await trial.judge()
    assert states
    assert set(states.values()) == {"completed"}


async def test_c1_redis_that_is_away_at_the_start_changes_nothing(small_trial: Trial) -> None:
    """The gateway starts, sells, and counts the misses."""
    settings = small_trial.settings(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    async with small_trial.gateway(settings) as house:
        shop = Shop(small_trial, house)
        await shop.trade()
        assert shop.misses() >= 1
    await judged(small_trial)


async def test_c2_redis_that_dies_is_missed_by_nobody(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis
) -> None:
    """SHUTDOWN NOSAVE under trade: nothing fails; started again, it is used again."""
    async with small_trial.gateway(small_trial.settings(redis_url=own_valkey.url)) as house:
        shop = Shop(small_trial, house)
        await shop.trade(2)
        assert shop.misses() == 0
        trading = asyncio.create_task(shop.trade(8))
        with contextlib.suppress(Gone):
            await raw.shutdown(nosave=True)
        await trading
        own_valkey.stop()
        await shop.trade(2)
        own_valkey.start()
        await shop.trade(2)
    await judged(small_trial)


async def test_c3_redis_that_is_emptied_is_filled_again(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis
) -> None:
    """FLUSHALL: the list is the same, orders go on, and another replica that starts sells the same."""
    settings = small_trial.settings(redis_url=own_valkey.url)
    async with small_trial.gateway(settings) as house:
        shop = Shop(small_trial, house)
        await shop.trade(2)
        assert await raw.keys(PREFIX + "*")
        own_valkey.flush()
        await shop.trade(2)
        async with small_trial.gateway(settings) as other:
            assert len(await other.caller((await house.user("again")).key)("services")) == 2
        assert shop.misses() == 0
    await judged(small_trial)


async def test_c4_redis_that_pauses_keeps_nobody_waiting(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis
) -> None:
    """CLIENT PAUSE for 30 s: whoever asks first waits 50 ms, all others do not ask."""
    async with small_trial.gateway(small_trial.settings(redis_url=own_valkey.url)) as house:
        shop = Shop(small_trial, house)
        await raw.client_pause(30_000)
        try:
            await shop.trade()
            assert shop.misses() >= 1
        finally:
            own_valkey.stop()  # It would not hear an UNPAUSE either.
            own_valkey.start()
    await judged(small_trial)


def sealed(body: bytes) -> bytes:
    """A value as ours are written: whoever can write to our Redis can do that too."""
    return hashlib.blake2b(body, digest_size=16).digest() + body


async def test_c5_poison_in_our_keys_is_a_miss(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis
) -> None:
    """Wrong types, cut values, nonsense and other lists under our own seal: a replica that starts takes none of it."""
    settings = small_trial.settings(redis_url=own_valkey.url)
    async with small_trial.gateway(settings) as house:
        shop = Shop(small_trial, house)
        await shop.trade(1)
        good = await (await house.user("good"))("services")
        keys = await raw.keys(PREFIX + "*")
        assert len(keys) >= 3
        poisons: list[Any] = [
            b"",
            b"x" * 40,
            sealed(b"{"),
            sealed(b"[]"),
            sealed(b'{"provider":"panel-b"}'),
            ["1", "2"],
        ]
        poisons.append(sealed(b'{"provider":"panel-a","fetched_at":9,"services":[]}'))
        for poison in poisons:
            for key in keys:
                await raw.delete(key)
                await (raw.rpush(key, *poison) if isinstance(poison, list) else raw.set(key, poison))
            async with small_trial.gateway(settings) as other:
                assert await other.caller((await house.user(f"p{poisons.index(poison)}")).key)("services") == good
        await shop.trade(1)
    await judged(small_trial)


async def test_c6_redis_that_comes_back_is_used_again(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis
) -> None:
    """Away under trade, back later: its keys are filled again by what is rendered next.

    The hour itself is in `test_server_that_was_away_for_an_hour_is_found_again`, with the breaker's clock in hand.
    """
    own_valkey.stop()
    async with small_trial.gateway(small_trial.settings(redis_url=own_valkey.url)) as house:
        shop = Shop(small_trial, house)
        await shop.trade(2)
        own_valkey.start()
        assert await raw.keys(PREFIX + "*") == []
    # The next one finds an empty Redis, and fills it.
    async with small_trial.gateway(small_trial.settings(redis_url=own_valkey.url)) as house:
        await Shop(small_trial, house, first=10).trade(1)
        assert await raw.keys(PREFIX + "*")
    await judged(small_trial)


@pytest.mark.parametrize("how", ["READONLY", "OOM", "NOAUTH"])
async def test_c7_redis_that_says_no_is_as_one_that_is_away(
    small_trial: Trial, own_valkey: ValkeyServer, raw: redis.asyncio.Redis, how: str
) -> None:
    """A replica that only reads, no memory left, a password nobody told us: every value is a miss, nothing fails."""
    match how:
        case "READONLY":
            await raw.replicaof("127.0.0.1", "1")
        case "OOM":
            await raw.config_set("maxmemory", "1")
        case _:
            await raw.config_set("requirepass", "nobody-knows")
    try:
        async with small_trial.gateway(small_trial.settings(redis_url=own_valkey.url)) as house:
            shop = Shop(small_trial, house)
            await shop.trade()
            assert shop.misses() >= 1
    finally:
        await raw.replicaof("NO", "ONE")
        await raw.config_set("maxmemory", "0")
        await raw.config_set("requirepass", "")
    await judged(small_trial)
