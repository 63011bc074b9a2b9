"""Commands of asking about children, the orders a panel made by itself for one of ours: claim, apply, miss.

A child's word moves no money. It is kept, and where its order has ended, its order is asked about soon: whoever applies
what the panel says of the order then settles it by all its children (gateway/store/polls.py).
"""

from collections.abc import Sequence

import msgspec

from gateway.core.children import ENDS
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import TERMINAL
from gateway.store.engine import Query, Steps
from gateway.store.events import record
from gateway.store.life import Locked, lock_order
from gateway.store.polls import LEASE_MS, PAUSE_MAX_MS, SILENT_MS, Due, claim, next_poll, poll_soon, put_before_a_person


class ChildDue(msgspec.Struct, frozen=True, kw_only=True):
    """A child that is to be asked about now."""

    id: int
    order_id: int
    upstream_order: str
    due_at: int
    misses: int  # calls in a row that told nothing of it
    silent_since: int | None  # ms; of the first of them


def claim_all(
    provider: str, owner: str, *, limit: int, now: int
) -> Steps[tuple[tuple[Due, ...], tuple[ChildDue, ...]]]:
    """Lease the orders of a provider that are due, and the children: at most ``limit`` of each."""
    dues = yield from claim(provider, owner, limit=limit, now=now)
    rows = yield Query(
        "children_claim",
        {"provider": provider, "owner": owner, "limit": limit, "now": now, "lease_until": now + LEASE_MS},
    )
    children = (
        ChildDue(
            id=row["id"],
            order_id=row["order_id"],
            upstream_order=row["upstream_order"],
            due_at=row["due_at"],
            misses=row["misses"],
            silent_since=row["silent_since"],
        )
        for row in rows
    )
    return dues, tuple(sorted(children, key=lambda one: (one.due_at, one.id)))


def apply_child(child: ChildDue, said: StatusReply, *, provider: str, pace: int, now: int) -> Steps[None]:
    """Write what a panel said of a child, and choose the next time; ``pace`` is in ms.

    A word that nobody knows changes nothing, and neither does one of work under way after an end.
    """
    locked = yield from lock_order(child.order_id)
    assert locked is not None, f"child {child.upstream_order} of order {child.order_id}, which does not exist"
    row = (yield Query("child_read", {"id": child.id}))[0]
    before = None if row["status"] is None else StatusWord(row["status"])
    status, charge, remains = before, row["charge"], row["remains"]
    if said.status is not None and (before not in ENDS or said.status in ENDS):
        status, charge = said.status, _charge(locked, provider, said, known=row["charge"])
        remains = said.remains
    ended_at = row["ended_at"] or (now if status in ENDS else None)
    due_at = next_poll(row["created_at"], ended_at, pace=pace, now=now)
    told = {"status": status, "charge": charge, "remains": remains, "ended_at": ended_at, "due_at": due_at}
    yield Query("child_told", {"id": child.id, **told, "now": now})
    if (status, charge, remains) == (before, row["charge"], row["remains"]):
        return
    if status in ENDS:
        yield from record(
            "order.child",
            actor=f"provider:{provider}",
            order_id=child.order_id,
            user_id=locked.order.user_id,
            before=_told(child, before, row["charge"]),
            after=_told(child, status, charge),
            now=now,
        )
    if locked.order.state in TERMINAL:
        yield from poll_soon(child.order_id, due_at=now)


def miss_children(children: Sequence[ChildDue], *, pace: int, now: int) -> Steps[tuple[int, ...]]:
    """Nothing was heard of these: no news, ask again after a pause that grows.

    Answers the orders that are put before a person now, as for orders themselves.
    """
    told: list[int] = []
    for child in sorted(children, key=lambda one: (one.order_id, one.id)):
        silent_since = child.silent_since or now
        if now - silent_since >= SILENT_MS and (yield from put_before_a_person(child.order_id, now)):
            told.append(child.order_id)
        pause = min(pace * 2 ** min(child.misses + 1, 10), PAUSE_MAX_MS)
        after = {"due_at": now + pause, "misses": child.misses + 1, "silent_since": silent_since}
        yield Query("child_missed", {"id": child.id, **after})
    return tuple(told)


def hand_back_children(children: Sequence[ChildDue], owner: str) -> Steps[None]:
    """The panel could not be reached, from here: a replica that reaches it asks about them."""
    for child in sorted(children, key=lambda one: one.id):
        yield Query("child_hand_back", {"id": child.id, "owner": owner})


def _charge(locked: Locked, provider: str, said: StatusReply, *, known: str | None) -> str | None:
    """What a child costs by now, as its panel says it in the currency we know its prices in.

    Where it does not say, what it said before still stands, which can only be too much; but for nought, which panels
    write before they know.
    """
    currency = next((route.currency for route in locked.routes if route.provider == provider), None)
    if said.charge is not None and said.currency in {None, currency}:
        return said.charge
    return None if known is None or not known.strip("0.") else known


def _told(child: ChildDue, status: StatusWord | None, charge: str | None) -> str:
    return msgspec.json.encode({"child": child.upstream_order, "status": status, "charge": charge}).decode()
