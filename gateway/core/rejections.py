"""Rejections: what the error texts of panels mean, as a table; a text that is not in it proves nothing.

A text is folded (lower case, punctuation and digits gone) and looked up by substring. A text that is vague or smells
of time (`try again`, `internal error`, `database`) never counts as a refusal, whatever else stands in it: panels have
been seen to say so and place the order all the same (RELIABILITY.md section 1.6, U17). The texts are PROTOCOL.md
section 5's.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from gateway.core.pattern import pattern_of


class RejectKind(StrEnum):
    """Why a panel refused an order."""

    CREDENTIALS = "credentials"  # our key there is not good
    FUNDS = "funds"  # our balance there is too low
    SERVICE = "service"  # it does not have, or no longer sells, the service
    QUANTITY = "quantity"  # outside its limits
    LINK = "link"  # the link is wrong
    FIELD = "field"  # another field of the order is wrong
    LINK_ACTIVE = "link_active"  # it is still working on an order with that link
    THROTTLED = "throttled"  # too many calls
    REQUEST = "request"  # it does not understand us: a configuration error
    ORDER = "order"  # no such order, or none that can be canceled or refilled; on `add` it means nothing
    REFUSED = "refused"  # a text nobody knows, of a panel whose every error is a refusal


# Kinds that are the user's own mistake: every other panel would refuse as well.
USERS_FAULT: Final = frozenset({RejectKind.QUANTITY, RejectKind.LINK, RejectKind.FIELD})

VAGUE: Final = (
    *("timeout", "timed out", "time out", "try again", "try later", "internal", "server error", "database"),
    *("something went wrong", "processing", "maintenance", "temporarily", "unexpected", "connection", "deadlock"),
)

# What refills and cancels are refused with: of an order that is there, or of a refill that is not. As the answer to a
# look at an order they deny nothing.
NOT_NOW: Final = ("not eligible for cancellation", "not eligible for refill", "refill request not found")

# The error catalogue. The first match counts, so a longer text stands before one that is part of it.
TEXTS: Final[tuple[tuple[RejectKind, tuple[str, ...]], ...]] = (
    (
        RejectKind.LINK_ACTIVE,
        ("active order with this link", "neworder error link duplicate", "wait until order being completed"),
    ),
    (
        RejectKind.CREDENTIALS,
        (
            *("invalid api key", "incorrect api key", "api key is required", "wrong api key"),
            *("user inactive", "account is inactive", "api is disable", "invalid key", "unauthorized"),
        ),
    ),
    (
        RejectKind.FUNDS,
        (
            *("not enough funds", "neworder error not enough funds", "insufficient balance", "insufficient funds"),
            *("sufficient balance", "not enough balance", "low balance"),
        ),
    ),
    (
        RejectKind.SERVICE,
        (
            *("incorrect service id", "error incorrect service id", "incorrect service", "service not found"),
            *("service id does not exist", "disabled service", "service is not available", "invalid service"),
            *("service disabled", "service is disabled", "service does not exist"),
        ),
    ),
    (
        RejectKind.THROTTLED,
        ("too many requests", "rate limit", "neworder error too many orders", "too many orders"),
    ),
    (
        RejectKind.QUANTITY,
        (
            *("quantity less than", "less than minim", "quantity more than", "more than maxim"),
            *("neworder error min quantity", "neworder error max quantity", "must be greater than"),
            *("must be less than", "incorrect quantity", "invalid quantity", "quantity is required"),
        ),
    ),
    (RejectKind.LINK, ("incorrect link", "bad link", "neworder error link", "invalid link", "link is required")),
    (
        RejectKind.ORDER,
        (
            *("incorrect order id", "order not found", "no order was placed with this order"),
            *NOT_NOW,
        ),
    ),
    (
        RejectKind.REQUEST,
        ("incorrect request", "unknown action", "action is invalid", "invalid action", "missing required parameter"),
    ),
    (
        RejectKind.FIELD,
        (
            *("field is required", "invalid comments", "incorrect comments", "comments is required", "incorrect runs"),
            *("incorrect interval", "incorrect username", "incorrect posts", "incorrect min", "incorrect max"),
            *("incorrect delay", "incorrect expiry", "incorrect hashtag", "incorrect usernames", "incorrect media"),
            *("incorrect answer", "incorrect keywords", "incorrect country", "incorrect device", "incorrect groups"),
            *("incorrect type of traffic", "incorrect google keyword", "incorrect referring url"),
        ),
    ),
)


def fold_text(text: str) -> str:
    """A text as it is looked up: lower case, letters of any alphabet, single spaces."""
    return " ".join(re.sub(r"[\W\d_]+", " ", text.lower()).split())


def error_kind(
    text: str, own: Mapping[str, RejectKind] | None = None, classified: Mapping[str, RejectKind | None] | None = None
) -> RejectKind | None:
    """What a panel's error text proves, or None when nothing.

    `own` are this provider's texts from its file, which go first; `classified` are patterns of its texts and what a
    person said they mean, which come next (None: nothing).
    """
    folded = fold_text(text)
    for known, kind in (own or {}).items():
        if (part := fold_text(known)) and part in folded:
            return kind
    if classified and (pattern := _classified_as(text, classified)) is not None:
        return classified[pattern]
    return None if is_vague(folded) else _kind_in_table(folded)


def denies_order(text: str, own: Mapping[str, RejectKind]) -> bool:
    """Whether an error text, in answer to a look at an order, says that there is no such order."""
    folded = fold_text(text)
    return error_kind(text, own) is RejectKind.ORDER and not any(known in folded for known in NOT_NOW)


def recognised(text: str, own: Mapping[str, RejectKind], classified: Mapping[str, RejectKind | None]) -> bool:
    """Whether a text is known: by the provider's file, by a person's word (and be it "nothing"), or by the table."""
    return _classified_as(text, classified) is not None or error_kind(text, own) is not None


def proves_nothing(text: str, classified: Mapping[str, RejectKind | None]) -> bool:
    """Whether a person said of a text that it proves nothing."""
    pattern = _classified_as(text, classified)
    return pattern is not None and classified[pattern] is None


def _classified_as(text: str, classified: Mapping[str, RejectKind | None]) -> str | None:
    """The pattern under which a person classified a text.

    What the pattern leaves out of this text must not make it vague: nobody has judged that.
    """
    pattern = pattern_of(text)
    if pattern not in classified or (is_vague(text) and not is_vague(pattern)):
        return None
    return pattern


def _kind_in_table(folded: str) -> RejectKind | None:
    return next((kind for kind, texts in TEXTS if any(known in folded for known in texts)), None)


def is_vague(text: str) -> bool:
    """Whether a text smells of time or of trouble: the order may have been made all the same."""
    folded = fold_text(text)
    return not folded or any(word in folded for word in VAGUE)
