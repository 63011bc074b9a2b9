"""Retrying reads: what passes is asked again, within a budget."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.providers.retry import BUDGET_MAX, BUDGET_MIN, BUDGET_SHARE, TRIES, Budget, retry_read
from gateway.providers.said import Failed

PASSING = Failed(why="HTTP 503", sent=True, passing=True)
LASTING = Failed(why="HTTP 404", sent=True)


def answering(*answers: str | Failed) -> tuple[Callable[[], Awaitable[str | Failed]], list[int]]:
    """A call that gives these answers in turn, and how often it was made."""
    made: list[int] = []

    async def call() -> str | Failed:
        made.append(1)
        return answers[min(len(made), len(answers)) - 1]

    return call, made


def nothing() -> None:
    """Nobody counts."""


async def test_first_answer_is_the_answer() -> None:
    """And no repeat is told of."""
    call, made = answering("fine")
    assert await retry_read(call, Budget(), lambda: pytest.fail("repeated")) == "fine"
    assert len(made) == 1


async def test_failure_that_passes_is_asked_again() -> None:
    """Each repeat is told of."""
    call, made = answering(PASSING, PASSING, "fine")
    told: list[int] = []
    assert await retry_read(call, Budget(), lambda: told.append(1)) == "fine"
    assert (len(made), len(told)) == (3, 2)


async def test_three_tries_are_all() -> None:
    """Then the failure is the answer, as a value; three tries are two repeats of the budget, not three."""
    call, made = answering(PASSING)
    budget = Budget()
    assert await retry_read(call, budget, nothing) == PASSING
    assert len(made) == TRIES
    assert budget.spend()


async def test_failure_that_lasts_is_not_asked_again() -> None:
    """A wrong address stays wrong."""
    call, made = answering(LASTING)
    assert await retry_read(call, Budget(), nothing) == LASTING
    assert len(made) == 1


async def test_without_budget_the_first_failure_is_the_answer() -> None:
    """A panel in trouble is spared."""
    call, made = answering(PASSING)
    budget = Budget()
    while budget.spend():
        pass
    assert await retry_read(call, budget, nothing) == PASSING
    assert len(made) == 1


@pytest.mark.parametrize("error", [RuntimeError("ours"), asyncio.CancelledError()])
async def test_exception_is_never_repeated(error: BaseException) -> None:
    """A mistake of ours goes up, and a cancelling is obeyed at once."""
    made: list[int] = []

    async def call() -> str | Failed:
        made.append(1)
        raise error

    with pytest.raises(type(error)):
        await retry_read(call, Budget(), nothing)
    assert len(made) == 1


def test_budget_is_a_share_of_the_calls() -> None:
    """A few are free, every call earns a tenth, and a long calm saves up only so many."""
    budget = Budget()
    assert _spent(budget) == BUDGET_MIN
    for _ in range(round(2 / BUDGET_SHARE) + 1):
        budget.earn()
    assert _spent(budget) == 2
    for _ in range(10_000):
        budget.earn()
    assert _spent(budget) == BUDGET_MAX


def _spent(budget: Budget) -> int:
    spent = 0
    while budget.spend():
        spent += 1
    return spent
