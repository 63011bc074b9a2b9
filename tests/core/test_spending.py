"""Limits of a user: exactly so much in each window of the clock, and no more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.spending import DAY_MS, HOUR_MS, MINUTE_MS, Spending, UserLimit, UserLimits, count

NOON = 20_000 * DAY_MS + 12 * HOUR_MS


def placed(limits: UserLimits, *charges: int, at: int = NOON) -> Spending:
    """The counts after orders that all went through."""
    counts = Spending()
    for charge in charges:
        after = count(counts, limits, charge, now=at)
        assert isinstance(after, Spending)
        counts = after
    return counts


@pytest.mark.parametrize(
    ("limits", "limit"),
    [
        (UserLimits(orders_per_minute=2), UserLimit.ORDERS_PER_MINUTE),
        (UserLimits(spend_per_hour=100), UserLimit.SPEND_PER_HOUR),
        (UserLimits(spend_per_day=100), UserLimit.SPEND_PER_DAY),
    ],
)
def test_limit_is_reached_exactly_and_not_passed(limits: UserLimits, limit: UserLimit) -> None:
    """The last order that fits is placed; one unit or one order more is not."""
    full = placed(limits, 50, 50)
    assert count(full, limits, 1, now=NOON) is limit


@pytest.mark.parametrize(
    ("limits", "window"),
    [
        (UserLimits(orders_per_minute=1), MINUTE_MS),
        (UserLimits(spend_per_hour=100), HOUR_MS),
        (UserLimits(spend_per_day=100), DAY_MS),
    ],
)
def test_next_window_begins_at_nought(limits: UserLimits, window: int) -> None:
    """To the millisecond."""
    full = placed(limits, 100)
    ends = (NOON // window + 1) * window
    assert isinstance(count(full, limits, 100, now=ends - 1), UserLimit)
    after = count(full, limits, 100, now=ends)
    assert isinstance(after, Spending)


def test_clock_that_goes_back_opens_no_new_window() -> None:
    """What was spent by a clock that was ahead still counts."""
    limits = UserLimits(orders_per_minute=1, spend_per_hour=100, spend_per_day=100)
    ahead = placed(limits, 100)
    assert isinstance(count(ahead, limits, 1, now=NOON - 3 * DAY_MS), UserLimit)
    assert ahead.at(NOON - 3 * DAY_MS) == ahead


def test_no_limit_stands_in_nobodys_way() -> None:
    """And the books need not count."""
    assert not UserLimits(adds_at_once=5).counted
    assert UserLimits(spend_per_day=1).counted
    assert placed(UserLimits(), 10**15, 10**15).day_spent == 2 * 10**15


@given(
    charges=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 40 * MINUTE_MS)), max_size=40),
    limits=st.builds(
        UserLimits,
        orders_per_minute=st.integers(0, 3),
        spend_per_hour=st.integers(0, 200),
        spend_per_day=st.integers(0, 400),
    ),
)
def test_no_window_ever_has_more_than_its_limit(charges: list[tuple[int, int]], limits: UserLimits) -> None:
    """Whatever is ordered when: summed up window by window, what was let through keeps each limit."""
    counts, now = Spending(), NOON
    let_through: list[tuple[int, int]] = []
    for charge, later in charges:
        now += later
        after = count(counts, limits, charge, now=now)
        if isinstance(after, Spending):
            counts = after
            let_through.append((now, charge))
    for window, cap, weigh in (
        (MINUTE_MS, limits.orders_per_minute, False),
        (HOUR_MS, limits.spend_per_hour, True),
        (DAY_MS, limits.spend_per_day, True),
    ):
        sums: dict[int, int] = {}
        for at, charge in let_through:
            sums[at // window] = sums.get(at // window, 0) + (charge if weigh else 1)
        assert not cap or all(each <= cap for each in sums.values())
