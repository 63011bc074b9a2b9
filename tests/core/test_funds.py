"""How long funds last: by the pace over the time that was looked at, never by a moment."""

from decimal import Decimal

import pytest

from gateway.core.funds import DAY_MS, PACE_LEAST_MS, days_left


@pytest.mark.parametrize(
    ("balance", "spent", "over_ms", "days"),
    [
        ("100", "50", DAY_MS, "2"),
        ("100", "50", DAY_MS // 2, "1"),  # a house that is half a day old spends a hundred a day
        ("24", "1", 1000, "1"),  # a pace over a second counts as one over an hour
        ("24", "1", PACE_LEAST_MS, "1"),
        ("-5", "50", DAY_MS, "0"),  # a panel that gives credit shows it below nought
    ],
    ids=["a day", "half a day", "a moment", "an hour", "in debt"],
)
def test_balance_lasts_as_long_as_the_pace_lets_it(balance: str, spent: str, over_ms: int, days: str) -> None:
    """Balance by what is spent a day."""
    assert days_left(Decimal(balance), Decimal(spent), over_ms=over_ms) == Decimal(days)


@pytest.mark.parametrize("spent", ["0", "-3"])
def test_nothing_spent_lasts_for_ever(spent: str) -> None:
    """Corrections may even make it less than nothing."""
    assert days_left(Decimal(5), Decimal(spent), over_ms=DAY_MS) is None
