"""Children: the orders a panel makes by itself for one of ours, and what a subscription came to by them.

A subscription is for posts that do not exist yet. Its panel makes an order for each post when the post appears, charges
for that order then, and names it in the subscription's status. The money, in prose:

- The user's charge is the *exposure*: the most that all posts can come to, at the listed rate. It is held, captured and
  paid back by the same steps as of any order, so that there is one machine for money; while the subscription runs, what
  the user may spend is the same as it would be with a hold that lasts.
- Nothing is paid back while it runs. At its end (completed, expired, canceled) a child has its *price*: the share of
  the charge that its panel's own charge is of the cost agreed for all, one post's share at most. What is beyond the
  prices of all children is owed back, rounded down, so that no more is ever paid back than was charged.
- A child whose charge is not known is priced as a whole post: what was not read is never paid back. A charge of nought
  is believed of a canceled child alone; panels write it before they know.
- A child that ends in part, or canceled, counts by its charge after its panel's own refund.
- An end whose children nobody has heard of, or that does not say which there are, cannot be read; then nothing is
  paid until a person has looked. One that names too few may be told before the last is named, so what is owed is paid
  when it was told twice (store/polls.py).

Some panels make an order for each run of a drip-feed too. Where they name them, what is owed is the sum over the runs,
each by the rules of any order (core/refund.py): a run that ended in part owes its part, even if the whole is called
completed, and one that was never made owes itself when the whole ended early.
"""

from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Final

import msgspec

from gateway.core.messages import StatusReply, StatusWord
from gateway.core.refund import Bill, Owed, owed

ENDS: Final = frozenset({StatusWord.COMPLETED, StatusWord.PARTIAL, StatusWord.CANCELED})


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One order a panel made for one of ours."""

    upstream_order: str
    status: StatusWord | None = None  # the last word on it; None: nothing was heard of it yet
    charge: Decimal | None = None  # what the panel asks for it by now, in the provider's currency; None: not known
    remains: int | None = None  # what the panel says is missing of it


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What a subscription has become so far."""

    posts: int  # it was ordered for
    cost: Decimal | None  # what the panel would ask for all of them, in the provider's currency
    children: tuple[Child, ...]
    named: bool  # whether its panel's report says which children there are
    strange: int = 0  # of those it says, how many are other orders' and were not taken


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """What a drip-feed has become so far, where its panel makes an order for each run."""

    runs: int  # it was ordered for
    quantity: int  # of all runs
    cost: Decimal | None  # what the panel would ask for all of them, in the provider's currency
    children: tuple[Child, ...]
    strange: int = 0  # as of a family

    @property
    def heard(self) -> bool:
        """Whether something was heard of each."""
        return all(child.status is not None for child in self.children)


def charged(child: Child) -> Decimal | None:
    """What a child is believed to cost us; None where that is not known."""
    if child.charge is None or child.charge < 0:
        return None
    return None if child.charge == 0 and child.status is not StatusWord.CANCELED else child.charge


def spent(family: Family) -> Decimal | None:
    """What all children cost us together; None where that is not known of each."""
    each = [charged(child) for child in family.children]
    known = [one for one in each if one is not None]
    return sum(known, Decimal()) if len(known) == len(each) and not family.strange else None


def to_come(family: Family) -> int:
    """How many posts are still to come."""
    return max(family.posts - len(family.children) - family.strange, 0)


def came_to(charge: int, family: Family, report: StatusReply) -> Owed | None:
    """Say what is owed of ``charge`` after ``report``, or ``None`` while the subscription runs."""
    if report.status not in ENDS:
        return None
    unheard = sum(child.status is None for child in family.children)
    if unheard or not family.named:
        what = f"{unheard} of its orders cannot be read" if unheard else "its panel does not say which orders it made"
        return Owed(due=0, undelivered=None, word=report.status, review=f"the subscription has ended, and {what}")
    prices = [_price(child, family) for child in family.children]
    prices += [Fraction(1, family.posts)] * family.strange
    kept = min(ceil(charge * sum(prices, Fraction())), charge)
    missing = max(family.posts - sum(price > 0 for price in prices), 0)
    word = (
        StatusWord.PARTIAL if 0 < missing < family.posts else StatusWord.CANCELED if missing else StatusWord.COMPLETED
    )
    review = f"its panel names {family.strange} orders that are not its own" if family.strange else None
    return Owed(due=charge - kept, undelivered=missing, word=word, review=review)


def sum_of_runs(charge: int, runs: Runs, report: StatusReply) -> Owed | None:
    """Say what is owed of ``charge`` after ``report``, run by run, or ``None`` while the drip-feed is under way.

    How many runs were made is never fewer than the panel says were done. A drip-feed that is completed does not wait
    for runs that nobody has heard of: they are delivered until something else is heard.
    """
    if report.status not in ENDS:
        return None
    per_run = runs.quantity // runs.runs
    each = Bill(charge=0, quantity=per_run, cost=None if runs.cost is None else runs.cost / runs.runs)
    debts = [debt for child in runs.children if (debt := owed(each, _reported(child))) is not None]
    unread = next((debt for debt in debts if debt.undelivered is None), None)
    if unread is not None or not (runs.heard or report.status is StatusWord.COMPLETED):
        why = "one of its runs cannot be read" if unread is None else f"one of its runs: {unread.review}"
        return Owed(due=0, undelivered=None, word=report.status, review=why)
    made = max(len(runs.children) + runs.strange, report.runs or 0)
    unmade = 0 if report.status is StatusWord.COMPLETED else max(runs.runs - made, 0)
    missing = min(sum(debt.undelivered or 0 for debt in debts) + unmade * per_run, runs.quantity)
    some = StatusWord.PARTIAL if missing < runs.quantity else StatusWord.CANCELED
    reviews = [debt.review for debt in debts if debt.review is not None]
    if runs.strange:
        reviews.append(f"its panel names {runs.strange} orders that are not its own")
    return Owed(
        due=charge * missing // runs.quantity,
        undelivered=missing,
        word=some if missing else StatusWord.COMPLETED,
        review=reviews[0] if reviews else None,
    )


def _reported(child: Child) -> StatusReply:
    return StatusReply(
        status=child.status, remains=child.remains, charge=None if child.charge is None else f"{child.charge:f}"
    )


def _price(child: Child, family: Family) -> Fraction:
    """The share of the subscription's charge that a child is."""
    whole, cost = Fraction(1, family.posts), charged(child)
    if cost is None or family.cost is None or family.cost <= 0:
        return whole
    return min(Fraction(cost) / Fraction(family.cost), whole)
