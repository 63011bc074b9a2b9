"""Reads for the metrics: orders by state, money in doubt, how far polling is behind."""

import msgspec

from gateway.store.engine import Query, Steps


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The books at one moment, in numbers."""

    orders: dict[str, int]  # by state
    unknown: int  # orders nobody can tell the outcome of
    in_doubt: dict[str, int]  # units held for them, by currency
    polls: dict[str, tuple[int, int]]  # by provider: orders waiting to be asked about, and when the first is due (ms)


def read_figures() -> Steps[Figures]:
    """All of them; a long read on a large house, so off the event loop."""
    states = yield Query("orders_count_by_state")
    doubts = yield Query("orders_in_doubt")
    polls = yield Query("polls_lag")
    return Figures(
        orders={row["state"]: row["orders"] for row in states},
        unknown=sum(row["orders"] for row in doubts),
        in_doubt={row["currency"]: row["charge"] for row in doubts},
        polls={row["provider"]: (row["orders"], row["due_at"]) for row in polls},
    )
