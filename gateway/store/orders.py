"""Commands that store an order and show it: place, note the answer, status, cancel.

Each is one transaction and may be run again after a conflict or an unclear commit: what it did the first time stands
under a unique key or in a state, so the second run finds it and answers the same.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.core import ledger
from gateway.core.attempt import Attempt, AttemptState
from gateway.core.order import TERMINAL, Order, OrderEvent, OrderState, step
from gateway.core.routing import PlannedRoute
from gateway.store.attempts import plan_attempt, read_attempts, resolve
from gateway.store.cancels import owe_cancel
from gateway.store.engine import Query, Refused, Steps
from gateway.store.events import record
from gateway.store.ledger import post
from gateway.store.life import Locked, lock_order, write_step
from gateway.store.owners import OWNER_DEAD_MS, alive
from gateway.store.spending import count_in

# An order whose answer never arrived is given again to an identical add this long (RELIABILITY 1.10, rule 2).
REPLAY_MS: Final = 24 * 3600 * 1000
# After this whoever stored an order has said whether its answer was heard, or is known to be dead.
OPEN_MS: Final = OWNER_DEAD_MS + 10_000
# Later than any time of ours: no order is looked for.
_NEVER: Final = 2**62


class IdempotencyKeyReused(Refused):
    """An idempotency key came back with other parameters than those of the order it stands for."""


class StillOpen(Refused):
    """Another process stored the same wish a moment ago, and whether its caller heard the answer is not known yet."""


class CallerLeft(Refused):
    """Whoever asked for an order has hung up before it was stored: it hears of none, so there is none."""


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored of an order before anything is sent."""

    order: Order
    fingerprint: str  # the same for an identical add of the same user
    idem_key: str | None
    duplicate_window: int  # seconds; 0 = off
    service_id: int
    type: str
    fields: tuple[tuple[str, str], ...]  # what the panel will be sent
    rate: int
    rule: str
    routes: tuple[PlannedRoute, ...]  # at least one
    passed: str  # why other routes were passed over, for the history
    can_refill: bool
    can_cancel: bool
    owner: str
    limited: bool = False  # whether the user has limits that the books count against


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an ``add`` the same as an earlier one (RELIABILITY 1.10)."""

    user_id: int
    fingerprint: str
    idem_key: str | None
    duplicate_window: int  # seconds; 0 = off
    owner: str  # the process that will answer it
    own: int = 0  # the id the order would have, if it is being stored


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """The order an ``add`` stands for: stored just now, or an earlier one given again."""

    order_id: int
    attempt: Attempt | None  # the first attempt, when the order is new


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a status call tells of an order."""

    id: int
    charge: int  # net of refunds, units
    start_count: int
    remains: int
    status: str
    currency: str


class CancelTask(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done about a cancel that was asked for; ``upstream_order`` is set when a panel has to be told."""

    eligible: bool
    provider: str | None = None
    upstream_order: str | None = None


def _stays() -> bool:
    return False


def place(
    new: NewOrder, *, now: int, left: Callable[[], bool] = _stays, rivals_since: int | None = None
) -> Steps[Placed]:
    """Hold the charge and store the order with its first attempt; or give an earlier order again (RELIABILITY 1.10).

    `left` says whether the caller has hung up by now; the writer's thread asks. `rivals_since` has an add without a
    key refused while an identical order that another process stored since then (ms) is open: it may be the same
    caller, come again. Raises NotEnoughFunds, LimitReached, CallerLeft, StillOpen, and IdempotencyKeyReused when a key
    comes back with other parameters.
    """
    earlier = yield from earlier_order(_wish(new), now=now)
    if earlier is not None:
        return Placed(order_id=earlier, attempt=None)
    order = new.order
    for transfer in ledger.hold(order.id, order.user_id, order.charge, currency=order.currency):
        if not (yield from post(transfer, now)):  # stored by a run whose commit was unclear
            attempts = yield from read_attempts(order.id)
            return Placed(order_id=order.id, attempt=attempts[0])
    if left():  # Only here: an order that a run before has stored is there, whoever has left meanwhile.
        raise CallerLeft("the caller hung up before the order was stored")
    counted = new.limited and (yield from count_in(order.user_id, order.charge, now=now))
    yield from _insert(new, counted=bool(counted), rivals_since=rivals_since, now=now)
    attempt = yield from plan_attempt(order.id, 1, new.routes[0], owner=new.owner, now=now)
    yield from record(
        "order.reserved",
        actor=f"user:{order.user_id}",
        order_id=order.id,
        user_id=order.user_id,
        after=f'{{"charge":{order.charge},"rule":"{new.rule}"}}',
        reason=new.passed,
        now=now,
    )
    return Placed(order_id=order.id, attempt=attempt)


def _insert(new: NewOrder, *, counted: bool, rivals_since: int | None, now: int) -> Steps[None]:
    """The order's row; raises StillOpen."""
    order = new.order
    since = _NEVER if rivals_since is None or new.idem_key is not None else rivals_since
    stored = yield Query(
        "order_insert",
        {
            "id": order.id,
            "user_id": order.user_id,
            "idem_key": new.idem_key,
            "fingerprint": new.fingerprint,
            "service_id": new.service_id,
            "type": new.type,
            "fields": msgspec.json.encode(new.fields).decode(),
            "quantity": order.quantity,
            "currency": order.currency,
            "rate": new.rate,
            "rule": new.rule,
            "charge": order.charge,
            "state": order.state.value,
            "shown": order.shown.value,
            "routes": msgspec.json.encode(new.routes).decode(),
            "can_refill": int(new.can_refill),
            "can_cancel": int(new.can_cancel),
            "answerer": new.owner,
            "counted": int(counted),
            "now": now,
            "rivals_since": since,
        },
    )
    if not stored:
        raise StillOpen("the same wish was stored a moment ago, and nobody knows yet whether its caller heard of it")


def answered(order_id: int, user_id: int, *, heard: bool, now: int) -> Steps[None]:
    """Note whether the answer to ``add`` reached its caller (RELIABILITY 1.4, A11)."""
    name = "order_answered" if heard else "order_unheard_mark"
    yield Query(name, {"id": order_id, "user_id": user_id, "now": now})


def show(user_id: int, ids: Sequence[int]) -> Steps[dict[int, Shown]]:
    """What the user may see of these orders, by id; orders of others are missing, like ones that do not exist."""
    rows = yield Query("orders_status", {"user_id": user_id, "ids": ids})
    return {
        row["id"]: Shown(
            id=row["id"],
            charge=row["charge"] if row["state"] != OrderState.FAILED else 0,
            start_count=row["start_count"] or 0,
            # Until its panel says more, nothing of an order under way was delivered.
            remains=(0 if row["state"] in TERMINAL else row["quantity"]) if row["remains"] is None else row["remains"],
            status=row["shown"],
            currency=row["currency"],
        )
        for row in rows
    }


def ask_cancel(order_id: int, user_id: int, *, now: int) -> Steps[CancelTask]:
    """Note that the user wants an order canceled, and say what is to be done about it.

    While nothing was sent it is canceled at once and the charge given back: the only certain cancel. Otherwise the
    panel is asked, and only a later status says whether it did.
    """
    locked = yield from lock_order(order_id)
    if locked is None or locked.order.user_id != user_id:
        return CancelTask(eligible=False)
    last = (yield from read_attempts(order_id))[-1]
    if locked.cancel_requested_at == now:  # noted by a run of this command whose commit was unclear
        return _task(last)
    if not _cancelable(locked):
        return CancelTask(eligible=False)
    yield Query("order_cancel_requested", {"id": order_id, "now": now})
    if last.state is AttemptState.PLANNED and (
        yield from resolve(last, AttemptState.NOT_SENT, reason="canceled by the user before it was sent", now=now)
    ):
        dropped = step(locked.order, OrderEvent.DROPPED)
        yield from write_step(
            locked.order, dropped, actor=f"user:{user_id}", reason="canceled before it was sent", now=now
        )
        return CancelTask(eligible=True)
    actor = f"user:{user_id}"
    yield from record("order.cancel_asked", actor=actor, order_id=order_id, user_id=user_id, now=now)
    if last.state is AttemptState.ACCEPTED:
        yield from owe_cancel(
            locked.order, last.provider, last.upstream_order or "", given_up=False, actor=actor, now=now
        )
    return _task(last)


def _task(last: Attempt) -> CancelTask:
    """What is left to do about a cancel, after what became of the last attempt."""
    if last.state is AttemptState.ACCEPTED:
        return CancelTask(eligible=True, provider=last.provider, upstream_order=last.upstream_order)
    return CancelTask(eligible=True)


def _cancelable(locked: Locked) -> bool:
    open_states = (OrderState.RESERVED, OrderState.PLACING, OrderState.UNKNOWN, OrderState.ACTIVE)
    return locked.can_cancel and locked.order.state in open_states and not locked.cancel_requested


def has_earlier(wish: Wish, *, now: int) -> Steps[bool]:
    """Say, without a lock, whether `earlier_order` is worth asking: for an ``add`` that would be refused otherwise."""
    if wish.idem_key is not None:
        return bool((yield Query("order_by_idem_key", {"user_id": wish.user_id, "idem_key": wish.idem_key})))
    same: dict[str, int | str] = {"user_id": wish.user_id, "fingerprint": wish.fingerprint, "own": wish.own}
    if (yield Query("order_unheard", {**same, "since": now - REPLAY_MS, **alive(now)})):
        return True
    since = now - wish.duplicate_window * 1000
    return wish.duplicate_window > 0 and bool((yield Query("order_within_window", {**same, "since": since})))


def earlier_order(wish: Wish, *, now: int) -> Steps[int | None]:
    """The order an ``add`` already stands for, if any: by its key, an answer never heard, the user's window.

    The order itself is none of these: a run of this command whose commit was unclear may have stored it. What such a
    run gave again is given again. Raises IdempotencyKeyReused.
    """
    assert wish.own, "without a number of its own a second run could not tell what the first one gave again"
    user_id, own = wish.user_id, wish.own
    # One of this user's adds at a time, so that of two processes the second sees what the first stored. It is taken as
    # late as can be: a replay locks an order's row, and that comes before accounts.
    lock = Query("user_adds_lock", {"code": ledger.available(user_id)})
    if wish.idem_key is not None:
        yield lock
        for row in (yield Query("order_by_idem_key", {"user_id": user_id, "idem_key": wish.idem_key})):
            if row["fingerprint"] != wish.fingerprint:
                raise IdempotencyKeyReused(f"order {row['id']} was placed under the same key with other parameters")
            return int(row["id"]) if row["id"] != own else None
        return None
    same: dict[str, int | str] = {"user_id": user_id, "fingerprint": wish.fingerprint, "own": own}
    for row in (yield Query("order_unheard", {**same, "since": now - REPLAY_MS, **alive(now)})):
        again = {"id": row["id"], "answerer": wish.owner, "replays": row["replays"], "own": own}
        if row["replayed_for"] == own:
            return int(row["id"])
        if (yield Query("order_replay", again)):
            yield from record(
                "order.replayed",
                actor=f"user:{user_id}",
                order_id=row["id"],
                user_id=user_id,
                reason="the same wish again, and its answer had not arrived",
                now=now,
            )
            return int(row["id"])
    if wish.duplicate_window > 0:
        yield lock
        for row in (yield Query("order_within_window", {**same, "since": now - wish.duplicate_window * 1000})):
            return int(row["id"])
    return None


def _wish(new: NewOrder) -> Wish:
    return Wish(
        user_id=new.order.user_id,
        fingerprint=new.fingerprint,
        idem_key=new.idem_key,
        duplicate_window=new.duplicate_window,
        owner=new.owner,
        own=new.order.id,
    )
