"""Durations: read out of what panels say, in any words, and written in ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.core.duration import SECONDS_MAX, SHOWN_MAX, read_duration, write_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 hours", 7200),
        (" 1 Hour 30 Minutes ", 5400),
        ("1h 20m", 4800),
        ("1 day, 2 hours and 5 min", 93_900),
        ("0-1 hour", 3600),
        ("30 to 45 minutes", 2700),
        ("1.5 hours", 5400),
        ("01:30:00", 5400),
        ("45 secs", 45),
        ("2 weeks", 1_209_600),
    ],
)
def test_q69_duration_is_read_in_any_words(text: str, seconds: int) -> None:
    """Units long and short, several of them, a range by its end, a clock."""
    assert read_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "14", "Not enough data", "2 hours <b>call +1 555</b>", "0 minutes", "00:00:00", "99999 weeks",
        "soon", "2 parsecs", "1 hour " * 20, "２ hours", "-5 hours", "1:2:3", "hours",
    ],
)  # fmt: skip
def test_q69_text_that_is_no_duration_says_nothing(text: str) -> None:
    """A bare number, a sentence, mark-up beside it, nought, longer than anything that is sold."""
    assert read_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1 minute"),
        (59, "1 minute"),
        (5400, "1 hour 30 minutes"),
        (7200, "2 hours"),
        (86_399, "1 day"),
        (93_900, "1 day 2 hours"),
        (SECONDS_MAX, "366 days"),
    ],
)
def test_q69_duration_is_written_in_words_of_ours(seconds: int, text: str) -> None:
    """In its two largest units, to the minute."""
    assert write_duration(seconds) == text


@given(some.integers(1, SECONDS_MAX))
def test_q69_what_is_shown_is_short_and_is_read_again(seconds: int) -> None:
    """Whatever it is: bounded, and a duration as good as the same one."""
    shown = write_duration(seconds)
    assert len(shown) <= SHOWN_MAX
    again = read_duration(shown)
    assert again is not None
    assert abs(again - seconds) <= max(60, 3600 if seconds >= 86_340 else 60)


@given(some.text(max_size=80))
def test_q69_nothing_a_panel_says_breaks_the_reader(text: str) -> None:
    """Any text gives a duration within bounds or none."""
    read = read_duration(text)
    assert read is None or 0 < read <= SECONDS_MAX
