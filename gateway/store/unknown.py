"""Commands of doubt: the attempts nobody can tell the outcome of, what was found about them, and how they end.

Nothing here can place an order a second time. An end of a doubt is the same command as any other verdict
(gateway/store/attempts.py): a compare-and-set from unknown, under the order's lock, beside the index that allows one
live attempt. Time in doubt is kept in two ways, by the database's clock and by the watcher's own that never jumps, and
whatever waits for it waits for both (RELIABILITY.md section 1.8, clock note).
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.order import OrderEvent, OrderState, step
from gateway.core.outcome import Accepted, NotPlaced
from gateway.core.resolve import Own
from gateway.core.service import SUBSCRIBED
from gateway.store.attempts import Decided, Verdict, decide
from gateway.store.engine import Query, Refused, Row, Steps, Value
from gateway.store.events import record
from gateway.store.life import lock_order, write_step

# Doubts of one provider that are looked at together. More than that is no doubt but a breakdown, and a person's work.
DOUBTS_MAX: Final = 2_000
STRANGE_SHOWN_MAX: Final = 100
GIVE_BACK_MAX: Final = 100  # orders refunded by the rule in one run
RULE_MS: Final = 24 * 3600 * 1000  # the time over which what the rule pays is capped
# The events by which a command by hand knows again what a run before did.
_ACCEPTED: Final = "attempt.accepted_by_hand"
_NOT_PLACED: Final = "attempt.not_placed_by_hand"
_REFUNDED: Final = "order.canceled"
_FOUND: Final = msgspec.json.Decoder(tuple[tuple[str, str], ...])


class NotInDoubt(Refused):
    """The order has no attempt whose outcome is open."""


class IdTaken(Refused):
    """The panel's order belongs to another order of ours already."""


class OpenDoubt(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt in doubt, or still on its way, with what is known of it."""

    attempt: Attempt
    armed: int  # the event of its arming; 0 when there is none
    sending_at: int  # ms
    unknown_at: int | None  # ms; None while it is on its way
    reason: str  # why nobody can tell
    evidence: str | None  # the exchange, as core/exchange.py writes it
    cost: Decimal  # in the provider's currency
    cost_currency: str
    charge: int  # units
    currency: str
    quantity: int
    type: str
    order_state: OrderState
    created_at: int  # ms, of the order
    cancel_requested: bool
    watched: bool = False  # whether its time in doubt is being counted
    quarantined: int | None = None  # the event that ended its quarantine
    lo: int | None = None
    hi: int | None = None
    looked_at: int | None = None  # ms
    note: str = ""  # what the last look said
    found: tuple[tuple[str, str], ...] = ()  # ids that may be its, each with what the panel said of it
    refunded_at: int | None = None  # ms; its user was refunded from our own pocket


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a panel said of one attempt."""

    attempt: int
    lo: int | None
    hi: int | None
    note: str
    found: tuple[tuple[str, str], ...] = ()


class Strange(msgspec.Struct, frozen=True, kw_only=True):
    """An order that answers under our key and is nobody's."""

    provider: str
    upstream_order: str
    found_at: int  # ms
    said: str


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """Who settles a doubt, why, and what he says."""

    actor: str
    reason: str


def open_doubts(provider: str) -> Steps[tuple[OpenDoubt, ...]]:
    """All that may own an order found at a provider, unknown or on its way, at most DOUBTS_MAX and one."""
    rows = yield Query("doubts_open", {"provider": provider, "limit": DOUBTS_MAX + 1})
    return tuple(_read(row) for row in rows)


def all_doubts(order_id: int | None = None, *, limit: int = DOUBTS_MAX) -> Steps[tuple[OpenDoubt, ...]]:
    """The operator's queue, the longest in doubt first; or what is in doubt of one order."""
    rows = yield Query("doubts_all", {"order_id": order_id, "limit": limit})
    return tuple(_read(row) for row in rows)


def doubtful_providers() -> Steps[tuple[str, ...]]:
    """Where anything is in doubt."""
    return tuple(row["provider"] for row in (yield Query("doubt_providers")))


def watch_doubts(attempts: Sequence[tuple[int, str]], *, aged: Sequence[int], ms: int) -> Steps[None]:
    """Note attempts that came into doubt, with their providers, and that ``ms`` have passed for those noted before."""
    for attempt, provider in attempts:
        yield Query("doubt_note", {"attempt": attempt, "provider": provider})
    if aged:
        yield Query("doubts_aged", {"attempts": sorted(aged), "ms": ms})


def end_quarantine(doubt: Attempt, *, ms: int, actor: str, now: int) -> Steps[bool]:
    """End the quarantine of an attempt that has been in doubt for ``ms`` by the database's clock; False before that.

    The event that says so is what parts earlier orders from later ones: its number is given out by the database.
    """
    if not (yield Query("doubt_over_quarantine", {"attempt": doubt.id, "ms": ms})):
        return False
    reason = f"{doubt.provider} had {ms / 1000:g} s to make an order of it"
    rows = yield Query(
        "doubt_quarantine_event", {"actor": actor, "order_id": doubt.order_id, "reason": reason, "now": now}
    )
    yield Query("doubt_quarantined", {"attempt": doubt.id, "event": rows[0]["id"]})
    return True


def own_orders(provider: str, *, below: int, limit: int) -> Steps[tuple[Own, ...]]:
    """Accepted orders of ours at a provider whose attempt is older than ``below``, the latest first."""
    where: dict[str, Value] = {"provider": provider, "below": below, "limit": limit, "subscribed": SUBSCRIBED}
    rows = yield Query("own_orders", where)
    return tuple(
        Own(upstream_order=row["upstream_order"], armed=row["armed"], told=row["told"])
        for row in rows
        if row["armed"] is not None and row["told"] is not None
    )


def owned(provider: str, ids: Sequence[int]) -> Steps[frozenset[int]]:
    """Which of these ids of a provider belong to an order of ours."""
    rows = yield Query("owned_upstream_orders", {"provider": provider, "ids": [str(each) for each in ids]})
    return frozenset(int(row["upstream_order"]) for row in rows)


def makes_orders(provider: str) -> Steps[bool]:
    """Whether a provider may have made orders by itself, so that what answers under our key may be one of them."""
    return bool((yield Query("orders_making", {"provider": provider, "subscribed": SUBSCRIBED})))


def keep_looks(looks: Sequence[Look], *, now: int) -> Steps[None]:
    """Keep what a look said, for whoever reads the queue."""
    for look in looks:
        params: dict[str, Value] = {
            "attempt": look.attempt,
            "lo": look.lo,
            "hi": look.hi,
            "note": look.note,
            "found": msgspec.json.encode(look.found).decode(),
            "now": now,
        }
        yield Query("doubt_look", params)


def keep_strange(provider: str, said: Mapping[str, str], *, now: int) -> Steps[tuple[str, ...]]:
    """Keep ids that are nobody's, with what the panel said of each; answers those that are new."""
    new: list[str] = []
    for upstream_order, words in said.items():
        params: dict[str, Value] = {
            "provider": provider,
            "upstream_order": upstream_order,
            "said": words,
            "now": now,
        }
        new += [row["upstream_order"] for row in (yield Query("foreign_keep", params))]
    return tuple(new)


def strange_ids(provider: str | None = None, *, limit: int = STRANGE_SHOWN_MAX) -> Steps[tuple[Strange, ...]]:
    """Ids that answer under our key and are nobody's still, of one provider or all, the latest found first."""
    rows = yield Query("foreign_list", {"provider": provider, "limit": limit})
    return tuple(
        Strange(
            provider=row["provider"],
            upstream_order=row["upstream_order"],
            found_at=row["found_at"],
            said=row["said"],
        )
        for row in rows
    )


def accept_by_hand(order_id: int, upstream_order: str, word: Word, *, now: int) -> Steps[Decided]:
    """A person says under which id the panel has an order; raises NotInDoubt and IdTaken."""
    attempt = yield from _find_doubt(order_id)
    if attempt is None:
        return (yield from _done_before(order_id, _ACCEPTED, word, now=now, upstream_order=upstream_order))
    params = {"provider": attempt.provider, "upstream_order": upstream_order}
    for row in (yield Query("attempt_holder", params)):
        raise IdTaken(f"{attempt.provider} order {upstream_order} belongs to order {row['order_id']} already")
    verdict = _said(word, Accepted(upstream_order), go_on=False, now=now)
    return (yield from _by_hand(attempt, verdict, word, now=now))


def deny_by_hand(order_id: int, word: Word, *, replace_ms: int, now: int) -> Steps[Decided]:
    """A person says that the panel never had an order: it is placed again if it is younger than ``replace_ms``.

    Otherwise the charge is given back. A new attempt belongs to nobody who lives, so the next sweep of a running
    gateway sends it. Raises NotInDoubt.
    """
    attempt = yield from _find_doubt(order_id)
    if attempt is None:
        return (yield from _done_before(order_id, _NOT_PLACED, word, now=now))
    locked = yield from lock_order(order_id)
    assert locked is not None, f"attempt {attempt.id} has no order"
    verdict = _said(word, NotPlaced(word.reason), go_on=now - locked.created_at < replace_ms, now=now)
    return (yield from _by_hand(attempt, verdict, word, now=now))


def give_back_by_hand(order_id: int, word: Word, *, now: int) -> Steps[None]:
    """A person has the user refunded from our own pocket; the attempt stays in doubt. Raises NotInDoubt."""
    attempt = yield from _find_doubt(order_id)
    if attempt is not None and (yield from give_back(attempt, word, by_rule=False, now=now)):
        return
    if not (yield from _told(order_id, _REFUNDED, word, now=now)):
        why = f"order {order_id} was settled or refunded before" if attempt else f"order {order_id} is not in doubt"
        raise NotInDoubt(why)


def give_back(attempt: Attempt, word: Word, *, by_rule: bool, now: int) -> Steps[bool]:
    """Refund the user of an order in doubt from our own pocket; False if it has moved.

    The order is canceled, so nothing can place it again; its attempt stays in doubt.
    """
    locked = yield from lock_order(attempt.order_id)
    if locked is None or locked.order.state is not OrderState.UNKNOWN:
        return False
    made = step(locked.order, OrderEvent.GIVEN_UP)
    yield from write_step(locked.order, made, actor=word.actor, reason=word.reason, now=now)
    yield Query("doubt_note", {"attempt": attempt.id, "provider": attempt.provider})
    yield Query("doubt_refunded", {"attempt": attempt.id, "by_rule": int(by_rule)})
    return True


def due_back(provider: str, *, ms: int) -> Steps[tuple[Attempt, ...]]:
    """Attempts whose users have waited for ``ms`` by both clocks, the longest first, at most GIVE_BACK_MAX."""
    rows = yield Query("doubts_to_give_back", {"provider": provider, "ms": ms, "limit": GIVE_BACK_MAX})
    found: list[Attempt] = []
    for row in rows:
        attempts = yield Query("attempts_of_order", {"order_id": row["order_id"]})
        found += [_attempt(each) for each in attempts if each["id"] == row["id"]]
    return tuple(found)


def give_back_by_rule(attempt: Attempt, word: Word, *, cap: int, now: int) -> Steps[bool]:
    """The same because the time for it has come, as long as the rule pays no more than ``cap`` (units) in RULE_MS."""
    paid = yield Query("given_back_lately", {"provider": attempt.provider, "ms": RULE_MS})
    locked = yield from lock_order(attempt.order_id)
    if locked is None or paid[0]["charge"] + locked.order.charge > cap:
        return False
    return (yield from give_back(attempt, word, by_rule=True, now=now))


def _find_doubt(order_id: int) -> Steps[Attempt | None]:
    rows = yield Query("attempts_of_order", {"order_id": order_id})
    return next((_attempt(row) for row in rows if row["state"] == AttemptState.UNKNOWN), None)


def _told(order_id: int, kind: str, word: Word, *, now: int) -> Steps[bool]:
    """Whether this very command did its work in a run before, whose commit was unclear: the event of it says so."""
    params: dict[str, Value] = {"order_id": order_id, "kind": kind, "now": now}
    return bool((yield Query("event_told", {**params, "actor": word.actor, "reason": word.reason})))


def _done_before(
    order_id: int, kind: str, word: Word, *, now: int, upstream_order: str | None = None
) -> Steps[Decided]:
    """Answer what the first run of a command by hand did; raises NotInDoubt when there was none."""
    locked = yield from lock_order(order_id)
    rows = yield Query("attempts_of_order", {"order_id": order_id})
    if locked is None or not rows:
        raise NotInDoubt(f"there is no order {order_id}")
    last = _attempt(rows[-1])
    mine = upstream_order in {None, last.upstream_order} and (yield from _told(order_id, kind, word, now=now))
    if not mine:
        raise NotInDoubt(f"order {order_id} has no attempt in doubt")
    given_up = locked.order.state is OrderState.CANCELED and locked.can_cancel
    return Decided(
        state=locked.order.state,
        next=last if last.state is AttemptState.PLANNED else None,
        cancel=last.upstream_order if locked.cancel_requested or given_up else None,
    )


def _by_hand(attempt: Attempt, verdict: Verdict, word: Word, *, now: int) -> Steps[Decided]:
    decided = yield from decide(attempt, verdict, now=now)
    # So that nothing is concluded from an id that a person wrote (own_orders leaves it out).
    yield Query("doubt_note", {"attempt": attempt.id, "provider": attempt.provider})
    accepted = isinstance(verdict.outcome, Accepted)
    said = "accepted" if accepted else "not_placed"
    yield from record(
        _ACCEPTED if accepted else _NOT_PLACED,
        actor=word.actor,
        order_id=attempt.order_id,
        before=f'{{"attempt":{attempt.id},"state":"unknown"}}',
        after=f'{{"attempt":{attempt.id},"state":"{said}","order":"{decided.state}"}}',
        reason=word.reason,
        now=now,
    )
    return decided


def _said(word: Word, outcome: Accepted | NotPlaced, *, go_on: bool, now: int) -> Verdict:
    return Verdict(
        outcome=outcome,
        go_on=go_on,
        failure="",
        why=f"said by {word.actor}: {word.reason}",
        owner=word.actor,
        poll_at=now,
    )


def _attempt(row: Row) -> Attempt:
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


def _read(row: Row) -> OpenDoubt:
    return OpenDoubt(
        attempt=_attempt(row),
        armed=row["armed"] or 0,
        sending_at=row["sending_at"],
        unknown_at=row["resolved_at"],
        reason=row["reason"] or "",
        evidence=row["evidence"],
        cost=Decimal(row["cost"]),
        cost_currency=row["currency"],
        charge=row["charge"],
        currency=row["our_currency"],
        quantity=row["quantity"],
        type=row["type"],
        order_state=OrderState(row["order_state"]),
        created_at=row["created_at"],
        cancel_requested=row["cancel_requested_at"] is not None,
        watched=row["since"] is not None,
        quarantined=row["quarantined"],
        lo=row["lo"],
        hi=row["hi"],
        looked_at=row["looked_at"],
        note=row["note"] or "",
        found=() if row["found"] is None else _FOUND.decode(row["found"]),
        refunded_at=row["refunded_at"],
    )
