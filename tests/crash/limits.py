"""Judgement of users' limits: what the books let through in each window, counted anew from the orders alone."""

from collections import defaultdict
from typing import Any, Final

Rows = list[dict[str, Any]]

LIMITED: Final = (
    "SELECT u.id, u.orders_per_minute, u.spend_per_hour, u.spend_per_day, s.minute, s.orders, s.hour, s.hour_spent, "
    "s.day, s.day_spent FROM users u LEFT JOIN spending s ON s.user_id = u.id"
)
# The holds of a user follow each other under the lock of its account, so their ids are the order in which its orders
# were counted.
COUNTED: Final = (
    "SELECT o.user_id, o.charge, o.state, o.created_at FROM orders o JOIN transfers t ON t.order_id = o.id "
    "AND t.kind = 'hold' WHERE o.counted = 1 ORDER BY t.id"
)
UNCOUNTED: Final = (
    "SELECT o.id FROM orders o JOIN users u ON u.id = o.user_id WHERE o.counted = 0 "
    "AND u.orders_per_minute + u.spend_per_hour + u.spend_per_day > 0"
)
_WINDOWS: Final = (("minute", 60_000), ("hour", 3_600_000), ("day", 86_400_000))


def judge_limits(users: Rows, counted: Rows, uncounted: Rows) -> list[str]:
    """Never more in a window than the limit, and the counts are what the orders say."""
    faults = [f"limits: order {each['id']} of a user with limits was not counted" for each in uncounted]
    mine: dict[int, Rows] = defaultdict(list)
    for order in counted:
        mine[order["user_id"]].append(order)
    for user in users:
        for name, length in _WINDOWS:
            faults += _window(user, mine[user["id"]], name, length)
    return faults


def _window(user: dict[str, Any], orders: Rows, name: str, length: int) -> list[str]:
    """One kind of window of one user. An order that was stored after a later one's window began counts there."""
    most = user["orders_per_minute"] if name == "minute" else user[f"spend_per_{name}"]
    windows: dict[int, int] = defaultdict(int)
    now = lost = 0
    for order in orders:
        own = order["created_at"] // length
        now = max(now, own)
        failed = order["state"] == "failed"
        if name == "minute":
            windows[now] += 1
        elif not failed:
            windows[now] += order["charge"]
        elif own != user[name] and now == user[name]:
            lost += order["charge"]  # never placed, and its own window was over: it stays in the count
    faults = [
        f"limits: user {user['id']} has {count} in {name} {window}, and its limit is {most}"
        for window, count in windows.items()
        if 0 < most < count
    ]
    if user["minute"] is not None:
        held = user["orders"] if name == "minute" else user[f"{name}_spent"]
        if held != windows[user[name]] + lost:
            faults.append(
                f"limits: user {user['id']} counts {held} in {name} {user[name]}, "
                f"its orders {windows[user[name]]} and {lost} that stay"
            )
    return faults
