"""Commands on attempts: plan, arm, decide; each verdict written once.

What decides an attempt is core's. An outcome that was stored before is left as it is, so a verdict may be brought
twice. A verdict can never overtake the arming: one that was armed and brings "never sent" matches no row.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core import ledger
from gateway.core.attempt import Attempt, AttemptState, may_become
from gateway.core.links import link_mark
from gateway.core.money import scale_of, to_units_up
from gateway.core.order import Cost, Order, OrderEvent, OrderState, step
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.routing import PlannedRoute, Tried, next_route
from gateway.store.cancels import owe_cancel
from gateway.store.engine import Query, Refused, Row, Steps, Value
from gateway.store.events import record
from gateway.store.ledger import post_all
from gateway.store.life import Locked, lock_order, read_sent, write_step
from gateway.store.link_waits import Wait, next_turn
from gateway.store.polls import watch

# Attempts an order may have in all its rounds before it is dropped.
ATTEMPTS_MAX: Final = 200
# Characters of a reason that are kept; panels send whole pages.
REASON_MAX: Final = 500


class StrangeVerdict(Refused):
    """A verdict is about an attempt that these books do not have."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What the dispatcher needs to send an attempt."""

    attempt: Attempt
    user_id: int
    fields: tuple[tuple[str, str], ...]
    created_at: int  # of the order, ms
    others: bool = False  # whether there is a route that was not tried yet


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """How an order stands after an attempt's outcome was stored."""

    state: OrderState
    next: Attempt | None = None  # the attempt to send now
    again: bool = False  # ``next`` starts another round over routes that could not be reached: pause first
    wait: Wait | None = None  # what the order waits for; whoever sweeps sends it then
    alarm: str | None = None  # something a person should know at once
    cancel: str | None = None  # the panel's id of an order that is to be canceled there: nobody wants it any more


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome and what the dispatcher makes of it."""

    outcome: Outcome | NotPlaced
    evidence: str | None = None  # the redacted exchange it was read from, as core/exchange.py writes it
    go_on: bool  # whether routes that could not be reached, or have nothing after all, are worth another round
    failure: str  # for the user, should the order be dropped
    why: str = ""  # for the books, where it was no panel's answer that said so
    owner: str  # who will send the next attempt
    poll_at: int  # when an accepted order is first asked about, ms
    same_id_ms: int = 0  # so long the provider answers an identical add with the id of the first


def plan_attempt(  # noqa: PLR0913 - a row
    order_id: int, n: int, route: PlannedRoute, *, owner: str, now: int, wait: Wait | None = None
) -> Steps[Attempt]:
    """Store attempt ``n`` of an order, not sent, and with ``wait`` not to be sent before that is over."""
    rows = yield Query(
        "attempt_insert",
        {
            "order_id": order_id,
            "n": n,
            "provider": route.provider,
            "provider_service": route.service,
            "cost": format(route.cost, "f"),
            "currency": route.currency,
            "owner": owner,
            "not_before": None if wait is None else wait.until,
            "waits_for": None if wait is None else wait.holder,
            "now": now,
        },
    )
    return Attempt(
        id=rows[0]["id"],
        order_id=order_id,
        n=n,
        provider=route.provider,
        provider_service=route.service,
        state=AttemptState.PLANNED,
        owner=owner,
    )


def read_attempts(order_id: int) -> Steps[tuple[Attempt, ...]]:
    """The attempts of an order, first to last."""
    rows = yield Query("attempts_of_order", {"order_id": order_id})
    return tuple(_read(row) for row in rows)


def job(attempt_id: int, order_id: int) -> Steps[Job | None]:
    """A planned attempt with what is to be sent; ``None`` when it is no longer planned."""
    locked = yield from lock_order(order_id)
    attempts = yield from read_attempts(order_id)
    for attempt in attempts:
        if locked is not None and attempt.id == attempt_id and attempt.state is AttemptState.PLANNED:
            tried = [
                Tried(provider=each.provider, service=each.provider_service, state=each.state) for each in attempts
            ]
            others = next_route(locked.routes, tried) is not None
            return Job(
                attempt=attempt,
                user_id=locked.order.user_id,
                fields=locked.fields,
                created_at=locked.created_at,
                others=others,
            )
    return None


def arm(attempt: Attempt, *, now: int, mark: str = "") -> Steps[bool]:
    """Take the right to send: planned → sending, if it is still ours. ``False`` means that not one byte may leave.

    ``mark`` is of this one transmission and of no other. By it the command, run again after an unclear commit, knows
    what its first run armed; two calls of one process may come in the same millisecond, so time does not tell them
    apart. Without a mark a second run is refused.
    """
    locked = yield from lock_order(attempt.order_id)
    assert locked is not None, f"attempt {attempt.id} has no order"
    mine: dict[str, Value] = {"id": attempt.id, "owner": attempt.owner, "mark": mark}
    if not (yield Query("attempt_arm", {**mine, "now": now})):
        return mark != "" and bool((yield Query("attempt_armed", mine)))
    yield from write_step(locked.order, step(locked.order, OrderEvent.ARMED), actor=attempt.owner, now=now)
    return True


def resolve(  # noqa: PLR0913 - all that a verdict writes
    attempt: Attempt,
    state: AttemptState,
    *,
    reason: str,
    now: int,
    upstream_order: str | None = None,
    evidence: str | None = None,
) -> Steps[bool]:
    """Move an attempt as the table allows; ``False`` when it has moved meanwhile, and nothing was written.

    Without ``evidence`` the row keeps what it has: a later word about an attempt does not wipe out its exchange.
    """
    rows = yield Query(
        "attempt_resolve",
        {
            "id": attempt.id,
            "state": state.value,
            "state_before": attempt.state.value,
            "upstream_order": upstream_order,
            "reason": reason[:REASON_MAX],
            "evidence": evidence,
            "now": now,
        },
    )
    return bool(rows)


def decide(attempt: Attempt, verdict: Verdict, *, now: int) -> Steps[Decided]:
    """Store the outcome of an attempt and what follows for the order; a verdict stored before is left as it is."""
    locked = yield from lock_order(attempt.order_id)
    assert locked is not None, f"attempt {attempt.id} has no order"
    rows = yield Query("attempts_of_order", {"order_id": attempt.order_id})
    mine = next(row for row in rows if row["id"] == attempt.id)
    outcome, alarm = yield from _checked(locked, mine, verdict)
    target = _target(outcome)
    current = _read(mine)
    if not may_become(current.state, target):
        return Decided(state=locked.order.state, next=_planned_by(rows, verdict.owner))
    upstream = outcome.upstream_order if isinstance(outcome, Accepted) else None
    why = verdict.why or _why(outcome)
    yield from resolve(current, target, reason=why, now=now, upstream_order=upstream, evidence=verdict.evidence)
    if locked.order.state is OrderState.CANCELED:
        yield from _settle_given_up(locked, mine, outcome, verdict=verdict, now=now)
        return Decided(state=OrderState.CANCELED, cancel=upstream if locked.can_cancel else None)
    match outcome:
        case Accepted():
            yield from _accept(locked, mine, outcome, verdict=verdict, now=now)
            return Decided(state=OrderState.ACTIVE, cancel=upstream if locked.cancel_requested else None)
        case Unknown():
            made = step(locked.order, OrderEvent.DOUBTED)
            yield from write_step(locked.order, made, actor=attempt.owner, reason=_why(outcome), now=now)
            return Decided(state=OrderState.UNKNOWN, alarm=alarm)
        case _:
            tried = [_tried(row) for row in rows if row["id"] != attempt.id]
            busy = isinstance(outcome, Rejected) and outcome.kind is RejectKind.LINK_ACTIVE
            tried.append(msgspec.structs.replace(_tried(mine), state=target, busy=busy, at=now))
            return (yield from _follow(locked, outcome, tried, verdict=verdict, now=now))


def decide_again(attempt: Attempt, verdict: Verdict, *, now: int) -> Steps[Decided]:
    """The same for a verdict that comes from a file; raises StrangeVerdict when it is not about these books.

    A data folder may stand before other books than those of its verdicts: restored ones, or new ones. The owner's
    name, which no two processes share, tells an attempt of theirs from one that merely has the same number.
    """
    for found in (yield from read_attempts(attempt.order_id)):
        if (found.id, found.n, found.owner) == (attempt.id, attempt.n, attempt.owner):
            return (yield from decide(attempt, verdict, now=now))
    raise StrangeVerdict(f"these books have no attempt {attempt.id} of order {attempt.order_id} by {attempt.owner}")


def _follow(
    locked: Locked, outcome: NotSent | Rejected | NotPlaced, tried: Sequence[Tried], *, verdict: Verdict, now: int
) -> Steps[Decided]:
    """Plan the next attempt of an order that surely was not placed, or drop it and give the charge back."""
    order = locked.order
    last_word = isinstance(outcome, Rejected) and outcome.users_fault
    last_word = last_word or (isinstance(outcome, NotPlaced) and not verdict.go_on)
    may_follow = not last_word and not locked.cancel_requested and len(tried) < ATTEMPTS_MAX
    route, turn = next_route(locked.routes, tried) if may_follow else None, None
    if route is None and may_follow:
        turn = yield from next_turn(locked, tried, unreached=verdict.go_on, now=now)
        route = None if turn is None else turn.route
    wait = None if turn is None else turn.wait
    why = _why(outcome) if wait is None else f"{_why(outcome)}; {wait.why}"
    if route is None:
        made = step(order, OrderEvent.DROPPED)
        yield from write_step(order, made, actor=verdict.owner, reason=_why(outcome), failure=verdict.failure, now=now)
        return Decided(state=OrderState.FAILED)
    made = step(order, OrderEvent.NEXT_ROUTE)
    yield from write_step(order, made, actor=verdict.owner, reason=why, now=now)
    if (
        made.order == order
    ):  # It was not sent, so the order is where it was; that an attempt ended is told all the same.
        yield from _tell_attempt(order, tried[-1], _target(outcome), actor=verdict.owner, reason=why, now=now)
    attempt = yield from plan_attempt(order.id, len(tried) + 1, route, owner=verdict.owner, now=now, wait=wait)
    if wait is not None:
        return Decided(state=OrderState.RESERVED, wait=wait)
    return Decided(state=OrderState.RESERVED, next=attempt, again=turn is not None)


def _tell_attempt(  # noqa: PLR0913 - an event names all of these
    order: Order, tried: Tried, state: AttemptState, *, actor: str, reason: str, now: int
) -> Steps[None]:
    after = msgspec.json.encode({"provider": tried.provider, "attempt": state}).decode()
    yield from record(
        f"attempt.{state}", actor=actor, order_id=order.id, user_id=order.user_id, after=after, reason=reason, now=now
    )


def _accept(locked: Locked, mine: Row, outcome: Accepted, *, verdict: Verdict, now: int) -> Steps[None]:
    """Capture the charge, book the cost, and have the order watched."""
    cost = _cost(locked, mine)
    made = step(locked.order, OrderEvent.ACCEPTED, cost=cost)
    reason = f"{cost.provider} has it as {outcome.upstream_order}" + (f": {verdict.why}" if verdict.why else "")
    yield from write_step(locked.order, made, actor=verdict.owner, reason=reason, now=now)
    link = link_mark(locked.fields)
    yield from watch(locked.order.id, cost.provider, outcome.upstream_order, link=link, due_at=verdict.poll_at, now=now)
    if locked.cancel_requested:
        told = (made.order, cost.provider, outcome.upstream_order)
        yield from owe_cancel(*told, given_up=False, actor=verdict.owner, now=now)


def _settle_given_up(
    locked: Locked, mine: Row, outcome: Outcome | NotPlaced, *, verdict: Verdict, now: int
) -> Steps[None]:
    """Learn what became of an attempt whose user was refunded meanwhile: the order stays as it is, we bear the cost."""
    order = locked.order
    if isinstance(outcome, Accepted):
        cost = _cost(locked, mine)
        yield from post_all(ledger.loss(order.id, cost.provider, cost.amount, currency=cost.currency), now)
        if locked.can_cancel:
            told = (order, cost.provider, outcome.upstream_order)
            yield from owe_cancel(*told, given_up=True, actor=verdict.owner, now=now)
    yield from record(
        "attempt.settled",
        actor=verdict.owner,
        order_id=order.id,
        user_id=order.user_id,
        before=f'{{"attempt":{mine["id"]},"state":"{mine["state"]}"}}',
        after=f'{{"attempt":{mine["id"]},"state":"{_target(outcome)}"}}',
        reason=verdict.why or _why(outcome) or f"{mine['provider']} has it, after its user was refunded",
        now=now,
    )


def _cost(locked: Locked, mine: Row) -> Cost:
    """What an attempt costs us where it was accepted."""
    route = next(
        route
        for route in locked.routes
        if (route.provider, route.service) == (mine["provider"], mine["provider_service"])
    )
    amount = to_units_up(route.cost, scale_of(route.currency))
    return Cost(provider=route.provider, currency=route.currency, amount=amount)


def _checked(locked: Locked, mine: Row, verdict: Verdict) -> Steps[tuple[Outcome | NotPlaced, str | None]]:
    """An accepted id that another order of ours has already is no acceptance: nobody can tell whose it is.

    Unless the panel is known to answer an identical add, for a while, with the order it has: then it made no second
    one, which is as clear as a refusal.
    """
    outcome, provider = verdict.outcome, mine["provider"]
    if isinstance(outcome, Accepted):
        params = {"provider": provider, "upstream_order": outcome.upstream_order}
        mine_at = mine["sending_at"] or 0
        for row in (yield Query("attempt_holder", params)):
            if row["order_id"] == locked.order.id:
                continue
            why = f"{provider} answered {outcome.upstream_order}, an id that order {row['order_id']} has"
            same = row["provider_service"] == mine["provider_service"] and read_sent(row["fields"]) == locked.fields
            if same and 0 < verdict.same_id_ms >= abs(mine_at - row["sending_at"]):
                return Rejected(RejectKind.LINK_ACTIVE, f"{why}: taken for the same order"), None
            return Unknown(why), why
        for row in (yield Query("child_holder", params)):
            why = f"{provider} answered {outcome.upstream_order}, which it made for order {row['order_id']}"
            return Unknown(why), why
    return outcome, None


def _target(outcome: Outcome | NotPlaced) -> AttemptState:
    match outcome:
        case NotPlaced():
            return AttemptState.NOT_PLACED
        case Accepted():
            return AttemptState.ACCEPTED
        case Rejected():
            return AttemptState.REJECTED
        case NotSent():
            return AttemptState.NOT_SENT
        case Unknown():
            return AttemptState.UNKNOWN


def _why(outcome: Outcome | NotPlaced) -> str:
    match outcome:
        case Accepted():
            return ""
        case Rejected():
            return f"{outcome.kind}: {outcome.text}"
        case _:
            return outcome.why


def _planned_by(rows: Sequence[Row], owner: str) -> Attempt | None:
    """The next attempt a first run of the same verdict planned, when its commit was unclear; not one that waits."""
    last = _read(rows[-1])
    mine = last.state is AttemptState.PLANNED and last.owner == owner
    return last if mine and rows[-1]["not_before"] is None else None


def _tried(row: Row) -> Tried:
    """What became of an earlier attempt; a refusal's reason begins with its kind."""
    return Tried(
        provider=row["provider"],
        service=row["provider_service"],
        state=AttemptState(row["state"]),
        busy=row["state"] == AttemptState.REJECTED and (row["reason"] or "").startswith(f"{RejectKind.LINK_ACTIVE}: "),
        at=row["resolved_at"] or 0,
    )


def _read(row: Row) -> Attempt:
    return Attempt(
        id=row["id"],
        order_id=row["order_id"],
        n=row["n"],
        provider=row["provider"],
        provider_service=row["provider_service"],
        state=AttemptState(row["state"]),
        owner=row["owner"],
        upstream_order=row["upstream_order"],
    )
