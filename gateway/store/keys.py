"""Commands on keys: store the hash of one, end one or all, and find who holds a key."""

import msgspec

from gateway.core.user import User
from gateway.store.engine import Query, Refused, Steps
from gateway.store.events import record
from gateway.store.users import read_user, user_named


class NoSuchKey(Refused):
    """The user has no living key that begins so."""


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """What may be shown of a key."""

    prefix: str
    created_at: int  # ms
    expires_at: int | None
    revoked_at: int | None

    def alive(self, now: int) -> bool:
        """Whether the key opens anything at `now` (ms)."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)


class NewKey(msgspec.Struct, frozen=True):
    """A fresh key as far as it is stored."""

    hash: str
    prefix: str


def create_key(name: str, key: NewKey, *, actor: str, reason: str = "", now: int) -> Steps[None]:
    """Give a user one more key; raises NoSuchUser."""
    user = yield from user_named(name)
    yield Query("key_insert", {"user_id": user.id, "hash": key.hash, "prefix": key.prefix, "now": now})
    yield from record("key.created", actor=actor, user_id=user.id, after=f'"{key.prefix}"', reason=reason, now=now)


def rotate_key(  # noqa: PLR0913 - what a change of keys needs to be accounted for
    name: str, key: NewKey, *, overlap_ms: int, actor: str, reason: str, now: int
) -> Steps[int]:
    """Give a user a key in the place of all others, which die at once or after an overlap; answers how many end."""
    user = yield from user_named(name)
    yield Query("key_insert", {"user_id": user.id, "hash": key.hash, "prefix": key.prefix, "now": now})
    params = {"user_id": user.id, "prefix": None, "except_hash": key.hash, "at": now + overlap_ms, "now": now}
    ended = yield Query("keys_end", params)
    why = f"{reason} ({len(ended)} older end at {now + overlap_ms})"
    yield from record("key.rotated", actor=actor, user_id=user.id, after=f'"{key.prefix}"', reason=why, now=now)
    return len(ended)


def revoke_key(name: str, prefix: str | None, *, actor: str, reason: str, now: int) -> Steps[int]:
    """End a user's key that begins so, or all of them, at once; raises NoSuchKey when there is none alive."""
    user = yield from user_named(name)
    params = {"user_id": user.id, "prefix": prefix, "except_hash": "", "at": now, "now": now}
    ended = yield Query("keys_end", params)
    if not ended:
        raise NoSuchKey(f"user {name!r} has no living key" + (f" that begins with {prefix}" if prefix else ""))
    ended_was = f'"{prefix or "all"}"'
    yield from record("key.revoked", actor=actor, user_id=user.id, before=ended_was, reason=reason, now=now)
    return len(ended)


def keys_of(name: str) -> Steps[tuple[KeyRow, ...]]:
    """A user's keys, first made first; raises NoSuchUser."""
    user = yield from user_named(name)
    rows = yield Query("keys_of_user", {"user_id": user.id})
    return tuple(
        KeyRow(
            prefix=row["prefix"],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            revoked_at=row["revoked_at"],
        )
        for row in rows
    )


def user_by_key(key_hash: str, now: int) -> Steps[User | None]:
    """Who holds the living key of this hash; None for an unknown, ended or suspended one alike."""
    rows = yield Query("user_by_key", {"hash": key_hash, "now": now})
    return read_user(rows[0]) if rows else None
