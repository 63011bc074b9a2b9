"""Service fields: what each field of an `add` holds, and how a caller's text is read into what a panel is sent.

A field is a row of FIELDS; which type has which field is core/service.py's. What is no value of its field is refused
with `Incorrect <field>`, the words that panels know. The fields are PROTOCOL.md section 3's.
"""

import re
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

_WHOLE_NUMBER: Final = re.compile(r"(?:([0-9]{1,12})|([0-9]{1,3}(?:[ ,][0-9]{3}){1,3}))(?:\.0{1,8})?", re.ASCII)
_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# How panels find fault with a field (PROTOCOL.md section 5).
_FAULTS: Final = (" incorrect {} ", " invalid {} ", " {} is required ", " {} field is required ")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")


class Holds(Enum):
    """What a field's text is."""

    LINE = auto()  # one line of any text
    LINES = auto()  # a list, one entry a line (Q15)
    NUMBER = auto()  # a whole number from 1 to the field's `max`


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str  # as on the wire
    holds: Holds
    about: str  # for users: what to put in
    example: str
    max: int = 0  # of a number: the largest
    choices: tuple[str, ...] = ()  # of a number that stands for something: what 1, 2, 3 … mean
    needs: tuple[str, str] | None = None  # asked for, and sent on, only where that other field has that value


def _line(name: str, about: str, example: str, *, needs: tuple[str, str] | None = None) -> Field:
    return Field(name=name, holds=Holds.LINE, about=about, example=example, needs=needs)


def _lines(name: str, about: str, *examples: str) -> Field:
    return Field(name=name, holds=Holds.LINES, about=about, example="\n".join(examples))


def _number(name: str, about: str, example: str, *, limit: int) -> Field:
    return Field(name=name, holds=Holds.NUMBER, about=about, example=example, max=limit)


def _choice(name: str, about: str, example: str, *choices: str) -> Field:
    return Field(name=name, holds=Holds.NUMBER, about=about, example=example, max=len(choices), choices=choices)


LINK: Final = _line("link", "The page, post or profile to deliver to", "https://social.example/p/1")
QUANTITY: Final = _number("quantity", "How many, between the service's min and max", "100", limit=QUANTITY_MAX)
RUNS: Final = _number("runs", "Drip-feed: how many times this quantity is delivered", "5", limit=RUNS_MAX)
INTERVAL: Final = _number("interval", "Drip-feed: minutes from one run to the next", "60", limit=INTERVAL_MAX)

FIELDS: Final = {
    field.name: field
    for field in (
        LINK,
        QUANTITY,
        _lines("comments", "The comments, one a line", "Great shot!", "Love the light"),
        _line("username", "A user name, or the address of the profile", "someone"),
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
        case _:
            assert_never(field.holds)
    raise InvalidOrder(text_incorrect_field(field.name))


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
