"""Statements of account: every movement of a user's money in a time, with the balance after each, to the last digit.

A user's money stands in two accounts: what it may spend (the balance) and what is held for orders whose outcome is
open. A capture moves nothing the user could spend, but it ends a hold, so it is told too. Opening and closing balances
are sums of transfers, not balances that were written down: what they say is what the books say.
"""

from typing import Final

import msgspec

from gateway.store.engine import Query, Steps
from gateway.store.users import NoSuchUser

# Transfers read at once.
SLICE: Final = 5_000


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """One transfer as the user sees it; all amounts in units."""

    at: int  # ms
    kind: str
    key: str
    order_id: int | None
    change: int  # of what may be spent
    held_change: int
    balance: int  # after it
    held: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A user's movements in a time."""

    user: str
    currency: str
    opening: int
    opening_held: int
    closing: int
    closing_held: int
    movements: tuple[Movement, ...]


def statement(
    name: str, *, since: int | None = None, until: int | None = None, order_id: int | None = None
) -> Steps[Statement]:
    """The movements from `since` to before `until` (ms), of one order alone if it is named; raises NoSuchUser.

    A long read: every transfer of the user's up to then is summed.
    """
    users = yield Query("user_by_name", {"name": name})
    if not users:
        raise NoSuchUser(f"there is no user {name!r}")
    avail, held = users[0]["avail_account"], users[0]["held_account"]
    opening = opening_held = balance = kept = 0
    movements: list[Movement] = []
    after = 0
    while rows := (yield Query("statement_slice", {"avail": avail, "held": held, "after": after, "limit": SLICE})):
        for row in rows:
            if until is not None and row["created_at"] >= until:
                continue
            change = row["amount"] * ((row["dest_id"] == avail) - (row["source_id"] == avail))
            held_change = row["amount"] * ((row["dest_id"] == held) - (row["source_id"] == held))
            balance, kept = balance + change, kept + held_change
            if since is not None and row["created_at"] < since:
                opening, opening_held = opening + change, opening_held + held_change
            elif order_id is None or row["order_id"] == order_id:
                movements.append(
                    Movement(
                        at=row["created_at"],
                        kind=row["kind"],
                        key=row["tx_key"],
                        order_id=row["order_id"],
                        change=change,
                        held_change=held_change,
                        balance=balance,
                        held=kept,
                    )
                )
        after = rows[-1]["id"]
    return Statement(
        user=name,
        currency=users[0]["currency"],
        opening=opening,
        opening_held=opening_held,
        closing=balance,
        closing_held=kept,
        movements=tuple(movements),
    )
