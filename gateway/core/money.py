"""Money: amounts as integers of a currency's smallest unit, and the only places where they are read, shown and rounded.

A *unit* is 10⁻⁸ of the currency (10⁻⁴ for those whose prices run into millions). A *rate* is units per 1000 pieces,
or units for the whole where a service is flat. Every rate we sell at is a multiple of RATE_STEP, so that the rate
a user reads, times the quantity, is the charge to the last digit; a rate of somebody else's may not be, then the
charge is rounded up.
"""

import re
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Final

from gateway.core.errors import GatewayError

SCALE_DEFAULT: Final = 8
SCALE_SMALL: Final = 4
# Currencies of which one is worth little: eight places of them would leave too few digits before the point.
SMALL_CURRENCIES: Final = frozenset({"VND", "IDR", "IRR", "LAK", "UZS", "KRW", "COP", "CLP", "PYG", "NGN", "IQD"})
PIECES_PER_RATE: Final = 1000  # a rate is for so many pieces, everywhere in the trade
RATE_STEP: Final = PIECES_PER_RATE
UNITS_MAX: Final = 2**63 - 1  # what a BIGINT column holds
_DIGITS_MAX: Final = 40  # of an amount as text; UNITS_MAX has 19

_PLAIN_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Z]{3,5}", re.ASCII)


class BadAmount(GatewayError, ValueError):
    """A text is no amount: not a plain decimal, too many places, or too large to keep."""


def is_currency(text: str) -> bool:
    """Whether a text has the form of a currency's code: three capital letters, up to five for the newer kinds."""
    return _CURRENCY.fullmatch(text) is not None


def scale_of(currency: str) -> int:
    """The decimal places in which amounts of a currency are kept."""
    return SCALE_SMALL if currency in SMALL_CURRENCIES else SCALE_DEFAULT


def parse_amount(text: str, scale: int) -> int:
    """The units of a plain decimal such as "12.5" or "-0.00000001"; raises BadAmount.

    Nothing is rounded: more places than the scale has are refused unless they are noughts.
    """
    found = _PLAIN_DECIMAL.fullmatch(text) if len(text) <= _DIGITS_MAX else None
    if found is None:
        raise BadAmount(f"{text[:_DIGITS_MAX]!r} is no plain decimal such as 12.50")
    sign, whole, places = found[1], found[2], (found[3] or "").rstrip("0")
    if len(places) > scale:
        raise BadAmount(f"{text} has more than {scale} decimal places")
    units = int(whole + places.ljust(scale, "0"))
    if units > UNITS_MAX:
        raise BadAmount(f"{text} is too large")
    return -units if sign else units


def format_amount(units: int, scale: int) -> str:
    """Units as a plain decimal without trailing noughts, such as "100.84292", "0" or "-1.5"; never an exponent."""
    whole, places = divmod(abs(units), 10**scale)
    text = f"{whole}.{places:0{scale}d}".rstrip("0").rstrip(".")
    return f"-{text}" if units < 0 else text


def to_decimal(units: int, scale: int) -> Decimal:
    """Units as a Decimal of the currency; exact."""
    return Decimal(units).scaleb(-scale)


def to_units_up(value: Decimal, scale: int, *, step: int = 1) -> int:
    """The smallest multiple of `step` units that is not below `value` of the currency; raises BadAmount."""
    if not value.is_finite() or value.adjusted() > _DIGITS_MAX:
        raise BadAmount("not a finite amount, or too large")
    with localcontext() as context:
        # Wide enough that no digit of a finite value below 10**40 is lost before the one rounding that is meant.
        context.prec = max(2 * _DIGITS_MAX, len(value.as_tuple().digits) + 2 * _DIGITS_MAX)
        steps = (value.scaleb(scale) / step).to_integral_value(ROUND_CEILING)
    units = int(steps) * step
    if abs(units) > UNITS_MAX:
        raise BadAmount(f"{value} is too large")
    return units


def charge_for(rate: int, billable: int, *, flat: bool) -> int:
    """What `billable` pieces cost at `rate`, in units, rounded up; a flat rate is for each whole."""
    assert rate >= 0, f"a rate of {rate}"
    assert billable > 0, f"{billable} pieces to charge"
    if flat:
        return rate * billable
    return -(-rate * billable // PIECES_PER_RATE)
