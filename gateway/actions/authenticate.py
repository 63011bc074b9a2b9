"""Who asks: a key to its user, without a query for a malformed key and with one a second for a busy one."""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Final

from gateway.core.keys import hash_key, well_formed
from gateway.core.user import User
from gateway.store.engine import Store
from gateway.store.keys import user_by_key

# How long an answer of the store is used again: a revoked key is dead within it (RELIABILITY.md section 3, item 6).
FRESH_MS: Final = 1_000
# Keys remembered at once; unknown ones are remembered too, so that hammering with one costs no query each time.
KEYS_REMEMBERED_MAX: Final = 10_000


class KeyRing:
    """The keys seen lately, by their hash; the keys themselves are never kept."""

    def __init__(self, store: Store, secret: bytes, clock: Callable[[], int]) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock
        self._seen: OrderedDict[str, tuple[User | None, int]] = OrderedDict()

    def knows(self, key: str | None) -> bool:
        """Whether a key is known to be somebody's without asking the store: it was good a moment ago."""
        if key is None or not well_formed(key):
            return False
        seen = self._seen.get(hash_key(key, self._secret))
        return seen is not None and seen[0] is not None

    async def user_of(self, key: str | None) -> User | None:
        """The user who holds a key; None for no key, a malformed, unknown or dead one, or one of a suspended user."""
        if key is None or not well_formed(key):
            return None
        key_hash = hash_key(key, self._secret)
        now = self._clock()
        seen = self._seen.get(key_hash)
        if seen is not None and now - FRESH_MS < seen[1] <= now:
            return seen[0]
        user = await self._store.read(partial(user_by_key, key_hash, now))
        self._seen[key_hash] = (user, now)
        self._seen.move_to_end(key_hash)
        if len(self._seen) > KEYS_REMEMBERED_MAX:
            self._seen.popitem(last=False)
        return user
