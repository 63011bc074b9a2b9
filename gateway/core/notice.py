"""Notices: what people are told of, when each opens, and when it closes again.

A notice is about one kind of trouble with one subject: a provider, a user, a channel, or the house as a whole. Whoever
looks hands in a reading, and `observe` answers what the notice becomes:

    nothing ── wrong ──► waiting ── wrong for `opens_ms` ──► open ── not wrong for `closes_ms` ──► closed
                            └───────── well ──► nothing                 └─ nobody watches it any more ─┘

Three things keep what comes and goes from being told each time. A figure opens below its limit and is well again only
above a quarter more (`falling`); in between, what is open stays open. A trouble has to last before it is told and to
be away before its end is told. And one that comes back within an hour of its end has to be away twice as long, then
four times, up to an hour. Several processes hand in readings of one notice: it stays open as long as any of them sees
it, and one that was not looked at (all of them were stopped) neither ends nor begins anew.

What happens at a moment and does not last, a price that jumped, is a `passing` notice: it is told once and never ends.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, assert_never

import msgspec


class Severity(StrEnum):
    """How bad a notice is; the words of the alerts."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """The higher, the worse."""
        return list(Severity).index(self)


class Kind(StrEnum):
    """What a notice is about."""

    BOOKS_VIOLATED = "books_violated"
    ORDERS_STOPPED = "orders_stopped"
    FUNDS_OUT = "funds_out"
    MARGIN_LOST = "margin_lost"
    PROVIDER_DOWN = "provider_down"
    ORDERS_UNKNOWN = "orders_unknown"
    FUNDS_LOW = "funds_low"
    RELOAD_FAILED = "reload_failed"
    CHANNEL_DEAD = "channel_dead"
    ROUTE_LOST = "route_lost"
    PRICE_JUMP = "price_jump"
    USER_BALANCE_LOW = "user_balance_low"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """When notices of a kind open and close."""

    severity: Severity
    opens_ms: int = 0  # how long it has to last
    closes_ms: int = 0  # how long it has to be away
    repeats: bool = True  # whether it is told again while it stays open
    passing: bool = False


MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
# As long as the alerts of the same names wait (helm/files/rules), where there are any.
RULES: Final[Mapping[Kind, Rule]] = {
    Kind.BOOKS_VIOLATED: Rule(severity=Severity.CRITICAL, closes_ms=MINUTE_MS),
    Kind.ORDERS_STOPPED: Rule(severity=Severity.CRITICAL, opens_ms=MINUTE_MS, closes_ms=MINUTE_MS),
    Kind.FUNDS_OUT: Rule(severity=Severity.CRITICAL, opens_ms=5 * MINUTE_MS, closes_ms=5 * MINUTE_MS),
    Kind.MARGIN_LOST: Rule(severity=Severity.CRITICAL, opens_ms=15 * MINUTE_MS, closes_ms=HOUR_MS),
    Kind.PROVIDER_DOWN: Rule(severity=Severity.WARNING, opens_ms=5 * MINUTE_MS, closes_ms=2 * MINUTE_MS),
    Kind.ORDERS_UNKNOWN: Rule(severity=Severity.WARNING, opens_ms=15 * MINUTE_MS, closes_ms=5 * MINUTE_MS),
    Kind.FUNDS_LOW: Rule(severity=Severity.WARNING, opens_ms=15 * MINUTE_MS, closes_ms=5 * MINUTE_MS),
    Kind.RELOAD_FAILED: Rule(severity=Severity.WARNING, opens_ms=MINUTE_MS, closes_ms=MINUTE_MS),
    Kind.CHANNEL_DEAD: Rule(severity=Severity.WARNING, opens_ms=15 * MINUTE_MS, closes_ms=MINUTE_MS),
    Kind.ROUTE_LOST: Rule(severity=Severity.WARNING, passing=True),
    Kind.PRICE_JUMP: Rule(severity=Severity.WARNING, passing=True),
    # Its readings are the books' own, so the first that is well again is believed.
    Kind.USER_BALANCE_LOW: Rule(severity=Severity.INFO, repeats=False),
}
# A figure that fell below its limit is well again at so many times the limit.
WELL_TIMES: Final = Decimal("1.25")
# A notice that is still wrong is written down this often: below the shortest `closes_ms`. Where the first reading that
# is well ends it, only what a message would say of it has to be known now and then.
AFRESH_MS: Final = 30_000
AFRESH_SELDOM_MS: Final = HOUR_MS
# A trouble that is not open yet is forgotten when no process has written it down for so long: another one's "well" does
# not end what this one sees.
LINGERS_MS: Final = 2 * AFRESH_MS
# A trouble that nobody looked at for so long, and that was not open, begins anew.
UNSEEN_MS: Final = 10 * MINUTE_MS
# What comes back within so long of its end comes and goes.
BACK_MS: Final = HOUR_MS
CLOSES_MAX_MS: Final = HOUR_MS
BACK_TIMES_MAX: Final = 10
# The same passing news within so long is the same news, whoever brings it.
SAME_MS: Final = DAY_MS
# What is over is kept so long: for channels that could not be told yet, and to know what comes back.
KEPT_MS: Final = 2 * DAY_MS
NAMED_MAX: Final = 10  # names in the facts of one notice, and subjects named in one group of a message
_MARK_LETTERS: Final = 12


class Level(StrEnum):
    """What a reading says."""

    WELL = "well"
    BETWEEN = "between"  # neither: what is open stays open
    WRONG = "wrong"
    GONE = "gone"  # nobody watches it any more: the provider was switched off, the limit taken away


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a message says of a notice. No link, no key and no text of a panel's is in it."""

    count: int = 0
    amount: Decimal | None = None
    currency: str = ""
    days: Decimal | None = None
    limit: Decimal | None = None
    named: tuple[str, ...] = ()  # NAMED_MAX at most; `count` says how many there are


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How something stands, as one process sees it now."""

    kind: Kind
    subject: str
    level: Level
    facts: Facts = Facts()


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A trouble as the books have it; times are ms since the epoch."""

    kind: Kind
    subject: str  # a provider, a user, a channel; empty for the house
    mark: str = ""  # tells passing news of one subject apart
    since: int  # when it was first seen
    wrong_at: int  # when any process last wrote down that it was
    opened_at: int | None = None  # None while it has not lasted long enough
    closed_at: int | None = None
    gone: bool = False  # closed because nobody watches it any more
    back: int = 0  # how often it has come back lately
    facts: Facts = Facts()
    version: int = 0  # of the row: grows with each change, so that one of two processes' changes counts

    @property
    def key(self) -> str:
        """What it is known by."""
        return f"{self.kind}:{self.subject}" + (f":{self.mark}" if self.mark else "")

    @property
    def open(self) -> bool:
        """Whether it is open."""
        return self.opened_at is not None and self.closed_at is None

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return RULES[self.kind].severity


def falling(value: Decimal, limit: Decimal) -> Level:
    """How a figure stands that should not fall below a limit."""
    if value < limit:
        return Level.WRONG
    return Level.BETWEEN if value < limit * WELL_TIMES else Level.WELL


def observe(notice: Notice | None, reading: Reading, *, rule: Rule, now: int) -> Notice | None:
    """What a notice becomes by a reading: the same object where nothing is to be written, None where there is none."""
    if notice is None or notice.closed_at is not None:
        return _begun(notice, reading, rule=rule, now=now) if reading.level is Level.WRONG else notice
    if notice.opened_at is None:
        return _waited(notice, reading, rule=rule, now=now)
    match reading.level:
        case Level.WRONG | Level.BETWEEN:
            afresh = AFRESH_MS if rule.closes_ms else AFRESH_SELDOM_MS
            return _seen(notice, reading, now=now) if now - notice.wrong_at >= afresh else notice
        case Level.WELL:
            over = now - notice.wrong_at >= closes_ms(rule, notice.back)
            return msgspec.structs.replace(notice, closed_at=now, facts=reading.facts) if over else notice
        case Level.GONE:
            return msgspec.structs.replace(notice, closed_at=now, gone=True)
        case _:
            assert_never(reading.level)


def closes_ms(rule: Rule, back: int) -> int:
    """How long a trouble that has come back so often has to be away."""
    return max(rule.closes_ms, min(rule.closes_ms << back, CLOSES_MAX_MS))


def passed_by(known: Notice | None, kind: Kind, subject: str, *, facts: Facts, now: int) -> Notice | None:
    """The notice of passing news; None where it is known already."""
    if known is not None and now - known.since < SAME_MS:
        return None
    return Notice(
        kind=kind,
        subject=subject,
        mark=mark_of(facts),
        since=now,
        wrong_at=now,
        opened_at=now,
        facts=facts,
        version=0 if known is None else known.version,
    )


def mark_of(facts: Facts) -> str:
    """What tells passing news apart: the same facts are the same news."""
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:_MARK_LETTERS]


def forgotten(notice: Notice, *, now: int) -> bool:
    """Whether a notice is over for so long that nobody asks any more."""
    ended = notice.since if RULES[notice.kind].passing else notice.closed_at
    return ended is not None and now - ended >= KEPT_MS


def _begun(before: Notice | None, reading: Reading, *, rule: Rule, now: int) -> Notice:
    back, version = 0, 0
    if before is not None and before.closed_at is not None:
        version = before.version
        if now - before.closed_at < BACK_MS and not before.gone:
            back = min(before.back + 1, BACK_TIMES_MAX)
    return Notice(
        kind=reading.kind,
        subject=reading.subject,
        since=now,
        wrong_at=now,
        opened_at=now if rule.opens_ms <= 0 else None,
        back=back,
        facts=reading.facts,
        version=version,
    )


def _waited(notice: Notice, reading: Reading, *, rule: Rule, now: int) -> Notice | None:
    """A trouble that has not lasted long enough: it has by now, it lasts, or it was none."""
    if reading.level is not Level.WRONG:
        lingers = reading.level is not Level.GONE and now - notice.wrong_at < LINGERS_MS
        return notice if lingers else None
    if now - notice.wrong_at >= UNSEEN_MS:
        return msgspec.structs.replace(notice, since=now, wrong_at=now, facts=reading.facts)
    if now - notice.since >= rule.opens_ms:
        return msgspec.structs.replace(notice, opened_at=now, wrong_at=now, facts=reading.facts)
    return _seen(notice, reading, now=now) if now - notice.wrong_at >= AFRESH_MS else notice


def _seen(notice: Notice, reading: Reading, *, now: int) -> Notice:
    return msgspec.structs.replace(notice, wrong_at=now, facts=reading.facts)
