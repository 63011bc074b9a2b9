"""Telling: which notices a channel has still to hear of, and whether it may be sent a message now.

Nothing is queued. What is to be told follows from what is open, what was and what the channel has heard of it, so a
message that could not be sent is made anew later, of what is true by then, and a process that starts knows what the
one before has told. That a channel was told is marked after it took the message: whoever dies in between tells it once
more, and never not at all.

A channel gets a message at most every `group_ms`, and at most MESSAGES_PER_HOUR_MAX in an hour of the clock. What is
over it is not lost: it waits, is told in the next message, and that one says how many waited and since when.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.notice import DAY_MS, HOUR_MS, MINUTE_MS, RULES, Kind, Notice, Severity

MESSAGES_PER_HOUR_MAX: Final = 20
# After a message was not taken: so long, then twice as long each time, up to a quarter of an hour.
AGAIN_MS: Final = 15_000
AGAIN_MAX_MS: Final = 15 * MINUTE_MS
# Failures in a row after which a channel counts as dead.
DEAD_TRIES: Final = 5
_ID_LETTERS: Final = 24


class What(StrEnum):
    """What is told of a notice."""

    OPENED = "opened"
    STILL = "still"  # it stays open
    CLOSED = "closed"
    MISSED = "missed"  # it opened and closed before it could be told
    PASSED = "passed"  # it happened


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel is to be told, and how often."""

    kinds: frozenset[Kind] = frozenset(Kind)
    least: Severity = Severity.INFO
    group_ms: int = MINUTE_MS
    repeat_ms: int = 4 * HOUR_MS
    digest_minute: int | None = None  # of the day in UTC; None: no digest

    def wants(self, notice: Notice) -> bool:
        """Whether it is told of this one at all."""
        return notice.kind in self.kinds and notice.severity.rank >= self.least.rank


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel was last told of a notice."""

    opened_at: int  # of which opening
    closed: bool
    told_at: int  # ms


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as the books know it; times are ms since the epoch."""

    name: str
    since: int  # when it was first known: what was over by then is not told
    sent_at: int = 0  # when it took the last message
    hour: int = 0  # an hour since the epoch, and how many messages were taken in it
    sent_in_hour: int = 0
    held_since: int | None = None  # since when messages wait for the next hour
    digest_day: int = 0  # the last day since the epoch that it had a digest of
    failing_since: int | None = None
    tries: int = 0  # failures in a row
    due_at: int = 0  # it is left alone until then
    problem: str = ""  # why the last try failed


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One notice in a message."""

    what: What
    notice: Notice
    told_at: int = 0  # when it was told of before


class Turn(StrEnum):
    """What a channel's turn is."""

    NOTHING = "nothing"  # there is nothing to tell, or not yet
    SEND = "send"
    HOLD = "hold"  # it has had its messages of this hour


def parts_due(
    notices: Iterable[Notice], heard: Mapping[str, Heard], wants: Wants, *, channel: Channel, now: int
) -> tuple[Part, ...]:
    """What a channel has still to hear of, the worst first."""
    found = [
        part
        for notice in notices
        if wants.wants(notice) and (part := _part(notice, heard.get(notice.key), wants, channel=channel, now=now))
    ]
    return tuple(sorted(found, key=_order))


def turn(channel: Channel, wants: Wants, *, due: bool, now: int) -> Turn:
    """Whether a channel may be sent a message now; `due` says whether there is one for it."""
    if not due or now < channel.due_at or now - channel.sent_at < wants.group_ms:
        return Turn.NOTHING
    full = channel.hour == now // HOUR_MS and channel.sent_in_hour >= MESSAGES_PER_HOUR_MAX
    return Turn.HOLD if full else Turn.SEND


def digest_due(channel: Channel, wants: Wants, *, now: int) -> bool:
    """Whether the digest of today is still to be sent; the first one is that of the next time of day."""
    if wants.digest_minute is None:
        return False
    time = (now // DAY_MS) * DAY_MS + wants.digest_minute * MINUTE_MS
    return channel.since < time <= now and channel.digest_day < now // DAY_MS


def waited(parts: Sequence[Part], channel: Channel, wants: Wants, *, now: int) -> int:
    """How many of these would have been told before, had the channel not had its messages of the hour."""
    if channel.held_since is None:
        return 0
    return sum(_moment(part) <= now - wants.group_ms for part in parts)


def taken(channel: Channel, *, digest: bool, now: int) -> Channel:
    """The channel after it took a message."""
    hour = now // HOUR_MS
    return msgspec.structs.replace(
        channel,
        sent_at=now,
        hour=hour,
        sent_in_hour=channel.sent_in_hour + 1 if channel.hour == hour else 1,
        held_since=None,
        digest_day=now // DAY_MS if digest else channel.digest_day,
        failing_since=None,
        tries=0,
        due_at=0,
        problem="",
    )


def failed(channel: Channel, problem: str, *, after_ms: int, now: int) -> Channel:
    """The channel after it did not take a message; it may have asked itself to be left alone for `after_ms`."""
    pause = min(AGAIN_MS << min(channel.tries, 10), AGAIN_MAX_MS)
    return msgspec.structs.replace(
        channel,
        failing_since=now if channel.failing_since is None else channel.failing_since,
        tries=channel.tries + 1,
        due_at=now + max(pause, min(after_ms, AGAIN_MAX_MS)),
        problem=problem,
    )


def held(channel: Channel, *, now: int) -> Channel:
    """The channel once messages wait for the next hour."""
    return channel if channel.held_since is not None else msgspec.structs.replace(channel, held_since=now)


def heard_of(part: Part, *, now: int) -> Heard:
    """What a channel has heard once it took a part."""
    opened = part.notice.opened_at
    assert opened is not None, f"{part.notice.key} was told before it was open"
    return Heard(opened_at=opened, closed=part.notice.closed_at is not None, told_at=now)


def message_id(channel: str, parts: Sequence[Part], *, digest_day: int | None = None) -> str:
    """What a message is known by: the same at each try of telling the same things, so that receivers can dedupe."""
    told = sorted(
        (part.notice.key, part.what.value, part.notice.opened_at, part.notice.closed_at, part.told_at) for part in parts
    )
    return "msg_" + hashlib.sha256(msgspec.json.encode((channel, digest_day, told))).hexdigest()[:_ID_LETTERS]


def _part(notice: Notice, heard: Heard | None, wants: Wants, *, channel: Channel, now: int) -> Part | None:
    """What is to be told of one notice, if anything."""
    if notice.opened_at is None:
        return None
    told_at = 0 if heard is None else heard.told_at
    known = heard is not None and heard.opened_at == notice.opened_at
    rule = RULES[notice.kind]
    if rule.passing:
        new = not known and notice.opened_at >= channel.since
        return Part(what=What.PASSED, notice=notice, told_at=told_at) if new else None
    if notice.closed_at is None:
        if not known:
            return Part(what=What.OPENED, notice=notice, told_at=told_at)
        again = rule.repeats and now - told_at >= wants.repeat_ms
        return Part(what=What.STILL, notice=notice, told_at=told_at) if again else None
    if known:
        assert heard is not None, "it is known"
        return None if heard.closed else Part(what=What.CLOSED, notice=notice, told_at=told_at)
    new = notice.closed_at >= channel.since
    return Part(what=What.MISSED, notice=notice, told_at=told_at) if new else None


def _order(part: Part) -> tuple[int, int, int, str, str]:
    """What is open before what has ended, the worst first, what is told alike together."""
    ended = part.what in (What.CLOSED, What.MISSED)
    kind = list(Kind).index(part.notice.kind)
    return (int(ended), -part.notice.severity.rank, kind, part.what, part.notice.key)


def _moment(part: Part) -> int:
    """When it came to be told."""
    notice = part.notice
    return max(notice.opened_at or 0, notice.closed_at or 0)
