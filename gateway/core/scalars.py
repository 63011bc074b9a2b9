"""Scalars: one number, id or flag as panels write them, into an exact value or None."""

import re
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from gateway.core.lenient import Json

# An order id as text: what a panel's own URL could carry (Q41 has met `EXT-200`).
# One without a digit is a word, such as `pending` or `Nope`.
_ID: Final = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_LONE_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+", re.ASCII)
_SEPARATORS: Final = re.compile(r"[,\s\u066c\u00a0\u202f]")  # between thousands (Q50)
_TEXT_MAX: Final = 64
# Ids in one list; a subscription of ours has 2000 posts at most.
IDS_READ_MAX: Final = 10_000
# Places kept of a stranger's figure: finer than any price, coarser than the noise of a float (Q51).
PLACES: Final = Decimal("1e-10")
_EXPONENT_MAX: Final = 18  # figures from 10**18 up are junk

_TRUE: Final = frozenset({"1", "true", "yes", "on", "y"})
_FALSE: Final = frozenset({"0", "false", "no", "off", "n", ""})


def as_id(value: Json) -> str | None:
    """An id that can be used: a positive number or a text of letters and digits; None for everything else (Q44)."""
    match value:
        case bool():
            return None
        case int():
            return str(value) if value > 0 else None
        case str():
            text = value.strip()
            return text if _ID.fullmatch(text) is not None and text.strip("0") != "" else None
        case _:
            return None


def as_ids(value: Json) -> tuple[str, ...] | None:
    """Ids in any of their spellings: a list of them or of rows that name theirs, or a text with commas between.

    An empty list, map or text says that there are none. None: nothing is said, or not all of it can be read.
    """
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")] if value.strip() else []
    elif isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list):
        value = None if value is None else [value]
    if value is None or len(value) > IDS_READ_MAX:
        return None
    found = [as_id(first_of(each, ("order", "order_id", "id")) if isinstance(each, dict) else each) for each in value]
    ids = tuple(each for each in found if each is not None)
    return tuple(dict.fromkeys(ids)) if len(ids) == len(found) else None


def as_decimal(value: Json, *, decimal_comma: bool = False) -> Decimal | None:
    """A figure without a float's noise, or None; a lone comma is a decimal point only if the dialect says so."""
    match value:
        case bool():
            return None
        case int():
            number = Decimal(value)
        case Decimal():
            number = value
        case str() if (found := _number_in(value, decimal_comma=decimal_comma)) is not None:
            number = found
        case _:
            return None
    if not number.is_finite() or (number and abs(number.adjusted()) > _EXPONENT_MAX):
        return None
    return number.quantize(PLACES, ROUND_HALF_EVEN)


def plain(value: Json, *, decimal_comma: bool = False) -> str | None:
    """A figure as a plain decimal without trailing noughts; None where there is none."""
    number = as_decimal(value, decimal_comma=decimal_comma)
    if number is None:
        return None
    # Quantised, so there is a point and only places are stripped; abs() because a nought may have kept a sign.
    return f"{number or abs(number):f}".rstrip("0").rstrip(".")


def as_whole(value: Json, *, decimal_comma: bool = False) -> int | None:
    """A whole number, negative ones included; None where there is none, or a part of one."""
    number = as_decimal(value, decimal_comma=decimal_comma)
    return int(number) if number is not None and number == number.to_integral_value() else None


def as_flag(value: Json) -> bool | None:
    """A flag in any of its spellings; None where it is missing or no flag (Q55)."""
    match value:
        case bool():
            return value
        case int():
            return value != 0
        case str():
            folded = value.strip().lower()
            return True if folded in _TRUE else False if folded in _FALSE else None
        case _:
            return None


def as_text(value: Json) -> str | None:
    """A text, or a number as its text; None for everything else."""
    match value:
        case bool():
            return None
        case str():
            return value
        case int() | Decimal():
            return str(value)
        case _:
            return None


def first_of(value: Json, names: tuple[str, ...]) -> Json:
    """What stands under the first of several names an object has; None if it has none of them."""
    if isinstance(value, dict):
        for name in names:
            if name in value and value[name] is not None:
                return value[name]
    return None


def _number_in(text: str, *, decimal_comma: bool) -> Decimal | None:
    text = text.strip()
    if len(text) > _TEXT_MAX:
        return None
    if decimal_comma and _LONE_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    text = _SEPARATORS.sub("", text)
    return Decimal(text) if _NUMBER.fullmatch(text) else None
