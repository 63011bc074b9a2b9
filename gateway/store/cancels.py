"""Commands of cancels that a panel has to be told of: the books owe them until somebody has told it, whichever process.

One is owed from the transaction on in which it is clear that a panel has an order nobody wants any more. Whoever tells
counts it before its first byte, so a process that dies then is one that may have told. A panel that was told and said
nothing is told once more after a while, and never a third time: repeating a cancel is harmless, its reply proves
nothing, and a later status decides (RELIABILITY.md section 1.7).
"""

from typing import Final, Literal

import msgspec

from gateway.core.order import Order, OrderState
from gateway.store.engine import Query, Steps, Value
from gateway.store.events import record
from gateway.store.life import lock_order

# A panel that said nothing is told once more after this (RELIABILITY 1.7).
AGAIN_MS: Final = 5 * 60_000
# A panel that cannot be reached is tried again after this, for so long.
UNSENT_PAUSE_MS: Final = 60_000
UNSENT_MS: Final = 72 * 3600 * 1000
# Cancels one process takes up at a time, of one provider.
DUE_MAX: Final = 20
# What comes of telling: taken or refused by the panel, no word of it, or not one byte sent.
Answer = Literal["taken", "refused", "silent", "unsent"]


class Telling(msgspec.Struct, frozen=True, kw_only=True):
    """The right to tell a panel of one cancel, once."""

    order_id: int
    upstream_order: str
    mark: str  # of this telling and of no other
    last: bool  # whether nothing more is told should the panel say nothing


def owe_cancel(  # noqa: PLR0913 - a row's columns
    order: Order, provider: str, upstream_order: str, *, given_up: bool, actor: str, now: int
) -> Steps[None]:
    """Have a panel told that nobody wants an order any more; once an order, however often it is asked for."""
    row: dict[str, Value] = {
        "order_id": order.id,
        "provider": provider,
        "upstream_order": upstream_order,
        "given_up": int(given_up),
        "now": now,
    }
    if (yield Query("cancel_owe", row)):
        why = "its user was refunded while it was in doubt" if given_up else "its user wants it canceled"
        reason = f"{provider} has it as {upstream_order}, and {why}"
        yield from _tell(order, "order.cancel_owed", actor=actor, reason=reason, now=now)


def due_cancels(provider: str, *, now: int) -> Steps[tuple[int, ...]]:
    """The orders of a provider whose cancels are to be told now, at most DUE_MAX."""
    return tuple(
        row["order_id"] for row in (yield Query("cancels_due", {"provider": provider, "now": now, "limit": DUE_MAX}))
    )


def take_cancel(order_id: int, mark: str, *, again_ms: int, obstacle: str, now: int) -> Steps[Telling | None]:
    """Take the right to tell a panel; ``None`` when there is nothing to be told, or another is at it.

    With an ``obstacle`` its panel cannot be told at all, and nothing is owed any more; so it is with an order that has
    ended meanwhile.
    """
    locked = yield from lock_order(order_id)
    rows = yield Query("cancel_of", {"order_id": order_id})
    if locked is None or not rows or rows[0]["answer"] is not None:
        return None
    row = rows[0]
    if row["teller"] == mark:  # taken by a run of this command whose commit was unclear
        return _telling(row["upstream_order"], order_id, mark, sends=row["sends"])
    if not row["given_up"] and locked.order.state is not OrderState.ACTIVE:
        obstacle = f"the order is {locked.order.state} already"
    if obstacle and row["due_at"] is not None:
        yield from _drop(locked.order, row["provider"], reason=obstacle, now=now)
        return None
    taken = yield Query("cancel_take", {"order_id": order_id, "mark": mark, "now": now, "again_at": now + again_ms})
    return _telling(taken[0]["upstream_order"], order_id, mark, sends=taken[0]["sends"]) if taken else None


def settle_cancel(telling: Telling, answer: Answer, *, why: str, now: int) -> Steps[None]:
    """Write what came of telling. A panel's word ends it; silence leaves it due as it was taken."""
    locked = yield from lock_order(telling.order_id)
    assert locked is not None, f"cancel of order {telling.order_id}, which does not exist"
    rows = yield Query("cancel_of", {"order_id": telling.order_id})
    match answer:
        case "unsent":
            params: dict[str, Value] = {
                "order_id": telling.order_id,
                "mark": telling.mark,
                "due_at": now + UNSENT_PAUSE_MS,
            }
            untold = yield Query("cancel_unsent", params)
            if untold and now - rows[0]["created_at"] > UNSENT_MS:
                yield from _drop(
                    locked.order, rows[0]["provider"], reason=f"not to be reached for days: {why}", now=now
                )
            return
        case "silent":
            reason = f"{why}; {'it is told no more' if telling.last else 'it is told once more'}"
        case _:
            if not (yield Query("cancel_answered", {"order_id": telling.order_id, "answer": answer, "now": now})):
                return
            reason = why
    yield from _tell(
        locked.order,
        "order.cancel_told",
        actor=f"provider:{rows[0]['provider']}",
        after=f'{{"cancel":"{answer}"}}',
        reason=reason,
        now=now,
    )


def _telling(upstream_order: str, order_id: int, mark: str, *, sends: int) -> Telling:
    return Telling(order_id=order_id, upstream_order=upstream_order, mark=mark, last=sends > 1)


def _drop(order: Order, provider: str, *, reason: str, now: int) -> Steps[None]:
    """Owe it no more, told or not."""
    yield Query("cancel_answered", {"order_id": order.id, "answer": "dropped", "now": now})
    yield from _tell(order, "order.cancel_dropped", actor=f"provider:{provider}", reason=reason, now=now)


def _tell(order: Order, kind: str, *, actor: str, reason: str, now: int, after: str | None = None) -> Steps[None]:  # noqa: PLR0913 - an event names all of these
    yield from record(kind, actor=actor, order_id=order.id, user_id=order.user_id, after=after, reason=reason, now=now)
