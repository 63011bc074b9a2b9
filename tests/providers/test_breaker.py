"""The breaker: opens after five failures in a row, waits twice as long each time, and is closed by a balance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.breaker import FAILURES_MAX, JITTER, OPEN_SECONDS, OPEN_SECONDS_MAX, Breaker, BreakerState


def opened(*, jitter: float = 0.0) -> Breaker:
    """One that has just opened, at 0."""
    made = Breaker(lambda: jitter)
    for _ in range(FAILURES_MAX):
        made.failed(0.0)
    return made


def test_five_failures_in_a_row_open_it() -> None:
    """Four do not, and neither do nine with one answer among them."""
    breaker = Breaker(lambda: 0.0)
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(0.0)
    assert not breaker.tripped
    breaker.succeeded()
    for _ in range(FAILURES_MAX - 1):
        breaker.failed(0.0)
    assert not breaker.tripped
    breaker.failed(0.0)
    assert breaker.state is BreakerState.OPEN


def test_it_is_asked_when_its_time_is_over_and_by_one_alone() -> None:
    """Not before; and while that one is under way by nobody else."""
    breaker = opened()
    assert not breaker.due(OPEN_SECONDS - 0.1)
    assert breaker.due(OPEN_SECONDS)
    breaker.trying()
    assert breaker.tripped
    assert not breaker.due(OPEN_SECONDS)
    breaker.tried(good=True, now=OPEN_SECONDS)
    assert not breaker.tripped


def test_each_failed_trial_waits_twice_as_long_up_to_ten_minutes() -> None:
    """30, 60, 120, 240, 480, then 600 seconds for good."""
    breaker, now, waits = opened(), 0.0, []
    for _ in range(40):
        wait = next(seconds for seconds in range(1, 1000) if breaker.due(now + seconds))
        waits.append(wait)
        now += wait
        breaker.trying()
        breaker.tried(good=False, now=now)
    assert waits[:6] == [30, 60, 120, 240, 480, 600]
    assert set(waits[5:]) == {int(OPEN_SECONDS_MAX)}


def test_balance_alone_does_not_shorten_the_wait() -> None:
    """A panel that tells its balance and fails every order is left alone longer each time, until one goes well."""
    breaker = opened()
    breaker.trying()
    breaker.tried(good=True, now=30.0)
    for _ in range(FAILURES_MAX):
        breaker.failed(30.0)
    assert not breaker.due(30.0 + 2 * OPEN_SECONDS - 1)
    assert breaker.due(30.0 + 2 * OPEN_SECONDS)
    breaker.trying()
    breaker.tried(good=True, now=100.0)
    breaker.succeeded()
    for _ in range(FAILURES_MAX):
        breaker.failed(100.0)
    assert breaker.due(100.0 + OPEN_SECONDS)


def test_late_failures_do_not_lengthen_the_wait() -> None:
    """Calls that were under way when it opened; a late answer closes it at once."""
    breaker = opened()
    for _ in range(20):
        breaker.failed(20.0)
    assert breaker.due(OPEN_SECONDS)
    breaker.succeeded()
    assert not breaker.tripped


@pytest.mark.parametrize("jitter", [-1.0, 1.0])
def test_wait_varies(jitter: float) -> None:
    """So that replicas do not ask in step."""
    breaker = opened(jitter=jitter)
    wait = OPEN_SECONDS * (1 + JITTER * jitter)
    assert (breaker.due(wait - 0.1), breaker.due(wait + 0.1)) == (False, True)


@given(st.lists(st.sampled_from(["failed", "succeeded", "tick", "good", "bad"]), max_size=200))
def test_it_never_stays_shut(acts: list[str]) -> None:
    """Whatever happens, within the longest time it is asked again or closed."""
    breaker, now = Breaker(lambda: 1.0), 0.0
    for act in acts:
        match act:
            case "failed":
                breaker.failed(now)
            case "succeeded":
                breaker.succeeded()
            case "tick":
                now += 20.0
            case _ if breaker.due(now):
                breaker.trying()
                breaker.tried(good=act == "good", now=now)
            case _:
                pass
    assert breaker.state is BreakerState.CLOSED or breaker.due(now + OPEN_SECONDS_MAX * (1 + JITTER))
