"""Mutants: seven bugs sown on purpose, each of which the harness has to find (RELIABILITY.md section 4 has five)."""

import itertools
import os
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

import gateway.core.order as order_life
from gateway.actions import dispatch
from gateway.core import ledger
from gateway.core.attempt import Attempt
from gateway.core.children import Runs
from gateway.core.messages import StatusReply
from gateway.core.order import Cost, Order, OrderEvent, Step
from gateway.core.outcome import Evidence, Outcome, Rejected, Unknown
from gateway.core.refund import Owed
from gateway.core.rejections import RejectKind
from gateway.core.spending import Spending, UserLimits
from gateway.jobs import sweep
from gateway.providers import client
from gateway.store import attempts, spending
from gateway.store.engine import Query, Steps
from gateway.store.life import lock_order, write_step
from tests.crash.kind import Kind, every_kind


def unknown_is_rejected() -> None:
    """What nobody can tell counts as a refusal: the next route may order it again."""
    right = client.classify_add  # type: ignore[attr-defined] # the name as that file knows it

    def wrong(evidence: Evidence, *more: Any, **named: Any) -> Outcome:
        outcome: Outcome = right(evidence, *more, **named)
        return Rejected(RejectKind.THROTTLED, outcome.why) if isinstance(outcome, Unknown) else outcome

    _put(client, "classify_add", wrong)


def sending_is_unsent() -> None:
    """An attempt that a dead process was sending is taken for one that was never placed."""

    def wrong(attempt: Attempt, *, actor: str, now: int) -> Steps[bool]:
        outcome = Rejected(RejectKind.THROTTLED, "its process is dead")
        verdict = attempts.Verdict(outcome=outcome, go_on=False, failure="", owner=actor, poll_at=now)
        yield from attempts.decide(attempt, verdict, now=now)
        return True

    _put(sweep, "doubt", wrong)


def refund_has_no_key() -> None:
    """Every report of an end pays what is due once more."""
    numbers = itertools.count()

    def wrong(order: Order, debt: Owed | None) -> Step:
        if debt is None or debt.due == 0:
            return Step(order=order)
        (made,) = ledger.refund(order.id, order.user_id, debt.due, refunded=0, currency=order.currency)
        unkeyed = msgspec.structs.replace(made, tx_key=f"{made.tx_key}:{os.getpid()}:{next(numbers)}")
        return Step(order=msgspec.structs.replace(order, refunded=debt.due), transfers=(unkeyed,))

    _put(order_life, "_pay", wrong)


def arms_without_asking() -> None:
    """Whoever wants to send may, whoever else has taken the attempt over meanwhile."""

    def wrong(attempt: Attempt, *, now: int, mark: str = "") -> Steps[bool]:
        locked = yield from lock_order(attempt.order_id)
        assert locked is not None, f"attempt {attempt.id} has no order"
        if (yield Query("attempt_arm", {"id": attempt.id, "owner": attempt.owner, "mark": mark, "now": now})):
            made = order_life.step(locked.order, OrderEvent.ARMED)
            yield from write_step(locked.order, made, actor=attempt.owner, now=now)
        return True

    _put(dispatch, "arm", wrong)


def captures_too_soon() -> None:
    """The charge is ours before anybody knows whether the panel took the order."""
    right = attempts.step  # type: ignore[attr-defined] # as above

    def wrong(order: Order, event: OrderEvent, *, cost: Cost | None = None) -> Step:
        made: Step = right(order, event, cost=cost)
        if event is not OrderEvent.ARMED:
            return made
        early = ledger.capture(order.id, order.user_id, order.charge, currency=order.currency)
        return msgspec.structs.replace(made, transfers=made.transfers + early)

    _put(attempts, "step", wrong)


def run_is_missed_twice() -> None:
    """What the first run of a drip-feed did not deliver is paid back once more."""
    right = order_life.sum_of_runs  # type: ignore[attr-defined] # as above

    def wrong(charge: int, runs: Runs, report: StatusReply) -> Owed | None:
        doubled = msgspec.structs.replace(runs, children=runs.children[:1] + runs.children)
        owed: Owed | None = right(charge, doubled, report)
        return owed

    _put(order_life, "sum_of_runs", wrong)


def limit_is_checked_before_the_hold() -> None:
    """A user's counts are read a moment before the hold, not under the lock that the hold takes."""
    right = spending._read
    seen: dict[int, tuple[float, tuple[UserLimits, Spending]]] = {}

    def stale(user_id: int) -> Steps[tuple[UserLimits, Spending]]:
        if user_id not in seen or time.monotonic() - seen[user_id][0] > STALE_SECONDS:
            seen[user_id] = (time.monotonic(), (yield from right(user_id)))
        return seen[user_id][1]

    _put(spending, "_read", stale)


# Each is put into the gateways' processes alone; nothing of it is left when a world ends.
MUTANTS: Final[dict[str, Callable[[], None]]] = {
    mutant.__name__: mutant
    for mutant in (
        *(unknown_is_rejected, sending_is_unsent, refund_has_no_key, arms_without_asking, captures_too_soon),
        *(run_is_missed_twice, limit_is_checked_before_the_hold),
    )
}
# Where a bug is that most worlds do not come by.
KINDS: Final = {
    "run_is_missed_twice": Kind(children=True),
    "limit_is_checked_before_the_hold": Kind(limits=every_kind().limits),
}
STALE_SECONDS: Final = 0.05
# Bugs of two processes at once: they need a database that two may write.
OF_TWO: Final = frozenset({"arms_without_asking"})


def _put(module: Any, name: str, wrong: Any) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name}: the mutant is out of date"
    setattr(module, name, wrong)
