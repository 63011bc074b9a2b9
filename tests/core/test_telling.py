"""Telling: each channel hears of everything it wants, once, together, and no more often than it may."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.notice import DAY_MS, HOUR_MS, MINUTE_MS, Kind, Notice, Severity
from gateway.core.telling import (
    AGAIN_MAX_MS,
    AGAIN_MS,
    MESSAGES_PER_HOUR_MAX,
    Channel,
    Heard,
    Part,
    Turn,
    Wants,
    What,
    digest_due,
    failed,
    heard_of,
    held,
    message_id,
    parts_due,
    taken,
    turn,
    waited,
)

NOW = 1_769_817_600_000  # midnight in UTC
WANTS = Wants()
CHANNEL = Channel(name="ops", since=NOW - DAY_MS)


def notice(subject: str = "panel-a", **changes: object) -> Notice:
    """A notice that is open since NOW."""
    values: dict[str, object] = {
        "kind": Kind.PROVIDER_DOWN, "subject": subject, "since": NOW, "wrong_at": NOW, "opened_at": NOW, **changes,
    }  # fmt: skip
    return Notice(**values)  # type: ignore[arg-type] # the fields by name


def due(
    *notices: Notice,
    heard: dict[str, Heard] | None = None,
    now: int = NOW,
    wants: Wants = WANTS,
    channel: Channel = CHANNEL,
) -> list[tuple[What, str]]:
    """What is to be told, by what and whom."""
    parts = parts_due(notices, heard or {}, wants, channel=channel, now=now)
    return [(part.what, part.notice.subject) for part in parts]


def heard(*, opened_at: int = NOW, closed: bool = False, told_at: int = NOW) -> dict[str, Heard]:
    """What was heard of panel-a."""
    return {"provider_down:panel-a": Heard(opened_at=opened_at, closed=closed, told_at=told_at)}


def test_channel_is_told_what_it_wants() -> None:
    """By kind, and from a severity on; what only waits is nobody's business yet."""
    critical = notice("", kind=Kind.BOOKS_VIOLATED)
    assert due(notice(), critical, notice("b", opened_at=None)) == [(What.OPENED, ""), (What.OPENED, "panel-a")]
    assert due(notice(), critical, wants=Wants(least=Severity.CRITICAL)) == [(What.OPENED, "")]
    assert due(notice(), critical, wants=Wants(kinds=frozenset({Kind.PROVIDER_DOWN}))) == [(What.OPENED, "panel-a")]


def test_open_notice_is_told_once_and_then_seldom() -> None:
    """Again after the interval while it stays open; not where its kind does not repeat."""
    assert due(notice(), heard=heard(), now=NOW + WANTS.repeat_ms - 1) == []
    assert due(notice(), heard=heard(), now=NOW + WANTS.repeat_ms) == [(What.STILL, "panel-a")]
    low = notice("alpha", kind=Kind.USER_BALANCE_LOW)
    told = {low.key: Heard(opened_at=NOW, closed=False, told_at=NOW)}
    assert due(low, heard=told, now=NOW + 10 * DAY_MS) == []


def test_end_is_told_to_who_heard_of_the_beginning() -> None:
    """Once."""
    ended = notice(closed_at=NOW + 1)
    assert due(ended, heard=heard()) == [(What.CLOSED, "panel-a")]
    assert due(ended, heard=heard(closed=True)) == []


def test_what_opened_and_closed_meanwhile_is_told_as_one() -> None:
    """So that nobody is told of an end without a beginning; a channel that was not there yet hears nothing of it."""
    ended = notice(closed_at=NOW + 1)
    assert due(ended) == [(What.MISSED, "panel-a")]
    assert due(ended, channel=Channel(name="new", since=NOW + 2)) == []


def test_notice_that_opens_anew_is_told_anew() -> None:
    """It is known by when it opened, not only by its name."""
    assert due(notice(), heard=heard(opened_at=NOW - 5, closed=True)) == [(What.OPENED, "panel-a")]


def test_passing_news_is_told_once() -> None:
    """And never to a channel that came later."""
    jump = notice(kind=Kind.PRICE_JUMP, mark="m")
    assert due(jump) == [(What.PASSED, "panel-a")]
    assert due(jump, heard={jump.key: heard_of(Part(what=What.PASSED, notice=jump), now=NOW)}, now=NOW + DAY_MS) == []
    assert due(jump, channel=Channel(name="new", since=NOW + 1)) == []


def test_worst_comes_first_and_what_is_alike_together() -> None:
    """Open before ended, by severity, then by kind."""
    notices = [
        notice("z", closed_at=NOW + 1),
        notice("a", kind=Kind.USER_BALANCE_LOW),
        notice("b"),
        notice("c", kind=Kind.FUNDS_OUT),
        notice("d"),
    ]
    assert [subject for _, subject in due(*notices)] == ["c", "b", "d", "a", "z"]


def test_channel_has_a_message_at_most_each_interval() -> None:
    """And none where there is nothing to tell, or while it is left alone."""
    fresh = msgspec.structs.replace(CHANNEL, sent_at=NOW)
    assert turn(CHANNEL, WANTS, due=False, now=NOW) is Turn.NOTHING
    assert turn(CHANNEL, WANTS, due=True, now=NOW) is Turn.SEND
    assert turn(fresh, WANTS, due=True, now=NOW + WANTS.group_ms - 1) is Turn.NOTHING
    assert turn(fresh, WANTS, due=True, now=NOW + WANTS.group_ms) is Turn.SEND
    alone = msgspec.structs.replace(CHANNEL, due_at=NOW + 1)
    assert turn(alone, WANTS, due=True, now=NOW) is Turn.NOTHING


def test_messages_of_an_hour_are_bounded() -> None:
    """What is over the cap waits for the next hour; how much of it waited is known then."""
    channel = CHANNEL
    for number in range(MESSAGES_PER_HOUR_MAX):
        at = NOW + number * 2 * MINUTE_MS
        assert turn(channel, WANTS, due=True, now=at) is Turn.SEND
        channel = taken(channel, digest=False, now=at)
    at = NOW + 50 * MINUTE_MS
    assert turn(channel, WANTS, due=True, now=at) is Turn.HOLD
    assert waited([Part(what=What.OPENED, notice=notice())], channel, WANTS, now=at) == 0
    channel = held(channel, now=at)
    assert held(channel, now=at + 1) is channel
    later = NOW + HOUR_MS
    assert turn(channel, WANTS, due=True, now=later) is Turn.SEND
    parts = [
        Part(what=What.OPENED, notice=notice(opened_at=at)),
        Part(what=What.OPENED, notice=notice(opened_at=later)),
    ]
    assert waited(parts, channel, WANTS, now=later) == 1
    assert taken(channel, digest=False, now=later).held_since is None
    assert taken(channel, digest=False, now=later).sent_in_hour == 1


def test_channel_that_fails_is_left_alone_longer_each_time() -> None:
    """Up to a quarter of an hour, or for as long as it asks within that; a message that is taken ends it."""
    channel, pauses = CHANNEL, []
    for number in range(9):
        channel = failed(channel, "HTTP 500", after_ms=0, now=NOW + number)
        pauses.append(channel.due_at - NOW - number)
    assert pauses[:4] == [AGAIN_MS, 2 * AGAIN_MS, 4 * AGAIN_MS, 8 * AGAIN_MS]
    assert pauses[-1] == AGAIN_MAX_MS
    assert (channel.tries, channel.failing_since, channel.problem) == (9, NOW, "HTTP 500")
    assert failed(CHANNEL, "", after_ms=60_000, now=NOW).due_at == NOW + 60_000
    assert failed(CHANNEL, "", after_ms=DAY_MS, now=NOW).due_at == NOW + AGAIN_MAX_MS
    well = taken(channel, digest=False, now=NOW + 10)
    assert (well.tries, well.failing_since, well.due_at, well.problem) == (0, None, 0, "")


def test_digest_comes_once_a_day_from_its_time_on() -> None:
    """Not for a day that had its time before the channel was known."""
    wants = Wants(digest_minute=8 * 60)
    eight = NOW + 8 * HOUR_MS
    assert not digest_due(CHANNEL, WANTS, now=eight)
    assert not digest_due(CHANNEL, wants, now=eight - 1)
    assert digest_due(CHANNEL, wants, now=eight)
    had = taken(CHANNEL, digest=True, now=eight)
    assert not digest_due(had, wants, now=eight + HOUR_MS)
    assert digest_due(had, wants, now=eight + DAY_MS)
    assert not digest_due(Channel(name="new", since=eight + 1), wants, now=eight + HOUR_MS)


def test_message_is_known_by_what_it_tells() -> None:
    """The same at each try of telling the same things, another for anything else."""
    part = Part(what=What.OPENED, notice=notice())
    other = Part(what=What.OPENED, notice=notice("panel-b"))
    known = message_id("ops", [part, other])
    assert known == message_id("ops", [other, part])
    assert known.startswith("msg_")
    different = [
        message_id("desk", [part, other]),
        message_id("ops", [part]),
        message_id("ops", [Part(what=What.STILL, notice=notice(), told_at=1), other]),
        message_id("ops", [Part(what=What.STILL, notice=notice(), told_at=2), other]),
        message_id("ops", [], digest_day=1),
        message_id("ops", [], digest_day=2),
    ]
    assert len({known, *different}) == 7


def test_nothing_is_heard_of_what_is_not_open() -> None:
    """A mistake of ours."""
    with pytest.raises(AssertionError, match="before it was open"):
        heard_of(Part(what=What.OPENED, notice=notice(opened_at=None)), now=NOW)
    assert heard_of(Part(what=What.CLOSED, notice=notice(closed_at=NOW + 5)), now=NOW + 9) == Heard(
        opened_at=NOW, closed=True, told_at=NOW + 9
    )


EVENTS = st.lists(
    st.tuples(st.integers(1, 40 * MINUTE_MS), st.sampled_from(["open", "close", "look", "fail"])), max_size=80
)


@given(EVENTS)
def test_everything_is_told_in_the_end_and_nothing_twice(events: list[tuple[int, str]]) -> None:
    """However openings, ends, looks and failures mix: each opening is told, each end after it, the caps hold."""
    at, channel = NOW, Channel(name="ops", since=NOW)
    told: dict[str, Heard] = {}
    current: Notice | None = None
    openings: list[int] = []
    log: list[tuple[What, int]] = []
    sent: list[int] = []
    for pause, what in [*events, *[(HOUR_MS, "look")] * 3]:
        at += pause
        if what == "open" and (current is None or current.closed_at is not None):
            current = notice(since=at, wrong_at=at, opened_at=at)
            openings.append(at)
        elif what == "close" and current is not None and current.closed_at is None:
            current = msgspec.structs.replace(current, closed_at=at)
        parts = parts_due([current] if current else [], told, WANTS, channel=channel, now=at)
        if turn(channel, WANTS, due=bool(parts), now=at) is not Turn.SEND:
            continue
        if what == "fail":
            channel = failed(channel, "no", after_ms=0, now=at)
            continue
        channel = taken(channel, digest=False, now=at)
        sent.append(at)
        for part in parts:
            told[part.notice.key] = heard_of(part, now=at)
            log.append((part.what, part.notice.opened_at or 0))
    news = [entry for entry in log if entry[0] is not What.STILL]
    assert len(news) == len(set(news))
    assert all(later - earlier >= WANTS.group_ms for earlier, later in pairwise(sent))
    if openings:
        last = [what for what, opened in log if opened == openings[-1]]
        assert last
        assert last[0] in (What.OPENED, What.MISSED)
        if current is not None and current.closed_at is not None:
            assert last[-1] in (What.CLOSED, What.MISSED)
