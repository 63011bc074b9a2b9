"""Commands of balance readings: what we had at a provider and when, and the equation that follows from it.

    residual = balance before − balance now − the costs of all orders accepted between

Near the price of an order in doubt it says that the order was placed, near nought that it was not. It never decides
alone: panels lose updates of balances themselves, deposits and the panel's own refunds are not in it, neither are the
orders a panel makes for the posts of subscriptions, and what was on its way at either reading is counted on one side
only (RELIABILITY.md section 1.8, R3).
"""

from decimal import Decimal
from typing import Final

import msgspec

from gateway.core.service import SUBSCRIBED
from gateway.store.engine import Query, Steps

COSTS_MAX: Final = 20_000  # orders between two readings; with more of them the equation says nothing


class Equation(msgspec.Struct, frozen=True, kw_only=True):
    """What left our balance at a provider since a moment, and what of it our orders explain; its currency."""

    before: Decimal
    before_at: int  # ms
    after: Decimal
    after_at: int  # ms
    known: Decimal  # the costs of orders accepted between
    orders: int
    currency: str

    @property
    def residual(self) -> Decimal:
        """What nothing explains; below nought after a deposit or a refund."""
        return self.before - self.after - self.known


def keep_reading(provider: str, balance: Decimal, currency: str, *, now: int) -> Steps[None]:
    """Keep our balance at a provider, if it differs from the last one kept."""
    yield Query(
        "reading_keep", {"provider": provider, "balance": format(balance, "f"), "currency": currency, "now": now}
    )


def equation(provider: str, *, before: int) -> Steps[Equation | None]:
    """The equation from the last reading before a moment (ms) to the latest; None where readings are missing."""
    rows = yield Query("readings_around", {"provider": provider, "before": before})
    if len(rows) != 2 or rows[0]["read_at"] >= before or rows[0]["currency"] != rows[1]["currency"]:
        return None
    first, last = rows
    costs = yield Query(
        "costs_between",
        {
            "provider": provider,
            "currency": first["currency"],
            "since": first["read_at"],
            "until": last["read_at"],
            "limit": COSTS_MAX + 1,
            "subscribed": SUBSCRIBED,
        },
    )
    if len(costs) > COSTS_MAX:
        return None
    return Equation(
        before=Decimal(first["balance"]),
        before_at=first["read_at"],
        after=Decimal(last["balance"]),
        after_at=last["read_at"],
        known=sum((Decimal(row["cost"]) for row in costs), Decimal(0)),
        orders=len(costs),
        currency=first["currency"],
    )
