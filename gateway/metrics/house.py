"""Numbers about the house itself: the event loop, the store, jobs, events, the books' soundness, the configuration."""

from collections import Counter as Tally
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway import __version__
from gateway.metrics.declare import Metric, Named, Spread, counter, gauge, histogram, traced_histogram
from gateway.metrics.instruments import Instruments

# Seconds. A commit is an fsync: half a millisecond on a good disk, a hundred on a tired one.
STORE_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
# Commands; the most there can be is 256 (store/engine.py).
BATCH_BUCKETS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
# Seconds. Beyond a twentieth users begin to notice.
LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

# Why a command of the store met another writer.
CONFLICT_KINDS: Final = ("deadlock", "lock", "serialization", "statement")
# What became of telling the consumer of an event.
EVENT_OUTCOMES: Final = ("taken", "failed", "dead")
OTHER: Final = "other"
# Jobs by the clock, and what is spawned beside a request; a test holds them against the code.
JOBS: Final = (
    *(
        "balance",
        "brakes",
        "figures",
        "lag",
        "ledger",
        "leftovers",
        "notices",
        "poll",
        "probe",
        "publish",
        "reconcile",
        "refresh",
        "sweep",
        "texts",
        "verify",
    ),
    *("answered", "cancel", "dispatch", "refill", "tell", "unanswered", OTHER),
)
CACHE_OPERATIONS: Final = ("get", "put", "take", "digest", OTHER)
# The invariants of the books, as store/verify.py names them; a test holds the two against each other.
INVARIANTS: Final = (
    *("balance", "below", "held", "paid", "hold", "accepted", "failed", "captured", "somewhere", "refunds"),
    *("refunded", "currency", "kind", "order", "cost", "child"),
)
RELOADS: Final = ("ok", "failed")
# What became of a span of a trace that is kept.
SPAN_OUTCOMES: Final = ("sent", "failed", "dropped")

# Not `job`: Prometheus has that label for itself, and would rename ours.
JOB_FAILURES: Final = counter("job_failures", "Runs of a job that failed.", task=JOBS)
CACHE_FAILURES: Final = counter(
    "cache_failures", "Redis calls that failed and were treated as a miss.", operation=CACHE_OPERATIONS
)
LAG: Final = histogram("event_loop_lag_seconds", "How late the event loop turned to what was due.", LAG_BUCKETS)
STATEMENTS: Final = counter("store_statements", "SQL statements of writing commands.")
READS: Final = counter("store_reads", "Reading commands.")
COMMITS: Final = counter("store_commits", "Transactions committed.")
CONFLICTS: Final = counter(
    "store_conflicts", "Commands that met another process's lock; deadlock stays 0.", kind=CONFLICT_KINDS
)
REPEATED: Final = counter("store_repeated", "Commands run again after a conflict or a lost line.")
STORE_SECONDS: Final = traced_histogram(
    "store_write_seconds", "From handing a command to the store to its commit, waiting included.", STORE_BUCKETS
)
BATCH: Final = histogram("store_batch_commands", "Commands in one commit.", BATCH_BUCKETS)
POOL_SECONDS: Final = histogram(
    "store_pool_wait_seconds", "How long a read waited for one of PostgreSQL's connections.", STORE_BUCKETS
)
STORE_QUEUE: Final = gauge("store_waiting", "Commands that wait for the writer.")
DISPATCHES: Final = gauge("dispatches", "Orders being handed to a panel in this process.")
TOLD: Final = counter(
    "events_told", "Tries to tell the consumer of events, by what came of them.", outcome=EVENT_OUTCOMES
)
EVENTS: Final = gauge("events_waiting", "Events that wait to be told to the consumer.")
EVENTS_DEAD: Final = gauge("events_dead", "Events that were given up; `gateway events dead` lists them.")
PLACING: Final = gauge("placing", "1 while new orders are taken, 0 while a violation or a broken fence stops them.")
VIOLATIONS: Final = gauge("books_violations", "Rows that break an invariant of the books.", invariant=INVARIANTS)
VERIFIED: Final = gauge("books_verified_timestamp_seconds", "When the books were last verified.", scope=("all", "day"))
SPANS: Final = counter(
    "spans",
    "Spans that were sent, that the collector did not take, and that were dropped because too many waited.",
    outcome=SPAN_OUTCOMES,
)
SPOOLED: Final = gauge("verdicts_spooled", "Verdicts on the disk that the books have not taken yet.")
GENERATION: Final = gauge("config_generation", "How many configurations this process has put to work.")
RELOADED: Final = counter("config_reloads", "Configurations read, the one at the start included.", outcome=RELOADS)
RELOADED_AT: Final = gauge("config_loaded_timestamp_seconds", "When the configuration at work was read.")
REFUSED: Final = gauge("config_refused", "1 while the file on the disk is not the one at work.")
BUILD: Final = gauge("build_info", "Always 1; the version is in the label.", version=Named.VERSION)

DECLARED: Final[tuple[Metric, ...]] = (
    *(JOB_FAILURES, CACHE_FAILURES, LAG, STATEMENTS, READS, COMMITS, CONFLICTS, REPEATED, STORE_SECONDS, BATCH),
    *(POOL_SECONDS, STORE_QUEUE, DISPATCHES, TOLD, EVENTS, EVENTS_DEAD, PLACING, VIOLATIONS, VERIFIED, SPOOLED),
    *(SPANS, GENERATION, RELOADED, RELOADED_AT, REFUSED, BUILD),
)


class HouseFacts(Instruments):
    """What jobs, the store, the cache and the configuration tell."""

    def begin_house(self) -> None:
        """What is known before anything happened."""
        self.set(PLACING, 1)
        self.set(BUILD, 1, __version__)

    def job_failed(self, name: str) -> None:
        """A run of a job failed."""
        self.count(JOB_FAILURES, name if name in JOBS else OTHER)

    def cache_failed(self, operation: str) -> None:
        """Redis did not do what it was asked."""
        self.count(CACHE_FAILURES, operation if operation in CACHE_OPERATIONS else OTHER)

    def loop_lagged(self, seconds: float) -> None:
        """The event loop came so much too late to what was due."""
        self.observe(LAG, seconds)

    def books_verified(self, violations: Mapping[str, int], *, whole: bool, at_seconds: float) -> None:
        """The books, or the last day of them, were verified; `violations` names every invariant, kept ones with 0."""
        for invariant, rows in violations.items():
            self.set(VIOLATIONS, rows, invariant)
        self.set(VERIFIED, at_seconds, "all" if whole else "day")

    def events_told(self, outcome: str, events: int) -> None:
        """So many events were taken by the consumer, were not taken, or were given up."""
        self.count(TOLD, outcome, by=events)

    def events_counted(self, *, waiting: int, dead: int) -> None:
        """How many events wait to be told, and how many were given up."""
        self.set(EVENTS, waiting)
        self.set(EVENTS_DEAD, dead)

    def placing_is(self, *, on: bool) -> None:
        """Whether new orders are taken."""
        self.set(PLACING, int(on))

    def config_loaded(self, *, at_seconds: float) -> None:
        """A configuration was read whole and is at work."""
        self.count(RELOADED, "ok")
        self.set(GENERATION, self.number(GENERATION) + 1)
        self.set(RELOADED_AT, at_seconds)
        self.set(REFUSED, 0)

    def config_refused(self) -> None:
        """A configuration could not be used; the one before stays at work."""
        self.count(RELOADED, "failed")
        self.set(REFUSED, 1)

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
        self.watch(STATEMENTS, statements)
        self.watch(READS, reads)
        self.watch(COMMITS, commits)
        self.watch(DISPATCHES, dispatches)
        self.watch(SPOOLED, spooled)

    def watch_conflicts(self, conflicts: Tally[str], repeated: Callable[[], int]) -> None:
        """Where to read how often commands met another writer, by kind, and how many were run again."""
        for kind in CONFLICT_KINDS:
            self.watch(CONFLICTS, partial(conflicts.__getitem__, kind), kind)
        self.watch(REPEATED, repeated)

    def watch_spans(self, **outcomes: Callable[[], int]) -> None:
        """Where to read what became of spans, by outcome."""
        for outcome, read in outcomes.items():
            self.watch(SPANS, read, outcome)

    def watch_store(self, *, write: Spread, batch: Spread, pool: Spread, waiting: Callable[[], int]) -> None:
        """Where to read how long writing takes, how much is written at a time, and how many commands wait."""
        self.watch_spread(STORE_SECONDS, write)
        self.watch_spread(BATCH, batch)
        self.watch_spread(POOL_SECONDS, pool)
        self.watch(STORE_QUEUE, waiting)
