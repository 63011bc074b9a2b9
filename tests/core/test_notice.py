"""Notices: a trouble has to last before it opens, to be away before it closes, and what comes and goes is told once."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.notice import (
    AFRESH_MS,
    AFRESH_SELDOM_MS,
    BACK_MS,
    BACK_TIMES_MAX,
    CLOSES_MAX_MS,
    HOUR_MS,
    KEPT_MS,
    LINGERS_MS,
    MINUTE_MS,
    RULES,
    SAME_MS,
    UNSEEN_MS,
    Facts,
    Kind,
    Level,
    Notice,
    Reading,
    Rule,
    Severity,
    closes_ms,
    falling,
    forgotten,
    mark_of,
    observe,
    passed_by,
)

NOW = 1_769_817_600_000
RULE = Rule(severity=Severity.WARNING, opens_ms=5 * MINUTE_MS, closes_ms=2 * MINUTE_MS)
AT_ONCE = Rule(severity=Severity.WARNING, closes_ms=2 * MINUTE_MS)
WRONG, BETWEEN, WELL, GONE = Level.WRONG, Level.BETWEEN, Level.WELL, Level.GONE


def reading(level: Level, **facts: object) -> Reading:
    """How panel-a stands."""
    told = Facts(**facts)  # type: ignore[arg-type] # the fields by name
    return Reading(kind=Kind.PROVIDER_DOWN, subject="panel-a", level=level, facts=told)


def notice(**changes: object) -> Notice:
    """A notice that is open."""
    values: dict[str, object] = {
        "kind": Kind.PROVIDER_DOWN, "subject": "panel-a", "since": NOW, "wrong_at": NOW, "opened_at": NOW, **changes,
    }  # fmt: skip
    return Notice(**values)  # type: ignore[arg-type] # the fields by name


def test_severities_are_ranked() -> None:
    """A channel that wants warnings gets what is critical."""
    assert Severity.INFO.rank < Severity.WARNING.rank < Severity.CRITICAL.rank


def test_every_kind_has_a_rule() -> None:
    """And one that lasts is written down afresh before it may close."""
    assert set(RULES) == set(Kind)
    for kind, rule in RULES.items():
        assert rule.passing or rule.closes_ms == 0 or rule.closes_ms > AFRESH_MS, kind


def test_notice_is_known_by_kind_subject_and_mark() -> None:
    """Its key stands for it in the books; whether it is open and how bad it is follow."""
    assert notice().key == "provider_down:panel-a"
    assert notice(mark="abc").key == "provider_down:panel-a:abc"
    assert notice().severity is Severity.WARNING
    assert [notice().open, notice(opened_at=None).open, notice(closed_at=NOW).open] == [True, False, False]


@pytest.mark.parametrize(
    ("value", "level"), [("2.99", WRONG), ("3", BETWEEN), ("3.74", BETWEEN), ("3.75", WELL), ("0", WRONG)]
)
def test_figure_is_well_again_only_a_quarter_above_its_limit(value: str, level: Level) -> None:
    """In between nothing opens and nothing closes."""
    assert falling(Decimal(value), Decimal(3)) is level


def test_trouble_opens_once_it_has_lasted() -> None:
    """It waits first, is written down afresh while it does, and opens with what is known by then."""
    first = observe(None, reading(WRONG), rule=RULE, now=NOW)
    assert first == notice(opened_at=None)
    assert observe(first, reading(WRONG), rule=RULE, now=NOW + AFRESH_MS - 1) is first
    later = observe(first, reading(WRONG, count=2), rule=RULE, now=NOW + AFRESH_MS)
    assert later == notice(opened_at=None, wrong_at=NOW + AFRESH_MS, facts=Facts(count=2))
    assert later is not None
    late = msgspec.structs.replace(later, wrong_at=NOW + RULE.opens_ms - 1)
    opened = observe(late, reading(WRONG), rule=RULE, now=NOW + RULE.opens_ms)
    assert opened == notice(opened_at=NOW + RULE.opens_ms, wrong_at=NOW + RULE.opens_ms)


def test_trouble_without_a_wait_opens_at_once() -> None:
    """Books that are violated wait for nothing."""
    assert observe(None, reading(WRONG), rule=AT_ONCE, now=NOW) == notice()


@pytest.mark.parametrize("level", [BETWEEN, WELL, GONE])
def test_nothing_begins_unless_something_is_wrong(level: Level) -> None:
    """Neither where there is no notice nor where one has ended."""
    ended = notice(closed_at=NOW)
    assert observe(None, reading(level), rule=AT_ONCE, now=NOW) is None
    assert observe(ended, reading(level), rule=AT_ONCE, now=NOW) is ended


def test_trouble_that_waits_is_forgotten_when_nobody_sees_it() -> None:
    """One process that sees nothing wrong does not end what another one sees; no longer watched ends it at once."""
    waiting = notice(opened_at=None)
    for level in (WELL, BETWEEN):
        assert observe(waiting, reading(level), rule=RULE, now=NOW + LINGERS_MS - 1) is waiting
        assert observe(waiting, reading(level), rule=RULE, now=NOW + LINGERS_MS) is None
    assert observe(waiting, reading(GONE), rule=RULE, now=NOW) is None


def test_trouble_that_waits_begins_anew_after_nobody_looked() -> None:
    """All processes were stopped: what was wrong before says nothing of the time between."""
    waiting = notice(opened_at=None)
    found = observe(waiting, reading(WRONG), rule=RULE, now=NOW + UNSEEN_MS)
    assert found == notice(since=NOW + UNSEEN_MS, wrong_at=NOW + UNSEEN_MS, opened_at=None)


@pytest.mark.parametrize("level", [WRONG, BETWEEN])
def test_open_notice_stays_open(level: Level) -> None:
    """And is written down afresh now and then, seldom where its first well reading is believed."""
    there = notice()
    assert observe(there, reading(level, count=3), rule=RULE, now=NOW + AFRESH_MS - 1) is there
    found = observe(there, reading(level, count=3), rule=RULE, now=NOW + AFRESH_MS)
    assert found == notice(wrong_at=NOW + AFRESH_MS, facts=Facts(count=3))
    books = Rule(severity=Severity.INFO)
    assert observe(there, reading(level), rule=books, now=NOW + AFRESH_SELDOM_MS - 1) is there
    assert observe(there, reading(level), rule=books, now=NOW + AFRESH_SELDOM_MS) is not there


def test_open_notice_closes_once_its_trouble_is_away() -> None:
    """Since any process last saw it."""
    there = notice()
    assert observe(there, reading(WELL), rule=RULE, now=NOW + RULE.closes_ms - 1) is there
    closed = observe(there, reading(WELL, count=1), rule=RULE, now=NOW + RULE.closes_ms)
    assert closed == notice(closed_at=NOW + RULE.closes_ms, facts=Facts(count=1))


def test_open_notice_that_nobody_watches_closes_at_once() -> None:
    """And says that it was that, not that all is well."""
    assert observe(notice(), reading(GONE), rule=RULE, now=NOW + 1) == notice(closed_at=NOW + 1, gone=True)


def test_what_comes_back_has_to_be_away_longer() -> None:
    """Twice, then four times as long, up to an hour; who comes back late, or was unwatched, begins from nought."""
    ended = notice(closed_at=NOW, back=1, version=7)
    again = observe(ended, reading(WRONG), rule=AT_ONCE, now=NOW + BACK_MS - 1)
    assert again is not None
    assert (again.back, again.version, again.since, again.open) == (2, 7, NOW + BACK_MS - 1, True)
    late = observe(ended, reading(WRONG), rule=AT_ONCE, now=NOW + BACK_MS)
    gone = observe(notice(closed_at=NOW, back=1, gone=True), reading(WRONG), rule=AT_ONCE, now=NOW + 1)
    assert late is not None
    assert gone is not None
    assert (late.back, gone.back) == (0, 0)
    most = observe(notice(closed_at=NOW, back=BACK_TIMES_MAX), reading(WRONG), rule=AT_ONCE, now=NOW + 1)
    assert most is not None
    assert most.back == BACK_TIMES_MAX
    assert [closes_ms(RULE, back) // MINUTE_MS for back in range(6)] == [2, 4, 8, 16, 32, 60]
    assert closes_ms(RULE, BACK_TIMES_MAX) == CLOSES_MAX_MS
    slow = Rule(severity=Severity.INFO, closes_ms=2 * HOUR_MS)
    assert closes_ms(slow, 3) == 2 * HOUR_MS  # never less than its own


def test_passing_news_is_told_once_whoever_brings_it() -> None:
    """The same facts within a day are the same news; then they are news again, in the place of the old."""
    facts = Facts(count=1, named=("101 1 → 2",))
    first = passed_by(None, Kind.PRICE_JUMP, "panel-a", facts=facts, now=NOW)
    assert first is not None
    assert (first.mark, first.opened_at, first.version) == (mark_of(facts), NOW, 0)
    kept = msgspec.structs.replace(first, version=3)
    assert passed_by(kept, Kind.PRICE_JUMP, "panel-a", facts=facts, now=NOW + SAME_MS - 1) is None
    again = passed_by(kept, Kind.PRICE_JUMP, "panel-a", facts=facts, now=NOW + SAME_MS)
    assert again is not None
    assert (again.since, again.version) == (NOW + SAME_MS, 3)
    assert mark_of(facts) != mark_of(Facts(count=2, named=("101 1 → 2",)))


def test_what_is_over_is_forgotten_after_two_days() -> None:
    """What is open never is."""
    assert not forgotten(notice(), now=NOW + 10 * KEPT_MS)
    assert not forgotten(notice(closed_at=NOW), now=NOW + KEPT_MS - 1)
    assert forgotten(notice(closed_at=NOW), now=NOW + KEPT_MS)
    assert forgotten(notice(kind=Kind.PRICE_JUMP, mark="m"), now=NOW + KEPT_MS)


LEVELS = st.sampled_from([WRONG, WRONG, BETWEEN, WELL, GONE])
STEPS = st.lists(st.tuples(st.integers(0, 10 * MINUTE_MS), LEVELS), max_size=60)
KINDS = st.sampled_from([RULE, AT_ONCE, Rule(severity=Severity.INFO)])


@given(STEPS, KINDS)
def test_notice_never_opens_early_and_never_closes_early(steps: list[tuple[int, Level]], rule: Rule) -> None:
    """Whatever is read whenever: it opens after lasting, closes after being away, and time in it only goes forward."""
    at = NOW
    known: Notice | None = None
    for pause, level in steps:
        at += pause
        before, known = known, observe(known, reading(level), rule=rule, now=at)
        if known is None or known is before:
            continue
        assert known.since <= known.wrong_at <= at
        if known.open and not (before is not None and before.open):
            assert level is WRONG
            assert at - known.since >= rule.opens_ms
        if known.closed_at is not None and not known.gone:
            assert before is not None
            assert at - before.wrong_at >= closes_ms(rule, before.back)
            assert known.closed_at >= (known.opened_at or 0)


@given(st.integers(1, 400), st.integers(10_000, 3 * MINUTE_MS))
def test_flapping_is_told_seldom(steps: int, pause: int) -> None:
    """What is wrong and well by turns opens once, and closes not at all while its turns are shorter than the wait."""
    at, openings = NOW, 0
    known: Notice | None = None
    quick = Rule(severity=Severity.WARNING, closes_ms=4 * MINUTE_MS)
    for number in range(steps):
        at += pause
        level = WRONG if number % 2 == 0 else WELL
        before, known = known, observe(known, reading(level), rule=quick, now=at)
        openings += known is not None and known.open and (before is None or not before.open)
    assert openings == 1
