"""Retry-After: seconds or a date, obeyed within bounds, and nonsense is as if it were not there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.retry_after import REST_MAX_MS, REST_MIN_MS, rest_ms

NOW = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("header", "ms"),
    [
        ("0", REST_MIN_MS),
        ("1", 1_000),
        (" 120 ", 120_000),
        ("1000000000", REST_MAX_MS),
        ("9" * 5_000, REST_MAX_MS),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        ("Tue, 14 Nov 2023 22:14:20", 60_000),
        ("Tue, 14 Nov 2023 22:00:00 GMT", REST_MIN_MS),
        ("Wed, 14 Nov 2035 22:14:20 GMT", REST_MAX_MS),
    ],
)
def test_what_a_busy_panel_asks_for_is_given_within_bounds(header: str, ms: int) -> None:
    """At least a second, at most a quarter of an hour."""
    assert rest_ms(429, header, now=NOW) == rest_ms(503, header, now=NOW) == ms


@pytest.mark.parametrize("header", [None, "", "soon", "-5", "1.5", "١٢", "Tue, 99 Foo 2023 99:99:99 GMT"])
def test_what_cannot_be_read_is_nothing(header: str | None) -> None:
    """Whoever asks has a rule of its own then."""
    assert rest_ms(429, header, now=NOW) is None


@pytest.mark.parametrize("status", [None, 200, 301, 500])
def test_other_answers_ask_for_no_rest(status: int | None) -> None:
    """A redirect may carry the header as well, and means something else by it."""
    assert rest_ms(status, "60", now=NOW) is None


@given(st.text(max_size=60))
def test_any_header_is_answered(header: str) -> None:
    """No text raises, and no rest is out of bounds."""
    rest = rest_ms(503, header, now=NOW)
    assert rest is None or REST_MIN_MS <= rest <= REST_MAX_MS
