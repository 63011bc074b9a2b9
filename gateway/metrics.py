"""Every number we export, declared in one place.

Label values come from closed sets or from the names in providers.yaml. No label ever holds a user's name, a link, a
key or an order's id. The rooms hand facts over in the trade's words; which metric a fact becomes is decided here.
docs/metrics.md lists them, and a test keeps the two in step.
"""

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from gateway import __version__
from gateway.core.messages import Action
from gateway.core.order import OrderState
from gateway.core.outcome import Accepted, NotPlaced, NotSent, Outcome, Rejected, Unknown
from gateway.core.spending import UserLimit

# Seconds. Our own part of a request is a millisecond or two; a panel's answer takes from a tenth of a second to 90.
OWN_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
UPSTREAM_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 90.0)

# A second series for each counter tells when it began; nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves this one without types

# What became of a request.
REQUEST_OUTCOMES: Final = ("ok", "error", "unauthorized", "limited", "too_large", "unavailable", "broken")
# Why a command of the store met another writer.
CONFLICT_KINDS: Final = ("deadlock", "lock", "serialization", "statement")
# What became of telling the consumer of an event.
EVENT_OUTCOMES: Final = ("taken", "failed", "dead")
# A breaker's states, each with its number as its place.
BREAKER_STATES: Final = ("closed", "trying", "open")
NO_ACTION: Final = "none"  # the request did not get as far as saying what it wants


class Metrics:
    """The process's metrics, in a registry of its own, so that two gateways in one process do not mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self._declare_requests()
        self._declare_orders()
        self._declare_providers()
        self._declare_house()

    def _declare_requests(self) -> None:
        self._requests = self._counter(
            "requests", "Requests by action and by what became of them.", "action", "outcome"
        )
        self._seconds = self._histogram("request_seconds", "From a request's last byte to its answer.", "action")
        self._overhead = self._histogram(
            "request_overhead_seconds", "The part of it that is our own: without waiting for a panel.", "action"
        )
        self._replays = self._counter("orders_replayed", "Adds answered with an order that was placed before.")
        self._limited = self._counter("adds_limited", "Adds refused for a limit of their user.", "limit")

    def _declare_orders(self) -> None:
        self._orders = self._gauge("orders", "Orders by state.", "state")
        self._attempts = self._counter("attempts", "Attempts by what became of them.", "provider", "outcome")
        self._unknown = self._gauge("orders_unknown", "Orders whose outcome nobody can tell yet.")
        self._doubt = self._gauge("money_in_doubt", "Charges held for unknown orders.", "currency")
        self._oldest = self._gauge(
            "unknown_oldest_seconds", "How long the order that is longest in doubt has been.", "provider"
        )
        self._braked = self._gauge("provider_braked", "1 while doubt stops new orders to the provider.", "provider")
        self._given_back = self._counter(
            "unknown_refunded", "Orders in doubt whose users were refunded by the rule.", "provider"
        )
        self._tracked = self._counter(
            "orders_tracked", "Orders asked about, and whether there was news.", "provider", "news"
        )
        self._poll_lag = self._gauge(
            "poll_lag_seconds", "How far beyond its time the order that is most overdue is.", "provider"
        )
        self._polls = self._gauge("polls_waiting", "Orders on the list of those to be asked about.", "provider")

    def _declare_providers(self) -> None:
        self._calls = self._counter("upstream_calls", "Calls by what came back.", "provider", "action", "outcome")
        self._call_seconds = Histogram(
            "gateway_upstream_seconds",
            "From asking for a connection to the last byte of the answer.",
            ("provider", "action"),
            buckets=UPSTREAM_BUCKETS,
            registry=self.registry,
        )
        self._retries = self._counter("upstream_retries", "Reads that were asked again.", "provider")
        self._breaker = self._gauge("breaker", "0 closed, 1 trying, 2 open.", "provider", "kind")
        self._up = self._gauge("provider_up", "1 while the provider answers `balance`.", "provider")
        self._balance = self._gauge("provider_balance", "Our balance there, in its currency.", "provider")
        self._list_age = self._gauge("catalogue_age_seconds", "Age of the provider's list in use.", "provider")
        self._refreshes = self._counter("catalogue_refreshes", "Lists fetched, by result.", "provider", "outcome")
        self._services = self._gauge("catalogue_services", "Services on sale.")

    def _declare_house(self) -> None:
        self._jobs = self._counter("job_failures", "Runs of a job that failed.", "job")
        self._cache = self._counter(
            "cache_failures", "Redis calls that failed and were treated as a miss.", "operation"
        )
        self._statements = self._gauge("store_statements", "SQL statements of writing commands since the start.")
        self._reads = self._gauge("store_reads", "Reading commands since the start.")
        self._commits = self._gauge("store_commits", "Transactions committed since the start.")
        self._conflicts = self._gauge(
            "store_conflicts", "Commands that met another process's lock since the start; deadlock stays 0.", "kind"
        )
        self._repeated = self._gauge("store_repeated", "Commands run again since the start: conflicts, lost lines.")
        self._tasks = self._gauge("dispatches", "Orders being handed to a panel in this process.")
        self._told = self._counter(
            "events_told", "Tries to tell the consumer of events, by what came of them.", "outcome"
        )
        self._events = self._gauge("events_waiting", "Events that wait to be told to the consumer.")
        self._events_dead = self._gauge("events_dead", "Events that were given up; `gateway events dead` lists them.")
        self._placing = self._gauge("placing", "1 while new orders are taken, 0 while a violation stops them.")
        self._placing.set(1)
        self._violations = self._gauge("books_violations", "Rows that break an invariant of the books.", "invariant")
        self._verified = self._gauge("books_verified_timestamp_seconds", "When the books were last verified.", "scope")
        self._spooled = self._gauge("verdicts_spooled", "Verdicts on the disk that the books have not taken yet.")
        self._gauge("build_info", "Always 1; the version is in the label.", "version").labels(__version__).set(1)

    # ------------------------------------------------------------------------------------------------- facts, by room

    def request_answered(self, action: Action | None, outcome: str, *, seconds: float, waited: float) -> None:
        """A request was answered after `seconds`, of which `waited` went to waiting for a panel."""
        assert outcome in REQUEST_OUTCOMES, f"{outcome} is not in REQUEST_OUTCOMES"
        name = NO_ACTION if action is None else action.value
        self._requests.labels(name, outcome).inc()
        self._seconds.labels(name).observe(seconds)
        self._overhead.labels(name).observe(max(seconds - waited, 0.0))

    def order_replayed(self) -> None:
        """An add was answered with an order that was placed before."""
        self._replays.inc()

    def add_limited(self, limit: UserLimit) -> None:
        """A limit of its user stood in the way of an add."""
        self._limited.labels(limit.value).inc()

    def attempt_decided(self, provider: str, outcome: Outcome | NotPlaced) -> None:
        """An attempt's outcome is in the books."""
        self._attempts.labels(provider, outcome_word(outcome)).inc()

    def orders_tracked(self, provider: str, *, heard: int, silent: int) -> None:
        """A provider was asked about orders: of so many there was news, of so many none."""
        self._tracked.labels(provider, "heard").inc(heard)
        self._tracked.labels(provider, "silent").inc(silent)

    def upstream_call(self, provider: str, action: str, outcome: str, *, seconds: float) -> None:
        """A provider was called."""
        self._calls.labels(provider, action, outcome).inc()
        self._call_seconds.labels(provider, action).observe(seconds)

    def upstream_retry(self, provider: str) -> None:
        """A read is asked again."""
        self._retries.labels(provider).inc()

    def breaker_is(self, provider: str, kind: str, state: str) -> None:
        """A provider's breaker for orders or reads has another state."""
        self._breaker.labels(provider, kind).set(BREAKER_STATES.index(state))

    def provider_answered(self, provider: str, *, up: bool) -> None:
        """Whether a provider answered `balance`."""
        self._up.labels(provider).set(int(up))

    def provider_balance(self, provider: str, balance: Decimal) -> None:
        """What we have there, in its currency."""
        self._balance.labels(provider).set(float(balance))

    def catalogue_refreshed(self, provider: str, outcome: str) -> None:
        """A provider's list was fetched, with this result."""
        self._refreshes.labels(provider, outcome).inc()

    def catalogue_age(self, provider: str, seconds: float) -> None:
        """How old a provider's list in use is."""
        self._list_age.labels(provider).set(seconds)

    def catalogue_size(self, services: int) -> None:
        """How many services are on sale."""
        self._services.set(services)

    def job_failed(self, name: str) -> None:
        """A run of a job failed."""
        self._jobs.labels(name).inc()

    def cache_failed(self, operation: str) -> None:
        """Redis did not do what it was asked."""
        self._cache.labels(operation).inc()

    def orders_counted(self, by_state: dict[str, int]) -> None:
        """How many orders are in each state; states that are not named have none."""
        for state in OrderState:
            self._orders.labels(state.value).set(by_state.get(state.value, 0))

    def doubt_counted(self, orders: int, money: dict[str, Decimal]) -> None:
        """How many orders are unknown, and what is held for them, by currency."""
        self._unknown.set(orders)
        self._doubt.clear()  # A currency that nothing hangs on any more must not keep its last figure.
        for currency, amount in money.items():
            self._doubt.labels(currency).set(float(amount))

    def provider_doubted(self, provider: str, *, oldest_seconds: float, braked: bool) -> None:
        """How long something has been in doubt at a provider, 0 when nothing is, and whether that stops new orders."""
        self._oldest.labels(provider).set(oldest_seconds)
        self._braked.labels(provider).set(int(braked))

    def doubt_refunded(self, provider: str) -> None:
        """A user waited long enough and was refunded from our own pocket."""
        self._given_back.labels(provider).inc()

    def polls_counted(self, provider: str, *, waiting: int, lag_seconds: float) -> None:
        """How many orders of a provider wait to be asked about, and how overdue the first of them is."""
        self._polls.labels(provider).set(waiting)
        self._poll_lag.labels(provider).set(max(lag_seconds, 0.0))

    def books_verified(self, violations: Mapping[str, int], *, whole: bool, at_seconds: float) -> None:
        """The books, or the last day of them, were verified; `violations` names every invariant, kept ones with 0."""
        for invariant, rows in violations.items():
            self._violations.labels(invariant).set(rows)
        self._verified.labels("all" if whole else "day").set(at_seconds)

    def events_told(self, outcome: str, events: int) -> None:
        """So many events were taken by the consumer, were not taken, or were given up."""
        assert outcome in EVENT_OUTCOMES, f"{outcome} is not in EVENT_OUTCOMES"
        self._told.labels(outcome).inc(events)

    def events_counted(self, *, waiting: int, dead: int) -> None:
        """How many events wait to be told, and how many were given up."""
        self._events.set(waiting)
        self._events_dead.set(dead)

    def placing_is(self, *, on: bool) -> None:
        """Whether new orders are taken."""
        self._placing.set(int(on))

    def watch_house(
        self,
        *,
        statements: Callable[[], int],
        reads: Callable[[], int],
        commits: Callable[[], int],
        dispatches: Callable[[], int],
        spooled: Callable[[], int],
    ) -> None:
        """Where to read, at each scrape, what the store has done and how many orders are on their way to a panel."""
        self._statements.set_function(statements)
        self._reads.set_function(reads)
        self._commits.set_function(commits)
        self._tasks.set_function(dispatches)
        self._spooled.set_function(spooled)

    def watch_conflicts(self, conflicts: Tally[str], repeated: Callable[[], int]) -> None:
        """Where to read how often commands met another writer, by kind, and how many were run again."""
        for kind in CONFLICT_KINDS:
            self._conflicts.labels(kind).set_function(partial(conflicts.__getitem__, kind))
        self._repeated.set_function(repeated)

    # ------------------------------------------------------------------------------------------------------ declaring

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"gateway_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"gateway_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(f"gateway_{name}", help_text, labels, buckets=OWN_BUCKETS, registry=self.registry)


def outcome_word(outcome: Outcome | NotPlaced) -> str:
    """An attempt's outcome as a label: the class, and for a refusal its kind."""
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
            return f"rejected_{outcome.kind.value}"
