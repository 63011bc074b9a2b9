"""How often: a burst up to the limit, then a time each step, and a bucket that empties by itself."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.gcra import Limit, take

TEN = Limit(10, 60_000)


def test_burst_is_allowed_up_to_the_limit() -> None:
    """Ten at one moment; the eleventh has to wait for the sixth part of a minute."""
    empty_at, waits = None, []
    for _ in range(12):
        taken = take(empty_at, TEN, now=1_000)
        empty_at = taken.empty_at
        waits.append(taken.wait)
    assert waits == [0] * 10 + [6_000] * 2
    assert take(empty_at, TEN, now=6_999).wait == 1
    assert take(empty_at, TEN, now=7_000).wait == 0


def test_burst_is_exact_where_the_time_cannot_be_divided() -> None:
    """Seven in ten seconds are seven."""
    seven, empty_at, allowed = Limit(7, 10_000), None, 0
    for _ in range(20):
        taken = take(empty_at, seven, now=5)
        empty_at = taken.empty_at
        allowed += taken.wait == 0
    assert allowed == 7


def test_bucket_empties_by_itself() -> None:
    """After a minute without anything all ten are there again."""
    empty_at = take(None, TEN, now=0).empty_at
    assert take(empty_at, TEN, now=10**6).empty_at == 10**6 + TEN.step


@given(st.integers(1, 50), st.integers(1, 100_000), st.lists(st.integers(0, 5_000), max_size=200))
def test_never_more_than_twice_the_limit_in_its_time(times: int, milliseconds: int, pauses: list[int]) -> None:
    """However they come: in any window of the limit's length at most a burst and what emptied meanwhile."""
    limit = Limit(times, milliseconds)
    now, empty_at, allowed = 0, None, []
    for pause in pauses:
        now += pause
        taken = take(empty_at, limit, now=now)
        empty_at = taken.empty_at
        if taken.wait == 0:
            allowed.append(now)
    for at in allowed:
        assert sum(at <= other < at + milliseconds for other in allowed) <= 2 * times
