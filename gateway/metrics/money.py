"""Numbers about money: what we owe, what hangs in doubt, what was earned lately, and how long providers' funds last.

A gauge is a float, exact to some fifteen digits: enough to look at and to alert on. The books are `gateway ledger`'s.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from gateway.metrics.declare import Metric, Named, gauge
from gateway.metrics.instruments import Instruments
from gateway.metrics.orders import UNKNOWN

CURRENCIES: Final = Named.CURRENCIES
PROVIDERS: Final = Named.PROVIDERS

HELD: Final = gauge("money_held", "Charges of users whose orders have no outcome yet.", currency=CURRENCIES)
AVAILABLE: Final = gauge("money_available", "What users may still spend: what we owe them.", currency=CURRENCIES)
DOUBT: Final = gauge("money_in_doubt", "Charges held for unknown orders.", currency=CURRENCIES)
SOLD: Final = gauge("money_sold_day", "Charges captured in the last 24 hours.", currency=CURRENCIES)
REFUNDED: Final = gauge("money_refunded_day", "Refunds paid in the last 24 hours.", currency=CURRENCIES)
MARGIN: Final = gauge(
    "money_margin_day",
    "Sold less refunded less what it cost, in the last 24 hours, costs at the configured exchange rates.",
    currency=CURRENCIES,
)
COST: Final = gauge(
    "provider_cost_day", "What its orders cost us in the last 24 hours, in its currency.", provider=PROVIDERS
)
BALANCE: Final = gauge("provider_balance", "Our balance there, in its currency.", provider=PROVIDERS)
DAYS_LEFT: Final = gauge(
    "provider_funds_days", "How many days the balance lasts at the pace of the last 24 hours.", provider=PROVIDERS
)

DECLARED: Final[tuple[Metric, ...]] = (HELD, AVAILABLE, DOUBT, SOLD, REFUNDED, MARGIN, COST, BALANCE, DAYS_LEFT)


class MoneyFacts(Instruments):
    """What the books and the providers tell of money."""

    def doubt_counted(self, orders: int, money: Mapping[str, Decimal]) -> None:
        """How many orders are unknown, and what is held for them, by currency."""
        self.set(UNKNOWN, orders)
        self._by_currency(DOUBT, money)

    def owed(self, *, held: Mapping[str, Decimal], available: Mapping[str, Decimal]) -> None:
        """What users have with us, by currency."""
        self._by_currency(HELD, held)
        self._by_currency(AVAILABLE, available)

    def day_counted(
        self, *, sold: Mapping[str, Decimal], refunded: Mapping[str, Decimal], margin: Mapping[str, Decimal]
    ) -> None:
        """What moved in the last 24 hours, by currency."""
        self._by_currency(SOLD, sold)
        self._by_currency(REFUNDED, refunded)
        self._by_currency(MARGIN, margin)

    def provider_spent(self, provider: str, cost: Decimal) -> None:
        """What a provider's orders cost in the last 24 hours, in its currency."""
        self.set(COST, float(cost), provider)

    def provider_balance(self, provider: str, balance: Decimal) -> None:
        """What we have there, in its currency."""
        self.set(BALANCE, float(balance), provider)

    def funds_last(self, provider: str, days: float) -> None:
        """How long that lasts; infinitely where nothing is spent."""
        self.set(DAYS_LEFT, days, provider)

    def _by_currency(self, metric: Metric, money: Mapping[str, Decimal]) -> None:
        self.forget(metric)  # A currency that nothing hangs on any more must not keep its last figure.
        for currency, amount in money.items():
            self.set(metric, float(amount), currency)
