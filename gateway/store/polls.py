"""Commands of polling: watch an order, claim what is due, apply what a panel said, choose when to ask again."""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.messages import StatusReply
from gateway.core.order import TERMINAL, report
from gateway.store.engine import Query, Steps
from gateway.store.life import lock_order, write_step

# How long a claim is ours: longer than one multi-status call may take.
LEASE_MS: Final = 60_000
# Panels change their mind after the end: terminal orders are asked again this long after it, then left alone (DESIGN
# section 4).
LATE_POLLS_MS: Final = tuple(hours * 3600 * 1000 for hours in (1, 6, 24, 72))
# An order under way is asked again after its pace, and later the older it is, up to an hour.
AGE_SHARE: Final = 20
PAUSE_MAX_MS: Final = 3600 * 1000


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """An order that is to be asked about now."""

    order_id: int
    upstream_order: str
    due_at: int
    accepted_at: int
    terminal_at: int | None
    misses: int  # calls in a row that told nothing of it


def watch(order_id: int, provider: str, upstream_order: str, *, due_at: int, now: int) -> Steps[None]:
    """Have an accepted order asked about from ``due_at`` (ms) on."""
    yield Query(
        "poll_insert",
        {"order_id": order_id, "provider": provider, "upstream_order": upstream_order, "due_at": due_at, "now": now},
    )


def claim(provider: str, owner: str, *, limit: int, now: int) -> Steps[tuple[Due, ...]]:
    """Lease the orders of a provider that are due, the longest waiting first, at most ``limit``."""
    rows = yield Query(
        "polls_claim", {"provider": provider, "owner": owner, "limit": limit, "now": now, "lease_until": now + LEASE_MS}
    )
    due = (
        Due(
            order_id=row["order_id"],
            upstream_order=row["upstream_order"],
            due_at=row["due_at"],
            accepted_at=row["accepted_at"],
            terminal_at=row["terminal_at"],
            misses=row["misses"],
        )
        for row in rows
    )
    return tuple(sorted(due, key=lambda one: (one.due_at, one.order_id)))


def apply(due: Due, said: StatusReply, *, provider: str, pace: int, now: int) -> Steps[None]:
    """Write what a panel said of an order, pay what is owed, and choose the next time; ``pace`` is in ms."""
    locked = yield from lock_order(due.order_id)
    assert locked is not None, f"poll of order {due.order_id}, which does not exist"
    cost = next((route.cost for route in locked.routes if route.provider == provider), None)
    made = report(locked.order, said, cost=cost)
    yield from write_step(locked.order, made, actor=f"provider:{provider}", reason=_told(said), now=now)
    terminal_at = due.terminal_at
    if terminal_at is None and made.order.state in TERMINAL:
        terminal_at = now
    yield from _schedule(due, next_poll(due.accepted_at, terminal_at, pace=pace, now=now), terminal_at, misses=0)


def miss(dues: Sequence[Due], *, pace: int, now: int) -> Steps[None]:
    """Nothing was heard of these orders: no news, ask again after a pause that grows."""
    for due in dues:
        pause = min(pace * 2 ** min(due.misses + 1, 10), PAUSE_MAX_MS)
        yield from _schedule(due, now + pause, due.terminal_at, misses=due.misses + 1)


def poll_soon(order_id: int, *, due_at: int) -> Steps[None]:
    """Ask about an order at ``due_at`` (ms) at the latest: something was asked of its panel."""
    yield Query("poll_soon", {"order_id": order_id, "due_at": due_at})


def next_poll(accepted_at: int, terminal_at: int | None, *, pace: int, now: int) -> int | None:
    """When to ask again, in ms; ``None`` when an order that ended long ago is left alone."""
    if terminal_at is not None:
        return next((terminal_at + late for late in LATE_POLLS_MS if terminal_at + late > now), None)
    return now + min(max(pace, (now - accepted_at) // AGE_SHARE), PAUSE_MAX_MS)


def _schedule(due: Due, due_at: int | None, terminal_at: int | None, *, misses: int) -> Steps[None]:
    if due_at is None:
        yield Query("poll_drop", {"order_id": due.order_id})
        return
    yield Query(
        "poll_schedule", {"order_id": due.order_id, "due_at": due_at, "terminal_at": terminal_at, "misses": misses}
    )


def _told(said: StatusReply) -> str:
    """What the panel said, short, for the history."""
    return f"{said.status or '?'} start {said.start_count} remains {said.remains} charge {said.charge}"
