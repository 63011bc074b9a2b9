"""The books stay sound on any walk through the commands of order life, on both databases.

The invariants are those of `gateway ledger verify`, over the whole of the books after every few steps; that each of
them can be broken, and is then seen, is shown by tests/store/test_verify.py.
"""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Final

import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import Order
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.routing import PlannedRoute
from gateway.core.user import User
from gateway.store.attempts import Decided, Verdict, arm, decide, read_attempts
from gateway.store.engine import Command, Store
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import NewOrder, Placed, ask_cancel, place
from gateway.store.owners import doubt
from gateway.store.polls import apply, claim
from gateway.store.store import open_store
from gateway.store.unknown import NotInDoubt, Word, accept_by_hand, deny_by_hand, give_back_by_hand
from gateway.store.users import Choices, create_user, credit_user
from gateway.store.verify import in_words, verify
from tests.store.trade import ask

ME: Final = "walker"
START: Final = 1_700_000_000_000
ROUTES: Final = tuple(
    PlannedRoute(provider=name, service="1", cost=Decimal("0.5"), currency="EUR", exchange_rate=Decimal(1))
    for name in ("panel-a", "panel-b")
)
KINDS: Final = tuple(RejectKind)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on each database."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


class Walk:
    """A user, its orders, and one step after another."""

    def __init__(self, store: Store, user: User, chance: random.Random) -> None:
        self.store = store
        self.user = user
        self.chance = chance
        self.now = START
        self.orders: list[int] = []

    async def step(self) -> None:
        """Do one thing that may happen."""
        self.now += self.chance.randint(1, 60_000)
        steps = [
            self.place,
            self.send,
            self.send,
            self.send,
            self.report,
            self.report,
            self.cancel,
            self.twice,
            self.give_up,
        ]
        await self.chance.choice(steps)()

    async def place(self) -> None:
        """A new order, if there is money for it."""
        number = 1000 + len(self.orders)
        charge = self.chance.choice([0, 1, 999, 100_000])
        order = Order(id=number, user_id=self.user.id, currency="USD", charge=max(charge, 1), quantity=10)
        new = NewOrder(
            order=order, fingerprint=f"f{number}", idem_key=None, duplicate_window=0, service_id=1, type="Default",
            fields=(("link", "L"),), rate=1, rule="default", routes=ROUTES, passed="", can_refill=True, can_cancel=True,
            owner=ME,
        )  # fmt: skip
        try:
            placed: Placed = await self.store.run(partial(place, new, now=self.now))
        except NotEnoughFunds:
            return
        assert placed.order_id == number
        self.orders.append(number)

    async def send(self) -> None:
        """Arm an attempt and bring some verdict, or let it be doubted."""
        attempt = await self._attempt({AttemptState.PLANNED, AttemptState.SENDING, AttemptState.UNKNOWN})
        if attempt is None:
            return
        if attempt.state is AttemptState.PLANNED and self.chance.random() < 0.8:
            assert await self.store.run(partial(arm, attempt, now=self.now))
        elif attempt.state is AttemptState.SENDING and self.chance.random() < 0.2:
            await self.store.run(partial(doubt, attempt, actor=ME, now=self.now))
        else:
            await self._decide(attempt, self._outcome())

    async def give_up(self) -> None:
        """An operator loses patience, or says that it was not placed, or under which id it was."""
        attempt = await self._attempt({AttemptState.UNKNOWN})
        if attempt is None:
            return
        word, number = Word(actor="cli:ops", reason="enough"), attempt.order_id
        replace_ms = 10**9 * self.chance.randint(0, 1)
        ways: list[Command[object]] = [
            partial(give_back_by_hand, number, word, now=self.now),
            partial(deny_by_hand, number, word, replace_ms=replace_ms, now=self.now),
            partial(accept_by_hand, number, f"9{number}", word, now=self.now),
        ]
        with suppress(NotInDoubt):
            await self.store.run(self.chance.choice(ways))

    async def twice(self) -> None:
        """The same verdict again, or another one after it: nothing may happen twice."""
        attempt = await self._attempt(set(AttemptState))
        if attempt is not None:
            await self._decide(attempt, self._outcome())

    async def report(self) -> None:
        """What a panel says of orders that are due, twice over."""
        for route in ROUTES:
            dues = await self.store.run(partial(claim, route.provider, ME, limit=3, now=self.now + 10**9))
            for due in dues:
                said = StatusReply(
                    status=self.chance.choice([*StatusWord, None]),
                    remains=self.chance.choice([None, -1, 0, 3, 7, 10, 99]),
                    charge=self.chance.choice([None, "0.5", "0.2"]),
                )
                for _ in range(2):
                    step = partial(apply, due, said, provider=route.provider, pace=1000, now=self.now)
                    await self.store.run(step)

    async def cancel(self) -> None:
        """The user changes its mind."""
        if self.orders:
            await self.store.run(partial(ask_cancel, self.chance.choice(self.orders), self.user.id, now=self.now))

    async def _attempt(self, states: set[AttemptState]) -> Attempt | None:
        if not self.orders:
            return None
        attempts = await self.store.read(partial(read_attempts, self.chance.choice(self.orders)))
        return attempts[-1] if attempts and attempts[-1].state in states else None

    async def _decide(self, attempt: Attempt, outcome: Outcome) -> None:
        verdict = Verdict(outcome=outcome, go_on=self.chance.random() < 0.5, failure="no", owner=ME, poll_at=self.now)
        decided: Decided = await self.store.run(partial(decide, attempt, verdict, now=self.now))
        assert decided.state is not None

    def _outcome(self) -> Outcome:
        match self.chance.randint(0, 4):
            case 0:
                return NotSent("not reached")
            case 1:
                return Rejected(self.chance.choice(KINDS), "no")
            case 2:
                return Unknown("who knows")
            case _:
                return Accepted(str(self.chance.randint(1, 400)))  # Few enough that some come twice.


@pytest.mark.parametrize("seed", range(4))
async def test_any_walk_leaves_the_books_sound(store: Store, seed: int) -> None:
    """Orders placed, armed, decided twice, doubted, reported and canceled in any order: every invariant holds."""
    user = await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=START))
    await store.run(partial(credit_user, "alpha", 5_000_000, reference="r", actor="test", now=START))
    walk = Walk(store, user, random.Random(seed))  # noqa: S311 - a walk, not a secret
    for number in range(250):
        await walk.step()
        if number % 25 == 24:
            found = await store.read_at_length(verify)
            assert found.sound, f"after {number} steps of seed {seed}: {in_words(found.violations)}"
    assert len(walk.orders) > 10


# Everything about orders and money but what gateway/store/events.py says is no event.
_STATE: Final = (
    "SELECT id, state, shown, refunded, start_count, remains, review, failure, cancel_requested_at FROM orders",
    "SELECT order_id, n, provider, state, upstream_order, owner FROM attempts ORDER BY id",
    "SELECT order_id, tx_key, amount FROM transfers ORDER BY id",
)


_LAST: Final = "SELECT MAX(id) FROM events"


async def test_every_change_is_an_event(store: Store, database_url: str) -> None:
    """No step of any walk changes an order, an attempt or money without an event of that order, or tells of nothing."""
    user = await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=START))
    await store.run(partial(credit_user, "alpha", 5_000_000, reference="r", actor="test", now=START))
    walk = Walk(store, user, random.Random(7))  # noqa: S311 - a walk, not a secret
    before = [await ask(database_url, text) for text in _STATE]
    ((last,),) = await ask(database_url, _LAST)
    told = 0
    for number in range(120):
        await walk.step()
        after = [await ask(database_url, text) for text in _STATE]
        changed = {row[0] for old, new in zip(before, after, strict=True) for row in set(new) ^ set(old)}
        events = await ask(database_url, f"SELECT order_id, actor, id FROM events WHERE id > {last}")  # noqa: S608 - a number
        assert {order_id for order_id, _, _ in events} == changed, f"step {number}"
        assert all(actor for _, actor, _ in events)
        ((last,),) = await ask(database_url, _LAST)
        told, before = told + len(events), after
    assert told > 30
