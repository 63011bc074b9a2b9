"""Every critical pair of commands, the one stopped before each of its statements in turn while the other runs.

Whatever the order, the outcome is one that the two could have had one after the other (RELIABILITY.md section 5.6). On
SQLite a transaction keeps all others out, so the second one simply waits; on PostgreSQL they meet at the rows.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import pytest

from gateway.core.attempt import Attempt
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, Outcome, Rejected
from gateway.core.rejections import RejectKind
from gateway.core.user import User
from gateway.store.attempts import Verdict, arm, decide
from gateway.store.engine import Command
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import ask_cancel, place
from gateway.store.owners import OWNER_DEAD_MS, beat, doubt, take_over
from gateway.store.polls import apply, claim
from gateway.store.store import open_store
from gateway.store.users import credit_user
from tests.races.schedule import Process, gates, meet
from tests.sound import broken_invariants
from tests.store.trade import ME, NOW, RIVAL, active, make_new_order, make_user, money_of, order_of, planned, sending

numbers = count(100_001)
LATER = NOW + OWNER_DEAD_MS + 1


class Stage:
    """The two processes, and a third store to prepare and to look."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self.url = url
        self.runner = runner
        self.store = open_store(url)
        self.do(self.store.open())
        self.do(self.store.migrate())
        self.both = (Process(url), Process(url))
        self.alpha: User = self.do(make_user(self.store, money=1_000_000))

    def do(self, work: Any) -> Any:
        """What a coroutine answers."""
        return self.runner.run(work)

    def close(self) -> None:
        """End all three."""
        for process in self.both:
            process.close()
        self.do(self.store.close())


@pytest.fixture
def stage(database_url: str) -> Iterator[Stage]:
    """An empty stage on each database."""
    with asyncio.Runner() as runner:
        made = Stage(database_url, runner)
        yield made
        made.close()
        assert runner.run(broken_invariants(database_url)) == []


Pair = tuple[Command[Any], Command[Any]]


def every_meeting(stage: Stage, prepare: Callable[[], tuple[int, Pair]]) -> Iterator[tuple[int, list[Any]]]:
    """The order and what the two commands answered or raised, for each gate of the one and then of the other."""
    for turned in (False, True):
        for gate in gates():
            number, pair = prepare()
            commands = pair[::-1] if turned else pair
            ended = meet((stage.both[0], commands[0]), (stage.both[1], commands[1]), gate)
            answers = [future.exception() or future.result() for future in ended]
            yield number, answers[::-1] if turned else answers


def verdict(outcome: Outcome, owner: str = ME) -> Verdict:
    """An outcome as a dispatcher brings it."""
    return Verdict(outcome=outcome, go_on=False, failure="no", owner=owner, poll_at=NOW)


def test_arming_and_taking_over_never_both_send(stage: Stage) -> None:
    """The owner, thought dead, arms; the other takes over and arms: one of them may send, and the order is placing."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        attempt = stage.do(planned(stage.store, stage.alpha, number))
        return number, (partial(arm, attempt, now=LATER, mark="m"), partial(take_over, RIVAL, now=LATER))

    stage.do(stage.store.run(partial(beat, RIVAL, now=LATER)))
    for number, (armed, taken) in every_meeting(stage, prepare):
        mine = [attempt for attempt in taken if attempt.order_id == number]
        assert (armed, len(mine)) in {(True, 0), (False, 1)}
        if mine:
            assert stage.do(stage.store.run(partial(arm, mine[0], now=LATER, mark="n")))
        assert stage.do(order_of(stage.store, number)).order.state is OrderState.PLACING


def test_late_acceptance_beats_a_doubt(stage: Stage) -> None:
    """The sweep doubts what its sender decides: the order is active either way, captured once."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        attempt: Attempt = stage.do(sending(stage.store, stage.alpha, number))
        accepted = partial(decide, attempt, verdict(Accepted(f"up-{number}")), now=NOW)
        return number, (accepted, partial(doubt, attempt, actor=RIVAL, now=NOW))

    for number, (decided, _) in every_meeting(stage, prepare):
        assert decided.state is OrderState.ACTIVE
        assert stage.do(order_of(stage.store, number)).order.state is OrderState.ACTIVE


def test_of_two_verdicts_the_first_stands(stage: Stage) -> None:
    """Accepted and rejected at once: one of them, whole, with its money."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        attempt: Attempt = stage.do(sending(stage.store, stage.alpha, number))
        yes = partial(decide, attempt, verdict(Accepted(f"up-{number}")), now=NOW)
        return number, (yes, partial(decide, attempt, verdict(Rejected(RejectKind.FUNDS, "no")), now=NOW))

    for number, (yes, no) in every_meeting(stage, prepare):
        state = stage.do(order_of(stage.store, number)).order.state
        assert state in {OrderState.ACTIVE, OrderState.FAILED}
        assert yes.state == no.state == state


def test_refund_and_cancel_pay_once(stage: Stage) -> None:
    """A report that refunds and the user's cancel: the refund is paid once, the wish noted or refused."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        due = stage.do(active(stage.store, stage.alpha, number))
        said = StatusReply(status=StatusWord.PARTIAL, remains=4)
        report = partial(apply, due, said, provider="panel-a", pace=1000, now=NOW)
        return number, (report, partial(ask_cancel, number, stage.alpha.id, now=NOW))

    for number, _ in every_meeting(stage, prepare):
        order = stage.do(order_of(stage.store, number)).order
        assert (order.state, order.refunded) == (OrderState.PARTIAL, 40)


def test_two_reports_refund_the_larger(stage: Stage) -> None:
    """Three of ten missing, and five of ten: five are paid, whichever came first."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        due = stage.do(active(stage.store, stage.alpha, number))
        three, five = (
            partial(
                apply, due, StatusReply(status=StatusWord.PARTIAL, remains=left), provider="panel-a", pace=1, now=NOW
            )
            for left in (3, 5)
        )
        return number, (three, five)

    for number, _ in every_meeting(stage, prepare):
        assert stage.do(order_of(stage.store, number)).order.refunded == 50


def test_last_money_goes_one_way(stage: Stage) -> None:
    """An order and an adjustment that take all a user has: one of them gets it."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        name = f"user-{number}"
        user: User = stage.do(make_user(stage.store, name, money=100))
        back = partial(credit_user, name, -100, reference=f"t{number}", actor="test", now=NOW)
        return number, (partial(place, make_new_order(user.id, number), now=NOW), back)

    for number, answers in every_meeting(stage, prepare):
        assert [isinstance(answer, NotEnoughFunds) for answer in answers].count(True) == 1
        assert sum(stage.do(money_of(stage.store, f"user-{number}"))) in {0, 100}
        assert stage.do(money_of(stage.store, f"user-{number}"))[0] == 0


def test_polls_of_two_are_claimed_once(stage: Stage) -> None:
    """Two pollers claim what is due: no order by both."""

    def prepare() -> tuple[int, Pair]:
        number = next(numbers)
        attempt: Attempt = stage.do(sending(stage.store, stage.alpha, number))
        stage.do(stage.store.run(partial(decide, attempt, verdict(Accepted(f"up-{number}")), now=NOW)))
        mine, theirs = (partial(claim, "panel-a", owner, limit=10, now=NOW) for owner in (ME, RIVAL))
        return number, (mine, theirs)

    for number, both in every_meeting(stage, prepare):
        assert [due.order_id for answer in both for due in answer] == [number]
