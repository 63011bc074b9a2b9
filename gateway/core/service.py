"""Service types: which fields an order of each type has, what of it is billed, and what its bounds are checked on.

A type is a row of TYPES and named nowhere else in the house. The rows are PROTOCOL.md section 3's. Panels write the
names in any case, with `_`, `-` or spaces. What a field holds is core/service_fields.py's.

A subscription is for posts that do not exist yet, so what is billed is the most that they can come to: `max` for each
post. What they came to in the end is core/children.py's. One without a number of posts has no such most, and is
refused.
"""

import re
from datetime import date
from typing import Final

import msgspec

from gateway.core.errors import (
    InvalidOrder,
    text_incorrect_field,
    text_less_than_minimum,
    text_more_than_maximum,
)
from gateway.core.service_fields import (
    EXPIRY,
    FIELDS,
    INTERVAL,
    LINK,
    MAX,
    MIN,
    OLD_POSTS,
    POSTS,
    QUANTITY,
    RUNS,
    USERNAME,
    Field,
    left_out,
    read_day,
    read_value,
)


class ServiceType(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str  # as on the wire
    # The fields of an `add`, in the order in which they are read and sent; `needs` says which of them is not always.
    fields: tuple[Field, ...]
    # The field that says how many are ordered: a number, or a list whose lines are counted. None: the whole, once, at
    # a flat rate; or a subscription.
    counted: Field | None
    # Whether it is for posts to come, `max` pieces for each at most. Its panel makes an order for each post.
    subscribed: bool = False
    dripfeed: bool = False  # whether `runs` and `interval` may stand beside them
    synonyms: tuple[str, ...] = ()  # other names that panels have for it

    @property
    def flat(self) -> bool:
        """Whether the rate is for the whole, not per 1000."""
        return self.counted is None and not self.subscribed

    @property
    def legacy_name(self) -> str:
        """The name as panels of the older kind write it."""
        return self.name.lower().replace(" ", "_")


def _by_quantity(name: str, *fields: str, dripfeed: bool = False) -> ServiceType:
    """A type whose caller says how many."""
    own = tuple(FIELDS[each] for each in fields)
    return ServiceType(name=name, fields=(LINK, QUANTITY, *own), counted=QUANTITY, dripfeed=dripfeed)


def _by_lines(name: str, *fields: str, synonyms: tuple[str, ...] = ()) -> ServiceType:
    """A type where the lines of the last field say how many."""
    own = tuple(FIELDS[each] for each in fields)
    return ServiceType(name=name, fields=(LINK, *own), counted=own[-1], synonyms=synonyms)


def _whole(name: str, *fields: str, synonyms: tuple[str, ...] = ()) -> ServiceType:
    """A type that is sold as a whole."""
    own = tuple(FIELDS[each] for each in fields)
    return ServiceType(name=name, fields=(LINK, *own), counted=None, synonyms=synonyms)


DEFAULT: Final = _by_quantity("Default", dripfeed=True)
TYPES: Final = (
    DEFAULT,
    _whole("Package"),
    _by_quantity("SEO", "keywords"),
    _by_lines("Custom Comments", "comments", synonyms=("Special comments",)),
    _whole("Custom Comments Package", "comments", synonyms=("Package comments",)),
    _by_quantity("Mentions", "usernames"),
    _by_quantity("Mentions with Hashtags", "usernames", "hashtags"),
    _by_lines("Mentions Custom List", "usernames"),
    _by_quantity("Mentions Hashtag", "hashtag"),
    _by_quantity("Mentions User Followers", "username"),
    _by_quantity("Mentions Media Likers", "media"),
    _by_quantity("Comment Likes", "username"),
    _by_lines("Comment Replies", "username", "comments", synonyms=("Custom Replies",)),
    _by_quantity("Poll", "answer_number"),
    _by_quantity("Invites from Groups", "groups"),
    ServiceType(
        name="Subscriptions",
        fields=(USERNAME, MIN, MAX, POSTS, OLD_POSTS, FIELDS["delay"], EXPIRY),
        counted=None,
        subscribed=True,
    ),
    _by_quantity(
        *("Web Traffic", "country", "device", "type_of_traffic", "google_keyword", "referring_url"), dripfeed=True
    ),
)
# The types whose panels make an order for each post.
SUBSCRIBED: Final = tuple(each.name for each in TYPES if each.subscribed)


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one service allows."""

    min: int
    max: int
    dripfeed: bool = False
    expiry_min: date = date.min  # today: the first day a subscription may end on


class OrderDetails(msgspec.Struct, frozen=True, kw_only=True):
    """An order's fields, read against its service and ready to be sent on."""

    link: str  # where to; of a subscription the user name
    quantity: int  # what `remains` counts against: everything that is to be delivered; of a subscription its posts
    billable: int  # what the rate is multiplied with: pieces, or wholes of a flat service
    flat: bool
    per_run: int  # pieces of one run; without a drip-feed the whole quantity; of a subscription the most for one post
    fields: tuple[tuple[str, str], ...]  # every field of the type, normalised
    runs: int | None = None
    interval: int | None = None  # minutes between runs
    per_post_min: int | None = None  # of a subscription: the fewest for one post


def fold(text: str) -> str:
    """A name without what panels write differently: case, spaces, `_` and `-`."""
    return re.sub(r"[\s_-]+", "", text).casefold()


_BY_FOLDED: Final = {fold(name): each for each in TYPES for name in (each.name, *each.synonyms)}


def find_type(text: str) -> ServiceType | None:
    """The type a panel's word stands for; nothing is Default (to be flagged by who reads), an unknown word is None."""
    folded = fold(text)
    return _BY_FOLDED.get(folded) if folded else DEFAULT


def read_details(service_type: ServiceType, limits: Limits, fields: tuple[tuple[str, str], ...]) -> OrderDetails:
    """An order's fields against its type and limits; raises InvalidOrder. Fields of other types are ignored."""
    given = dict(fields)
    read: dict[str, str] = {}
    for field in service_type.fields:
        if field.needs is not None and read[field.needs[0]] != field.needs[1]:
            continue
        if left_out(field, given.get(field.name, "")):
            continue
        read[field.name] = read_value(field, given.get(field.name, ""))
        if field is service_type.counted:
            _check_bounds(_count(field, read), limits)
    if service_type.subscribed:
        _drip_feed(given, allowed=False)
        return _subscription(read, limits)
    pieces = 1 if service_type.counted is None else _count(service_type.counted, read)
    drip = _drip_feed(given, allowed=service_type.dripfeed and limits.dripfeed)
    if drip is None:
        return _details(read, pieces, flat=service_type.flat)
    runs, interval = drip
    if pieces * runs > limits.max:
        raise InvalidOrder(text_more_than_maximum(limits.max))
    read |= {RUNS.name: str(runs), INTERVAL.name: str(interval)}
    return msgspec.structs.replace(
        _details(read, pieces * runs, flat=False), per_run=pieces, runs=runs, interval=interval
    )


def _details(read: dict[str, str], pieces: int, *, flat: bool) -> OrderDetails:
    """An order that is delivered in one run."""
    return OrderDetails(
        link=read[LINK.name],
        quantity=pieces,
        billable=pieces,
        flat=flat,
        fields=tuple(read.items()),
        per_run=pieces,
    )


def _subscription(read: dict[str, str], limits: Limits) -> OrderDetails:
    """A subscription, billed for the most that its posts can come to."""
    fewest, most = int(read[MIN.name]), int(read[MAX.name])
    if fewest < limits.min:
        raise InvalidOrder(text_less_than_minimum(limits.min))
    if most > limits.max:
        raise InvalidOrder(text_more_than_maximum(limits.max))
    if fewest > most:
        raise InvalidOrder(text_incorrect_field(MIN.name))
    last = read_day(read.get(EXPIRY.name, ""))
    if last is not None and last < limits.expiry_min:
        raise InvalidOrder(text_incorrect_field(EXPIRY.name))
    posts = int(read[POSTS.name]) + int(read.get(OLD_POSTS.name, "0"))
    return OrderDetails(
        link=read[USERNAME.name],
        quantity=posts,
        billable=most * posts,
        flat=False,
        per_run=most,
        per_post_min=fewest,
        fields=tuple(read.items()),
    )


def _count(counted: Field, read: dict[str, str]) -> int:
    """How many an order asks for: the number, or the lines of the list, which is written without empty ones."""
    value = read[counted.name]
    return int(value) if counted is QUANTITY else value.count("\n") + 1


def _drip_feed(given: dict[str, str], *, allowed: bool) -> tuple[int, int] | None:
    """Runs and minutes between them, or None without a drip-feed; some callers send both as 0 to say so."""
    runs, interval = (given.get(field.name, "0").strip() for field in (RUNS, INTERVAL))
    if runs == "0" and interval == "0":
        return None
    if not allowed:
        raise InvalidOrder(text_incorrect_field(RUNS.name))
    return int(read_value(RUNS, runs)), int(read_value(INTERVAL, interval))


def _check_bounds(quantity: int, limits: Limits) -> None:
    if quantity < limits.min:
        raise InvalidOrder(text_less_than_minimum(limits.min))
    if quantity > limits.max:
        raise InvalidOrder(text_more_than_maximum(limits.max))
