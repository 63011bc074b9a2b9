"""What is owed back on an order, as a pure function of what the panel last said of it.

A refund is a target, not an event: whoever applies a report pays ``due - refunded`` once, under a unique key, and
never takes anything back. All rounding is down, while charges are rounded up, so the refunds of an order can never
exceed its charge. The rows of the table are RELIABILITY 1.9; panels differ in what ``remains`` means on a canceled
order (some refund all, some by remains), hence the check against the panel's own charge.
"""

from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.messages import StatusReply, StatusWord

# How far a panel's own charge may lie from the delivered share of our cost and still count as proportional to it.
PROPORTION_TOLERANCE: Final = Decimal("0.02")


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a charge is owed back in all, and how the order then stands."""

    due: int  # units of the user's currency, 0 ≤ due ≤ charge; a target, not a payment
    undelivered: (
        int | None
    )  # how many of the ordered quantity are missing; None when that cannot be read: then pay nothing
    word: StatusWord  # the word that fits the refund: a canceled order with a part delivered is Partial
    review: str | None = None  # why a person should look


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """What of an order decides its refunds."""

    charge: int  # units, what the user paid
    quantity: int  # what the panel's ``remains`` counts against: the whole billable quantity
    cost: Decimal | None = None  # what the panel asked for all of it, in its own currency; None when not known
    runs: int = 1  # of a drip-feed


def owed(bill: Bill, report: StatusReply) -> Owed | None:
    """Say what is owed after ``report``, or ``None`` when the report changes nothing about money.

    Only Partial and Canceled owe anything; a missing or unreadable ``remains`` never makes a guess.
    """
    done = report.runs
    ended = report.status in {StatusWord.PARTIAL, StatusWord.CANCELED}
    if ended and bill.runs > 1 and done is not None and 0 <= done <= bill.runs:
        return _after_runs(bill, done)
    match report.status:
        case StatusWord.PARTIAL:
            return _after_partial(bill, report.remains)
        case StatusWord.CANCELED:
            return _after_canceled(bill, report)
        case _:
            return None


def _after_runs(bill: Bill, done: int) -> Owed:
    """A drip-feed that ended early: runs are sold whole, and a panel's remains may count against one of them."""
    if done == 0:
        return Owed(due=bill.charge, undelivered=bill.quantity, word=StatusWord.CANCELED)
    left = bill.runs - done
    return Owed(
        due=bill.charge * left // bill.runs,
        undelivered=bill.quantity * left // bill.runs,
        word=StatusWord.PARTIAL if left else StatusWord.COMPLETED,
    )


def _after_partial(bill: Bill, remains: int | None) -> Owed | None:
    if remains is None:
        return Owed(due=0, undelivered=None, word=StatusWord.PARTIAL, review="partial without a readable remains")
    if remains <= 0:  # all or more was delivered: our users read Partial as "at least one is missing"
        return Owed(due=0, undelivered=0, word=StatusWord.COMPLETED)
    review = "remains is more than was ordered" if remains > bill.quantity else None
    return _share(bill, min(remains, bill.quantity), review=review)


def _after_canceled(bill: Bill, report: StatusReply) -> Owed:
    remains = report.remains
    if remains is None or remains <= 0 or remains >= bill.quantity:
        return Owed(due=bill.charge, undelivered=bill.quantity, word=StatusWord.CANCELED)
    if _proportional(bill, report.charge, remains):
        return _share(bill, remains, review=None)
    return Owed(
        due=bill.charge,
        undelivered=bill.quantity,
        word=StatusWord.CANCELED,
        review="canceled with a remains, but the panel's charge does not say that a part was delivered",
    )


def _share(bill: Bill, remains: int, *, review: str | None) -> Owed:
    return Owed(due=bill.charge * remains // bill.quantity, undelivered=remains, word=StatusWord.PARTIAL, review=review)


def _proportional(bill: Bill, upstream_charge: str | None, remains: int) -> bool:
    """Whether the panel kept the price of what it delivered: its charge is near that share of our cost."""
    if bill.cost is None or bill.cost <= 0 or upstream_charge is None:
        return False
    delivered = bill.cost * (bill.quantity - remains) / bill.quantity
    return abs(Decimal(upstream_charge) - delivered) <= bill.cost * PROPORTION_TOLERANCE
