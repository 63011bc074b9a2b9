"""One process of a race: it opens the books, waits for the word, does its share as fast as it can, and tells."""

import asyncio
import random
import sys
from collections import Counter
from functools import partial
from typing import Final, TypeVar

import msgspec

from gateway.core.attempt import Attempt
from gateway.core.messages import StatusReply, StatusWord
from gateway.core.outcome import Accepted, NotSent, Outcome, Rejected, Unknown
from gateway.core.rejections import RejectKind
from gateway.store.attempts import Verdict, arm, decide
from gateway.store.engine import Command, Store, StoreBusy
from gateway.store.ledger import NotEnoughFunds
from gateway.store.orders import ask_cancel, place
from gateway.store.owners import beat, take_over
from gateway.store.polls import apply, claim
from gateway.store.spending import LimitReached
from gateway.store.store import open_store
from gateway.store.users import credit_user
from tests.store.trade import NOW, make_new_order, make_planned

T = TypeVar("T")
ROUTES: Final = (make_planned("panel-a"), make_planned("panel-b"))
AT_ONCE: Final = 64  # commands of one process that wait for the writer together


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is to do."""

    url: str
    name: str
    users: dict[str, int]  # name to id
    first: int  # the number of its first order
    adds: int
    charge: int
    limited: bool = False  # whether the users have limits the books count against
    whole: bool = False  # whole lives, with credits beside them; otherwise only adds


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    placed: int
    refused: int
    busy: int  # answers that told to come again
    seconds: float


class Runner:
    """Does a share."""

    def __init__(self, store: Store, share: Share) -> None:
        self.store = store
        self.share = share
        self.count: Counter[str] = Counter()
        self.gate = asyncio.Semaphore(AT_ONCE)
        self.chance = random.Random(share.name)  # noqa: S311 - a walk, not a secret

    async def run(self) -> None:
        """Every add of the share, each with the life that follows from it."""
        await self.store.run(partial(beat, self.share.name, now=NOW))
        live = self.life if self.share.whole else self.add
        await asyncio.gather(*(live(self.share.first + n) for n in range(self.share.adds)))

    async def add(self, number: int) -> Attempt | None:
        """One order, if there is money for it."""
        name, user_id = self.chance.choice(sorted(self.share.users.items()))
        share = self.share
        new = make_new_order(
            user_id, number, charge=share.charge, routes=ROUTES, owner=share.name, limited=share.limited
        )
        async with self.gate:
            while True:
                try:
                    placed = await self.store.run(partial(place, new, now=NOW))
                except (NotEnoughFunds, LimitReached):
                    self.count["refused"] += 1
                    return None
                except StoreBusy:
                    self.count["busy"] += 1
                    continue
                self.count["placed"] += 1
                if self.share.whole and number % 5 == 0:
                    await self._again(partial(credit_user, name, 7, reference=f"r{number}", actor="race", now=NOW))
                return placed.attempt

    async def life(self, number: int) -> None:
        """An order armed, decided, reported, canceled, while others do the same."""
        attempt = await self.add(number)
        if attempt is None:
            return
        async with self.gate:
            if self.chance.random() < 0.1:
                await self._again(partial(take_over, self.share.name, now=NOW))
            if self.chance.random() < 0.2:
                user_id = self.chance.choice(sorted(self.share.users.values()))
                await self._again(partial(ask_cancel, number, user_id, now=NOW))
            if not await self._again(partial(arm, attempt, now=NOW, mark=f"m{number}")):
                return
            verdict = Verdict(
                outcome=self._outcome(number), go_on=False, failure="no", owner=self.share.name, poll_at=NOW
            )
            await self._again(partial(decide, attempt, verdict, now=NOW))
            for due in await self._again(partial(claim, "panel-a", self.share.name, limit=3, now=NOW)):
                remains = self.chance.randint(0, 10)
                said = StatusReply(status=self.chance.choice(tuple(StatusWord)), remains=remains)
                await self._again(partial(apply, due, said, provider="panel-a", pace=1000, now=NOW))

    def _outcome(self, number: int) -> Outcome:
        outcomes: list[Outcome] = [
            Accepted(f"{number}"),
            Rejected(RejectKind.FUNDS, "no"),
            NotSent("away"),
            Unknown("who knows"),
        ]
        return self.chance.choice(outcomes)

    async def _again(self, command: Command[T]) -> T:
        """Run a command until the books have it: what is busy is told to come again."""
        while True:
            try:
                return await self.store.run(command)
            except StoreBusy:
                self.count["busy"] += 1


async def main() -> None:
    """Read the share, say `ready`, wait for a line, run, tell."""
    share = msgspec.json.decode(sys.stdin.readline(), type=Share)
    store = open_store(share.url)
    await store.open()
    runner = Runner(store, share)
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    await asyncio.to_thread(sys.stdin.readline)
    began = asyncio.get_running_loop().time()
    await runner.run()
    seconds = asyncio.get_running_loop().time() - began
    await store.close()
    told = Told(
        placed=runner.count["placed"], refused=runner.count["refused"], busy=runner.count["busy"], seconds=seconds
    )
    print(msgspec.json.encode(told).decode(), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    asyncio.run(main())
