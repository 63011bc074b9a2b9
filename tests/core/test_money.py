"""Amounts: exact from text to units and back, rounded in one direction and in one place."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.money import (
    RATE_STEP,
    SCALE_DEFAULT,
    SCALE_SMALL,
    UNITS_MAX,
    BadAmount,
    charge_for,
    format_amount,
    is_currency,
    parse_amount,
    scale_of,
    to_decimal,
    to_units_up,
)


@pytest.mark.parametrize(
    ("text", "units"),
    [("0", 0), ("12.5", 1_250_000_000), ("-0.00000001", -1), ("1.10000000000", 110_000_000), ("007", 700_000_000)],
)
def test_plain_decimal_is_read_exactly(text: str, units: int) -> None:
    """Every digit of a plain decimal is kept; noughts at its end mean nothing."""
    assert parse_amount(text, 8) == units


@pytest.mark.parametrize(
    "text", ["", ".5", "5.", "1e5", "NaN", "Infinity", "1,5", " 1", "+1", "1_000", "١", "0x10", "1" * 41, "9" * 30]
)
def test_anything_else_is_refused(text: str) -> None:
    """What is no plain decimal, or too large to keep, is an error and never a guess."""
    with pytest.raises(BadAmount):
        parse_amount(text, 8)


def test_too_many_places_are_refused_not_rounded() -> None:
    """Money a user never had cannot appear by rounding."""
    with pytest.raises(BadAmount, match="more than 4 decimal places"):
        parse_amount("0.00001", 4)


@given(st.integers(-(2**63), 2**63 - 1), st.sampled_from([SCALE_DEFAULT, SCALE_SMALL]))
def test_shown_amount_reads_back_as_itself(units: int, scale: int) -> None:
    """Formatting loses nothing and never writes an exponent."""
    text = format_amount(units, scale)
    assert "e" not in text.lower()
    assert Decimal(text) == to_decimal(units, scale)
    if abs(units) <= UNITS_MAX:
        assert parse_amount(text, scale) == units


@pytest.mark.parametrize(
    ("units", "text"), [(10_084_292_000, "100.84292"), (0, "0"), (-150_000_000, "-1.5"), (1, "0.00000001")]
)
def test_amount_is_shown_without_trailing_noughts(units: int, text: str) -> None:
    """The contract's own example, and the edges."""
    assert format_amount(units, 8) == text


def test_currency_decides_the_places() -> None:
    """Currencies whose prices run into millions keep four places, the others eight."""
    assert (scale_of("USD"), scale_of("VND")) == (8, 4)
    assert [is_currency(text) for text in ("USD", "USDT", "usd", "US", "EURO12")] == [True, True, False, False, False]


@given(st.decimals(min_value="-1e9", max_value="1e9", allow_nan=False), st.sampled_from([1, RATE_STEP]))
def test_rounding_up_is_the_smallest_step_not_below(value: Decimal, step: int) -> None:
    """No units fewer would do, and none more is taken."""
    units = to_units_up(value, 8, step=step)
    assert units % step == 0
    assert to_decimal(units, 8) >= value > to_decimal(units - step, 8)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e41", "1e12"])
def test_amount_that_cannot_be_kept_is_refused(value: str) -> None:
    """What a BIGINT column cannot hold is an error where it is made."""
    with pytest.raises(BadAmount):
        to_units_up(Decimal(value), 8)


@given(st.integers(0, 10**12), st.integers(1, 10**7))
def test_listed_rate_times_quantity_is_the_charge(steps: int, quantity: int) -> None:
    """A rate we sell at is whole per piece: what the list says, times the quantity, is the charge to the last digit."""
    rate = steps * RATE_STEP
    listed = Decimal(format_amount(rate, 8))
    assert to_decimal(charge_for(rate, quantity, flat=False), 8) == listed * quantity / 1000


def test_odd_rate_is_charged_up_and_a_flat_one_whole() -> None:
    """A rate of somebody else's is rounded up, never down; a flat one is for each whole."""
    assert charge_for(1, 1, flat=False) == 1
    assert charge_for(1001, 1000, flat=False) == 1001
    assert charge_for(500, 3, flat=True) == 1500
