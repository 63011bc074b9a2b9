"""The verification of the books: every invariant of money and orders, over all of them or over what moved lately.

The invariants stand as SQL in verify.sql (I1 to I8 of RELIABILITY.md section 1.11, and seven more); here is the walk,
in slices, so that memory stays flat and progress can be told. It is to be run by `read_at_length`: on one snapshot,
beside the writer, so books in use look as still as books at rest. It repairs nothing; people do, knowing what happened.

What moved lately is found by ids: a transfer's and an event's rise with time, so the first of a day is found by halving
and no index on times is paid for with every write. Orders and accounts that were touched are then checked whole, from
their first transfer on.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.money import format_amount, scale_of
from gateway.store.engine import Query, Row, Steps

# Rows in a slice: some 50 ms of work, so that progress moves and PostgreSQL sorts in memory.
SLICE: Final = 10_000
# Violations that are kept with their rows; more are counted. Whoever reads them starts with the first anyway.
NAMED_MAX: Final = 100
# Clocks of replicas differ, and a command's time is read before it waits its turn.
CLOCKS_APART_MS: Final = 10 * 60 * 1000


class Invariant(StrEnum):
    """What must always hold, by the word that metrics and logs use."""

    BALANCE = "balance"
    BELOW = "below"
    HELD = "held"
    PAID = "paid"
    HOLD = "hold"
    ACCEPTED = "accepted"
    FAILED = "failed"
    CAPTURED = "captured"
    SOMEWHERE = "somewhere"
    REFUNDS = "refunds"
    REFUNDED = "refunded"
    CURRENCY = "currency"
    KIND = "kind"
    ORDER = "order"
    COST = "cost"
    CHILD = "child"


# In a sentence each; the numbers are those of RELIABILITY.md.
MEANING: Final[Mapping[Invariant, str]] = {
    Invariant.BALANCE: "I1 a balance is what came in less what went out",
    Invariant.BELOW: "I2 nobody is below nought",
    Invariant.HELD: "I3 held is the charges of orders in the open",
    Invariant.PAID: "I4 paid less returned is charge less refunded",
    Invariant.HOLD: "I5 one hold for each paid order",
    Invariant.ACCEPTED: "I6 what is delivered was accepted once",
    Invariant.FAILED: "I7 what failed has no live attempt and is returned whole",
    Invariant.CAPTURED: "I8 captured is what was accepted",
    Invariant.SOMEWHERE: "all money is somewhere: both ends of a transfer are accounts",
    Invariant.REFUNDS: "the refunds of an order are not above its charge",
    Invariant.REFUNDED: "what an order says it refunded is what its transfers refunded",
    Invariant.CURRENCY: "an account, its owner and its transfers have one currency",
    Invariant.KIND: "a transfer's key, order and ends fit its kind",
    Invariant.ORDER: "a transfer's order exists",
    Invariant.COST: "only what was accepted costs us anything",
    Invariant.CHILD: "what a panel made belongs to an order that it has, and is none itself",
}


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """One row that breaks an invariant."""

    invariant: Invariant
    where: str  # "order 100012", "account user:7:held", "transfer 99"
    what: str  # the amounts


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification looked at and what it found."""

    since: int | None  # ms; None for all of the books
    orders: int
    accounts: int
    transfers: int
    violations: tuple[Violation, ...]  # the first NAMED_MAX
    counts: Mapping[Invariant, int]  # all of them; only invariants that are broken

    @property
    def sound(self) -> bool:
        """Whether nothing is broken."""
        return not self.counts


class Progress(msgspec.Struct, frozen=True):
    """How far a verification is."""

    part: str  # "transfers", "accounts" or "orders"
    done: int
    of: int


Listener = Callable[[Progress], None]


class _Book:
    """What was found so far."""

    def __init__(self, listener: Listener, rows: int) -> None:
        self.rows = rows  # of a slice
        self.violations: list[Violation] = []
        self.counts: Counter[Invariant] = Counter()
        self.seen: Counter[str] = Counter()
        self._listener = listener

    def broken(self, invariant: Invariant, where: str, what: str) -> None:
        self.counts[invariant] += 1
        if len(self.violations) < NAMED_MAX:
            self.violations.append(Violation(invariant=invariant, where=where, what=what))

    def passed(self, part: str, rows: int, of: int) -> None:
        self.seen[part] += rows
        self._listener(Progress(part, self.seen[part], of))


def verify(*, since: int | None = None, listener: Listener = lambda _: None, rows: int = SLICE) -> Steps[Found]:
    """Check all of the books, or what moved from `since` (ms) on; `listener` is told after each slice, in any thread.

    It writes nothing. A second run begins from nought, so the listener may hear of a part again.
    """
    book = _Book(listener, rows)
    if since is None:
        yield from _verify_all(book)
    else:
        yield from _verify_lately(book, since - CLOCKS_APART_MS)
    return Found(
        since=since,
        orders=book.seen["orders"],
        accounts=book.seen["accounts"],
        transfers=book.seen["transfers"],
        violations=tuple(book.violations),
        counts=dict(book.counts),
    )


def _verify_all(book: _Book) -> Steps[None]:
    totals = (yield Query("verify_totals"))[0]
    yield from _transfers(book, after=0, of=totals["transfers"])
    walks = (("accounts", "verify_accounts_slice", _accounts), ("orders", "verify_orders_slice", _orders))
    for part, name, judge in walks:
        last = 0
        while rows := (yield Query(name, {"after": last, "limit": book.rows})):
            ids = [row["id"] for row in rows]
            yield from judge(book, ids)
            book.passed(part, len(ids), totals[part])
            last = ids[-1]


def _verify_lately(book: _Book, since: int) -> Steps[None]:
    newest = (yield Query("verify_newest"))[0]
    first = yield from first_from("verify_transfer_from", newest["transfer"], since)
    slices = yield from _transfers(book, after=first - 1, of=newest["transfer"] - first + 1)
    orders: set[int] = set()
    accounts: set[int] = set()
    for after, upto in slices:
        for row in (yield Query("verify_touched", {"after": after, "upto": upto})):
            (orders if row["id"] > 0 else accounts).add(abs(row["id"]))
    event = yield from first_from("verify_event_from", newest["event"], since)
    for after in range(event - 1, newest["event"], book.rows):
        rows = yield Query("verify_changed", {"after": after, "upto": after + book.rows})
        orders.update(row["id"] for row in rows)
    for part, judge, ids in (("accounts", _accounts, sorted(accounts)), ("orders", _orders, sorted(orders))):
        for n in range(0, len(ids), book.rows):
            yield from judge(book, ids[n : n + book.rows])
            book.passed(part, len(ids[n : n + book.rows]), len(ids))


def first_from(name: str, newest: int, since: int) -> Steps[int]:
    """The first id whose row is not older than `since`; one beyond the newest when all are."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        rows = yield Query(name, {"id": middle})
        if rows and rows[0]["created_at"] < since:
            low = rows[0]["id"] + 1  # Ids have gaps: all up to the row that was found are older.
        else:
            high = middle
    return low


def _transfers(book: _Book, *, after: int, of: int) -> Steps[list[tuple[int, int]]]:
    """Check each transfer after an id by itself; answers the slices that were taken."""
    slices: list[tuple[int, int]] = []
    while True:
        taken = (yield Query("verify_transfers_slice", {"after": after, "limit": book.rows}))[0]
        if not taken["transfers"]:
            return slices
        upto = taken["upto"]
        for row in (yield Query("verify_transfers", {"after": after, "upto": upto})):
            _judge_transfer(book, row)
        slices.append((after, upto))
        book.passed("transfers", taken["transfers"], of)
        after = upto


def _judge_transfer(book: _Book, row: Row) -> None:
    where = f"transfer {row['id']}"
    what = f"{row['tx_key']}: {_money(row['amount'], row)} from {row['source'] or '?'} to {row['dest'] or '?'}"
    broken = [each for each in _OF_TRANSFERS if row[f"bad_{each}"]] or [Invariant.KIND]
    for invariant in broken:
        about = f"{what}, order {row['order_id']}" if invariant is Invariant.ORDER else what
        book.broken(invariant, where, about)


def _accounts(book: _Book, ids: list[int]) -> Steps[None]:
    for row in (yield Query("verify_accounts", {"ids": ids})):
        where, holds = f"account {row['code']}", f"holds {_money(row['balance'], row)}"
        told = {
            Invariant.BALANCE: f"{holds}, its transfers make {_money(row['moved'], row)}",
            Invariant.BELOW: holds,
            Invariant.HELD: f"{holds}, orders in the open make {_money(row['in_open'], row)}",
            Invariant.CURRENCY: f"is in {row['currency']}, its user in {row['user_currency']}",
        }
        _note(book, row, where, told=told)


def _orders(book: _Book, ids: list[int]) -> Steps[None]:
    for row in (yield Query("verify_orders", {"ids": ids})):
        where = f"order {row['id']}"
        charge, refunded = _money(row["charge"], row), _money(row["refunded"], row)
        told = {
            Invariant.PAID: f"{row['state']}, paid {_money(row['paid'], row)}, charge {charge}, refunded {refunded}",
            Invariant.HOLD: f"{row['state']}, charge {charge}, {row['holds']} holds",
            Invariant.ACCEPTED: f"{row['state']}, {row['accepted']} accepted attempts",
            Invariant.FAILED: f"charge {charge}, returned {_money(row['voided'], row)}, {row['live']} live attempts",
            Invariant.CAPTURED: f"{row['state']}, charge {charge}, {row['captures']} captures",
            Invariant.REFUNDS: f"charge {charge}, refunds {_money(row['refunds'], row)}",
            Invariant.REFUNDED: f"says {refunded}, refunds {_money(row['refunds'], row)}",
            Invariant.CURRENCY: f"is in {row['currency']}, {row['foreigns']} of its transfers are not",
            Invariant.COST: f"{row['state']}, {row['costs']} costs, no accepted attempt",
            Invariant.KIND: "",
        }
        if row["bad_kind"]:
            own = yield Query("verify_misfits", {"order_id": row["id"]})
            listed = ", ".join(f"{each['id']} {each['kind']} {each['tx_key']}" for each in own)
            told[Invariant.KIND] = f"{row['misfits']} of its transfers do not fit: {listed}"
        _note(book, row, where, told=told)
    for row in (yield Query("verify_children", {"ids": ids})):
        what = f"{row['provider']} made {row['upstream_order']} for it"
        taken = f", which is order {row['taken_by']}" if row["taken_by"] is not None else ", and does not have it"
        book.broken(Invariant.CHILD, f"order {row['order_id']}", what + taken)


def _note(book: _Book, row: Row, where: str, *, told: Mapping[Invariant, str]) -> None:
    for invariant, what in told.items():
        if row[f"bad_{invariant}"]:
            book.broken(invariant, where, what)


def in_words(violations: Iterable[Violation]) -> list[str]:
    """A line for each violation."""
    return [f"{each.invariant}: {each.where}: {each.what}" for each in violations]


def _money(units: int, row: Row) -> str:
    currency = row["currency"]
    return f"{format_amount(units, scale_of(currency))} {currency}"


_OF_TRANSFERS: Final = (Invariant.SOMEWHERE, Invariant.CURRENCY, Invariant.ORDER)
