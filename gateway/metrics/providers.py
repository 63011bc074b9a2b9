"""Numbers about providers: calls and what came back, how long it took, breakers, and their lists."""

from typing import Final

from gateway.core.error_type import ErrorType
from gateway.core.messages import Action
from gateway.metrics.declare import Metric, Named, counter, gauge, traced_histogram
from gateway.metrics.instruments import Instruments

PROVIDERS: Final = Named.PROVIDERS
# Seconds: a panel's answer takes from a tenth of a second to 90.
ADD_BUCKETS: Final = (0.5, 2.5, 10.0, 30.0)
ASK_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)
# A breaker's states, each with its number as its place.
BREAKER_STATES: Final = ("closed", "trying", "open")
DONE: Final = "none"  # nothing went wrong
# What may go wrong with a call, apart from what panels say; of the caller's faults those that only they find.
_OTHERS: Final = (
    *(ErrorType.POLICY_BUSY, ErrorType.POLICY_SPARED),
    *(ErrorType.CALLER_QUANTITY, ErrorType.CALLER_LINK, ErrorType.CALLER_FIELD),
)
CALL_ERRORS: Final = tuple(
    each.value
    for each in ErrorType
    if each in _OTHERS or (each.value.startswith("panel_") and each is not ErrorType.PANEL_NOT_PLACED)
)

CALLS: Final = counter(
    "upstream_calls",
    "Calls by what went wrong, `none` for those that went well.",
    provider=PROVIDERS,
    error_type=(DONE, *CALL_ERRORS),
)
ADD_SECONDS: Final = traced_histogram(
    "upstream_add_seconds",
    "An `add`, from asking for a connection to the last byte of the answer.",
    ADD_BUCKETS,
    provider=PROVIDERS,
)
ASK_SECONDS: Final = traced_histogram(
    "upstream_ask_seconds",
    "The same of every other call, over all providers.",
    ASK_BUCKETS,
    action=tuple(action.value for action in Action if action is not Action.ADD),
)
RETRIES: Final = counter("upstream_retries", "Reads that were asked again, over all providers.")
BREAKER: Final = gauge("breaker", "0 closed, 1 trying, 2 open.", provider=PROVIDERS, kind=("orders", "reads"))
UP: Final = gauge(
    "provider_up", "1 while the provider answers `balance`; where it has none, any call.", provider=PROVIDERS
)
LIST_AGE: Final = gauge("catalogue_age_seconds", "Age of the provider's list in use.", provider=PROVIDERS)
REFRESHES: Final = counter(
    "catalogue_refreshes",
    "Lists fetched, by result; the age of each provider's list is by provider, and the log says why one failed.",
    outcome=("ok", "failed"),
)
SERVICES: Final = gauge("catalogue_services", "Services on sale.")
HELD: Final = gauge(
    "catalogue_held", "Services of providers that wait for a person; `gateway catalogue held` has them."
)
UNCLASSIFIED: Final = counter("unclassified", "Errors of panels in words that nobody has classified.")
TEXTS: Final = gauge("unclassified_texts", "Texts that wait to be classified; `gateway errors list` has them.")

DECLARED: Final[tuple[Metric, ...]] = (
    *(CALLS, ADD_SECONDS, ASK_SECONDS, RETRIES, BREAKER, UP, LIST_AGE, REFRESHES, SERVICES, HELD, UNCLASSIFIED, TEXTS),
)


class ProviderFacts(Instruments):
    """What calling providers tells."""

    def upstream_call(self, provider: str, action: Action, error: ErrorType | None, *, seconds: float) -> None:
        """A provider was called, or spared a call; `error` is what went wrong."""
        self.count(CALLS, provider, DONE if error is None else error.value)
        if error is ErrorType.POLICY_SPARED:
            return
        if action is Action.ADD:
            self.observe(ADD_SECONDS, seconds, provider)
        else:
            self.observe(ASK_SECONDS, seconds, action.value)

    def upstream_retry(self, provider: str) -> None:  # noqa: ARG002 - an observer's signature; fifty series say no more
        """A read is asked again."""
        self.count(RETRIES)

    def breaker_is(self, provider: str, kind: str, state: str) -> None:
        """A provider's breaker for orders or reads has another state."""
        self.set(BREAKER, BREAKER_STATES.index(state), provider, kind)

    def texts_heard(self, answers: int) -> None:
        """So many answers said that something was wrong, in words nobody has classified."""
        self.count(UNCLASSIFIED, by=answers)

    def texts_waiting(self, texts: int) -> None:
        """How many texts nobody has classified, of all providers; who says them is in the list."""
        self.set(TEXTS, texts)

    def provider_answered(self, provider: str, *, up: bool) -> None:
        """Whether a provider answered `balance`."""
        self.set(UP, int(up), provider)

    def catalogue_refreshed(self, outcome: str) -> None:
        """A list was fetched, with this result."""
        self.count(REFRESHES, outcome)

    def catalogue_age(self, provider: str, seconds: float) -> None:
        """How old a provider's list in use is."""
        self.set(LIST_AGE, seconds, provider)

    def services_held(self, services: int) -> None:
        """How many services wait for a person, of all providers."""
        self.set(HELD, services)

    def catalogue_size(self, services: int) -> None:
        """How many services are on sale."""
        self.set(SERVICES, services)
