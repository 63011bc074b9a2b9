"""The clock in for metrics that are read from the books and not counted as they happen."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from math import inf
from time import monotonic
from typing import Final

from gateway.actions.desk import Desk
from gateway.core.funds import DAY_MS, days_left
from gateway.core.money import scale_of, to_decimal
from gateway.jobs.balances import Balances
from gateway.store.figures import Money, Polls, read_figures, read_money, read_stuck
from gateway.store.outbox import count_events

# The day's money is summed this often; where a sum takes long, seldom enough that it is at it a twentieth of the time.
LEDGER_SECONDS: Final = 30.0
WORK_SHARE: Final = 20


async def figures(desk: Desk) -> None:
    """Read them and hand them to the metrics."""
    found = await desk.store.read_at_length(read_figures)
    events = await desk.store.read_at_length(count_events)
    desk.metrics.events_counted(waiting=events.waiting, dead=events.dead)
    now = desk.clock()
    desk.metrics.orders_counted(found.orders)
    desk.metrics.doubt_counted(found.unknown, _amounts({desk.currency: 0, **found.in_doubt}))
    for provider in desk.providers:
        polls = found.polls.get(provider) or Polls(waiting=0, due_at=now)
        silent_since = now if polls.silent_since is None else polls.silent_since
        desk.metrics.polls_counted(
            provider,
            waiting=polls.waiting,
            lag_seconds=(now - polls.due_at) / 1000,
            unheard_seconds=(now - silent_since) / 1000,
        )


class Ledger:
    """The day's money and what is stuck, by sums over many rows."""

    def __init__(self, desk: Desk, balances: Balances, exchange_rates: Callable[[], Mapping[str, Decimal]]) -> None:
        self._desk = desk
        self._balances = balances
        self._exchange_rates = exchange_rates  # by provider: our currency for one of its
        self._took = 0.0  # seconds, the last time

    def pause(self) -> float:
        """Seconds until the next sum."""
        return max(LEDGER_SECONDS, self._took * WORK_SHARE)

    async def sum_up(self) -> None:
        """Sum up the last 24 hours, and look for orders that are stuck."""
        desk, began = self._desk, monotonic()
        now = desk.clock()
        money = await desk.store.read_at_length(partial(read_money, since=now - DAY_MS))
        stuck = await desk.store.read_at_length(partial(read_stuck, now=now))
        self._took = monotonic() - began
        for provider in desk.providers:
            desk.metrics.stuck_counted(provider, stuck.get(provider, 0))
        spent = self._spent(money)
        self._tell(money, spent)
        for provider, cost in spent.items():
            desk.metrics.provider_spent(provider, cost)
            balance = self._balances.known(provider)
            if balance is not None:
                over_ms = DAY_MS if money.first_at is None else now - money.first_at
                days = days_left(balance, cost, over_ms=over_ms)
                desk.metrics.funds_last(provider, inf if days is None else float(days))

    def _spent(self, money: Money) -> dict[str, Decimal]:
        """By provider, in its currency as configured; what was booked in another one before is not of its pace."""
        found = {}
        for provider, client in self._desk.providers.items():
            currency = client.upstream.currency
            found[provider] = to_decimal(money.costs.get((provider, currency), 0), scale_of(currency))
        return found

    def _tell(self, money: Money, spent: Mapping[str, Decimal]) -> None:
        desk, ours = self._desk, self._desk.currency
        nothing = {ours: 0}
        desk.metrics.owed(held=_amounts(nothing | money.held), available=_amounts(nothing | money.available))
        sold, refunded = {ours: Decimal(0), **_amounts(money.sold)}, {ours: Decimal(0), **_amounts(money.refunded)}
        margin = {currency: sold.get(currency, Decimal(0)) - refunded.get(currency, Decimal(0)) for currency in sold}
        rates = self._exchange_rates()
        for provider, cost in spent.items():
            margin[ours] -= cost * rates.get(provider, Decimal(1))
        desk.metrics.day_counted(sold=sold, refunded=refunded, margin=margin)


def _amounts(units: Mapping[str, int]) -> dict[str, Decimal]:
    return {currency: to_decimal(amount, scale_of(currency)) for currency, amount in units.items()}
