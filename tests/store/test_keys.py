"""Keys in the books: found by their hash while they live, dead at once when revoked, overlapping only when asked."""

from functools import partial

import pytest

from gateway.store.engine import Store
from gateway.store.keys import NewKey, NoSuchKey, create_key, keys_of, revoke_key, rotate_key, user_by_key
from gateway.store.users import Choices, create_user, set_state

NOW = 1_700_000_000_000
FIRST = NewKey(hash="a" * 64, prefix="gw_first1")
SECOND = NewKey(hash="b" * 64, prefix="gw_second")


@pytest.fixture
async def alpha(store: Store) -> str:
    """A user with one key."""
    await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=NOW))
    await store.run(partial(create_key, "alpha", FIRST, actor="test", now=NOW))
    return "alpha"


async def holder(store: Store, key: NewKey, now: int = NOW) -> str | None:
    """The name behind a key."""
    user = await store.read(partial(user_by_key, key.hash, now))
    return None if user is None else user.name


async def test_living_key_finds_its_user(store: Store, alpha: str) -> None:
    """A key's hash leads to its user, another hash to nobody."""
    assert await holder(store, FIRST) == alpha
    assert await holder(store, SECOND) is None


async def test_rotation_ends_the_old_key_at_once(store: Store, alpha: str) -> None:
    """Without an overlap the old key is dead in the moment the new one lives."""
    assert (
        await store.run(partial(rotate_key, alpha, SECOND, overlap_ms=0, actor="test", reason="leaked", now=NOW)) == 1
    )
    assert await holder(store, FIRST) is None
    assert await holder(store, SECOND) == alpha


async def test_overlap_lets_both_keys_live_for_a_while(store: Store, alpha: str) -> None:
    """With an overlap both open, until it has passed."""
    await store.run(partial(rotate_key, alpha, SECOND, overlap_ms=1000, actor="test", reason="leaked", now=NOW))
    assert await holder(store, FIRST, NOW + 999) == alpha
    assert await holder(store, FIRST, NOW + 1000) is None
    assert await holder(store, SECOND, NOW + 1000) == alpha
    first, second = await store.read(partial(keys_of, alpha))
    assert (first.alive(NOW + 999), first.alive(NOW + 1000), second.alive(NOW + 1000)) == (True, False, True)


async def test_revoked_key_is_dead(store: Store, alpha: str) -> None:
    """Revoking by prefix ends that key alone; revoking again finds nothing alive."""
    await store.run(partial(create_key, alpha, SECOND, actor="test", now=NOW))
    assert await store.run(partial(revoke_key, alpha, FIRST.prefix, actor="test", reason="leaked", now=NOW)) == 1
    assert await holder(store, FIRST) is None
    assert await holder(store, SECOND) == alpha
    with pytest.raises(NoSuchKey, match="gw_first1"):
        await store.run(partial(revoke_key, alpha, FIRST.prefix, actor="test", reason="leaked", now=NOW))
    assert await store.run(partial(revoke_key, alpha, None, actor="test", reason="leaked", now=NOW)) == 1
    with pytest.raises(NoSuchKey, match=r"no living key$"):
        await store.run(partial(revoke_key, alpha, None, actor="test", reason="leaked", now=NOW))


async def test_suspended_user_has_no_key(store: Store, alpha: str) -> None:
    """A suspended user's key answers like one that does not exist."""
    await store.run(partial(set_state, alpha, "suspended", actor="test", reason="", now=NOW))
    assert await holder(store, FIRST) is None
