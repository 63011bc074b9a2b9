"""Commands of safe mode: books that were put back are read and not traded on, until a person has compared them.

Books that were put back lack what happened after the backup, while panels, users and consumers have it. So from the
moment they are recognised (by the mark in a backup, by tables that were made anew, or because a person says so) until
`gateway reconcile` ends it:

- Nothing is placed, asked to be refilled or canceled, and no doubt is settled: what the books hold as never sent may
  have been sent since, and an id that answers at a panel may be of an order they know nothing of.
- Numbers that may have been given out meanwhile are skipped: an order's id would stand for two orders, an attempt's
  for two at a panel that knows orders again by it, an event's would make consumers drop the second one.

At its end every attempt that was planned is put in doubt. What was in doubt by then stays so until a person settles it:
looking for lost orders would meet those that these books do not know.
"""

from typing import Final

import msgspec

from gateway.core.attempt import Attempt, AttemptState
from gateway.store.attempts import arm, read_attempts
from gateway.store.engine import Query, Refused, Steps
from gateway.store.events import record
from gateway.store.owners import doubt

# Numbers that are skipped at least, and for each order of an equally long time before: its attempts and events are
# some ten, a gap between two order ids is up to 20.
SKIPPED_LEAST: Final = 1_000_000
SKIPPED_PER_ORDER: Final = 40
DOUBTED_AT_ONCE: Final = 100
FOR_EVER: Final = 2**62  # ms
# An attempt is armed only so that it can be doubted: the mark of a transmission that never was.
MARK: Final = "books put back"


class NotSafe(Refused):
    """These books are not in safe mode."""


class Safety(msgspec.Struct, frozen=True, kw_only=True):
    """Whether books may be traded on."""

    on: bool = False  # whether they are in safe mode
    reason: str = ""
    known_until: int = 0  # ms: what happened later they cannot know
    by_hand_until: int = 0  # ms: doubt that came up before is a person's to settle; also after the end of safe mode


def safety() -> Steps[Safety]:
    """Whether the books are in safe mode."""
    for row in (yield Query("safety")):
        if row["since"] is not None:
            on = row["ended_at"] is None
            known = row["known_until"]
            return Safety(on=on, reason=row["reason"], known_until=known, by_hand_until=row["ended_at"] or FOR_EVER)
    return Safety()


def recognise(*, actor: str, now: int) -> Steps[Safety]:
    """Look whether the books were put back since they were last opened, and skip numbers if they were."""
    for row in (yield Query("safety")):
        if row["identity"] != row["here"]:
            yield Query("safety_identify", {"identity": row["here"]})
            if row["identity"]:
                why = "these tables were made anew: a dump was read in, or the books were moved"
                yield from begin(why, actor=actor, now=now)
    yield from _skip_numbers(actor=actor, now=now)
    return (yield from safety())


def begin(reason: str, *, actor: str, now: int, known_until: int | None = None) -> Steps[bool]:
    """Begin safe mode; False if it was on already. Until when the books know is what their last event says."""
    last = yield Query("last_event_at")
    known = known_until if known_until is not None else (last[0]["created_at"] if last else now)
    if not (yield Query("safety_begin", {"now": now, "reason": reason, "known_until": known})):
        return False
    yield from record("books.safe_mode", actor=actor, reason=reason, now=now)
    return True


def doubt_planned(*, actor: str, now: int) -> Steps[int]:
    """Put attempts in doubt that were planned, at most DOUBTED_AT_ONCE; answers how many. They may have been sent."""
    done = 0
    for row in (yield Query("attempts_planned_all", {"limit": DOUBTED_AT_ONCE})):
        attempts = yield from read_attempts(row["order_id"])
        mine = next(each for each in attempts if each.id == row["id"])
        if (yield from _doubt(mine, actor=actor, now=now)):
            done += 1
    return done


def end(*, actor: str, reason: str, found: str, now: int) -> Steps[None]:
    """End safe mode; `found` is what was found at the panels, as JSON. Raises NotSafe."""
    if not (yield Query("safety_end", {"now": now})):
        raise NotSafe("these books are not in safe mode")
    yield from record("books.reconciled", actor=actor, after=found, reason=reason, now=now)


def figures() -> Steps[dict[str, int]]:
    """How many orders hang in the open, by state."""
    rows = yield Query("restored_figures")
    return {row["state"]: row["orders"] for row in rows}


def _doubt(attempt: Attempt, *, actor: str, now: int) -> Steps[bool]:
    if not (yield from arm(attempt, now=now, mark=MARK)):
        return False
    armed = msgspec.structs.replace(attempt, state=AttemptState.SENDING)
    return (yield from doubt(armed, actor=actor, now=now))


def _skip_numbers(*, actor: str, now: int) -> Steps[None]:
    """Leave out what may have been given out after the backup: as much again as in an equally long time before it."""
    for row in (yield Query("safety_skipped")):
        known = int(row["known_until"])
        lately = yield Query("orders_since", {"since": known - max(now - known, 0)})
        count = SKIPPED_LEAST + SKIPPED_PER_ORDER * int(lately[0]["orders"])
        for name in ("counters_skip", "attempts_skip", "events_skip", "transfers_skip", "users_skip"):
            yield Query(name, {"count": count})
        yield from record("books.numbers_skipped", actor=actor, reason=f"{count} of each kind", now=now)
