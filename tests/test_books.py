"""The books stay sound on any walk through the commands of order life, on both databases.

The invariants are I1 to I8 of RELIABILITY.md section 1.11, as SQL over the whole of the books after every few steps.
"""

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from typing import Final

import asyncpg
import pytest

from gateway.core.attempt import Attempt, AttemptState
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.order import Order
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.core.routing import PlannedRoute
from gateway.core.user import User
from gateway.store.attempts import Decided, Verdict, arm, decide, read_attempts
from gateway.store.engine import Store
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import NewOrder, Placed, ask_cancel, place
from gateway.store.owners import doubt
from gateway.store.polls import apply, claim
from gateway.store.store import open_store
from gateway.store.users import Choices, create_user, credit_user

ME: Final = "walker"
START: Final = 1_700_000_000_000
ROUTES: Final = tuple(
    PlannedRoute(provider=name, service="1", cost=Decimal("0.5"), currency="EUR", exchange_rate=Decimal(1))
    for name in ("panel-a", "panel-b")
)
KINDS: Final = tuple(RejectKind)

# Each answers the rows that break it.
INVARIANTS: Final = {
    "I1 a balance is what came in less what went out": """
        SELECT a.id FROM accounts a WHERE a.enforced = 1 AND a.balance <>
          COALESCE((SELECT SUM(amount) FROM transfers WHERE dest_id = a.id), 0)
          - COALESCE((SELECT SUM(amount) FROM transfers WHERE source_id = a.id), 0)""",
    "I2 nobody is below nought": "SELECT id FROM accounts WHERE enforced = 1 AND balance < 0",
    "I3 held is the charges of orders in the open": """
        SELECT u.id FROM users u JOIN accounts h ON h.id = u.held_account WHERE h.balance <>
          COALESCE((SELECT SUM(charge - refunded) FROM orders o WHERE o.user_id = u.id
                    AND o.state IN ('reserved', 'placing', 'unknown')), 0)""",
    "I4 paid less returned is charge less refunded": """
        SELECT o.id FROM orders o WHERE o.state <> 'failed' AND o.charge - o.refunded <>
          COALESCE((SELECT SUM(amount) FROM transfers t WHERE t.order_id = o.id AND t.kind = 'hold'), 0)
          - COALESCE((SELECT SUM(amount) FROM transfers t
                      WHERE t.order_id = o.id AND t.kind IN ('void', 'refund')), 0)""",
    "I5 one hold for each paid order": """
        SELECT o.id FROM orders o WHERE o.charge > 0 AND
          (SELECT COUNT(*) FROM transfers t WHERE t.order_id = o.id AND t.kind = 'hold') <> 1""",
    "I6 what is delivered was accepted once": """
        SELECT o.id FROM orders o WHERE o.state IN ('active', 'completed', 'partial', 'canceled') AND
          (SELECT COUNT(*) FROM attempts a WHERE a.order_id = o.id AND a.state = 'accepted') <> 1""",
    "I7 what failed has no live attempt and is returned whole": """
        SELECT o.id FROM orders o WHERE o.state = 'failed' AND (
          EXISTS (SELECT 1 FROM attempts a WHERE a.order_id = o.id
                  AND a.state IN ('planned', 'sending', 'unknown', 'accepted'))
          OR o.charge <> (SELECT SUM(amount) FROM transfers t WHERE t.order_id = o.id AND t.kind = 'void'))""",
    "I8 captured is what was accepted": """
        SELECT o.id FROM orders o WHERE
          (SELECT COUNT(*) FROM transfers t WHERE t.order_id = o.id AND t.kind = 'capture')
          <> (CASE WHEN o.state IN ('active', 'completed', 'partial', 'canceled') THEN 1 ELSE 0 END)""",
    "all money is somewhere": """
        SELECT currency FROM (
          SELECT currency, amount FROM transfers UNION ALL SELECT currency, -amount FROM transfers) AS both_ends
        GROUP BY currency HAVING SUM(amount) <> 0""",
}


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """The books, empty, on each database."""
    opened = open_store(database_url)
    await opened.open()
    await opened.migrate()
    yield opened
    await opened.close()


async def broken(database_url: str) -> list[str]:
    """The invariants that do not hold, by a connection of our own."""
    if database_url.startswith("sqlite"):
        with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as books:
            rows = {name: books.execute(sql).fetchall() for name, sql in INVARIANTS.items()}
    else:
        connection = await asyncpg.connect(database_url)
        rows = {name: await connection.fetch(sql) for name, sql in INVARIANTS.items()}
        await connection.close()
    return [f"{name}: {len(found)}" for name, found in rows.items() if found]


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
        steps = [self.place, self.send, self.send, self.send, self.report, self.report, self.cancel, self.twice]
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
async def test_any_walk_leaves_the_books_sound(store: Store, database_url: str, seed: int) -> None:
    """Orders placed, armed, decided twice, doubted, reported and canceled in any order: every invariant holds."""
    user = await store.run(partial(create_user, "alpha", "USD", Choices(), actor="test", now=START))
    await store.run(partial(credit_user, "alpha", 5_000_000, reference="r", actor="test", now=START))
    walk = Walk(store, user, random.Random(seed))  # noqa: S311 - a walk, not a secret
    for number in range(250):
        await walk.step()
        if number % 25 == 24:
            assert await broken(database_url) == [], f"after {number} steps of seed {seed}"
    assert len(walk.orders) > 10
