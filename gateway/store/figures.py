"""Reads for the metrics: orders by state and stuck, how far polling is behind, money owed, in doubt and earned."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.ledger import Kind
from gateway.store.engine import Query, Steps
from gateway.store.verify import CLOCKS_APART_MS, first_from

# An order is stuck when it takes so many times as long as those of its service that were completed, at least so long,
# and a week where fewer than that many are known: panels promise hours, and some services take days.
STUCK_TIMES: Final = 4
STUCK_LEAST_MS: Final = 3600 * 1000
STUCK_UNKNOWN_MS: Final = 7 * 24 * 3600 * 1000
KNOWN_LEAST: Final = 5

_PROVIDER: Final = "provider:"


class Polls(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's orders that are asked about."""

    waiting: int
    due_at: int  # ms; when the first of them is due
    silent_since: int | None = None  # ms; since when the one without an answer for longest has had none


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The books at one moment, in numbers."""

    orders: dict[str, int]  # by state
    unknown: int  # orders nobody can tell the outcome of
    in_doubt: dict[str, int]  # units held for them, by currency
    polls: dict[str, Polls]  # by provider


class OpenAt(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's orders without an end, of users who pay in one currency."""

    provider: str
    orders: int
    charge: int  # units, what users paid or have held for them
    currency: str


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """What users have with us, and what moved since a moment, in units."""

    available: dict[str, int]  # by currency
    held: dict[str, int]
    sold: dict[str, int]  # by currency, since then
    refunded: dict[str, int]
    costs: dict[tuple[str, str], int]  # by provider and its currency, losses included
    first_at: int | None  # ms; when the first of that moved


def read_figures() -> Steps[Figures]:
    """What a scrape wants fresh; a long read on a large house, so off the event loop."""
    states = yield Query("orders_count_by_state")
    doubts = yield Query("orders_in_doubt")
    polls = yield Query("polls_lag")
    return Figures(
        orders={row["state"]: row["orders"] for row in states},
        unknown=sum(row["orders"] for row in doubts),
        in_doubt={row["currency"]: row["charge"] for row in doubts},
        polls={
            row["provider"]: Polls(waiting=row["orders"], due_at=row["due_at"], silent_since=row["silent_since"])
            for row in polls
        },
    )


def open_at(providers: Sequence[str]) -> Steps[tuple[OpenAt, ...]]:
    """What nobody could follow any more without these providers; a long read on a large house."""
    rows = yield Query("orders_open_at", {"providers": providers})
    return tuple(
        OpenAt(provider=row["provider"], orders=row["orders"], charge=row["charge"], currency=row["currency"])
        for row in rows
    )


def read_money(*, since: int) -> Steps[Money]:
    """What is owed, and what moved from `since` (ms) on."""
    owed = yield Query("money_owed")
    newest = (yield Query("verify_newest"))[0]
    first = yield from first_from("verify_transfer_from", newest["transfer"], since - CLOCKS_APART_MS)
    sums: dict[str, defaultdict[str, int]] = {kind: defaultdict(int) for kind in (Kind.CAPTURE, Kind.REFUND)}
    costs: defaultdict[tuple[str, str], int] = defaultdict(int)
    firsts = []
    for row in (yield Query("money_moved", {"first": first, "since": since})):
        firsts.append(row["first_at"])
        if row["kind"] == Kind.COST:
            spent = row["source"].startswith(_PROVIDER)
            code = row["source"] if spent else row["dest"]
            name = code.removeprefix(_PROVIDER).rpartition(":")[0]
            costs[name, row["currency"]] += row["amount"] if spent else -row["amount"]
        else:
            sums[row["kind"]][row["currency"]] += row["amount"]
    return Money(
        available={row["currency"]: row["available"] for row in owed},
        held={row["currency"]: row["held"] for row in owed},
        sold=dict(sums[Kind.CAPTURE]),
        refunded=dict(sums[Kind.REFUND]),
        costs=dict(costs),
        first_at=min(firsts, default=None),
    )


def read_stuck(*, now: int) -> Steps[dict[str, int]]:
    """How many orders under way take far too long, by provider."""
    rows = yield Query(
        "orders_stuck",
        {
            "now": now,
            "times": STUCK_TIMES,
            "least_ms": STUCK_LEAST_MS,
            "unknown_ms": STUCK_UNKNOWN_MS,
            "known": KNOWN_LEAST,
        },
    )
    return {row["provider"]: row["orders"] for row in rows}


def read_paces() -> Steps[dict[int, int]]:
    """How long orders of ours took that were completed lately, in seconds, by service; only where enough are known."""
    rows = yield Query("service_paces", {"known": KNOWN_LEAST})
    return {row["service_id"]: row["ms"] // 1000 for row in rows}
