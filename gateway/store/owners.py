"""Commands of the processes that share the books: signs of life, take-over, doubt."""

from typing import Final

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.order import OrderEvent, OrderState, step
from gateway.store.attempts import read_attempts, resolve
from gateway.store.engine import Query, Steps
from gateway.store.events import record
from gateway.store.life import lock_order, write_step
from gateway.store.link_waits import PUT_OFF_MAX_MS

# A process that has not been heard of for this long is dead (RELIABILITY 1.13).
OWNER_DEAD_MS: Final = 30_000
# A sign of life that is dated so far in the future was written before the clock was set back.
OWNER_AHEAD_MS: Final = 3_600_000
# Attempts taken over, or put in doubt, in one command.
SWEEP_MAX: Final = 100


def books_time() -> Steps[int]:
    """What time it is by the database's clock, in ms since the epoch."""
    rows = yield Query("books_time")
    return int(rows[0]["now"])


def beat(owner: str, *, now: int) -> Steps[int]:
    """Note that this process lives; answers when it last did before, in ms, or 0."""
    before = yield Query("owner_heard", {"owner": owner})
    yield Query("owner_beat", {"owner": owner, "now": now})
    return int(before[0]["heartbeat_at"]) if before else 0


def leave(owner: str) -> Steps[None]:
    """Note that this process has ended cleanly: what it planned or claimed is at once for whoever wants it."""
    for statement in ("polls_leave", "children_leave", "refills_leave", "jobs_leave", "owner_leave"):
        yield Query(statement, {"owner": owner})


def take_over(owner: str, *, now: int) -> Steps[tuple[Attempt, ...]]:
    """Make the planned attempts of dead processes ours, at most SWEEP_MAX: certain, because they were never armed.

    Answers those that can be sent at once; the others are ours to send when it is time (``left_planned``).
    """
    rows = yield Query("attempts_take_over", {"owner": owner, "limit": SWEEP_MAX, **alive(now)})
    taken: list[Attempt] = []
    for row in rows:
        attempts = yield from read_attempts(row["order_id"])
        taken.extend(each for each in attempts if each.id == row["id"] and row["not_before"] is None)
        reason = "it was not sent, and the process that planned it is dead"
        yield from record("attempt.taken_over", actor=owner, order_id=row["order_id"], reason=reason, now=now)
    return tuple(taken)


def left_planned(owner: str, *, now: int) -> Steps[tuple[Attempt, ...]]:
    """Attempts of this process that are to be sent and are not, the oldest first, at most SWEEP_MAX."""
    latest = now + PUT_OFF_MAX_MS
    rows = yield Query("attempts_planned_of", {"owner": owner, "now": now, "latest": latest, "limit": SWEEP_MAX})
    found: list[Attempt] = []
    for row in rows:
        attempts = yield from read_attempts(row["order_id"])
        found.extend(attempt for attempt in attempts if attempt.id == row["id"])
    return tuple(found)


def stale(*, now: int, deadline: int) -> Steps[tuple[Attempt, ...]]:
    """Attempts armed before ``deadline`` (ms), or by a process that is dead, and never decided; at most SWEEP_MAX."""
    rows = yield Query("attempts_stale", {"deadline": deadline, "limit": SWEEP_MAX, **alive(now)})
    found: list[Attempt] = []
    for row in rows:
        attempts = yield from read_attempts(row["order_id"])
        found.extend(attempt for attempt in attempts if attempt.id == row["id"])
    return tuple(found)


def alive(now: int) -> dict[str, int]:
    """Between which moments a living process has given a sign of life."""
    return {"alive_since": now - OWNER_DEAD_MS, "alive_until": now + OWNER_AHEAD_MS}


def doubt(attempt: Attempt, *, actor: str, now: int) -> Steps[bool]:
    """Make a stale attempt unknown: it was armed, and nobody will ever say what became of it."""
    locked = yield from lock_order(attempt.order_id)
    why = f"armed by {attempt.owner} and never decided"
    if locked is None or not (yield from resolve(attempt, AttemptState.UNKNOWN, reason=why, now=now)):
        return False
    if locked.order.state is OrderState.PLACING:
        yield from write_step(locked.order, step(locked.order, OrderEvent.DOUBTED), actor=actor, reason=why, now=now)
    else:
        yield from record("attempt.unknown", actor=actor, order_id=attempt.order_id, reason=why, now=now)
    return True
