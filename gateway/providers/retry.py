"""Retrying reads: three tries with jitter inside a budget; what moves money never comes here."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_random_exponential

from gateway.providers.said import Failed

T = TypeVar("T")

TRIES: Final = 3
WAIT_FIRST_SECONDS: Final = 0.2
WAIT_MAX_SECONDS: Final = 2.0
# The share of a provider's calls that may be repeats, and how many are always free.
BUDGET_SHARE: Final = 0.1
BUDGET_MIN: Final = 3.0
BUDGET_MAX: Final = 20.0


class Budget:
    """How many repeats are left: every call earns a tenth of one, so that a provider in trouble is spared."""

    def __init__(self) -> None:
        self._left = BUDGET_MIN

    def earn(self) -> None:
        """A call was made."""
        self._left = min(self._left + BUDGET_SHARE, BUDGET_MAX)

    def spend(self) -> bool:
        """Take one repeat, if there is one."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


async def retry_read(
    call: Callable[[], Awaitable[T | Failed]], budget: Budget, again: Callable[[], None]
) -> T | Failed:
    """Make a read, again while it failed in a way that passes and the budget lasts; `again` is told of each repeat."""

    def worth_repeating(state: RetryCallState) -> bool:
        # An allow-list: only this value is ever repeated; an exception is a mistake of ours and goes up.
        if state.outcome is None or state.outcome.failed or state.attempt_number >= TRIES:
            return False
        said = state.outcome.result()
        return isinstance(said, Failed) and said.passing and budget.spend()

    async def counted() -> T | Failed:
        budget.earn()
        return await call()

    tries = AsyncRetrying(
        retry=worth_repeating,
        stop=stop_after_attempt(TRIES),
        wait=wait_random_exponential(multiplier=WAIT_FIRST_SECONDS, max=WAIT_MAX_SECONDS),
        before_sleep=lambda _: again(),
    )
    said: T | Failed = await tries(counted)
    return said
