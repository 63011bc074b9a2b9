"""The action ``balance``: what the caller can spend, from the ledger."""

from functools import partial

from gateway.actions.desk import Desk
from gateway.core.messages import BalanceReply
from gateway.core.money import format_amount, scale_of
from gateway.core.user import User
from gateway.store.ledger import balance_of


async def balance(desk: Desk, user: User) -> BalanceReply:
    """The balance free to spend; held charges are not in it."""
    found = await desk.store.read(partial(balance_of, user.avail_account))
    assert found is not None, f"user {user.id} has no account {user.avail_account}"
    return BalanceReply(balance=format_amount(found.balance, scale_of(found.currency)), currency=found.currency)
