"""Commands on users' limits: count an order in, or say no; take one out that was never placed; show the counts."""

import msgspec

from gateway.core.spending import Spending, UserLimit, UserLimits, count
from gateway.store.engine import Query, Refused, Row, Steps


class LimitReached(Refused):
    """An order more than its user may place just now."""

    def __init__(self, limit: UserLimit) -> None:
        super().__init__(f"the user's limit {limit.value} is reached")
        self.limit = limit


def count_in(user_id: int, charge: int, *, now: int) -> Steps[bool]:
    """Count one more order against its user's limits as they are now; raises LimitReached.

    To be called after its hold was posted: the lock of that account makes counting one at a time. Answers False when
    the user has no limits any more.
    """
    limits, before = yield from _read(user_id)
    if not limits.counted:
        return False
    after = count(before, limits, charge, now=now)
    if isinstance(after, UserLimit):
        raise LimitReached(after)
    yield Query("spending_write", {"user_id": user_id, **msgspec.structs.asdict(after)})
    return True


def count_out(order_id: int) -> Steps[None]:
    """An order was never placed; to be called after its void was posted, for the same lock."""
    yield Query("spending_give_back", {"order_id": order_id})


def spending_of(user_id: int, *, now: int) -> Steps[Spending]:
    """What was counted of a user in the windows of `now`."""
    _, counts = yield from _read(user_id)
    return counts.at(now)


def read_limits(row: Row) -> UserLimits:
    """The limits in a row of users."""
    return UserLimits(
        orders_per_minute=row["orders_per_minute"],
        spend_per_hour=row["spend_per_hour"],
        spend_per_day=row["spend_per_day"],
        adds_at_once=row["adds_at_once"],
    )


def _read(user_id: int) -> Steps[tuple[UserLimits, Spending]]:
    row = (yield Query("spending_of", {"user_id": user_id}))[0]
    if row["minute"] is None:
        return read_limits(row), Spending()
    return read_limits(row), Spending(
        minute=row["minute"],
        orders=row["orders"],
        hour=row["hour"],
        hour_spent=row["hour_spent"],
        day=row["day"],
        day_spent=row["day_spent"],
    )
