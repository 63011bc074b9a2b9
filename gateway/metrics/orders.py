"""Numbers about orders: their states, their attempts, what is in doubt, and how well they are followed."""

from typing import Final

from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.metrics.declare import Metric, Named, counter, gauge
from gateway.metrics.instruments import Instruments

PROVIDERS: Final = Named.PROVIDERS
OUTCOMES: Final = ("accepted", "rejected", "not_sent", "unknown", "not_placed")

ORDERS: Final = gauge("orders", "Orders by state.", state=tuple(state.value for state in OrderState))
ATTEMPTS: Final = counter("attempts", "Attempts by what became of them.", provider=PROVIDERS, outcome=OUTCOMES)
UNKNOWN: Final = gauge("orders_unknown", "Orders whose outcome nobody can tell yet.")
OLDEST: Final = gauge(
    "unknown_oldest_seconds", "How long the order that is longest in doubt has been; 0 without one.", provider=PROVIDERS
)
BRAKED: Final = gauge("provider_braked", "1 while doubt stops new orders to the provider.", provider=PROVIDERS)
GIVEN_BACK: Final = counter(
    "unknown_refunded", "Orders in doubt whose users were refunded by the rule; the log names order and provider."
)
TRACKED: Final = counter(
    "orders_tracked", "Orders asked about, and whether there was news.", provider=PROVIDERS, news=("heard", "silent")
)
DEARER: Final = counter(
    "orders_dearer",
    "Orders that ended, for which the panel took more than its list said; the log names order and provider.",
)
POLL_LAG: Final = gauge(
    "poll_lag_seconds", "How far beyond its time the order that is most overdue is.", provider=PROVIDERS
)
POLLS: Final = gauge("polls_waiting", "Orders on the list of those to be asked about.", provider=PROVIDERS)
UNHEARD: Final = gauge(
    "unheard_oldest_seconds",
    "How long the order without news for longest has had none, because it was not asked about or its panel is silent.",
    provider=PROVIDERS,
)
STUCK: Final = gauge(
    "orders_stuck",
    "Orders under way for four times as long as their service's orders lately took; a week where that is not known.",
    provider=PROVIDERS,
)

DECLARED: Final[tuple[Metric, ...]] = (
    *(ORDERS, ATTEMPTS, UNKNOWN, OLDEST, BRAKED, GIVEN_BACK, TRACKED, DEARER, POLL_LAG, POLLS, UNHEARD, STUCK),
)


class OrderFacts(Instruments):
    """What dispatching, tracking and the books tell of orders."""

    def attempt_decided(self, provider: str, outcome: Outcome | NotPlaced) -> None:
        """An attempt's outcome is in the books."""
        self.count(ATTEMPTS, provider, outcome_word(outcome))

    def orders_tracked(self, provider: str, *, heard: int, silent: int) -> None:
        """A provider was asked about orders: of so many there was news, of so many none."""
        self.count(TRACKED, provider, "heard", by=heard)
        self.count(TRACKED, provider, "silent", by=silent)

    def order_dearer(self) -> None:
        """A panel took more for an order than its list said."""
        self.count(DEARER)

    def orders_counted(self, by_state: dict[str, int]) -> None:
        """How many orders are in each state; states that are not named have none."""
        for state in OrderState:
            self.set(ORDERS, by_state.get(state.value, 0), state.value)

    def provider_doubted(self, provider: str, *, oldest_seconds: float, braked: bool) -> None:
        """How long something has been in doubt at a provider, 0 when nothing is, and whether that stops new orders."""
        self.set(OLDEST, oldest_seconds, provider)
        self.set(BRAKED, int(braked), provider)

    def doubt_refunded(self) -> None:
        """A user waited long enough and was refunded from our own pocket."""
        self.count(GIVEN_BACK)

    def polls_counted(self, provider: str, *, waiting: int, lag_seconds: float, unheard_seconds: float = 0.0) -> None:
        """How many orders of a provider wait to be asked about, how overdue the first of them is, and the silence."""
        self.set(POLLS, waiting, provider)
        self.set(POLL_LAG, max(lag_seconds, 0.0), provider)
        self.set(UNHEARD, max(lag_seconds, unheard_seconds, 0.0), provider)

    def stuck_counted(self, provider: str, orders: int) -> None:
        """How many orders of a provider take far longer than their service's orders do."""
        self.set(STUCK, orders, provider)


def outcome_word(outcome: Outcome | NotPlaced) -> str:
    """An attempt's outcome as a label; why it was is said by `upstream_calls` and the log."""
    match outcome:
        case Accepted():
            return "accepted"
        case NotSent():
            return "not_sent"
        case NotPlaced():
            return "not_placed"
        case Unknown():
            return "unknown"
        case Rejected():
            return "rejected"
