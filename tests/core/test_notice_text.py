"""What people read: short, with what happened, since when, how much, what to do, and nothing that a stranger wrote."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.notice import DAY_MS, HOUR_MS, MINUTE_MS, NAMED_MAX, RULES, Facts, Kind, Notice, Severity, mark_of
from gateway.core.notice_text import TITLE_MAX, WORDS, lasted, moment, money, sentence, write, write_digest
from gateway.core.telling import Part, What

ROOT = Path(__file__).parents[2]
NOW = 1_769_828_400_000  # 2026-01-31 03:00 UTC
ROOM = 4096


def notice(kind: Kind, subject: str = "", *, minutes: int = 7, closed_at: int | None = None, **facts: object) -> Notice:
    """A notice that opened so many minutes ago."""
    told = Facts(**facts)  # type: ignore[arg-type] # the fields by name
    since = NOW - minutes * MINUTE_MS
    return Notice(
        kind=kind, subject=subject, mark=mark_of(told) if RULES[kind].passing else "", since=since, wrong_at=NOW,
        opened_at=since, closed_at=closed_at, facts=told,
    )  # fmt: skip


USD: dict[str, Any] = {"currency": "USD"}
LOW = notice(Kind.FUNDS_LOW, "panel-a", amount=Decimal("12.4"), days=Decimal("2.13"), **USD)
OUT = notice(Kind.FUNDS_OUT, "panel-a", amount=Decimal("0.4"), days=Decimal("0.02"), **USD)
USER = notice(Kind.USER_BALANCE_LOW, "alpha", amount=Decimal("4.2"), limit=Decimal(5), **USD)
BEGUN = {
    notice(Kind.BOOKS_VIOLATED, count=3, named=("paid", "hold")): "3 rows break the invariants paid, hold and 1 more,",
    notice(Kind.ORDERS_STOPPED): "No order is taken,",
    OUT: "panel-a: 0.40 USD left, some 1 h at the present pace; low",
    notice(Kind.MARGIN_LOST, amount=Decimal("-12.345"), **USD): "The last 24 hours made -12.34 USD,",
    notice(Kind.PROVIDER_DOWN, "panel-a"): "panel-a does not answer,",
    notice(Kind.ORDERS_UNKNOWN, count=1, amount=Decimal("0.01234"), **USD): (
        "1 order is in doubt, 0.0123 USD held for them,"
    ),
    LOW: "panel-a: 12.40 USD left, some 2.1 days at the present pace; low",
    notice(Kind.RELOAD_FAILED): "The changed providers.yaml is refused,",
    notice(Kind.CHANNEL_DEAD, "ops"): "ops takes no messages,",
    USER: "alpha: 4.20 USD left, less than 5.00 USD,",
}
ENDED = {
    Kind.BOOKS_VIOLATED: "All of the books were verified and are sound; they were not",
    Kind.ORDERS_STOPPED: "Orders are taken again; they were not",
    Kind.FUNDS_OUT: "x has 20.00 USD again, some 9.0 days at the present pace; low",
    Kind.FUNDS_LOW: "x has 20.00 USD again, some 9.0 days at the present pace; low",
    Kind.MARGIN_LOST: "The last 24 hours made 20.00 USD; a loss",
    Kind.PROVIDER_DOWN: "x answers again; down",
    Kind.ORDERS_UNKNOWN: "No order is in doubt any more; there were some",
    Kind.RELOAD_FAILED: "providers.yaml on the disk is in use again; refused",
    Kind.CHANNEL_DEAD: "x takes messages again; it did not",
    Kind.USER_BALANCE_LOW: "x is above 5.00 USD again, or pays no more; low",
}


@pytest.mark.parametrize(("told", "words"), BEGUN.items(), ids=[each.kind.value for each in BEGUN])
def test_beginning_says_what_and_since_when(told: Notice, words: str) -> None:
    """The same words where it is told again."""
    for what in (What.OPENED, What.STILL):
        assert sentence(Part(what=what, notice=told), now=NOW) == f"{words} since 02:53 UTC (7 min)."


@pytest.mark.parametrize(("kind", "words"), ENDED.items(), ids=[each.value for each in ENDED])
def test_end_says_from_when_to_when(kind: Kind, words: str) -> None:
    """The same where it was over before it was told."""
    figures: dict[str, Any] = {"amount": Decimal(20), "days": Decimal(9), "limit": Decimal(5), **USD}
    over = notice(kind, "x", closed_at=NOW, **figures)
    for what in (What.CLOSED, What.MISSED):
        assert sentence(Part(what=what, notice=over), now=NOW) == f"{words} from 02:53 UTC to 03:00 UTC (7 min)."


def test_passing_news_says_when() -> None:
    """With the limit it went over, where there is one."""
    jump = notice(Kind.PRICE_JUMP, "panel-a", count=12, limit=Decimal(50), named=("101 0.9 → 1.5",))
    lost = notice(Kind.ROUTE_LOST, "panel-a", count=1, named=("service 1 by panel-a/101",))
    assert sentence(Part(what=What.PASSED, notice=jump), now=NOW) == (
        "panel-a: 12 services dearer by more than 50 %: 101 0.9 → 1.5 and 11 more, at 02:53 UTC."
    )
    assert sentence(Part(what=What.PASSED, notice=lost), now=NOW) == (
        "1 route without margin: service 1 by panel-a/101, at 02:53 UTC."
    )
    free = notice(Kind.PRICE_JUMP, "panel-a", count=1, named=("1 0 → 1",))
    assert sentence(Part(what=What.PASSED, notice=free), now=NOW).startswith("panel-a: 1 service dearer: 1 0 → 1,")


@pytest.mark.parametrize("kind", [Kind.PRICE_JUMP, Kind.ROUTE_LOST])
@pytest.mark.parametrize("what", [What.OPENED, What.CLOSED])
def test_passing_news_neither_lasts_nor_ends(kind: Kind, what: What) -> None:
    """A mistake of ours would say it did."""
    told = notice(kind, "panel-a", closed_at=NOW if what is What.CLOSED else None)
    with pytest.raises(AssertionError, match="passes"):
        sentence(Part(what=what, notice=told), now=NOW)


def test_what_nobody_watches_any_more_is_not_called_well() -> None:
    """A provider that was switched off does not answer again."""
    for subject, name in (("panel-a", "panel-a"), ("", "provider down")):
        gone = Notice(
            kind=Kind.PROVIDER_DOWN, subject=subject, since=NOW - HOUR_MS, wrong_at=NOW, opened_at=NOW,
            closed_at=NOW, gone=True,
        )  # fmt: skip
        assert sentence(Part(what=What.CLOSED, notice=gone), now=NOW) == (
            f"{name}: no longer watched, was open from 02:00 UTC to 03:00 UTC (1 h)."
        )


def test_funds_of_a_provider_that_nothing_is_spent_at_last() -> None:
    """No days are named."""
    told = notice(Kind.FUNDS_LOW, "panel-a", closed_at=NOW, amount=Decimal(5), **USD)
    assert "panel-a has 5.00 USD again; low" in sentence(Part(what=What.CLOSED, notice=told), now=NOW)
    open_still = notice(Kind.FUNDS_LOW, "panel-a", amount=Decimal(5), **USD)
    assert "panel-a: 5.00 USD left; low" in sentence(Part(what=What.OPENED, notice=open_still), now=NOW)


@pytest.mark.parametrize(
    ("amount", "currency", "told"),
    [
        ("12.345", "USD", "12.34 USD"),
        ("-1", "USD", "-1.00 USD"),
        ("0", "USD", "0.00 USD"),
        ("0.5", "EUR", "0.50 EUR"),
        ("0.00123456", "USD", "0.00123 USD"),
        ("123456.7", "VND", "123457 VND"),
    ],
)
def test_money_is_told_as_people_read_it(amount: str, currency: str, told: str) -> None:
    """To the cent; less than a tenth to three figures."""
    assert money(Decimal(amount), currency) == told


def test_money_nobody_knows_is_a_question_mark() -> None:
    """Better than a nought."""
    assert money(None, "USD") == "? USD"


def test_times_name_their_day_where_it_is_another() -> None:
    """And lengths have their two largest units."""
    assert moment(NOW - HOUR_MS, NOW) == "02:00 UTC"
    assert moment(NOW - 4 * HOUR_MS, NOW) == "2026-01-30 23:00 UTC"
    assert [lasted(ms) for ms in (0, 59_999, MINUTE_MS, HOUR_MS, 2 * DAY_MS + 3 * HOUR_MS + MINUTE_MS)] == [
        "less than a minute",
        "less than a minute",
        "1 min",
        "1 h",
        "2 d 3 h",
    ]


def opened(*notices: Notice) -> list[Part]:
    """All of them as news."""
    return [Part(what=What.OPENED, notice=each) for each in notices]


def test_message_begins_with_the_worst_in_one_line() -> None:
    """Which is what a telephone shows."""
    down = [notice(Kind.PROVIDER_DOWN, name) for name in ("panel-a", "panel-b")]
    written = write([*opened(*down), *opened(LOW)], house="shop", now=NOW, room=ROOM)
    assert written.title == "[shop] WARNING: provider down: panel-a and 1 more (+1 more)"
    assert written.severity is Severity.WARNING
    assert written.text == (
        "WARNING provider down (2)\n"
        "- panel-a does not answer, since 02:53 UTC (7 min).\n"
        "- panel-b does not answer, since 02:53 UTC (7 min).\n"
        "Do: Orders take other routes, or wait. Does its page open? "
        "Is our key, our address, its certificate still good?\n"
        "More: docs/runbooks/GatewayProviderDown.md\n"
        "\n"
        "WARNING funds low\n"
        "- panel-a: 12.40 USD left, some 2.1 days at the present pace; low since 02:53 UTC (7 min).\n"
        "Do: Pay in.\n"
        "More: docs/runbooks/GatewayProviderFundsLow.md"
    )


def test_end_and_repetition_say_so_at_once() -> None:
    """`over` and `still` stand before the name; an end asks nothing of anybody."""
    over = Part(what=What.CLOSED, notice=notice(Kind.PROVIDER_DOWN, "panel-a", closed_at=NOW))
    ended = write([over], house="gateway", now=NOW, room=ROOM)
    assert ended.title == "[gateway] over: provider down: panel-a"
    assert ended.text == ("OVER provider down\n- panel-a answers again; down from 02:53 UTC to 03:00 UTC (7 min).")
    still = write([Part(what=What.STILL, notice=notice(Kind.RELOAD_FAILED))], house="gateway", now=NOW, room=ROOM)
    assert still.title == "[gateway] WARNING: still settings refused"
    assert still.text.startswith("WARNING still: settings refused\n")


def test_many_users_are_one_paragraph() -> None:
    """Some are named, the rest counted; all of them count as told."""
    users = [notice(Kind.USER_BALANCE_LOW, f"u{n}", amount=Decimal(1), limit=Decimal(5), **USD) for n in range(25)]
    written = write(opened(*users), house="gateway", now=NOW, room=ROOM)
    assert written.title == "[gateway] INFO: users' balances low: u0 and 24 more"
    assert written.text.count("\n- u") == NAMED_MAX
    assert "\n- and 15 more\n" in written.text
    assert len(written.parts) == 25


def test_what_does_not_fit_is_left_for_the_next_message() -> None:
    """The worst is told, whatever its length, and the rest is counted."""
    parts = opened(notice(Kind.ORDERS_STOPPED), LOW, USER)
    written = write(parts, house="gateway", now=NOW, room=10)
    assert [part.notice.kind for part in written.parts] == [Kind.ORDERS_STOPPED]
    assert written.text.endswith("\n\n2 more notices in the next message.")
    one = write(parts[:2], house="gateway", now=NOW, room=10)
    assert one.text.endswith("1 more notice in the next message.")


def test_what_waited_for_the_hour_is_said() -> None:
    """So that nobody takes it for fresh."""
    written = write(opened(LOW), house="gateway", late=1, now=NOW, room=ROOM)
    assert written.text.startswith("1 of these waited: a channel has 20 messages an hour.\n\nWARNING funds low")


def test_message_about_nothing_is_a_mistake() -> None:
    """Nobody is woken for it."""
    with pytest.raises(AssertionError, match="nothing"):
        write([], house="gateway", now=NOW, room=ROOM)


def test_names_are_shown_without_what_a_line_would_obey() -> None:
    """A user's name may be anything; a title is cut at its length."""
    odd = notice(Kind.USER_BALANCE_LOW, "a\r\nBcc: x\u202e" + "y" * 60, amount=Decimal(1), limit=Decimal(5), **USD)
    written = write(opened(odd), house="h" * 40, now=NOW, room=ROOM)
    assert "\r" not in written.title + written.text
    assert "a··Bcc: x·" + "y" * 29 + "…:" in written.text
    assert len(written.title) <= TITLE_MAX
    jump = notice(Kind.CHANNEL_DEAD, "x" * 40)
    long = write([*opened(jump), *opened(*[LOW] * 3)], house="h" * 60, now=NOW, room=ROOM)
    assert len(long.title) == TITLE_MAX
    assert long.title.endswith("…")


def test_digest_has_what_is_open_what_ended_and_what_passed() -> None:
    """Of the last 24 hours, the worst first; of what is open, however long."""
    notices = [
        notice(Kind.PROVIDER_DOWN, "panel-a", minutes=5000),
        notice(Kind.FUNDS_OUT, "panel-b", amount=Decimal(1), days=Decimal("0.1"), **USD),
        notice(Kind.PROVIDER_DOWN, "panel-c", closed_at=NOW),
        notice(Kind.PROVIDER_DOWN, "panel-d", minutes=9000, closed_at=NOW - DAY_MS - 1),
        notice(Kind.PRICE_JUMP, "panel-a", count=1, named=("1 2 → 4",)),
        notice(Kind.PRICE_JUMP, "panel-b", minutes=1441, count=1, named=("1 2 → 4",)),
    ]
    digest = write_digest(notices, house="gateway", now=NOW, room=ROOM)
    assert digest.title == "[gateway] the day: 2 open, 1 ended and 1 passed in the last 24 hours"
    assert digest.severity is Severity.CRITICAL
    assert digest.parts == ()
    heads = [line for line in digest.text.splitlines() if line.isupper() or line.split(" ")[0].isupper()]
    assert heads == [
        "CRITICAL still: funds nearly gone",
        "WARNING still: provider down",
        "OVER provider down",
        "WARNING prices jumped",
    ]
    short = write_digest(notices, house="gateway", now=NOW, room=10)
    assert short.text.endswith("\n\n3 more: `gateway notify list` has all that is open.")


def test_digest_of_a_quiet_day_is_a_sign_of_life() -> None:
    """It comes all the same."""
    digest = write_digest([], house="gateway", now=NOW, room=ROOM)
    assert digest.title == "[gateway] the day: 0 open, 0 ended and 0 passed in the last 24 hours"
    assert (digest.text, digest.severity) == ("Nothing is wrong that is watched.", Severity.INFO)


def test_every_kind_says_what_to_do_and_where_more_is_said() -> None:
    """The pages are there, and so are their headings."""
    assert set(WORDS) == set(Kind)
    for kind, words in WORDS.items():
        path, _, heading = words.page.partition("#")
        page = (ROOT / path).read_text("utf-8")
        assert words.do.endswith((".", "?", "both."))
        assert not heading or f"### {heading}\n" in page, kind


SUBJECTS = st.text(max_size=60)


@given(st.lists(st.tuples(st.sampled_from([kind for kind in Kind if not RULES[kind].passing]), SUBJECTS), min_size=1))
def test_any_notices_are_told_in_lines(notices: list[tuple[Kind, str]]) -> None:
    """Whatever subjects are called: no letter of theirs ends a line, and everything is told or counted."""
    told = [notice(kind, subject, amount=Decimal(1), limit=Decimal(1), **USD) for kind, subject in notices]
    parts = sorted(opened(*told), key=lambda part: part.notice.kind)
    written = write(parts, house="gateway", now=NOW, room=1_000_000)
    assert written.title.isprintable()
    assert all(line.isprintable() for line in written.text.split("\n"))
    assert len(written.parts) == len(parts)
