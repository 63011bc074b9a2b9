"""The rules of the machine that are a person's: orders in doubt settled by hand, and brakes set, ended and released."""

from functools import partial
from typing import Final

from hypothesis import strategies as some
from hypothesis.stateful import precondition, rule

from gateway.store.brakes import BrakeRule, change_brakes, read_brakes, release_brake
from gateway.store.unknown import Word, accept_by_hand, deny_by_hand, give_back_by_hand
from tests.machine import model
from tests.machine.cut import COMMITTED
from tests.machine.life import IDS, OrderLife, some_order

PERSON: Final = Word(actor="operator", reason="looked it up at the panel")
REPLACE: Final = model.HOUR
# Any money in doubt is over this cap, so that brakes are met often.
RULES: Final = dict.fromkeys(model.ROUTES, BrakeRule(count=0, within_ms=0, cap=0, currency="USD"))


class WatchedLife(OrderLife):
    """The life of orders with somebody who looks after it."""

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order)
    def lose(self, pick: int) -> None:
        """What gives a person something to do: an order is sent, and nobody can tell what became of it."""
        self.send(pick=pick, outcome="doubt")

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, upstream=some.sampled_from(IDS), unheard=some.booleans())
    def accept(self, pick: int, upstream: str, unheard: bool) -> None:
        """The panel has it, under this id; perhaps one that another order has."""
        self._unheard(lost=unheard)
        sale = self._in_doubt(pick)
        command = partial(accept_by_hand, sale.number, upstream, PERSON, now=self._moment())
        self._both(command, lambda: self.model.accept(sale, upstream), read=lambda decided: decided.state)

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, unheard=some.booleans())
    def deny(self, pick: int, unheard: bool) -> None:
        """The panel never had it: placed again if it is young, by nobody who lives, until somebody takes it over."""
        self._unheard(lost=unheard)
        sale = self._in_doubt(pick)
        command = partial(deny_by_hand, sale.number, PERSON, replace_ms=REPLACE, now=self._moment())
        decided = self._both(
            command, lambda: self.model.deny(sale, REPLACE, PERSON.actor), read=lambda answer: answer.state
        )
        if decided is not None and decided.next is not None:
            assert decided.next.n == len(sale.tries)
            self.handles.append(decided.next)

    @precondition(lambda self: self.model.sales)
    @rule(pick=some_order, unheard=some.booleans())
    def give_back(self, pick: int, unheard: bool) -> None:
        """The user has waited long enough."""
        self._unheard(lost=unheard)
        sale = self._in_doubt(pick)
        self._both(
            partial(give_back_by_hand, sale.number, PERSON, now=self._moment()), lambda: self.model.give_back(sale)
        )

    @rule()
    def look_at_brakes(self) -> None:
        """As every replica does from time to time."""
        found = self._wait(self.store.read(partial(read_brakes, RULES)))
        assert set(found.doubtful) == {name for name in model.ROUTES if self.model.doubtful(name)}
        self._run(partial(change_brakes, found, actor="process-a", now=self._moment()))
        self.model.brake()

    @rule(provider=some.sampled_from(model.ROUTES), unheard=some.booleans())
    def release(self, provider: str, unheard: bool) -> None:
        """Orders may go there again; what is in doubt by now sets no brake any more."""
        self._unheard(lost=unheard)
        now = self._moment()
        command = partial(release_brake, provider, actor=PERSON.actor, reason=PERSON.reason, now=now)
        self._both(command, lambda: self.model.release(provider))

    def _unheard(self, *, lost: bool) -> None:
        """Let the line be lost right after the COMMIT of what comes next, so that it runs a second time."""
        if lost:
            self.crash = (COMMITTED, True)

    def _moment(self) -> int:
        """A person is never twice in one millisecond: what a command by hand is known again by."""
        self.model.now += 1
        return self.model.now

    def _in_doubt(self, pick: int) -> model.Sale:
        """An order in doubt, if there is one; any other as well, which is refused."""
        doubtful = [sale for sale in self.model.sales.values() if sale.tries[-1].state == "unknown"]
        return doubtful[-1 - pick % len(doubtful)] if doubtful and pick % 8 else self._sale(pick)
