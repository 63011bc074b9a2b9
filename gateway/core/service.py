"""Service types: which fields an order of each type has, what of it is billed, and what its bounds are checked on.

A type is a row of TYPES. Where a row cannot say it, it names one of the few ways to count (`Count`). The names are
PROTOCOL.md section 3's; panels write them in any case, with `_`, `-` or spaces.
"""

import re
from enum import Enum, auto
from typing import Final, assert_never

import msgspec

from gateway.core.errors import (
    TEXT_INCORRECT_LINK,
    TEXT_INCORRECT_QUANTITY,
    InvalidOrder,
    text_incorrect_field,
    text_less_than_minimum,
    text_more_than_maximum,
)

# Links and other one-line fields: the longest URL that browsers agree on.
LINE_MAX: Final = 2048
# Lines of a list; a request's 256 kB hold some 10 000 comments anyway.
LINES_MAX: Final = 10_000
# Runs of a drip-feed and minutes between them: a week apart, a few years long, is more than anybody sells.
RUNS_MAX: Final = 10_000
INTERVAL_MAX: Final = 7 * 24 * 60
# Digits of a quantity: order and service bounds stay below 2**31.
_QUANTITY_MAX: Final = 2**31 - 1

_WHOLE_NUMBER: Final = re.compile(r"(?:([0-9]{1,12})|([0-9]{1,3}(?:[ ,][0-9]{3}){1,3}))(?:\.0{1,8})?", re.ASCII)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")


class Count(Enum):
    """What of an order is billed."""

    QUANTITY = auto()  # `quantity`, times `runs` with drip-feed
    COMMENTS = auto()  # the lines of `comments` that are not empty
    ONE = auto()  # the whole, once


class ServiceType(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str  # as on the wire
    legacy_name: str  # as panels of the older kind write it
    count: Count
    flat: bool = False  # whether the rate is for the whole, not per 1000
    dripfeed: bool = False  # whether `runs` and `interval` may stand beside `quantity`


TYPES: Final = (
    ServiceType(name="Default", legacy_name="default", count=Count.QUANTITY, dripfeed=True),
    ServiceType(name="Package", legacy_name="package", count=Count.ONE, flat=True),
    ServiceType(name="Custom Comments", legacy_name="custom_comments", count=Count.COMMENTS),
)
_SYNONYMS: Final = {"specialcomments": "customcomments"}
# Fields whose text is a list with one entry a line (Q15).
LIST_FIELDS: Final = frozenset({"comments", "usernames", "hashtags", "keywords", "groups", "answers"})


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one service allows."""

    min: int
    max: int
    dripfeed: bool = False


class OrderDetails(msgspec.Struct, frozen=True, kw_only=True):
    """An order's fields, read against its service and ready to be sent on."""

    link: str
    quantity: int  # what `remains` counts against: everything that is to be delivered
    billable: int  # what the rate is multiplied with: pieces, or wholes of a flat service
    flat: bool
    per_run: int  # pieces of one run; without a drip-feed the whole quantity
    fields: tuple[tuple[str, str], ...]  # every field of the type, normalised
    runs: int | None = None
    interval: int | None = None  # minutes between runs


def fold(text: str) -> str:
    """A name without what panels write differently: case, spaces, `_` and `-`."""
    return re.sub(r"[\s_-]+", "", text).casefold()


_BY_FOLDED: Final = {fold(each.name): each for each in TYPES}


def find_type(text: str) -> ServiceType | None:
    """The type a panel's word stands for; nothing is Default (to be flagged by who reads), an unknown word is None."""
    folded = fold(text) or "default"
    return _BY_FOLDED.get(_SYNONYMS.get(folded, folded))


def read_details(service_type: ServiceType, limits: Limits, fields: tuple[tuple[str, str], ...]) -> OrderDetails:
    """An order's fields against its type and limits; raises InvalidOrder. Fields of other types are ignored."""
    given = {name: value.strip() for name, value in fields}
    link = given.get("link", "")
    if not link or len(link) > LINE_MAX:
        raise InvalidOrder(TEXT_INCORRECT_LINK)
    match service_type.count:
        case Count.QUANTITY:
            return _by_quantity(given, link, limits, dripfeed=service_type.dripfeed and limits.dripfeed)
        case Count.COMMENTS:
            lines = _lines(given, "comments")
            _check_bounds(len(lines), limits)
            sent = (("link", link), ("comments", "\n".join(lines)))
            return _whole(len(lines), link, sent, flat=service_type.flat)
        case Count.ONE:
            return _whole(1, link, (("link", link),), flat=service_type.flat)
        case _:
            assert_never(service_type.count)


def read_quantity(text: str) -> int | None:
    """A whole number above nought as callers write it (Q16): " 1000 ", "1,000", "100.0"; None for anything else."""
    found = _WHOLE_NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    number = int(found[1] or found[2].replace(",", "").replace(" ", ""))
    return number if 0 < number <= _QUANTITY_MAX else None


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a list that are not empty, trimmed; any kind of line end parts them."""
    return tuple(line for line in (part.strip() for part in _LINE_ENDS.split(text)) if line)


def _whole(quantity: int, link: str, fields: tuple[tuple[str, str], ...], *, flat: bool) -> OrderDetails:
    """An order that is delivered in one run."""
    return OrderDetails(link=link, quantity=quantity, billable=quantity, flat=flat, fields=fields, per_run=quantity)


def _by_quantity(given: dict[str, str], link: str, limits: Limits, *, dripfeed: bool) -> OrderDetails:
    quantity = read_quantity(given.get("quantity", ""))
    if quantity is None:
        raise InvalidOrder(TEXT_INCORRECT_QUANTITY)
    _check_bounds(quantity, limits)
    sent = (("link", link), ("quantity", str(quantity)))
    drip = _drip_feed(given, allowed=dripfeed)
    if drip is None:
        return _whole(quantity, link, sent, flat=False)
    runs, interval = drip
    if quantity * runs > limits.max:
        raise InvalidOrder(text_more_than_maximum(limits.max))
    return OrderDetails(
        link=link,
        quantity=quantity * runs,
        billable=quantity * runs,
        flat=False,
        fields=(*sent, ("runs", str(runs)), ("interval", str(interval))),
        per_run=quantity,
        runs=runs,
        interval=interval,
    )


def _drip_feed(given: dict[str, str], *, allowed: bool) -> tuple[int, int] | None:
    """Runs and minutes between them, or None without a drip-feed; some callers send both as 0 to say so."""
    runs, interval = (given.get(name, "0") for name in ("runs", "interval"))
    if runs == "0" and interval == "0":
        return None
    count, minutes = read_quantity(runs), read_quantity(interval)
    if not allowed or count is None or count > RUNS_MAX:
        raise InvalidOrder(text_incorrect_field("runs"))
    if minutes is None or minutes > INTERVAL_MAX:
        raise InvalidOrder(text_incorrect_field("interval"))
    return count, minutes


def _lines(given: dict[str, str], field: str) -> tuple[str, ...]:
    lines = split_lines(given.get(field, ""))
    if not lines or len(lines) > LINES_MAX:
        raise InvalidOrder(text_incorrect_field(field))
    return lines


def _check_bounds(quantity: int, limits: Limits) -> None:
    if quantity < limits.min:
        raise InvalidOrder(text_less_than_minimum(limits.min))
    if quantity > limits.max:
        raise InvalidOrder(text_more_than_maximum(limits.max))
