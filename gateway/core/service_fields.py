"""Service fields: what each field of an `add` holds, and how a caller's text is read into what a panel is sent.

A field is a row of FIELDS; which type has which field is core/service.py's. What is no value of its field is refused
with `Incorrect <field>`, the words that panels know. The fields are PROTOCOL.md section 3's.
"""

import re
from datetime import date
from enum import Enum, auto
from typing import Final, assert_never

import msgspec

from gateway.core.errors import InvalidOrder, text_incorrect_field

# Links and other one-line fields: the longest URL that browsers agree on.
LINE_MAX: Final = 2048
# Lines of a list; a request's 256 kB hold some 10 000 comments anyway.
LINES_MAX: Final = 10_000
# Runs of a drip-feed and minutes between them: a week apart, a few years long, is more than anybody sells.
RUNS_MAX: Final = 10_000
INTERVAL_MAX: Final = 7 * 24 * 60
# A quantity; order and service bounds stay below 2**31.
QUANTITY_MAX: Final = 2**31 - 1
# Answers of a poll; the longest polls of social networks have some twenty.
ANSWERS_MAX: Final = 1000
# Posts of a subscription, to come or already there: each is an order at its panel that is asked about by itself.
POSTS_MAX: Final = 1000
# Minutes from a post to its order (PROTOCOL.md section 3): the list that panels let choose from.
DELAYS: Final = (
    *("0", "5", "10", "15", "20", "30", "40", "50", "60", "90", "120", "150", "180", "210", "240", "270", "300"),
    *("360", "420", "480", "540", "600"),
)

_WHOLE_NUMBER: Final = re.compile(r"(?:([0-9]{1,12})|([0-9]{1,3}(?:[ ,][0-9]{3}){1,3}))(?:\.0{1,8})?", re.ASCII)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# How panels find fault with a field (PROTOCOL.md section 5).
_FAULTS: Final = (" incorrect {} ", " invalid {} ", " {} is required ", " {} field is required ")
_DATE: Final = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", re.ASCII)
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


class Holds(Enum):
    """What a field's text is."""

    LINE = auto()  # one line of any text
    LINES = auto()  # a list, one entry a line (Q15)
    NUMBER = auto()  # a whole number from 1 to the field's `max`
    ONE_OF = auto()  # one of the field's `choices`, as they are written there
    DATE = auto()  # a day as d/m/Y


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str  # as on the wire
    holds: Holds
    about: str  # for users: what to put in
    example: str
    max: int = 0  # of a number: the largest
    choices: tuple[str, ...] = ()  # of a number that stands for something: what 1, 2, 3 … mean; of ONE_OF the values
    optional: bool = False  # may be missing; a number that may be missing is missing when it is 0
    needs: tuple[str, str] | None = None  # asked for, and sent on, only where that other field has that value


def _line(name: str, about: str, example: str, *, needs: tuple[str, str] | None = None) -> Field:
    return Field(name=name, holds=Holds.LINE, about=about, example=example, needs=needs)


def _lines(name: str, about: str, *examples: str) -> Field:
    return Field(name=name, holds=Holds.LINES, about=about, example="\n".join(examples))


def _number(name: str, about: str, example: str, *, limit: int, optional: bool = False) -> Field:
    return Field(name=name, holds=Holds.NUMBER, about=about, example=example, max=limit, optional=optional)


def _choice(name: str, about: str, example: str, *choices: str) -> Field:
    return Field(name=name, holds=Holds.NUMBER, about=about, example=example, max=len(choices), choices=choices)


LINK: Final = _line("link", "The page, post or profile to deliver to", "https://social.example/p/1")
QUANTITY: Final = _number("quantity", "How many, between the service's min and max", "100", limit=QUANTITY_MAX)
RUNS: Final = _number("runs", "Drip-feed: how many times this quantity is delivered", "5", limit=RUNS_MAX)
INTERVAL: Final = _number("interval", "Drip-feed: minutes from one run to the next", "60", limit=INTERVAL_MAX)
USERNAME: Final = _line("username", "A user name, or the address of the profile", "someone")
MIN: Final = _number("min", "The fewest that each post gets", "100", limit=QUANTITY_MAX)
MAX: Final = _number("max", "The most that each post gets", "120", limit=QUANTITY_MAX)
POSTS: Final = _number("posts", "How many new posts it is for", "3", limit=POSTS_MAX)
OLD_POSTS: Final = _number(
    "old_posts", "How many posts that are there already it is for too", "1", limit=POSTS_MAX, optional=True
)
DELAY: Final = Field(
    name="delay",
    holds=Holds.ONE_OF,
    about="Minutes from a post to its delivery",
    example="0",
    choices=DELAYS,
)
EXPIRY: Final = Field(
    name="expiry",
    holds=Holds.DATE,
    about="The last day it waits for new posts, as d/m/Y; without it as long as the panel lets it",
    example="31/12/2099",
    optional=True,
)

FIELDS: Final = {
    field.name: field
    for field in (
        LINK,
        QUANTITY,
        _lines("comments", "The comments, one a line", "Great shot!", "Love the light"),
        USERNAME,
        _lines("usernames", "User names, one a line", "first.user", "second.user"),
        _line("hashtag", "The hashtag whose users are mentioned", "sunset"),
        _lines("hashtags", "Hashtags, one a line", "sunset", "beach"),
        _line("media", "The address of the post whose likers are mentioned", "https://social.example/p/2"),
        _lines("keywords", "Keywords, one a line", "running shoes", "trail shoes"),
        _lines("groups", "The groups, one a line", "https://social.example/g/1", "https://social.example/g/2"),
        _number("answer_number", "Which answer of the poll, from 1", "2", limit=ANSWERS_MAX),
        _line("country", "A country's code or its full English name", "US"),
        _choice(
            *("device", "What the visits come from", "5"),
            *("desktop", "mobile (Android)", "mobile (iOS)", "mixed (mobile)", "mixed (mobile and desktop)"),
        ),
        _choice(
            *("type_of_traffic", "Where the visits seem to come from", "1"),
            *("a Google search", "a referring page", "nowhere (blank)"),
        ),
        _line("google_keyword", "What was searched for", "running shoes", needs=("type_of_traffic", "1")),
        _line("referring_url", "The referring page's address", "https://blog.example/", needs=("type_of_traffic", "2")),
        *(MIN, MAX, POSTS, OLD_POSTS, DELAY, EXPIRY),
        RUNS,
        INTERVAL,
    )
}
# Fields whose text is a list with one entry a line (Q15).
LIST_FIELDS: Final = frozenset(name for name, field in FIELDS.items() if field.holds is Holds.LINES)


def read_value(field: Field, text: str) -> str:
    """A field's value as a panel is sent it; raises InvalidOrder."""
    text = text.strip()
    match field.holds:
        case Holds.LINE:
            if text and len(text) <= LINE_MAX and not _CONTROLS.search(text):
                return text
        case Holds.LINES:
            lines = split_lines(text)
            if 0 < len(lines) <= LINES_MAX:
                return "\n".join(lines)
        case Holds.NUMBER:
            number = read_quantity(text)
            if number is not None and number <= field.max:
                return str(number)
        case Holds.ONE_OF:
            if text in field.choices:
                return text
        case Holds.DATE:
            day = read_day(text)
            if day is not None:
                return f"{day:%d/%m}/{day.year:04}"
        case _:
            assert_never(field.holds)
    raise InvalidOrder(text_incorrect_field(field.name))


def read_day(text: str) -> date | None:
    """A day written as d/m/Y; None for anything else."""
    found = _DATE.fullmatch(text)
    try:
        return None if found is None else date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:  # no such day
        return None


def left_out(field: Field, text: str) -> bool:
    """Whether a caller did not give a field that may be missing."""
    text = text.strip()
    return field.optional and (not text or (field.holds is Holds.NUMBER and text == "0"))


def field_named(text: str) -> str | None:
    """The one field that a panel's words find fault with; None where they name none, or several.

    Only what panels say of fields counts ("Incorrect <field>", "<field> is required"), with blanks for `_` or without:
    `media` and `device` are also words of any page.
    """
    said = f" {' '.join(re.split(r'[^a-z]+', text.casefold()))} "
    named = [name for name in FIELDS if any(each.format(name.replace("_", " ")) in said for each in _FAULTS)]
    return named[0] if len(named) == 1 else None


def read_quantity(text: str) -> int | None:
    """A whole number above nought as callers write it (Q16): " 1000 ", "1,000", "100.0"; None for anything else."""
    found = _WHOLE_NUMBER.fullmatch(text.strip())
    if found is None:
        return None
    number = int(found[1] or found[2].replace(",", "").replace(" ", ""))
    return number if 0 < number <= QUANTITY_MAX else None


def split_lines(text: str) -> tuple[str, ...]:
    """The lines of a list that are not empty, trimmed; any kind of line end parts them."""
    return tuple(line for line in (part.strip() for part in _LINE_ENDS.split(text)) if line)
