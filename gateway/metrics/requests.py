"""Numbers about what users ask: how often, what became of it, whose fault it was, and how long our own part took."""

from typing import Final

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action
from gateway.core.spending import UserLimit
from gateway.metrics.declare import Metric, counter, traced_histogram
from gateway.metrics.instruments import Instruments

# Seconds. Our own part of a request is a millisecond or two; more than a tenth of a second is trouble of some kind.
OWN_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0)
# Seconds. An `add` waits for its panel, at most `answer_within` (8 by default); everything else does not.
ANSWER_BUCKETS: Final = (0.0025, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0)

# What became of a request.
REQUEST_OUTCOMES: Final = ("ok", "error", "unauthorized", "limited", "too_large", "unavailable", "broken")
NO_ACTION: Final = "none"  # the request did not get as far as saying what it wants
ACTIONS: Final = (*(action.value for action in Action), NO_ACTION)

REQUESTS: Final = counter(
    "requests", "Requests by action and by what became of them.", action=ACTIONS, outcome=REQUEST_OUTCOMES
)
ERRORS: Final = counter(
    "request_errors",
    "Requests that were not done, by what went wrong; the prefix says whose it is.",
    error_type=tuple(each.value for each in ErrorType),
)
SECONDS: Final = traced_histogram(
    "request_seconds", "From a request's last byte to its answer.", ANSWER_BUCKETS, action=ACTIONS
)
OVERHEAD: Final = traced_histogram(
    "request_overhead_seconds",
    "The part of it that is our own: without waiting for a panel.",
    OWN_BUCKETS,
    action=ACTIONS,
)
REPLAYED: Final = counter("orders_replayed", "Adds answered with an order that was placed before.")
LIMITED: Final = counter(
    "adds_limited",
    "Adds refused for a limit of their user; the log names the user.",
    limit=tuple(each.value for each in UserLimit),
)

DECLARED: Final[tuple[Metric, ...]] = (REQUESTS, ERRORS, SECONDS, OVERHEAD, REPLAYED, LIMITED)


class RequestFacts(Instruments):
    """What the endpoint that users call tells."""

    def request_answered(
        self, action: Action | None, outcome: str, *, seconds: float, waited: float, error: ErrorType | None = None
    ) -> None:
        """A request was answered after `seconds`, of which `waited` went to waiting for a panel."""
        name = NO_ACTION if action is None else action.value
        self.count(REQUESTS, name, outcome)
        if error is not None:
            self.count(ERRORS, error.value)
        self.observe(SECONDS, seconds, name)
        self.observe(OVERHEAD, max(seconds - waited, 0.0), name)

    def order_replayed(self) -> None:
        """An add was answered with an order that was placed before."""
        self.count(REPLAYED)

    def add_limited(self, limit: UserLimit) -> None:
        """A limit of its user stood in the way of an add."""
        self.count(LIMITED, limit.value)
