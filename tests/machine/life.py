"""The rules of the machine: everything that may happen to orders and money, in any order, with crashes in between.

Each rule does one thing twice, to the store and to the model, and asks that both answer the same. After each the books
are read whole: they are what the model holds, and no invariant is broken (RELIABILITY.md sections 1.11 and 5.2).
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, Final, TypeVar

import pytest
from hypothesis import note
from hypothesis import strategies as some
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from gateway import points
from gateway.core.attempt import Attempt
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from gateway.core.refill import RefillState
from gateway.core.rejections import RejectKind
from gateway.store.attempts import Verdict, arm, decide
from gateway.store.engine import Command, Refused, StoreUnavailable
from gateway.store.orders import answered, ask_cancel, place
from gateway.store.owners import beat, doubt, leave, left_planned, stale, take_over
from gateway.store.polls import Due, apply, claim, miss
from gateway.store.refills import ask_refill, settle
from gateway.store.users import Choices, create_user, credit_user
from gateway.store.verify import Found, in_words, verify
from tests.machine import model
from tests.machine.books import Books, Row
from tests.machine.cut import COMMITTED, Cut
from tests.store.trade import make_new_order, make_planned

T = TypeVar("T")
OWNERS: Final = ("process-a", "process-b")
USERS: Final = ("alpha", "beta")
WISHES: Final = ((1, 1), (999, 10), (100_000, 64))  # charge, quantity
ROUTES: Final = tuple(make_planned(provider, cost=str(model.COST)) for provider in model.ROUTES)
OUTCOMES: Final[dict[str, tuple[str, Outcome]]] = {
    "not_sent": ("not_sent", NotSent("not reached")),
    "link": ("rejected", Rejected(RejectKind.LINK, "no")),
    "funds": ("rejected", Rejected(RejectKind.FUNDS, "no")),
    "doubt": ("unknown", Unknown("who knows")),
}
# Few enough that some come twice, often enough that orders live.
IDS: Final = tuple("123456789")
POINTS: Final = 16  # a crash comes at one of so many points of the command after it
SWEEP_AGE: Final = 150 * model.SECOND
JUMPS: Final = (model.SECOND, 31 * model.SECOND, 200 * model.SECOND, model.HOUR, 25 * model.HOUR)

owners = some.sampled_from(OWNERS)
users = some.sampled_from(USERS)
some_order = some.integers(0, 63)


class OrderLife(RuleBasedStateMachine):
    """One walk through the life of some orders of two users, served by two processes."""

    runner: asyncio.Runner  # these two are given by tests/machine/walk.py
    books: Books

    def __init__(self) -> None:
        super().__init__()
        self.store = self._wait(self.books.fresh())
        self.model = model.Model()
        self.ids: dict[str, int] = {}
        self.handles: list[Attempt] = []  # every attempt anybody was ever given, however old
        self.crash: tuple[int, bool] | None = None  # at which point, and whether the line is seen to be lost
        self.numbers = 1000
        for name in USERS:
            self.ids[name] = self._run(partial(create_user, name, "USD", Choices(), actor="test", now=model.START)).id
            self.model.free[self.ids[name]] = 0
            self.credit(user=name, amount=150_000, reference=f"first-{name}")
        for owner in OWNERS:
            self._beat(owner)

    def teardown(self) -> None:
        """Leave no crash waiting for whoever comes next."""
        points.hook = None

    # The books and the clock.

    @rule(user=users, amount=some.sampled_from([1, 70, 150_000, -1, -400_000]), reference=some.sampled_from("xyz"))
    def credit(self, user: str, amount: int, reference: str) -> None:
        """A deposit, or an adjustment."""
        name = partial(credit_user, user, amount, reference=reference, actor="test", now=self.model.now)
        kind = "dep" if amount > 0 else "adj"
        self._both(name, lambda: self.model.credit(kind, self.ids[user], amount, reference), same=self.crash is None)

    @rule(
        what=some.sampled_from(["beat", "leave", "sweep", "take over", "silence", *JUMPS]),
        owner=owners,
    )
    def pass_time(self, what: str | int, owner: str) -> None:
        """The clock jumps, or a process does what the clock tells it to."""
        match what:
            case "beat":
                self._beat(owner)
            case "leave":
                self._run(partial(leave, owner))
                self.model.beats.pop(owner, None)
            case "sweep":
                self._sweep(owner)
            case "take over":
                self.handles += self._run(partial(take_over, owner, now=self.model.now))
                self.handles += self._wait(self.store.read(partial(left_planned, owner, now=self.model.now)))
                self.model.take_over(owner)
            case "silence":
                self._run(partial(miss, self._claim(model.ROUTES[0], 3), pace=model.SECOND, now=self.model.now))
            case _:
                self.model.now += int(what)

    @rule(at=some.integers(0, POINTS - 1) | some.just(COMMITTED), seen=some.booleans())
    def crash_next(self, at: int, seen: bool) -> None:
        """The connection is lost inside the transaction of whatever comes next, or right after its COMMIT."""
        self.crash = (at, seen)

    # An order is placed.

    @rule(
        user=users,
        wish=some.sampled_from(WISHES),
        key=some.sampled_from([None, None, None, "k1", "k2"]),
        window=some.sampled_from([0, 0, 120]),
        owner=owners,
    )
    def add(self, user: str, wish: tuple[int, int], key: str | None, window: int, owner: str) -> None:
        """A user orders something."""
        self.numbers += 1
        self.model.now += 1
        charge, quantity = wish
        new = make_new_order(
            self.ids[user], self.numbers, charge=charge, quantity=quantity, fingerprint=f"f{charge}-{quantity}",
            idem_key=key, duplicate_window=window, routes=ROUTES, owner=owner,
        )  # fmt: skip
        asked = model.Wish(self.numbers, self.ids[user], charge, quantity, key, window, owner)
        placed = self._both(partial(place, new, now=self.model.now), lambda: self.model.add(asked), read=_order_id)
        if placed is not None and placed.attempt is not None:
            self.handles.append(placed.attempt)

    @initialize(
        wishes=some.lists(some.tuples(users, some.sampled_from(WISHES), owners), min_size=1, max_size=4),
        sent=some.integers(0, 4),
    )
    def trade(self, wishes: list[tuple[str, tuple[int, int], str]], sent: int) -> None:
        """Some orders are there before the walk begins, and some of them are at work."""
        for user, wish, owner in wishes:
            self.add(user=user, wish=wish, key=None, window=0, owner=owner)
            self._answer(self._sale(0), heard=True)
        for n in range(min(sent, len(wishes))):
            self.send(pick=n, outcome=IDS[n])

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, heard=some.booleans())
    def answer(self, pick: int, heard: bool) -> None:
        """The answer arrives, or its caller is gone."""
        self._answer(self._sale(pick), heard=heard)

    def _answer(self, sale: model.Sale, *, heard: bool) -> None:
        self._run(partial(answered, sale.number, sale.user, heard=heard, now=self.model.now))
        if heard:
            sale.heard = True
        elif not sale.heard:
            sale.unheard = True

    # It is sent.

    @precondition(lambda self: self.handles)
    @rule(pick=some_order, twice=some.booleans())
    def arm(self, pick: int, twice: bool) -> None:
        """Somebody who holds an attempt wants to send it; perhaps the same transmission asks again."""
        attempt = self._handle(pick)
        sale = self.model.sales[attempt.order_id]
        self.model.now += 1
        mark = sale.tries[attempt.n - 1].mark if twice else f"mark-{self.model.now}"
        mark = mark or "first"
        command = partial(arm, attempt, now=self.model.now, mark=mark)
        self._both(command, lambda: self.model.arm(sale, attempt.n, attempt.owner, mark))

    @precondition(lambda self: self.handles)
    @rule(
        pick=some_order,
        outcome=some.sampled_from([*OUTCOMES, *IDS]),
        go_on=some.booleans(),
        owner=owners,
    )
    def decide(self, pick: int, outcome: str, go_on: bool, owner: str) -> None:
        """A verdict on an attempt: the first, a late one, or one that comes too early to be true."""
        attempt = self._handle(pick)
        sale = self.model.sales[attempt.order_id]
        self._judge(sale, attempt, outcome, go_on=go_on, owner=owner)

    @precondition(lambda self: self.handles)
    @rule(pick=some_order, outcome=some.sampled_from(IDS))
    def send(self, pick: int, outcome: str) -> None:
        """What usually happens, so that walks come far: the newest attempt of an order is armed and accepted."""
        sale = self._sale(pick)
        attempt = next((one for one in reversed(self.handles) if one.order_id == sale.number), None)
        if attempt is None:
            return
        command = partial(arm, attempt, now=self.model.now, mark="usual")
        self._both(command, lambda: self.model.arm(sale, attempt.n, attempt.owner, "usual"))
        self._judge(sale, attempt, outcome, go_on=False, owner=attempt.owner)

    # Its panel reports, its user asks.

    @precondition(lambda self: self.model.sales)
    @rule(
        provider=some.sampled_from(model.ROUTES),
        word=some.sampled_from([None, *StatusWord, StatusWord.PARTIAL, StatusWord.CANCELED]),
        remains=some.none() | some.integers(-5, 80),
        charge=some.sampled_from([None, "0", "0.5", "fair"]),
        limit=some.sampled_from([1, 3]),
    )
    def report(
        self, provider: str, word: StatusWord | None, remains: int | None, charge: str | None, limit: int
    ) -> None:
        """A panel says a word, any word, of the orders that are asked about; said twice it means the same."""
        for due in self._claim(provider, limit):
            sale = self.model.sales[due.order_id]
            assert (sale.tries[-1].provider, sale.tries[-1].upstream) == (provider, due.upstream_order)
            asked = charge
            if charge == "fair" and remains is not None:
                asked = str(model.COST * max(sale.quantity - remains, 0) / sale.quantity)
            elif charge == "fair":
                asked = None
            said = StatusReply(status=word, remains=remains, charge=asked)
            self._run(partial(apply, due, said, provider=provider, pace=model.SECOND, now=self.model.now))
            self.model.report(sale, None if word is None else word.value, remains, asked)

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, stranger=some.sampled_from([False, False, False, True]))
    def cancel(self, pick: int, stranger: bool) -> None:
        """A user wants an order canceled: its own, or somebody else's."""
        sale = self._sale(pick)
        user = sale.user if not stranger else max(self.ids.values()) + 1
        self.model.now += 1
        command = partial(ask_cancel, sale.number, user, now=self.model.now)
        self._both(command, lambda: not stranger and self.model.cancel(sale), read=lambda task: task.eligible)

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, settled=some.sampled_from([None, *RefillState]))
    def refill(self, pick: int, settled: RefillState | None) -> None:
        """A user asks for a refill, and perhaps the panel has a word for it."""
        sale = self._sale(pick)
        self.numbers += 1
        number = self.numbers
        command = partial(ask_refill, number, sale.number, sale.user, now=self.model.now)
        task = self._both(command, lambda: self.model.refill(sale), read=lambda task: task is not None)
        if task is None or settled is None:
            return
        self._run(partial(settle, number, settled, shown="Pending", upstream_refill="7", due_at=0, now=self.model.now))
        sale.refill = (settled.value, self.model.now)

    @invariant()
    def books_are_what_the_model_holds(self) -> None:
        """Every order, attempt and balance; and every invariant that `gateway ledger verify` knows."""
        assert set(self._wait(self.books.rows())) == _expected(self.model)
        found: Found = self._wait(self.store.read(verify))
        assert found.sound, in_words(found.violations)

    def _beat(self, owner: str) -> None:
        self._run(partial(beat, owner, now=self.model.now))
        self.model.beats[owner] = self.model.now

    def _sweep(self, owner: str) -> None:
        """What was armed and never decided is put in doubt."""
        deadline = self.model.now - SWEEP_AGE
        for attempt in self._wait(self.store.read(partial(stale, now=self.model.now, deadline=deadline))):
            self._run(partial(doubt, attempt, actor=owner, now=self.model.now))
        self.model.doubt(deadline)

    def _claim(self, provider: str, limit: int) -> tuple[Due, ...]:
        """Orders to be asked about; four days from now every one that is still asked about is due."""
        return self._run(partial(claim, provider, OWNERS[0], limit=limit, now=self.model.now + 96 * model.HOUR))

    def _judge(self, sale: model.Sale, attempt: Attempt, outcome: str, *, go_on: bool, owner: str) -> None:
        state, real = OUTCOMES.get(outcome, ("accepted", Accepted(outcome)))
        verdict = Verdict(outcome=real, go_on=go_on, failure="no", owner=owner, poll_at=self.model.now)
        decided = self._run(partial(decide, attempt, verdict, now=self.model.now))
        self.model.decide(sale, attempt.n, (state, outcome), go_on=go_on, owner=owner)
        assert decided.state == sale.state
        if decided.next is not None and decided.next not in self.handles:
            self.handles.append(decided.next)

    def _sale(self, pick: int) -> model.Sale:
        """One of the orders, the newest for 0."""
        sales = list(self.model.sales.values())
        return sales[-1 - pick % len(sales)]

    def _handle(self, pick: int) -> Attempt:
        """One of the attempts that were ever given out, the newest for 0."""
        return self.handles[-1 - pick % len(self.handles)]

    def _both(
        self, command: Command[T], expected: Any, *, read: Any = lambda answer: answer, same: bool = True
    ) -> T | None:
        """Ask the store and the model; both answer the same, or refuse for the same reason."""
        try:
            wanted = expected()
        except model.Refused as no:
            name = str(no)
            with pytest.raises(Refused, check=lambda refused: type(refused).__name__ == name):
                self._run(command)
            return None
        answer = self._run(command)
        assert not same or read(answer) == wanted
        return answer

    def _run(self, command: Command[T]) -> T:
        """Run a command, with the crash that was wished for; one that the caller sees makes it come again."""
        crash, self.crash = self.crash, None
        if crash is not None:
            points.hook = Cut(self.store, crash[0], seen=crash[1])
        try:
            return self._wait(self.store.run(command))
        except StoreUnavailable:
            assert crash is not None
            note("the caller saw the crash and came again")
            points.hook = None
            return self._wait(self.store.run(command))
        finally:
            points.hook = None

    def _wait(self, awaited: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(awaited)


def _order_id(placed: Any) -> int:
    order_id: int = placed.order_id
    return order_id


def _expected(held: model.Model) -> set[Row]:
    """The rows of tests/machine/books.py, as the model has them."""
    rows: set[Row] = set()
    for user, free in held.free.items():
        rows |= {("account", f"user:{user}:avail", str(free), "", "", "")}
        rows |= {("account", f"user:{user}:held", str(held.held(user)), "", "", "")}
    rows |= {("brake", name, "on" if on else "off", "", "", "") for name, on in held.brakes.items()}
    for sale in held.sales.values():
        rows.add(("order", str(sale.number), str(sale.user), sale.state, str(sale.refunded), ""))
        for n, tried in enumerate(sale.tries, 1):
            what = f"{tried.provider} {tried.state}"
            rows.add(("attempt", str(sale.number), str(n), what, tried.owner, tried.upstream))
    return rows
