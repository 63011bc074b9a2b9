"""Spending: what one user may order in a minute and spend in an hour or a day, and how it is counted.

The windows are those of the clock, in UTC: minutes, hours and days that begin at nought. One row a user holds the
three counts, so that an add costs the same however many orders there were. The store counts while it has the lock of
the account that the hold takes from, in the transaction of the hold, so nothing is counted that was not held and the
limits hold whatever comes at once.

An order that was never placed is taken out of the counts of money again, as long as its window lasts; a refund is
not: the panel was ordered from.
"""

from enum import StrEnum
from typing import Final

import msgspec

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
# Of one user's orders so many are handed to panels by one process at once unless the operator says otherwise: a
# quarter of all there may be (actions/desk.py), so that nobody fills a process alone.
ADDS_AT_ONCE_DEFAULT: Final = 2_500
# The most that may be set: far beyond what one process does, small enough for any column and any sum.
ORDERS_PER_MINUTE_MAX: Final = 1_000_000
ADDS_AT_ONCE_MAX: Final = 10_000


class UserLimit(StrEnum):
    """Which limit stands in the way of an add."""

    ORDERS_PER_MINUTE = "orders_per_minute"
    SPEND_PER_HOUR = "spend_per_hour"
    SPEND_PER_DAY = "spend_per_day"
    ADDS_AT_ONCE = "adds_at_once"


class UserLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator set for one user; 0 is no limit, and the default for `adds_at_once`."""

    orders_per_minute: int = 0
    spend_per_hour: int = 0  # units of the user's currency
    spend_per_day: int = 0  # units of the user's currency
    adds_at_once: int = 0  # orders of the user that one process hands over at once

    @property
    def counted(self) -> bool:
        """Whether the books have to count this user's orders."""
        return bool(self.orders_per_minute or self.spend_per_hour or self.spend_per_day)


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one user, each with the number of its window since the epoch."""

    minute: int = 0
    orders: int = 0
    hour: int = 0
    hour_spent: int = 0  # units
    day: int = 0
    day_spent: int = 0  # units

    def at(self, now: int) -> "Spending":
        """The counts as they are at `now` (ms): a window that is over has none. A clock that went back opens none."""
        minute, hour, day = now // MINUTE_MS, now // HOUR_MS, now // DAY_MS
        return Spending(
            minute=max(minute, self.minute),
            orders=self.orders if minute <= self.minute else 0,
            hour=max(hour, self.hour),
            hour_spent=self.hour_spent if hour <= self.hour else 0,
            day=max(day, self.day),
            day_spent=self.day_spent if day <= self.day else 0,
        )


def count(before: Spending, limits: UserLimits, charge: int, *, now: int) -> Spending | UserLimit:
    """The counts with one more order of so many units, or the limit that stands in its way."""
    known = before.at(now)
    after = msgspec.structs.replace(
        known, orders=known.orders + 1, hour_spent=known.hour_spent + charge, day_spent=known.day_spent + charge
    )
    if 0 < limits.orders_per_minute < after.orders:
        return UserLimit.ORDERS_PER_MINUTE
    if 0 < limits.spend_per_hour < after.hour_spent:
        return UserLimit.SPEND_PER_HOUR
    if 0 < limits.spend_per_day < after.day_spent:
        return UserLimit.SPEND_PER_DAY
    return after
