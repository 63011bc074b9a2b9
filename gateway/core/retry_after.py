"""Retry-After: how long a panel that is busy asks to be left alone, within bounds of ours.

The header is a number of seconds or a date (RFC 9110, section 10.2.3). It is obeyed with 429 and 503, which it is
made for; what cannot be read is as if it were not there.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

# A panel that says "now" gets a moment all the same; one that says "in thirty years" is asked again in a quarter of
# an hour, for a word somebody mistyped must not shut a panel out for good (RELIABILITY.md section 2, row U23).
REST_MIN_MS: Final = 1_000
REST_MAX_MS: Final = 15 * 60_000
_OBEYED: Final = (429, 503)
_DIGITS_MAX: Final = 20


def rest_ms(status: int | None, header: str | None, *, now: int) -> int | None:
    """How long to leave a panel alone, in ms; None where it asked for nothing. `now` is in ms since the epoch."""
    if status not in _OBEYED or header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        seconds = int(text[:_DIGITS_MAX])
        return min(max(seconds * 1000, REST_MIN_MS), REST_MAX_MS)
    try:
        until = parsedate_to_datetime(text)
        # A date without a zone is in UTC, as all dates of HTTP are.
        at = int((until if until.tzinfo is not None else until.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return min(max(at - now, REST_MIN_MS), REST_MAX_MS)
