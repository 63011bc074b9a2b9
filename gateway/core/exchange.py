"""Exchanges: one transmission of an `add` as it is kept with its attempt, so that a person can judge it later.

What is kept is what was asked, without the key and with long texts cut, the part of the answer that says something,
when each phase began, and what was observed on the wire. It is JSON of a bounded length, whatever a panel sends, and
it is written in the transaction of the verdict it led to. Whoever makes one from an answer has struck our key out of
that answer before.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.core.outcome import Evidence, Timing

# Characters of the whole JSON text. Some thousand such rows are no weight beside their orders.
EXCHANGE_CHARS_MAX: Final = 16_384
# Characters of each value that was sent (a link, ten thousand comments), and of each header.
VALUE_CHARS_MAX: Final = 500
# Bytes of an answer that are kept: a refusal is a line, a page of HTML says its title in the first few hundred.
BODY_BYTES_MAX: Final = 4_096
# The same for an exchange that would not fit: escaped, a byte may take six characters.
_TIGHTER: Final = (1_000, 100, 10)
_FIELDS_MAX: Final = 64  # of one order; the fullest has some twenty


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One transmission."""

    service: str  # the provider's own id, as it was asked for
    asked: tuple[tuple[str, str], ...]  # the order's fields, cut
    at: int  # ms since the epoch, when it began
    sent: bool  # whether a request header was begun
    complete: bool = False  # whether the answer ended as its framing said
    framed: bool = False  # whether it had one
    status: int | None = None
    content_type: str | None = None
    location: str | None = None
    retry_after: str | None = None
    body: str = ""  # the answer's first bytes, as text
    body_bytes: int = 0  # how many there were in all
    failure: str = ""  # what went wrong, in our words
    timing: Timing = Timing()
    trace: str = ""  # the trace that tells of it, where one was kept


def exchange_of(
    service: str, fields: Iterable[tuple[str, str]], evidence: Evidence, *, at: int, trace: str = ""
) -> Exchange:
    """What is kept of a transmission; `at` is in ms since the epoch, `trace` the id of the trace it is part of."""
    return Exchange(
        service=service,
        asked=tuple((name, value[: 2 * VALUE_CHARS_MAX]) for name, value in fields)[:_FIELDS_MAX],
        at=at,
        sent=evidence.sent,
        complete=evidence.complete,
        framed=evidence.framed,
        status=evidence.status,
        content_type=evidence.content_type,
        location=evidence.location,
        retry_after=evidence.retry_after,
        # More than is kept, so that a key at the cut is still whole when it is struck out of the text.
        body=evidence.body[: 2 * BODY_BYTES_MAX].decode("utf-8", "replace"),
        body_bytes=len(evidence.body),
        failure=evidence.failure,
        timing=evidence.timing,
        trace=trace,
    )


def write_exchange(exchange: Exchange) -> str:
    """An exchange as JSON of at most EXCHANGE_CHARS_MAX characters; what is cut ends in `…`."""
    text = msgspec.json.encode(_cut(exchange, VALUE_CHARS_MAX, BODY_BYTES_MAX)).decode()
    for chars in _TIGHTER:
        if len(text) <= EXCHANGE_CHARS_MAX:
            break
        text = msgspec.json.encode(_cut(exchange, min(chars, VALUE_CHARS_MAX), chars)).decode()
    return text


def read_exchange(text: str) -> Exchange:
    """The twin of `write_exchange`; raises msgspec.DecodeError for what it did not write."""
    return msgspec.json.decode(text, type=Exchange)


def _cut(exchange: Exchange, value_chars: int, body_chars: int) -> Exchange:
    return msgspec.structs.replace(
        exchange,
        service=_head(exchange.service, value_chars),
        asked=tuple((_head(name, value_chars), _head(value, value_chars)) for name, value in exchange.asked),
        content_type=_header(exchange.content_type, value_chars),
        location=_header(exchange.location, value_chars),
        retry_after=_header(exchange.retry_after, value_chars),
        body=_head(exchange.body, body_chars),
        failure=_head(exchange.failure, value_chars),
    )


def _header(value: str | None, chars: int) -> str | None:
    return None if value is None else _head(value, chars)


def _head(text: str, chars: int) -> str:
    """The beginning of a text, without half of a surrogate pair, which no database keeps."""
    whole = text.encode("utf-8", "replace").decode()
    return whole if len(whole) <= chars else whole[:chars] + "…"
