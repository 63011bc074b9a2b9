"""What people read: a message about notices in plain words, made to be understood at three in the morning.

The first line is what a telephone shows. Then a paragraph for each kind of trouble, the worst first: what happened,
since when, how much, what to do, and the page that says more. Many subjects of one kind are one paragraph, which names
NAMED_MAX of them and counts the rest. What does not fit into a channel's largest message is left for the next one, and
the message says how many notices that are.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import groupby
from typing import Final, assert_never

import msgspec

from gateway.core.money import SMALL_CURRENCIES
from gateway.core.notice import DAY_MS, HOUR_MS, MINUTE_MS, NAMED_MAX, Facts, Kind, Notice, Severity
from gateway.core.telling import MESSAGES_PER_HOUR_MAX, Part, What

# Plain text to the end of this line; a subject or a title that is longer is cut.
TITLE_MAX: Final = 120
_NAME_MAX: Final = 40
_TENTH: Final = Decimal("0.1")
# Kept free for the line that says how many notices are left for the next message.
_REST: Final = 60


class Words(msgspec.Struct, frozen=True):
    """What is said of a kind, whatever the figures are."""

    name: str
    do: str
    page: str


WORDS: Final[dict[Kind, Words]] = {
    Kind.BOOKS_VIOLATED: Words(
        "books violated",
        "New orders are stopped, reads go on. Run `gateway ledger verify`, and mend before anything else.",
        "docs/runbooks/GatewayBooksViolated.md",
    ),
    Kind.ORDERS_STOPPED: Words(
        "orders stopped",
        "Every `add` is refused. The log says why, at level critical; so does `/ready`.",
        "docs/runbooks/GatewayOrdersStopped.md",
    ),
    Kind.FUNDS_OUT: Words(
        "funds nearly gone",
        "Pay in now: when they are gone the panel refuses orders, which go elsewhere or fail.",
        "docs/runbooks/GatewayProviderFundsOut.md",
    ),
    Kind.MARGIN_LOST: Words(
        "sold at a loss",
        "Look which provider or service it is: `gateway catalogue` has the margins. Raise the markup, or take it off.",
        "docs/runbooks/GatewayMarginLost.md",
    ),
    Kind.PROVIDER_DOWN: Words(
        "provider down",
        "Orders take other routes, or wait. Does its page open? Is our key, our address, its certificate still good?",
        "docs/runbooks/GatewayProviderDown.md",
    ),
    Kind.ORDERS_UNKNOWN: Words(
        "orders in doubt",
        "Nothing is sent twice and nothing is lost by waiting. `gateway unknown list` has them.",
        "docs/runbooks/GatewayOrdersUnknown.md",
    ),
    Kind.FUNDS_LOW: Words("funds low", "Pay in.", "docs/runbooks/GatewayProviderFundsLow.md"),
    Kind.RELOAD_FAILED: Words(
        "settings refused",
        "The settings before stay in use. `gateway config check` says what is wrong, with its line.",
        "docs/runbooks/GatewayConfigRefused.md",
    ),
    Kind.CHANNEL_DEAD: Words(
        "channel dead",
        "What was to be told there waits. `gateway notify test` tries it; the log has `notice_not_taken`.",
        "docs/notices.md#channel_dead",
    ),
    Kind.ROUTE_LOST: Words(
        "routes lost their margin",
        "These routes would sell below cost and margin, so they are passed over: a service with no other has no way "
        "out when its first one fails.",
        "docs/notices.md#route_lost",
    ),
    Kind.PRICE_JUMP: Words(
        "prices jumped",
        "They wait until somebody accepts them (`gateway catalogue held`), at the former price or off sale, unless "
        "`price_jump_max` lets them. Is the panel mistaken, or are users told first?",
        "docs/notices.md#price_jump",
    ),
    Kind.USER_BALANCE_LOW: Words(
        "users' balances low", "Remind them, or pay in for them.", "docs/notices.md#user_balance_low"
    ),
}


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A message, and what of it was to be told it has."""

    title: str
    text: str  # the title is not in it
    parts: tuple[Part, ...]
    severity: Severity


def write(parts: Sequence[Part], *, house: str, now: int, room: int, late: int = 0) -> Written:
    """A message of these parts, in their order, of at most `room` characters with its title.

    At least one group is told, which may be longer than that where its names are: the channel's own form cuts it.
    `late` of the parts were held back.
    """
    assert parts, "a message about nothing"
    title = _title(parts, house)
    head = [f"{late} of these waited: a channel has {MESSAGES_PER_HOUR_MAX} messages an hour."] if late else []
    paragraphs, told = _fitting(parts, now=now, room=room - len(title) - sum(map(len, head)) - _REST)
    rest = len(parts) - len(told)
    tail = [f"{_counted(rest, 'more notice', 'more notices')} in the next message."] if rest else []
    return Written(
        title=title,
        text="\n\n".join([*head, *paragraphs, *tail]),
        parts=told,
        severity=max((part.notice.severity for part in told), key=lambda each: each.rank),
    )


def write_digest(notices: Sequence[Notice], *, house: str, now: int, room: int) -> Written:
    """The digest of a day: what is open, and what opened, ended and happened in the 24 hours before."""
    opened = [each for each in notices if each.open and not _passing(each)]
    lately = now - DAY_MS
    ended = [each for each in notices if each.closed_at is not None and each.closed_at >= lately]
    passed = [each for each in notices if _passing(each) and each.since >= lately]
    counted = f"{len(opened)} open, {len(ended)} ended and {len(passed)} passed in the last 24 hours"
    title = _cut(f"[{house}] the day: {counted}")
    parts = [Part(what=What.STILL, notice=each) for each in sorted(opened, key=_worst)]
    parts += [Part(what=What.CLOSED, notice=each) for each in sorted(ended, key=_worst)]
    parts += [Part(what=What.PASSED, notice=each) for each in sorted(passed, key=_worst)]
    if not parts:
        return Written(title=title, text="Nothing is wrong that is watched.", parts=(), severity=Severity.INFO)
    paragraphs, told = _fitting(parts, now=now, room=room - len(title) - _REST)
    rest = len(parts) - len(told)
    tail = [f"{rest} more: `gateway notify list` has all that is open."] if rest else []
    severity = max((each.severity for each in opened), key=lambda each: each.rank, default=Severity.INFO)
    return Written(title=title, text="\n\n".join([*paragraphs, *tail]), parts=(), severity=severity)


def sentence(part: Part, *, now: int) -> str:
    """What is said of one part, in one line."""
    notice, facts = part.notice, part.notice.facts
    name = _name(notice.subject)
    match part.what:
        case What.CLOSED | What.MISSED if notice.gone:
            return f"{name or WORDS[notice.kind].name}: no longer watched, was open {_span(notice, now)}."
        case What.CLOSED | What.MISSED:
            return f"{_ended(notice.kind, name, facts)} {_span(notice, now)}."
        case What.PASSED:
            return f"{_passed(notice.kind, name, facts)} at {moment(notice.since, now)}."
        case What.OPENED | What.STILL:
            length = lasted(now - notice.since)
            return f"{_open(notice.kind, name, facts)} since {moment(notice.since, now)} ({length})."
        case _:
            assert_never(part.what)


def moment(at: int, now: int) -> str:
    """A time in UTC, with its day where that is another one."""
    then = datetime.fromtimestamp(at // 1000, UTC)
    here = datetime.fromtimestamp(now // 1000, UTC)
    return f"{then:%H:%M} UTC" if then.date() == here.date() else f"{then:%Y-%m-%d %H:%M} UTC"


def lasted(ms: int) -> str:
    """How long something lasted, in the two largest units."""
    if ms < MINUTE_MS:
        return "less than a minute"
    days, rest = divmod(ms, DAY_MS)
    hours, rest = divmod(rest, HOUR_MS)
    minutes = rest // MINUTE_MS
    told = [f"{many} {unit}" for many, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if many]
    return " ".join(told[:2])


def money(amount: Decimal | None, currency: str) -> str:
    """An amount as people read it: to the cent, or to three figures where it is less than a tenth."""
    if amount is None:
        return f"? {currency}"
    if currency in SMALL_CURRENCIES:
        places = Decimal(1)
    elif amount == 0 or abs(amount) >= _TENTH:
        places = Decimal("0.01")
    else:
        places = Decimal(1).scaleb(min(amount.adjusted() - 2, -2))
    return f"{amount.quantize(places, ROUND_HALF_EVEN):f} {currency}"


def _fitting(parts: Sequence[Part], *, now: int, room: int) -> tuple[list[str], tuple[Part, ...]]:
    """The paragraphs that fit, the first whatever its length, and the parts that they tell of."""
    paragraphs: list[str] = []
    told: list[Part] = []
    for _, several in groupby(parts, key=lambda part: (part.what, part.notice.kind)):
        group = tuple(several)
        paragraph = _paragraph(group, now=now)
        room -= len(paragraph) + 2
        if told and room < 0:
            break
        paragraphs.append(paragraph)
        told += group
    return paragraphs, tuple(told)


def _title(parts: Sequence[Part], house: str) -> str:
    """The worst of it in a line, and how much more there is."""
    first = parts[0]
    words = WORDS[first.notice.kind].name
    alike = [part for part in parts if (part.what, part.notice.kind) == (first.what, first.notice.kind)]
    about = f": {_name(first.notice.subject)}" if first.notice.subject else ""
    if len(alike) > 1:
        about += f" and {len(alike) - 1} more"
    ended = first.what in (What.CLOSED, What.MISSED)
    how = "over" if ended else first.notice.severity.upper()
    others = len(parts) - len(alike)
    more = f" (+{others} more)" if others else ""
    still = "still " if first.what is What.STILL else ""
    return _cut(f"[{house}] {how}: {still}{words}{about}{more}")


def _paragraph(group: Sequence[Part], *, now: int) -> str:
    """All parts of one kind that are told alike."""
    kind, what = group[0].notice.kind, group[0].what
    ended = what in (What.CLOSED, What.MISSED)
    many = f" ({len(group)})" if len(group) > 1 else ""
    still = "still: " if what is What.STILL else ""
    lines = [f"{'OVER' if ended else group[0].notice.severity.upper()} {still}{WORDS[kind].name}{many}"]
    lines += [f"- {sentence(part, now=now)}" for part in group[:NAMED_MAX]]
    if len(group) > NAMED_MAX:
        lines.append(f"- and {len(group) - NAMED_MAX} more")
    if not ended:
        lines += [f"Do: {WORDS[kind].do}", f"More: {WORDS[kind].page}"]
    return "\n".join(lines)


def _open(kind: Kind, name: str, facts: Facts) -> str:
    match kind:
        case Kind.BOOKS_VIOLATED:
            return f"{_counted(facts.count, 'row breaks', 'rows break')} the invariants {_named(facts)},"
        case Kind.ORDERS_STOPPED:
            return "No order is taken,"
        case Kind.FUNDS_OUT | Kind.FUNDS_LOW:
            lasts = "" if facts.days is None else f", {_days(facts.days)} at the present pace"
            return f"{name}: {money(facts.amount, facts.currency)} left{lasts}; low"
        case Kind.MARGIN_LOST:
            return f"The last 24 hours made {money(facts.amount, facts.currency)},"
        case Kind.PROVIDER_DOWN:
            return f"{name} does not answer,"
        case Kind.ORDERS_UNKNOWN:
            held = money(facts.amount, facts.currency)
            return f"{_counted(facts.count, 'order is', 'orders are')} in doubt, {held} held for them,"
        case Kind.RELOAD_FAILED:
            return "The changed providers.yaml is refused,"
        case Kind.CHANNEL_DEAD:
            return f"{name} takes no messages,"
        case Kind.USER_BALANCE_LOW:
            return f"{name}: {money(facts.amount, facts.currency)} left, less than {_limit(facts)},"
        case Kind.ROUTE_LOST | Kind.PRICE_JUMP:
            raise AssertionError(f"{kind} passes")
        case _:
            assert_never(kind)


def _ended(kind: Kind, name: str, facts: Facts) -> str:
    match kind:
        case Kind.BOOKS_VIOLATED:
            return "All of the books were verified and are sound; they were not"
        case Kind.ORDERS_STOPPED:
            return "Orders are taken again; they were not"
        case Kind.FUNDS_OUT | Kind.FUNDS_LOW:
            lasts = "" if facts.days is None else f", {_days(facts.days)} at the present pace"
            return f"{name} has {money(facts.amount, facts.currency)} again{lasts}; low"
        case Kind.MARGIN_LOST:
            return f"The last 24 hours made {money(facts.amount, facts.currency)}; a loss"
        case Kind.PROVIDER_DOWN:
            return f"{name} answers again; down"
        case Kind.ORDERS_UNKNOWN:
            return "No order is in doubt any more; there were some"
        case Kind.RELOAD_FAILED:
            return "providers.yaml on the disk is in use again; refused"
        case Kind.CHANNEL_DEAD:
            return f"{name} takes messages again; it did not"
        case Kind.USER_BALANCE_LOW:
            return f"{name} is above {_limit(facts)} again, or pays no more; low"
        case Kind.ROUTE_LOST | Kind.PRICE_JUMP:
            raise AssertionError(f"{kind} passes")
        case _:
            assert_never(kind)


def _passed(kind: Kind, name: str, facts: Facts) -> str:
    limit = "" if facts.limit is None else f" by more than {facts.limit:f} %"
    if kind is Kind.PRICE_JUMP:
        return f"{name}: {_counted(facts.count, 'service', 'services')} dearer{limit}: {_named(facts)},"
    return f"{_counted(facts.count, 'route', 'routes')} without margin: {_named(facts)},"


def _span(notice: Notice, now: int) -> str:
    """From when to when, and how long."""
    assert notice.closed_at is not None, "it has ended"
    length = lasted(notice.closed_at - notice.since)
    return f"from {moment(notice.since, now)} to {moment(notice.closed_at, now)} ({length})"


def _named(facts: Facts) -> str:
    more = facts.count - len(facts.named)
    told = ", ".join(_name(each) for each in facts.named)
    return f"{told} and {more} more" if more > 0 else told


def _days(days: Decimal) -> str:
    if days < 1:
        return f"some {max(int(days * 24), 1)} h"
    return f"some {days.quantize(Decimal('0.1'), ROUND_HALF_EVEN):f} days"


def _limit(facts: Facts) -> str:
    return money(facts.limit, facts.currency)


def _counted(many: int, one: str, several: str) -> str:
    return f"{many} {one if many == 1 else several}"


def _name(text: str) -> str:
    """A name as it may stand in a line: printable, and not longer than one reads."""
    shown = "".join(letter if letter.isprintable() else "·" for letter in text)
    return shown if len(shown) <= _NAME_MAX else shown[: _NAME_MAX - 1] + "…"


def _cut(title: str) -> str:
    return title if len(title) <= TITLE_MAX else title[: TITLE_MAX - 1] + "…"


def _passing(notice: Notice) -> bool:
    return notice.mark != ""


def _worst(notice: Notice) -> tuple[int, int, str]:
    return -notice.severity.rank, list(Kind).index(notice.kind), notice.key
