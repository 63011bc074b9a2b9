"""The clock in for our money at providers: ask each for its balance and notice what it tells.

Whether a provider is there is told by that as well. One that has no `balance` is told by the calls that are made
anyway; only where one of them was not answered, it is asked for its list.
"""

from decimal import Decimal
from functools import partial

import structlog

from gateway.actions.desk import Desk
from gateway.core.messages import BalanceReply, ErrorReply, ServicesReply
from gateway.core.rejections import RejectKind
from gateway.providers.client import ProviderClient
from gateway.store.readings import keep_reading

log = structlog.get_logger(__name__)


class Balances:
    """The balances last heard of."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._known: dict[str, Decimal] = {}

    def known(self, provider: str) -> Decimal | None:
        """The balance last heard of, in the provider's currency."""
        return self._known.get(provider)

    async def ask(self, provider: str) -> None:
        """Ask one provider, if it can be asked; one that is silent keeps what was known, and counts as down."""
        desk = self._desk
        client = desk.providers[provider]
        if not client.upstream.dialect.balance:
            await self._feel(client)
            return
        answer = await client.look()
        desk.metrics.provider_answered(provider, up=isinstance(answer, BalanceReply))
        if not isinstance(answer, BalanceReply):
            log.warning("balance_unheard", provider=provider, answer=type(answer).__name__)
            if isinstance(answer, ErrorReply) and client.meaning(answer.error) is RejectKind.CREDENTIALS:
                # The next order would hear the same. It is asked again each minute, and released by an answer.
                desk.conditions.refused(provider, "", RejectKind.CREDENTIALS, now=desk.clock())
            return
        desk.conditions.released(provider)
        configured = client.upstream.currency
        said = answer.currency or configured
        if desk.conditions.counts_in(provider, said, ours=said == configured):
            if said == configured:
                log.warning("currency_right", provider=provider, currency=said)
            else:
                log.error("currency_differs", provider=provider, configured=configured, answered=said, orders="none")
        balance = Decimal(answer.balance)
        if balance != self._known.get(provider):
            currency = answer.currency or client.upstream.currency
            await desk.store.run(partial(keep_reading, provider, balance, currency, now=desk.clock()))
        desk.metrics.provider_balance(provider, balance)
        if balance > self._known.get(provider, balance):
            desk.conditions.funded(provider)
        self._known[provider] = balance

    async def _feel(self, client: ProviderClient) -> None:
        """Tell whether a provider without a balance is there: by its calls, and where they leave doubt by its list.

        A list says nothing of our key, for some panels show it to anybody: a refusal of the key stands until its time
        is over.
        """
        provider, pulse = client.upstream.name, client.pulse
        if not pulse.known:
            return
        answered, up = pulse.answered(), True
        if pulse.doubted:
            answer = await client.look()
            if not isinstance(answer, ServicesReply):
                # Calls that were answered meanwhile show that it is there all the same: its list alone is broken.
                up = answered or pulse.answered()
                log.warning("list_unheard", provider=provider, answer=type(answer).__name__, up=up)
        self._desk.metrics.provider_answered(provider, up=up)
