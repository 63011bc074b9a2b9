"""Funds: how long our money with a provider lasts at the present pace."""

from decimal import Decimal
from typing import Final

DAY_MS: Final = 24 * 3600 * 1000
# A pace over less than this says nothing: the first order of a new house would have its funds end in minutes.
PACE_LEAST_MS: Final = 3600 * 1000


def days_left(balance: Decimal, spent: Decimal, *, over_ms: int) -> Decimal | None:
    """How many days a balance lasts when so much was spent in so many ms; None where nothing is spent: for ever."""
    if spent <= 0:
        return None
    pace_a_day = spent * DAY_MS / max(over_ms, PACE_LEAST_MS)
    return max(balance, Decimal(0)) / pace_a_day
