"""The clock in for our money at providers: ask each for its balance and notice what it tells."""

from decimal import Decimal, InvalidOperation

import structlog

from gateway.actions.desk import Desk
from gateway.core.messages import BalanceReply, BalanceRequest

log = structlog.get_logger(__name__)


async def ask_balance(desk: Desk, provider: str, before: Decimal | None) -> Decimal | None:
    """Ask one provider; answers its balance, or the one known before when nothing was heard."""
    client = desk.providers[provider]
    answer = await client.ask(BalanceRequest())
    heard = isinstance(answer, BalanceReply)
    desk.metrics.provider_answered(provider, up=heard)
    if not isinstance(answer, BalanceReply):
        log.warning("balance_unheard", provider=provider, answer=type(answer).__name__)
        return before
    desk.conditions.released(provider)
    if answer.currency and answer.currency != client.upstream.currency:
        log.error("currency_differs", provider=provider, configured=client.upstream.currency, answered=answer.currency)
    try:
        balance = Decimal(answer.balance)
    except InvalidOperation:
        return before
    desk.metrics.provider_balance(provider, balance)
    if before is not None and balance > before:
        desk.conditions.funded(provider)
    return balance
