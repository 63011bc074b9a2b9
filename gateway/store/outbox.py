"""The outbox: which events are to be told, to be claimed by a publisher, marked, tried again, given up, put back.

Events are written with the change they tell of, whether or not anybody listens: they are the audit trail. Only where a
consumer is configured they are born to be told. That is a fact of the books (the one row of `publishing`, set by a
gateway as it starts), read in the statement that writes the event: no second write, nothing in the index of what is
to be told while nobody listens, and the command line, which knows nothing of webhooks, writes what the gateway tells.

At least once: a claim is a lease, and only a mark ends it. Whoever dies between telling and marking leaves an event
that is told again under the same id, by which consumers dedupe. Events of one order are told in the order they
happened. Never "all ids above the last one": ids of two processes become visible out of order, and a reader that counts
on them skips rows for good (RELIABILITY.md section 1.14).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.store.engine import Query, Steps
from gateway.store.events import record

# Events in one claim, and how long they are the claimer's: longer than telling all of them may take.
CLAIM_MAX: Final = 50
LEASE_MS: Final = 120_000
# A first failure is tried again after a second, then twice as late each time, up to an hour; a day after its first
# try an event is given up.
RETRY_MS: Final = 1_000
RETRY_MAX_MS: Final = 3_600_000
GIVE_UP_MS: Final = 24 * 3_600_000
PROBLEM_MAX: Final = 300  # characters of why
DEAD_LISTED_MAX: Final = 1_000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event that is to be told now."""

    id: int
    kind: str
    actor: str
    user_id: int | None
    order_id: int | None
    before: str | None  # JSON
    after: str | None  # JSON
    reason: str | None
    created_at: int  # ms
    tries: int
    first_try_at: int | None


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was given up."""

    id: int
    kind: str
    order_id: int | None
    created_at: int
    tries: int
    dead_at: int
    problem: str | None


class Waiting(msgspec.Struct, frozen=True):
    """How many events wait to be told, and how many were given up."""

    waiting: int
    dead: int


def want_events(*, wanted: bool) -> Steps[None]:
    """Have events from now on be told, or not; what waits already stays waiting."""
    if (yield Query("publishing_wanted"))[0]["wanted"] != int(wanted):
        yield Query("publishing_want", {"wanted": int(wanted)})


def claim_events(*, now: int, limit: int = CLAIM_MAX) -> Steps[tuple[Told, ...]]:
    """Lease events that are due, at most one of each order, the oldest first.

    Run again after an unclear commit it claims others; the first ones come back when their lease has run out.
    """
    rows = yield Query("events_claim", {"now": now, "lease_until": now + LEASE_MS, "limit": limit})
    names = Told.__struct_fields__
    return tuple(sorted((Told(**{name: row[name] for name in names}) for row in rows), key=lambda told: told.id))


def mark_published(ids: Sequence[int], *, now: int) -> Steps[None]:
    """Note that the consumer has these events."""
    yield Query("events_published", {"ids": ids, "now": now})


def mark_failed(told: Told, problem: str, *, now: int) -> Steps[bool]:
    """Note that the consumer did not take an event; answers whether it was given up for good."""
    first = told.first_try_at if told.first_try_at is not None else now
    pause = min(RETRY_MS * 2 ** min(told.tries, 20), RETRY_MAX_MS)
    dead: bool = now + pause > first + GIVE_UP_MS
    yield Query(
        "event_failed",
        {
            "id": told.id,
            "tries": told.tries + 1,
            "first_try_at": first,
            "due_at": now + pause,
            "dead_at": now if dead else None,
            "problem": problem[:PROBLEM_MAX],
        },
    )
    return dead


def dead_events(*, limit: int = DEAD_LISTED_MAX) -> Steps[tuple[Dead, ...]]:
    """What was given up, the oldest first."""
    rows = yield Query("events_dead", {"limit": limit})
    return tuple(Dead(**{name: row[name] for name in Dead.__struct_fields__}) for row in rows)


def retry_events(
    ids: Sequence[int], *, every: bool = False, actor: str, reason: str, now: int
) -> Steps[tuple[int, ...]]:
    """Put back events that were given up; answers which, and is an event itself."""
    rows = yield Query("events_retry", {"ids": ids, "every": int(every)})
    back = tuple(sorted(row["id"] for row in rows))
    if back:
        after = f'{{"events":{len(back)},"first":{back[0]},"last":{back[-1]}}}'
        yield from record("events.retried", actor=actor, after=after, reason=reason, now=now)
    return back


def count_events() -> Steps[Waiting]:
    """How many wait, and how many were given up."""
    row = (yield Query("events_waiting"))[0]
    return Waiting(row["waiting"], row["dead"])
