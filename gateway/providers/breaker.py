"""The breaker: a provider that fails again and again is left alone for a while, then asked for its balance first.

    closed ──5 failures in a row──► open ──its time is over──► trying ──a balance came──► closed
                                      ▲                           │
                                      └────twice as long──────────┘

A failure is a connection that did not come to stand, or an answer of 500 and above; a silence is neither good nor
bad, because an order may be in it, and the brake on unknown orders looks after that. There are two of them for each
provider, for what moves money and for reads (RELIABILITY.md section 1.7). Nothing here waits or reads a clock.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

# As Envoy's outlier detection has it; a panel that restarts is back within the first half minute.
FAILURES_MAX: Final = 5
OPEN_SECONDS: Final = 30.0
OPEN_SECONDS_MAX: Final = 600.0
JITTER: Final = 0.2  # so that replicas do not all ask in the same second


class BreakerState(StrEnum):
    """Whether a provider is called."""

    CLOSED = "closed"
    TRYING = "trying"  # one `balance` is on its way
    OPEN = "open"


class Breaker:
    """The breaker of one provider for one kind of calls; `jitter` answers a number from -1 to 1."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.state = BreakerState.CLOSED
        self._jitter = jitter
        self._failures = 0  # in a row
        self._openings = 0  # since a call of this kind last went well
        self._until = 0.0  # when open: seconds of the caller's clock

    @property
    def tripped(self) -> bool:
        """Whether calls of this kind had better not be made."""
        return self.state is not BreakerState.CLOSED

    def due(self, now: float) -> bool:
        """Whether the provider may be asked for its balance to see how it does."""
        return self.state is BreakerState.OPEN and now >= self._until

    def trying(self) -> None:
        """It is being asked."""
        self.state = BreakerState.TRYING

    def tried(self, *, good: bool, now: float) -> None:
        """It has answered, or not. Calls of this kind may begin anew; whether they go well is not known yet."""
        if good:
            self.state, self._failures = BreakerState.CLOSED, 0
        else:
            self._open(now)

    def succeeded(self) -> None:
        """A call of this kind was answered."""
        self.state, self._failures, self._openings = BreakerState.CLOSED, 0, 0

    def failed(self, now: float) -> None:
        """A call of this kind failed; calls that were on their way when it opened change nothing."""
        if self.state is BreakerState.CLOSED:
            self._failures += 1
            if self._failures >= FAILURES_MAX:
                self._open(now)

    def _open(self, now: float) -> None:
        whole = min(OPEN_SECONDS * 2**self._openings, OPEN_SECONDS_MAX)
        self._openings = min(self._openings + 1, 16)  # beyond the longest time doubling says nothing
        self._until = now + whole * (1 + JITTER * self._jitter())
        self.state = BreakerState.OPEN
