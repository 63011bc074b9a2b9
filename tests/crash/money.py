"""Judgement of money: every order and every account by its transfers alone, in statements that the gateway has not.

`gateway ledger verify` is asked as well; but what it asks the books goes the gateway's own way, and a mistake on that
way has blinded both before.
"""

from collections import defaultdict
from typing import Any, Final

Rows = list[dict[str, Any]]

MOVED: Final = (
    "SELECT order_id, kind, COUNT(*) AS times, SUM(amount) AS amount FROM transfers WHERE order_id IS NOT NULL "
    "GROUP BY order_id, kind"
)
ACCOUNTS: Final = (
    "SELECT a.id, a.code, a.balance, COALESCE((SELECT SUM(amount) FROM transfers WHERE dest_id = a.id), 0) AS came, "
    "COALESCE((SELECT SUM(amount) FROM transfers WHERE source_id = a.id), 0) AS went "
    "FROM accounts a WHERE a.enforced = 1"
)
_OPEN: Final = frozenset({"reserved", "placing", "unknown"})


def judge_money(orders: Rows, moved: Rows, accounts: Rows) -> list[str]:
    """I1 to I5, counted anew: balances are what moved, what is held is in the open, each order is paid for once."""
    sums: dict[int, dict[str, tuple[int, int]]] = defaultdict(dict)
    for row in moved:
        sums[row["order_id"]][row["kind"]] = (row["times"], int(row["amount"]))
    faults = []
    in_open: dict[str, int] = defaultdict(int)
    for order in orders:
        mine = sums[order["id"]]
        (holds, held), (_, void), (_, back) = (mine.get(kind, (0, 0)) for kind in ("hold", "void", "refund"))
        left = 0 if order["state"] == "failed" else order["charge"] - order["refunded"]
        if (holds, held, back) != (1, order["charge"], order["refunded"]) or held - void - back != left:
            faults.append(f"money: order {order['id']}, {order['state']}, {order['charge']}: {mine}")
        if order["state"] in _OPEN:
            in_open[f"user:{order['user_id']}:held"] += order["charge"]
    for account in accounts:
        balance, code = account["balance"], account["code"]
        if balance < 0 or balance != account["came"] - account["went"]:
            faults.append(f"money: {code} has {balance}, {account['came']} came and {account['went']} went")
        if code.endswith(":held") and balance != in_open[code]:
            faults.append(f"money: {code} has {balance}, and {in_open[code]} is in the open")
    return faults
