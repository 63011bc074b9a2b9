"""The life of an order: everything that changes an order's state is in this file.

    reserved ──► placing ──► active ──► completed | partial | canceled
        │  ▲        │  └───► unknown ──► active        ▲
        │  └────────┴─ next route ───────┤ └───────────┘ given up: refunded from our own pocket
        └──────────────► failed ◄────────┘

The rules, in prose. The charge is held when the order is stored (reserved). Arming an attempt makes it placing; a
usable id from the panel makes it active and captures the charge; a refusal by every route makes it failed and voids
the hold. What nobody can tell is unknown: the charge stays held, nothing is sent again. When that has lasted too long
the user is given the charge back although the panel may have the order: captured, refunded whole and canceled, so that
nothing can place it again; whatever is learnt later changes its attempt alone. Reports move an active order on; a
terminal order never changes its word for the user, but a later report may still raise a refund. A subscription is
charged for the most that it can come to, and at its end pays back what it did not (core/children.py).

``TRANSITIONS`` is the whole truth of which event may follow which state; ``step`` is the only line that assigns a
state. It answers the new order and the transfers the event makes, which the store writes in one transaction.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core import ledger
from gateway.core.children import Family, Runs, came_to, sum_of_runs, to_come
from gateway.core.errors import GatewayError
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.money import scale_of, to_units_up
from gateway.core.refund import Bill, Owed, owed


class OrderState(StrEnum):
    """Where an order stands with us."""

    RESERVED = "reserved"  # stored, charge held, not sent
    PLACING = "placing"  # an attempt is armed
    UNKNOWN = "unknown"  # sent, and nobody can tell what became of it
    ACTIVE = "active"  # the panel has it, charge captured
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"
    FAILED = "failed"  # never placed, charge given back whole


class OrderEvent(StrEnum):
    """What can happen to an order."""

    ARMED = "armed"  # an attempt was armed
    NEXT_ROUTE = "next_route"  # the attempt is surely dead and another route will be tried
    ACCEPTED = "accepted"  # the panel gave a usable id
    DOUBTED = "doubted"  # the attempt's outcome cannot be known
    DROPPED = "dropped"  # surely not placed, and not going to be
    GIVEN_UP = "given_up"  # nobody can tell, and the user waits no longer: refunded from our own pocket
    WORKING = "working"  # a report: pending, processing or in progress
    COMPLETED = "completed"
    PARTIAL = "partial"
    CANCELED = "canceled"


_R, _P, _U, _A = OrderState.RESERVED, OrderState.PLACING, OrderState.UNKNOWN, OrderState.ACTIVE
_C, _PA, _CA, _F = OrderState.COMPLETED, OrderState.PARTIAL, OrderState.CANCELED, OrderState.FAILED
_REPORTS = (OrderEvent.WORKING, OrderEvent.COMPLETED, OrderEvent.PARTIAL, OrderEvent.CANCELED)

TRANSITIONS: Final[dict[OrderState, dict[OrderEvent, OrderState]]] = {
    _R: {OrderEvent.ARMED: _P, OrderEvent.NEXT_ROUTE: _R, OrderEvent.DROPPED: _F},
    _P: {OrderEvent.NEXT_ROUTE: _R, OrderEvent.ACCEPTED: _A, OrderEvent.DOUBTED: _U, OrderEvent.DROPPED: _F},
    _U: {
        OrderEvent.NEXT_ROUTE: _R,
        OrderEvent.ACCEPTED: _A,
        OrderEvent.DROPPED: _F,
        OrderEvent.GIVEN_UP: _CA,
    },
    _A: {
        OrderEvent.WORKING: _A,
        OrderEvent.COMPLETED: _C,
        OrderEvent.PARTIAL: _PA,
        OrderEvent.CANCELED: _CA,
    },
    # Terminal for the user's eyes. Panels change their mind for days, so reports still arrive: they may raise a refund.
    _C: dict.fromkeys(_REPORTS, _C),
    _PA: dict.fromkeys(_REPORTS, _PA),
    _CA: dict.fromkeys(_REPORTS, _CA),
    _F: {},
}

TERMINAL: Final = frozenset({_C, _PA, _CA, _F})
HELD: Final = frozenset({_R, _P, _U})  # the charge is in the user's held account

# Words for work that goes on, in their order.
UNDER_WAY: Final = (StatusWord.PENDING, StatusWord.PROCESSING, StatusWord.IN_PROGRESS)

# A panel's own charge at the end is believed up to so many times what was agreed.
COST_TRUSTED_MAX: Final = 2

# Above what was agreed by more than so much of it, and by more than panels round by, is dearer.
DEARER_SHARE: Final = Decimal("0.02")
ROUNDED_BY: Final = Decimal("0.0001")

# What the user sees. An active order shows the panel's own word, kept in ``shown``.
SHOWN: Final[dict[OrderState, StatusWord]] = {
    _R: StatusWord.PENDING,
    _P: StatusWord.PENDING,
    _U: StatusWord.PENDING,
    _A: StatusWord.PENDING,
    _C: StatusWord.COMPLETED,
    _PA: StatusWord.PARTIAL,
    _CA: StatusWord.CANCELED,
    _F: StatusWord.CANCELED,
}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as far as its life and its money go; what to send to the panel lies beside it in the store."""

    id: int
    user_id: int
    currency: str
    charge: int  # units
    refunded: int = 0  # units given back after capture, 0 ≤ refunded ≤ charge
    quantity: int  # billable quantity, what ``remains`` counts against; of a subscription its posts
    state: OrderState = OrderState.RESERVED
    shown: StatusWord = StatusWord.PENDING
    start_count: int | None = None
    remains: int | None = None
    review: str | None = None  # why a person should look


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What an accepted order costs us at its provider."""

    provider: str
    currency: str
    amount: int  # units of the provider's currency


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What the books have as the cost of an order."""

    amount: int  # units of the provider's currency
    currency: str
    transfers: int  # that make it up; corrections count on from here


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What an event made of an order, and the money it moves."""

    order: Order
    transfers: tuple[ledger.Transfer, ...] = ()


class IllegalStep(GatewayError):
    """An event that may not follow the order's state; nothing was changed."""


def step(order: Order, event: OrderEvent, *, cost: Cost | None = None) -> Step:
    """Move an order by an event that is no report; raises :class:`IllegalStep` when the table forbids it."""
    state = _target(order, event)
    match event:
        case OrderEvent.ACCEPTED:
            transfers = ledger.capture(order.id, order.user_id, order.charge, currency=order.currency)
            if cost is not None:
                transfers += ledger.cost(order.id, cost.provider, cost.amount, currency=cost.currency)
            return Step(order=msgspec.structs.replace(order, state=state), transfers=transfers)
        case OrderEvent.DROPPED:
            dropped = msgspec.structs.replace(order, state=state, shown=SHOWN[state], remains=order.quantity)
            return Step(
                order=dropped, transfers=ledger.void(order.id, order.user_id, order.charge, currency=order.currency)
            )
        case OrderEvent.GIVEN_UP:
            return _give_up(msgspec.structs.replace(order, state=state, shown=SHOWN[state]))
        case _:
            return Step(order=msgspec.structs.replace(order, state=state, shown=SHOWN[state]))


def report(  # noqa: PLR0913 - what was agreed, what was made of it, and what was said
    order: Order,
    said: StatusReply,
    *,
    cost: Decimal | None = None,
    runs: int = 1,
    family: Family | Runs | None = None,
    patient: bool = False,
) -> Step:
    """Apply what a panel said of an order; ``cost`` is what the panel asked for all of it, in its own currency.

    ``family`` is what its panel made for a subscription, or for the runs of a drip-feed, by which it is settled. While
    ``patient`` a report whose money cannot be read is put before no person yet: what is missing may still come. A
    report without a known word changes no state and no money, only a start count that was not known. On a terminal
    order it may raise a refund, or set ``review`` where it contradicts what the user was told.
    """
    known = msgspec.structs.replace(order, start_count=_start_count(order, said))
    if said.status is None:
        return Step(order=known)
    debt = _debt(Bill(charge=order.charge, quantity=order.quantity, cost=cost, runs=runs), said, family)
    if debt is not None and debt.undelivered is None:  # what is owed cannot be read: never guess, let a person look
        return Step(order=known if patient else msgspec.structs.replace(known, review=order.review or debt.review))
    state = _target(order, _event(said.status, debt))
    if order.state in TERMINAL:
        return _after_terminal(known, said.status, debt)
    moved = msgspec.structs.replace(
        known,
        state=state,
        shown=SHOWN[state] if state in TERMINAL else _forward(order.shown, said.status),
        remains=to_come(family) if isinstance(family, Family) and debt is None else _remains(order, said, debt),
        review=order.review or (debt.review if debt is not None else None),
    )
    return _pay(moved, debt)


def unreadable(said: StatusReply, *, runs: int = 1, family: Family | Runs | None = None) -> bool:
    """Whether a report ends an order without saying how much of it is missing."""
    debt = _debt(Bill(charge=0, quantity=1, runs=runs), said, family)
    return debt is not None and debt.undelivered is None


def _debt(bill: Bill, said: StatusReply, family: Family | Runs | None) -> Owed | None:
    """What is owed, by what the panel made for the order where that is how it is settled."""
    if isinstance(family, Runs):
        return sum_of_runs(bill.charge, family, said)
    return owed(bill, said) if family is None else came_to(bill.charge, family, said)


def true_up(
    order: Order, provider: str, booked: Booked, *, charged: Decimal, agreed: Decimal
) -> tuple[ledger.Transfer, ...]:
    """Correct what an order is booked to cost us by what its panel says at the end that it charged.

    A figure far above what was agreed is more likely in another unit than a price: nothing is booked by it.
    """
    if not 0 <= charged <= agreed * COST_TRUSTED_MAX or booked.transfers == 0:
        return ()
    amount = to_units_up(charged, scale_of(booked.currency)) - booked.amount
    return ledger.cost(order.id, provider, amount, currency=booked.currency, n=booked.transfers)


def dearer(charged: Decimal, agreed: Decimal) -> bool:
    """Whether a panel took more for an order than its list said when it was placed."""
    return charged - agreed > max(agreed * DEARER_SHARE, ROUNDED_BY)


def _give_up(order: Order) -> Step:
    """Capture the charge and give all of it back, so that the books read as for any canceled order."""
    captured = ledger.capture(order.id, order.user_id, order.charge, currency=order.currency)
    given = ledger.refund(order.id, order.user_id, order.charge, refunded=0, currency=order.currency)
    review = order.review or "refunded from our own pocket: nobody could tell whether it was placed"
    return Step(
        order=msgspec.structs.replace(order, refunded=order.charge, remains=order.quantity, review=review),
        transfers=captured + given,
    )


def _target(order: Order, event: OrderEvent) -> OrderState:
    target = TRANSITIONS[order.state].get(event)
    if target is None:
        raise IllegalStep(f"order {order.id}: {event} may not follow {order.state}")
    return target


def _event(word: StatusWord, debt: Owed | None) -> OrderEvent:
    match debt.word if debt is not None else word:
        case StatusWord.COMPLETED:
            return OrderEvent.COMPLETED
        case StatusWord.PARTIAL:
            return OrderEvent.PARTIAL
        case StatusWord.CANCELED:
            return OrderEvent.CANCELED
        case _:
            return OrderEvent.WORKING


def _after_terminal(order: Order, word: StatusWord, debt: Owed | None) -> Step:
    """A late report: the word stays, a refund may rise, a contradiction is put before a person."""
    if debt is None:
        contradicts = word is StatusWord.COMPLETED and order.state is not OrderState.COMPLETED
        review = f"{word} after {order.state}" if contradicts else None
        return Step(order=msgspec.structs.replace(order, review=order.review or review))
    review = debt.review or (f"{debt.word} after {order.state}" if debt.word != SHOWN[order.state] else None)
    if debt.due < order.refunded:
        review = "the panel now says that more was delivered than was refunded"
    remains = debt.undelivered if debt.due > order.refunded else order.remains
    return _pay(msgspec.structs.replace(order, remains=remains, review=order.review or review), debt)


def _pay(order: Order, debt: Owed | None) -> Step:
    """Pay what is owed beyond what was paid; never take back."""
    if debt is None or debt.due <= order.refunded:
        return Step(order=order)
    transfers = ledger.refund(order.id, order.user_id, debt.due, refunded=order.refunded, currency=order.currency)
    return Step(order=msgspec.structs.replace(order, refunded=debt.due), transfers=transfers)


def _remains(order: Order, said: StatusReply, debt: Owed | None) -> int | None:
    if debt is not None:
        return debt.undelivered
    if said.status is StatusWord.COMPLETED:
        return max(said.remains, 0) if said.remains is not None else 0
    if said.remains is None:
        return order.remains
    return min(max(said.remains, 0), order.quantity)


def _start_count(order: Order, said: StatusReply) -> int | None:
    """Panels say 0 first and the truth later: take it when it is known, never go back to 0."""
    if said.start_count is None or (said.start_count == 0 and order.start_count):
        return order.start_count
    return said.start_count


def _forward(shown: StatusWord, word: StatusWord) -> StatusWord:
    """The later of two words for work under way: what a user has seen does not go backwards."""
    return max(shown, word, key=UNDER_WAY.index)
