"""The books as a model: what RELIABILITY.md says of orders, attempts and money, in plain Python without a database.

It is written from the tables of the specification, not from the code: no rule of gateway/core is called here, so that
a mistake there and here would have to be the same one. What it holds is compared with the database after every step.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

SECOND: Final = 1000
HOUR: Final = 3600 * SECOND
START: Final = 1_700_000_000_000
OWNER_DEAD: Final = 30 * SECOND
ROUTES: Final = ("panel-a", "panel-b")
COST: Final = Decimal("0.5")  # of a whole order, at either panel
HELD: Final = ("reserved", "placing", "unknown")
LIVE: Final = ("planned", "sending", "unknown", "accepted")
MOVES: Final = {
    "planned": ("sending", "not_sent"),
    "sending": ("accepted", "rejected", "unknown"),
    "unknown": ("accepted", "rejected", "not_placed"),
}


class Refused(Exception):
    """The model says no; the name of the store's own refusal is its text."""


@dataclass
class Try:
    """One attempt."""

    provider: str
    owner: str
    state: str = "planned"
    upstream: str = ""
    mark: str = ""
    sent_at: int = 0
    doubted_at: int = 0


@dataclass
class Sale:
    """One order."""

    number: int
    user: int
    charge: int
    quantity: int
    wish: tuple[int, int]
    key: str | None
    answerer: str
    at: int
    state: str = "reserved"
    refunded: int = 0
    wants_cancel: bool = False
    heard: bool = False
    unheard: bool = False
    tries: list[Try] = field(default_factory=list)
    refill: tuple[str, int] | None = None  # state of the newest refill, and when it was asked


@dataclass
class Wish:
    """What an add asks for."""

    number: int  # of the order, should it become one
    user: int
    charge: int
    quantity: int
    key: str | None
    window: int  # seconds
    owner: str


@dataclass
class Model:
    """All the books."""

    free: dict[int, int] = field(default_factory=dict)  # by user
    sales: dict[int, Sale] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    brakes: dict[str, bool] = field(default_factory=dict)  # by provider, whether it is on
    released: dict[str, int] = field(default_factory=dict)  # by provider, when a person let go of its brake
    references: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # → (user, amount)
    now: int = START

    def alive(self, owner: str) -> bool:
        """Whether a process has been heard of lately."""
        return owner in self.beats and self.beats[owner] >= self.now - OWNER_DEAD

    def held(self, user: int) -> int:
        """What is charged and open."""
        return sum(sale.charge for sale in self.sales.values() if sale.user == user and sale.state in HELD)

    def credit(self, kind: str, user: int, amount: int, reference: str) -> bool:
        """Money in, or back out; once a reference."""
        known = self.references.get((kind, reference))
        if known is not None:
            if known != (user, amount):
                raise Refused("KeyTaken")
            return False
        if self.free[user] + amount < 0:
            raise Refused("NotEnoughFunds")
        self.references[kind, reference] = (user, amount)
        self.free[user] += amount
        return True

    def add(self, wish: Wish) -> int:
        """The number of the order a wish stands for."""
        earlier = self._earlier(wish)
        if earlier is not None:
            return earlier
        if self.free[wish.user] < wish.charge:
            raise Refused("NotEnoughFunds")
        self.free[wish.user] -= wish.charge
        self.sales[wish.number] = Sale(
            number=wish.number,
            user=wish.user,
            charge=wish.charge,
            quantity=wish.quantity,
            wish=(wish.charge, wish.quantity),
            key=wish.key,
            answerer=wish.owner,
            at=self.now,
            tries=[Try(ROUTES[0], wish.owner)],
        )
        return wish.number

    def _earlier(self, wish: Wish) -> int | None:
        """By its key; else an answer nobody heard; else the user's window. The newest counts."""
        same = [sale for sale in self.sales.values() if sale.user == wish.user]
        if wish.key is not None:
            for sale in same:
                if sale.key == wish.key:
                    if sale.wish != (wish.charge, wish.quantity):
                        raise Refused("IdempotencyKeyReused")
                    return sale.number
            return None
        same = [sale for sale in same if sale.wish == (wish.charge, wish.quantity) and sale.state != "failed"]
        same.sort(key=lambda sale: (sale.at, sale.number), reverse=True)
        for sale in same:
            lost = sale.unheard or not self.alive(sale.answerer)
            if sale.key is None and not sale.heard and lost and sale.at >= self.now - 24 * HOUR:
                sale.unheard, sale.answerer = False, wish.owner
                return sale.number
        if wish.window:
            for sale in same:
                if sale.at >= self.now - wish.window * SECOND:
                    return sale.number
        return None

    def arm(self, sale: Sale, n: int, owner: str, mark: str) -> bool:
        """The right to send, once; the same transmission may ask again."""
        tried = sale.tries[n - 1]
        if tried.state == "planned" and tried.owner == owner:
            tried.state, tried.mark, tried.sent_at, sale.state = "sending", mark, self.now, "placing"
            return True
        return (tried.state, tried.owner, tried.mark) == ("sending", owner, mark)

    def decide(self, sale: Sale, n: int, outcome: tuple[str, str], *, go_on: bool, owner: str) -> None:
        """A verdict: (state, upstream id or kind of refusal)."""
        target, word = outcome
        tried = sale.tries[n - 1]
        if target == "accepted" and (tried.provider, word) in self._taken(but=sale):
            target = "unknown"
        if target not in MOVES.get(tried.state, ()):
            return
        tried.state, tried.doubted_at = target, self.now
        tried.upstream = word if target == "accepted" else ""
        if sale.state == "canceled":  # Given up: what its attempt turns out to be changes nothing for its user.
            return
        if target == "accepted":
            sale.state = "active"
        elif target == "unknown":
            sale.state = "unknown"
        else:
            self._follow(sale, may=word != "link" and not sale.wants_cancel, go_on=go_on, owner=owner)

    def _taken(self, *, but: Sale) -> set[tuple[str, str]]:
        others = [sale for sale in self.sales.values() if sale is not but]
        return {(tried.provider, tried.upstream) for sale in others for tried in sale.tries if tried.upstream}

    def _follow(self, sale: Sale, *, may: bool, go_on: bool, owner: str) -> None:
        """The next route never tried; else, if it is worth it, the first never refused; else the charge goes back."""
        untried = [name for name in ROUTES if all(tried.provider != name for tried in sale.tries)]
        unrefused = [
            name
            for name in ROUTES
            if all(tried.state in ("not_sent", "not_placed") for tried in sale.tries if tried.provider == name)
        ]
        left = untried or (unrefused if go_on else [])
        if may and left:
            sale.tries.append(Try(left[0], owner))
            sale.state = "reserved"
        else:
            self.drop(sale)

    def drop(self, sale: Sale) -> None:
        """Never placed: the whole charge back."""
        sale.state = "failed"
        self.free[sale.user] += sale.charge

    def doubt(self, older_than: int) -> None:
        """What was armed long ago, or by a process that is dead, is unknown."""
        for sale in self.sales.values():
            tried = sale.tries[-1]
            if tried.state == "sending" and (tried.sent_at < older_than or not self.alive(tried.owner)):
                tried.state = sale.state = "unknown"
                tried.doubted_at = self.now

    def take_over(self, owner: str) -> None:
        """What dead processes never sent is another's."""
        for sale in self.sales.values():
            tried = sale.tries[-1]
            if tried.state == "planned" and tried.owner != owner and not self.alive(tried.owner):
                tried.owner = owner

    def in_doubt(self, sale: Sale) -> Try:
        """The attempt a person may settle."""
        if sale.tries[-1].state != "unknown":
            raise Refused("NotInDoubt")
        return sale.tries[-1]

    def accept(self, sale: Sale, upstream: str) -> str:
        """A person says which order at the panel it is."""
        tried = self.in_doubt(sale)
        if (tried.provider, upstream) in self._taken(but=sale):
            raise Refused("IdTaken")
        self.decide(sale, len(sale.tries), ("accepted", upstream), go_on=False, owner="")
        return sale.state

    def deny(self, sale: Sale, within: int, person: str) -> str:
        """A person says that the panel never had it: again, if it is young and wanted still; else the charge back."""
        tried = self.in_doubt(sale)
        tried.state = "not_placed"
        if sale.state != "canceled":
            young = self.now - sale.at < within
            self._follow(sale, may=young and not sale.wants_cancel, go_on=young, owner=person)
        return sale.state

    def give_back(self, sale: Sale) -> None:
        """A person refunds it from our own pocket; whether it was placed stays open."""
        self.in_doubt(sale)
        if sale.state != "unknown":
            raise Refused("NotInDoubt")
        sale.state, sale.refunded = "canceled", sale.charge
        self.free[sale.user] += sale.charge

    def doubtful(self, provider: str) -> list[Try]:
        """What is in doubt at a provider and has not been given up."""
        last = [sale.tries[-1] for sale in self.sales.values() if sale.state == "unknown"]
        return [tried for tried in last if tried.provider == provider]

    def brake(self) -> None:
        """Any money that came into doubt since a person let go of a brake sets it; no doubt at all ends it."""
        for name in ROUTES:
            doubtful = self.doubtful(name)
            if not self.brakes.get(name, False):
                if any(tried.doubted_at > self.released.get(name, 0) for tried in doubtful):
                    self.brakes[name] = True
            elif not doubtful:
                self.brakes[name] = False

    def release(self, provider: str) -> None:
        """A person lets orders go there again."""
        if not self.brakes.get(provider, False):
            raise Refused("NotBraked")
        self.brakes[provider], self.released[provider] = False, self.now

    def cancel(self, sale: Sale) -> bool:
        """The user's wish: certain while nothing was sent, otherwise noted once."""
        if sale.state not in (*HELD, "active") or sale.wants_cancel:
            return False
        sale.wants_cancel = True
        if sale.tries[-1].state == "planned":
            sale.tries[-1].state = "not_sent"
            self.drop(sale)
        return True

    def report(self, sale: Sale, word: str | None, remains: int | None, charge: str | None) -> None:
        """What a panel says of an order it has, by the table of RELIABILITY.md section 1.9."""
        due, said = owed(sale, word, remains, charge)
        if sale.state == "active" and said is not None:
            sale.state = said
        if due > sale.refunded:
            self.free[sale.user] += due - sale.refunded
            sale.refunded = due

    def refill(self, sale: Sale) -> bool:
        """One at a time, of an order that ended, and a day between two."""
        if sale.state not in ("completed", "partial"):
            return False
        if sale.refill is not None:
            state, at = sale.refill
            if state in ("asking", "unknown", "open") or (state != "rejected" and self.now - at < 24 * HOUR):
                return False
        sale.refill = ("asking", self.now)
        return True


def owed(sale: Sale, word: str | None, remains: int | None, charge: str | None) -> tuple[int, str | None]:
    """What is due in all after a report, and the state it moves an active order to."""
    whole, quantity = sale.charge, sale.quantity
    match (word, remains):
        case ("Completed", _):
            return 0, "completed"
        case ("Partial", int(left)) if left <= 0:
            return 0, "completed"
        case ("Partial", int(left)):
            return whole * min(left, quantity) // quantity, "partial"
        case ("Canceled", int(left)) if 0 < left < quantity and charge is not None:
            delivered = COST * (quantity - left) / quantity
            if abs(Decimal(charge) - delivered) <= COST * Decimal("0.02"):
                return whole * left // quantity, "partial"
            return whole, "canceled"
        case ("Canceled", _):
            return whole, "canceled"
        case _:
            return 0, None
