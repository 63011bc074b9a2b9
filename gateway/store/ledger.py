"""The ledger's commands: lock accounts, post transfers once, and read what the books say."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from gateway.core.ledger import Transfer, is_user_account
from gateway.store.engine import Query, Refused, Row, Steps

STATEMENT_ROWS_MAX: Final = 1000  # rows of one statement of account


class NotEnoughFunds(Refused):
    """A user's account holds less than a transfer would take from it."""


class KeyTaken(Refused):
    """A transfer's key is in the books with another content: one moment was told in two ways."""


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What one enforced account holds."""

    account: int
    currency: str
    balance: int  # units


def lock_accounts(accounts: Iterable[int]) -> Steps[dict[int, Balance]]:
    """Lock accounts, in id order, until the end of the transaction; answers what each holds.

    For commands that post several transfers of a user: after the lock of the order's row, before the first
    transfer. A single transfer locks what it touches by itself.
    """
    rows = yield Query("accounts_lock", {"ids": sorted(set(accounts))})
    return {row["id"]: Balance(account=row["id"], currency=row["currency"], balance=row["balance"]) for row in rows}


def post(transfer: Transfer, now: int) -> Steps[bool]:
    """Write one transfer; answers True when it is new and False when the books have it already.

    Raises NotEnoughFunds when the source is a user's and holds too little, and KeyTaken
    when the key was used for something else; in both cases nothing moved.
    """
    params = {
        "tx_key": transfer.tx_key,
        "kind": transfer.kind.value,
        "order_id": transfer.order_id,
        "source": transfer.source,
        "dest": transfer.dest,
        "currency": transfer.currency,
        "amount": transfer.amount,
        "now": now,
    }
    posted = yield Query("transfer_post", params)
    if posted:
        return True
    known = yield Query("transfer_by_key", {"tx_key": transfer.tx_key})
    if known:
        _check_same(transfer, known[0])
        return False
    yield from _open_house_accounts(transfer)
    posted = yield Query("transfer_post", params)
    if not posted:
        raise NotEnoughFunds(f"{transfer.source} holds less than {transfer.amount} units ({transfer.tx_key})")
    return True


def post_all(transfers: Sequence[Transfer], now: int) -> Steps[None]:
    """Write the transfers of one step of an order, each once."""
    for transfer in transfers:
        yield from post(transfer, now)


def balance_of(account: int) -> Steps[Balance | None]:
    """What one account holds, without a lock; None when there is no such account."""
    rows = yield Query("account_balance", {"id": account})
    if not rows:
        return None
    return Balance(account=account, currency=rows[0]["currency"], balance=rows[0]["balance"])


def balance_of_code(code: str) -> Steps[int]:
    """What the account of this code holds, locked until the end of the transaction; 0 when there is none."""
    rows = yield Query("account_balance_lock", {"code": code})
    return rows[0]["balance"] if rows else 0


def _check_same(transfer: Transfer, row: Row) -> None:
    """Refuse a key that stands for another content; the amount first, as that is what people mistake."""
    for column in ("amount", "source", "dest", "currency", "order_id"):
        if row[column] != getattr(transfer, column):
            raise KeyTaken(
                f"{transfer.tx_key} is in the books with {column} {row[column]}, not {getattr(transfer, column)}"
            )


def _open_house_accounts(transfer: Transfer) -> Steps[None]:
    """House accounts appear with their first transfer; a user's are opened with the user."""
    for code in (transfer.source, transfer.dest):
        if not is_user_account(code):
            yield Query("account_open_house", {"code": code, "currency": transfer.currency})
