"""Commands of refills: ask for one, settle what the panel answered, follow it, show it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.attempt import AttemptState
from gateway.core.refill import RefillState, Wish, eligible
from gateway.store.attempts import read_attempts
from gateway.store.engine import Query, Steps
from gateway.store.events import record
from gateway.store.life import lock_order

# How long a claim is ours.
LEASE_MS: Final = 60_000


class RefillTask(msgspec.Struct, frozen=True, kw_only=True):
    """A refill that was stored and now has to be asked of its panel."""

    id: int
    provider: str
    upstream_order: str


class OpenRefill(msgspec.Struct, frozen=True, kw_only=True):
    """A refill the panel is working on, due to be asked about."""

    id: int
    upstream_refill: str
    created_at: int


def ask_refill(refill_id: int, order_id: int, user_id: int, *, now: int) -> Steps[RefillTask | None]:
    """Store a refill before it is asked of the panel; ``None`` when the order is not eligible (or not the user's)."""
    locked = yield from lock_order(order_id)
    if locked is None or locked.order.user_id != user_id:
        return None
    rows = yield Query("refill_newest", {"order_id": order_id})
    newest = rows[0] if rows else None
    wish = Wish(
        state=locked.order.state,
        offered=locked.can_refill,
        open=newest is not None and newest["state"] in RefillState.open_states(),
        last_at=newest["created_at"] if newest is not None and newest["state"] != RefillState.REJECTED else None,
    )
    accepted = [one for one in (yield from read_attempts(order_id)) if one.state is AttemptState.ACCEPTED]
    if newest is not None and newest["id"] == refill_id and accepted:  # stored by a run whose commit was unclear
        return RefillTask(id=refill_id, provider=accepted[0].provider, upstream_order=accepted[0].upstream_order or "")
    if not eligible(wish, now=now) or not accepted:
        return None
    task = RefillTask(id=refill_id, provider=accepted[0].provider, upstream_order=accepted[0].upstream_order or "")
    yield Query(
        "refill_insert",
        {
            "id": refill_id,
            "order_id": order_id,
            "user_id": user_id,
            "provider": task.provider,
            "upstream_order": task.upstream_order,
            "due_at": now,
            "now": now,
        },
    )
    yield from record("refill.asked", actor=f"user:{user_id}", order_id=order_id, user_id=user_id, now=now)
    return task


def settle(  # noqa: PLR0913 - a row's columns
    refill_id: int, state: RefillState, *, shown: str, upstream_refill: str | None, due_at: int, now: int
) -> Steps[None]:
    """Write how a refill stands; one that has ended stays as it is."""
    rows = yield Query("refill_lock", {"id": refill_id})
    if not rows or rows[0]["state"] not in RefillState.open_states():
        return
    before = rows[0]
    yield Query(
        "refill_settle",
        {
            "id": refill_id,
            "state": state.value,
            "shown": shown,
            "upstream_refill": upstream_refill,
            "due_at": due_at,
            "now": now,
        },
    )
    if (before["state"], before["shown"]) != (state.value, shown):
        yield from record(
            f"refill.{state}",
            actor=f"provider:{before['provider']}",
            order_id=before["order_id"],
            user_id=before["user_id"],
            before=_standing(refill_id, before["state"], before["shown"]),
            after=_standing(refill_id, state.value, shown),
            now=now,
        )


def _standing(refill_id: int, state: str, shown: str) -> str:
    return msgspec.json.encode({"refill": refill_id, "state": state, "shown": shown}).decode()


def claim_refills(provider: str, owner: str, *, limit: int, now: int) -> Steps[tuple[OpenRefill, ...]]:
    """Lease the provider's open refills that are due, at most ``limit``."""
    rows = yield Query(
        "refills_claim",
        {"provider": provider, "owner": owner, "limit": limit, "now": now, "lease_until": now + LEASE_MS},
    )
    return tuple(
        OpenRefill(id=row["id"], upstream_refill=row["upstream_refill"], created_at=row["created_at"]) for row in rows
    )


def doubt_refills(*, before: int, now: int) -> Steps[int]:
    """Put refills in doubt that were being asked when their process died; answers how many."""
    rows = yield Query("refills_doubt", {"before": before, "now": now})
    for row in rows:
        yield from record(
            "refill.unknown",
            actor="sweep",
            order_id=row["order_id"],
            user_id=row["user_id"],
            after=_standing(row["id"], RefillState.UNKNOWN.value, row["shown"]),
            reason="its panel was asked, and the process that asked is dead",
            now=now,
        )
    return len(rows)


def show_refills(user_id: int, ids: Sequence[int]) -> Steps[dict[int, str]]:
    """The words for these refills, of the user's own only."""
    rows = yield Query("refills_status", {"user_id": user_id, "ids": ids})
    return {row["id"]: row["shown"] for row in rows}


def show_newest_refill(user_id: int, order_id: int) -> Steps[str | None]:
    """The word for the newest refill of an order of the user's."""
    rows = yield Query("refill_newest_of_user", {"user_id": user_id, "order_id": order_id})
    return rows[0]["shown"] if rows else None
