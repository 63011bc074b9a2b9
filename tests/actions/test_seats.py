"""Seats: so many orders of one user at once in a process, and each seat is given back whatever becomes of its order."""

import asyncio
from collections import Counter

import pytest

from gateway.actions.seats import Seat
from gateway.core.spending import ADDS_AT_ONCE_DEFAULT, UserLimits
from tests.makers import make_user


def test_no_more_seats_than_were_set_and_others_have_theirs() -> None:
    """Given back once, however often it is left."""
    taken: Counter[int] = Counter()
    alpha, beta = make_user(id=1, limits=UserLimits(adds_at_once=2)), make_user(id=2)
    seats = [Seat(taken, alpha) for _ in range(3)]
    assert [seat.there for seat in seats] == [True, True, False]
    assert Seat(taken, beta).there
    for _ in range(2):
        for seat in seats[1:]:
            seat.leave()
    assert taken == {1: 1, 2: 1}
    assert Seat(taken, alpha).there
    assert not Seat(taken, alpha).there


def test_user_without_a_limit_has_the_default() -> None:
    """Which is a quarter of what a process does at once."""
    taken = Counter({1: ADDS_AT_ONCE_DEFAULT - 1})
    assert [Seat(taken, make_user(id=1)).there for _ in range(2)] == [True, False]


@pytest.mark.parametrize("fails", [False, True])
async def test_seat_is_kept_until_its_task_has_ended(*, fails: bool) -> None:
    """However it ends, and although the add that took it is long answered."""

    async def send() -> None:
        await asyncio.sleep(0)
        if fails:
            raise OSError

    taken: Counter[int] = Counter()
    seat = Seat(taken, make_user(id=1))
    task = asyncio.create_task(send())
    seat.keep_until(task)
    seat.leave()
    assert taken[1] == 1
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert not taken
    assert (task.exception() is not None) is fails
