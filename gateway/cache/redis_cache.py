"""The cache that all replicas share, in Redis; whatever goes wrong there costs 50 milliseconds once, then nothing.

redis-py 8 retries ten times by default, which turns a dead Redis into seconds for each command: retries are off and the
time-outs short. After a fault the breaker leaves Redis alone, for one second at first and up to half a minute, with
jitter so that replicas do not come back all at once; then one caller looks whether it is back. Every value carries a
digest: what somebody else wrote under our name, or half of a value, is a miss.
"""

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from gateway.cache.cache import LONG_SECONDS, QUICK_SECONDS, Observer
from gateway.cache.counting import Counting
from gateway.core.gcra import Limit

T = TypeVar("T")

PAUSE_FIRST_SECONDS: Final = 1.0
PAUSE_MAX_SECONDS: Final = 30.0
# The form of our values; another number when it changes, so that two versions of the program do not read each other's.
PREFIX: Final = "gateway:1:"
_DIGEST_BYTES: Final = 16
# gateway/core/gcra.py in one step that nobody comes between: the clock is the caller's, as it is there. What somebody
# else put under the name, of another type, no number or beyond what the rule writes, counts as nothing: it would be a
# fault, or a limit that nobody keeps, for ever.
_TAKE: Final = """
local now, step, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.pcall('GET', KEYS[1])
if type(kept) == 'table' then redis.call('DEL', KEYS[1]) kept = '0' end
local level = math.max(tonumber(kept or '0') or 0, now)
if level > now + 2 * room then level = now end
local over = level + step - now - room
if over > 0 then return over end
redis.call('SET', KEYS[1], string.format('%.0f', level + step), 'PX', room + 1000)
return 0
"""
_KEPT_SECONDS: Final = 7 * 24 * 3600  # a provider that was gone for longer is fetched anew


class RedisCache:
    """Named bytes in Redis, behind a breaker."""

    def __init__(self, url: str, observer: Observer, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis.asyncio.Redis.from_url(
            url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=LONG_SECONDS,
            socket_timeout=LONG_SECONDS,
            decode_responses=False,
        )
        self.trouble = ""  # what went wrong the last time; empty once something was answered
        self._take = self._redis.register_script(_TAKE)
        self._counting = Counting()
        self._observer = observer
        self._elapsed = elapsed  # seconds
        self._closed_until = 0.0
        self._pause = PAUSE_FIRST_SECONDS

    async def get(self, name: str, *, within: float = QUICK_SECONDS) -> bytes | None:
        """The bytes under a name, or None for a miss, a fault or a value that is not ours."""
        value = await self._guarded("get", lambda: self._redis.get(PREFIX + name), within=within)
        if not isinstance(value, bytes) or len(value) < _DIGEST_BYTES:
            return None
        digest, body = value[:_DIGEST_BYTES], value[_DIGEST_BYTES:]
        if digest != _digest(body):
            self._observer.cache_failed("digest")
            return None
        return body

    async def put(self, name: str, value: bytes, *, within: float = QUICK_SECONDS) -> None:
        """Keep bytes under a name, unless Redis is away."""
        whole = _digest(value) + value
        await self._guarded("put", lambda: self._redis.set(PREFIX + name, whole, ex=_KEPT_SECONDS), within=within)

    async def take(self, name: str, limit: Limit, *, now: int, within: float = QUICK_SECONDS) -> int:
        """Take one time, of all replicas' together; while Redis is away, of this process's own."""
        wait = await self._guarded(
            "take",
            lambda: self._take(keys=[f"{PREFIX}limit:{name}"], args=[now, limit.step, limit.room]),
            within=within,
        )
        return wait if isinstance(wait, int) else self._counting.take(name, limit, now=now)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def _guarded(self, operation: str, call: Callable[[], Awaitable[T]], *, within: float) -> T | None:
        """The one place where redis's errors are known."""
        if self._elapsed() < self._closed_until:
            return None
        looking = self.trouble != ""
        if looking:  # whether it is back; nobody else waits for that
            self._closed_until = self._elapsed() + within
        try:
            async with asyncio.timeout(within):
                value = await call()
        except (RedisError, OSError, TimeoutError, ValueError) as error:
            self.trouble = f"Redis did not answer ({type(error).__name__}): lists and limits are this process's own"
            self._observer.cache_failed(operation)
            # Jitter wants no secrecy.
            self._closed_until = self._elapsed() + self._pause * random.uniform(0.75, 1.25)  # noqa: S311 - see above
            self._pause = min(self._pause * 2, PAUSE_MAX_SECONDS)
            return None
        self._pause, self.trouble = PAUSE_FIRST_SECONDS, ""
        if looking:
            self._closed_until = 0.0
        return value


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
