"""Checks of a dialect: what no single field of it can tell, such as names that are given twice."""

import re
from collections.abc import Iterator
from typing import Final

from gateway.core.dialects import (
    ACTION_NAMES,
    NO_ORDER_NAMES,
    PLACEHOLDERS,
    REPLY_FIELDS,
    REQUEST_FIELDS,
    ProviderDialect,
    placeholders,
)
from gateway.settings.faults import suggestion

BATCH_MAX: Final = 100  # ids in one call, PROTOCOL.md section 5
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.6.2
_FIELD: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}", re.ASCII)
_PATH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(?:\.[A-Za-z0-9_-]{1,64}){0,3}", re.ASCII)
# What the client sets itself, or what would change how a request is read.
_OWN_HEADERS: Final = frozenset(
    {"content-type", "content-length", "transfer-encoding", "host", "connection", "accept-encoding", "accept"}
)

Fault = tuple[tuple[str, ...], str]  # where in the dialect, and what


def dialect_faults(dialect: ProviderDialect) -> Iterator[Fault]:
    """Everything that is wrong with a dialect as a whole."""
    if not 1 <= dialect.batch <= BATCH_MAX:
        yield ("batch",), f"batch is 1 to {BATCH_MAX}"
    if dialect.requests_per_second <= 0:
        yield ("requests_per_second",), "requests_per_second has to be above 0"
    yield from _known("actions", dialect.actions, ACTION_NAMES, what="an action")
    yield from _known("fields", dialect.fields, REQUEST_FIELDS, what="a field of a request")
    yield from _known("replies", dialect.replies, REPLY_FIELDS, what="a figure of an answer")
    yield from _headers(dialect)
    yield from _sent_names(dialect)
    yield from _sent_texts(dialect)
    for name, path in dialect.replies.items():
        if not _PATH.fullmatch(path):
            yield ("replies", name), f"{path} is no name, and no path such as data.order"
        elif name == "order" and path.rpartition(".")[2].lower() in NO_ORDER_NAMES:
            yield ("replies", name), f"{path} means something else: an order's id is not looked for there"
    for word in dialect.statuses:
        if not word.strip():
            yield ("statuses", word, "*"), "a status has a word or a number"


def _known(field: str, given: dict[str, str], known: tuple[str, ...], *, what: str) -> Iterator[Fault]:
    for name in given:
        if name not in known:
            yield (field, name, "*"), f"{name} is not {what}{suggestion(name, known)}"


def _headers(dialect: ProviderDialect) -> Iterator[Fault]:
    for header, value in dialect.headers.items():
        if not _HEADER.fullmatch(header) or not _printable(value):
            yield ("headers", header, "*"), f"{header} is no header that can be sent"
        elif header.lower() in _OWN_HEADERS:
            yield ("headers", header, "*"), f"{header} is set by the gateway itself"
        elif header.lower() == dialect.key_header.lower():
            yield ("headers", header, "*"), f"{header} carries the key already"
    if dialect.key_header:
        if not _HEADER.fullmatch(dialect.key_header) or dialect.key_header.lower() in _OWN_HEADERS:
            yield ("key_header",), f"{dialect.key_header} is no header that can carry a key"
    elif dialect.key_scheme:
        yield ("key_scheme",), "key_scheme stands before the key in a header: key_header is missing"
    if not _HEADER.fullmatch(dialect.key_scheme or "x"):
        yield ("key_scheme",), f"{dialect.key_scheme} is no scheme such as Bearer"


def _sent_names(dialect: ProviderDialect) -> Iterator[Fault]:
    """Names on the wire: each can be sent, and none means two things."""
    taken = {dialect.action_field: "the action"}
    if not dialect.key_header:
        if dialect.key_field in taken:
            yield ("key_field",), f"{dialect.key_field} carries the action already"
        taken[dialect.key_field] = "the key"
    for place, name in (("key_field", dialect.key_field), ("action_field", dialect.action_field)):
        if not _FIELD.fullmatch(name):
            yield (place,), f"{name} is no name of a field"
    for name in REQUEST_FIELDS:
        sent = dialect.fields.get(name, name)
        if not _FIELD.fullmatch(sent):
            yield ("fields", name), f"{sent} is no name of a field"
        elif sent in taken:
            yield ("fields", name), f"{sent} carries {taken[sent]} already"
        taken.setdefault(sent, name)
    extra = (("extra_fields", name) for name in dialect.extra_fields)
    added = (("add_fields", name) for name in dialect.add_fields)
    for field, name in (*extra, *added):
        if not _FIELD.fullmatch(name):
            yield (field, name, "*"), f"{name} is no name of a field"
        elif name in taken:
            yield (field, name, "*"), f"{name} carries {taken[name]} already"
        taken.setdefault(name, f"what {field} says")
    names = [dialect.actions.get(each, each) for each in ACTION_NAMES if each != "multi_status"]
    for action, name in dialect.actions.items():
        if not _printable(name) or not name.strip():
            yield ("actions", action), "an action has a name"
        elif action in ACTION_NAMES and names.count(name) > 1:
            yield ("actions", action), f"{name} is another action's name"


def _sent_texts(dialect: ProviderDialect) -> Iterator[Fault]:
    """Placeholders; a text is not repeated here, part of it may have come from the environment."""
    for name, text in dialect.extra_fields.items():
        if placeholders(text):
            yield ("extra_fields", name), "placeholders are filled in only under add_fields"
    for name, text in dialect.add_fields.items():
        if not set(placeholders(text)) <= set(PLACEHOLDERS):
            yield ("add_fields", name), "the only placeholders are {order} and {attempt}"


def _printable(text: str) -> bool:
    """Whether a text can stand in a header."""
    return text.isprintable() and all(ord(letter) < 256 for letter in text)
