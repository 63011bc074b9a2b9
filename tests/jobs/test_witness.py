"""The witness: what the metrics say becomes readings, and what they have not said yet becomes none."""

from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from math import inf

import pytest

from gateway.actions.desk import Desk
from gateway.core.notice import Facts, Kind, Level, Notice, Reading
from gateway.core.telling import Channel
from gateway.jobs import witness
from gateway.jobs.witness import Witness
from gateway.metrics.house import INVARIANTS
from gateway.settings.notify import Notify, NotifyChannel
from gateway.store.notices import Board
from gateway.store.store import open_store
from tests.gateway_process import NOBODY
from tests.stocked import NOW, Time, close_desk, make_desk
from tests.store.trade import make_user

EMPTY = Board(notices={}, heard={}, channels={})
UNIT = 10**8


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A desk with two providers that nobody has asked anything."""
    store = open_store(database_url)
    await store.open()
    await store.migrate()
    made = make_desk(store, {"panel-a": NOBODY, "panel-b": NOBODY}, Time())
    yield made
    await close_desk(made)
    await store.close()


async def readings(desk: Desk, notify: Notify = Notify(), board: Board = EMPTY) -> dict[tuple[Kind, str], Reading]:  # noqa: B008 - frozen
    """What is read, by kind and subject."""
    found = await Witness(desk).readings(notify, board)
    assert len({(each.kind, each.subject) for each in found}) == len(found)
    return {(each.kind, each.subject): each for each in found}


def board_with(*notices: tuple[Kind, str]) -> Board:
    """A board on which these are open."""
    made = [Notice(kind=kind, subject=subject, since=NOW, wrong_at=NOW, opened_at=NOW) for kind, subject in notices]
    return Board(notices={each.key: each for each in made}, heard={}, channels={})


async def test_process_that_is_young_says_little(desk: Desk) -> None:
    """What nobody has measured yet is neither well nor wrong: an open notice stays open."""
    board = board_with((Kind.PROVIDER_DOWN, "panel-a"), (Kind.BOOKS_VIOLATED, ""), (Kind.ORDERS_UNKNOWN, ""))
    found = await readings(desk, board=board)
    assert {key: each.level for key, each in found.items()} == {
        (Kind.ORDERS_STOPPED, ""): Level.WELL,
        (Kind.RELOAD_FAILED, ""): Level.WELL,
    }


async def test_providers_are_read_with_their_funds(desk: Desk) -> None:
    """Down or up; days left against both limits, with the balance in the provider's currency."""
    desk.metrics.provider_answered("panel-a", up=False)
    desk.metrics.provider_answered("panel-b", up=True)
    desk.metrics.provider_balance("panel-a", Decimal("1.25"))
    desk.metrics.funds_last("panel-a", 0.1)
    desk.metrics.provider_balance("panel-b", Decimal(7))
    desk.metrics.funds_last("panel-b", inf)
    found = await readings(desk)
    assert found[Kind.PROVIDER_DOWN, "panel-a"].level is Level.WRONG
    assert found[Kind.PROVIDER_DOWN, "panel-b"].level is Level.WELL
    facts = Facts(amount=Decimal("1.25"), currency="USD", days=Decimal("0.1"))
    for kind in (Kind.FUNDS_LOW, Kind.FUNDS_OUT):
        assert found[kind, "panel-a"] == Reading(kind=kind, subject="panel-a", level=Level.WRONG, facts=facts)
        assert found[kind, "panel-b"].level is Level.WELL
        assert found[kind, "panel-b"].facts.days is None
    between = await readings(desk, Notify(funds_days=Decimal("0.09")))
    assert between[Kind.FUNDS_LOW, "panel-a"].level is Level.BETWEEN


async def test_provider_that_is_switched_off_or_gone_is_no_longer_watched(desk: Desk) -> None:
    """Whatever it said last."""
    desk.metrics.provider_answered("panel-a", up=False)
    desk.switched_off = frozenset({"panel-a"})
    board = board_with((Kind.PROVIDER_DOWN, "panel-a"), (Kind.FUNDS_LOW, "gone"))
    found = await readings(desk, board=board)
    assert found[Kind.PROVIDER_DOWN, "panel-a"].level is Level.GONE
    assert found[Kind.FUNDS_LOW, "gone"].level is Level.GONE


async def test_books_are_well_only_after_all_of_them_were_verified(desk: Desk) -> None:
    """A clean last day proves nothing; what is broken is named at once, and is not told a second time as a stop."""
    clean = dict.fromkeys(INVARIANTS, 0)
    desk.metrics.books_verified(clean, whole=False, at_seconds=1.0)
    assert (Kind.BOOKS_VIOLATED, "") not in await readings(desk)
    desk.metrics.books_verified({**clean, "paid": 2, "hold": 1}, whole=False, at_seconds=2.0)
    desk.placing = False
    found = await readings(desk)
    broken = found[Kind.BOOKS_VIOLATED, ""]
    assert (broken.level, broken.facts.count, set(broken.facts.named)) == (Level.WRONG, 3, {"paid", "hold"})
    assert found[Kind.ORDERS_STOPPED, ""].level is Level.WELL
    desk.metrics.books_verified(clean, whole=True, at_seconds=3.0)
    found = await readings(desk)
    assert found[Kind.BOOKS_VIOLATED, ""].level is Level.WELL
    assert found[Kind.ORDERS_STOPPED, ""].level is Level.WRONG  # placing is still off, and nothing is broken


@pytest.mark.parametrize("field", ["unfenced", "safe_mode"])
async def test_orders_are_stopped_for_other_reasons_too(desk: Desk, field: str) -> None:
    """A broken fence, safe mode."""
    setattr(desk, field, "why")
    assert (await readings(desk))[Kind.ORDERS_STOPPED, ""].level is Level.WRONG


async def test_doubt_margin_and_settings_are_read(desk: Desk) -> None:
    """With their figures."""
    desk.metrics.doubt_counted(2, {"USD": Decimal("1.5")})
    desk.metrics.day_counted(sold={}, refunded={}, margin={"USD": Decimal("-0.25")})
    desk.metrics.config_refused()
    found = await readings(desk)
    unknown, margin = found[Kind.ORDERS_UNKNOWN, ""], found[Kind.MARGIN_LOST, ""]
    assert (unknown.level, unknown.facts.count, unknown.facts.amount) == (Level.WRONG, 2, Decimal("1.5"))
    assert (margin.level, margin.facts.amount, margin.facts.currency) == (Level.WRONG, Decimal("-0.25"), "USD")
    assert found[Kind.RELOAD_FAILED, ""].level is Level.WRONG
    desk.metrics.doubt_counted(0, {"USD": Decimal(0)})
    desk.metrics.day_counted(sold={}, refunded={}, margin={"USD": Decimal(0)})
    desk.metrics.config_loaded(at_seconds=1.0)
    found = await readings(desk)
    assert {found[kind, ""].level for kind in (Kind.ORDERS_UNKNOWN, Kind.MARGIN_LOST, Kind.RELOAD_FAILED)} == {
        Level.WELL
    }


async def test_channels_are_read_from_the_board(desk: Desk) -> None:
    """One that fails is wrong; of one that is no more nothing is watched."""
    notify = Notify(channels={"ops": NotifyChannel(), "desk": NotifyChannel(), "new": NotifyChannel()})
    channels = {"ops": Channel(name="ops", since=1, failing_since=5, tries=1), "desk": Channel(name="desk", since=1)}
    notices = board_with((Kind.CHANNEL_DEAD, "gone")).notices
    found = await readings(desk, notify, Board(notices=notices, heard={}, channels=channels))
    levels = {subject: each.level for (kind, subject), each in found.items() if kind is Kind.CHANNEL_DEAD}
    assert levels == {"ops": Level.WRONG, "desk": Level.WELL, "gone": Level.GONE}


async def test_users_are_read_against_the_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below it, between, well again; and nobody's where there is no limit any more."""
    monkeypatch.setattr(witness, "USERS_SECONDS", 0.0)
    for name, money in (("low", 4), ("near", 6), ("rich", 50)):
        await make_user(desk.store, name, money=money * UNIT)
    kind = Kind.USER_BALANCE_LOW
    board = board_with((kind, "rich"), (kind, "low"))
    found = await readings(desk, Notify(user_balance=Decimal(5)), board)
    assert {subject: each.level for (of, subject), each in found.items() if of is kind} == {
        "low": Level.WRONG,
        "near": Level.BETWEEN,
        "rich": Level.WELL,
    }
    assert found[kind, "low"].facts == Facts(amount=Decimal(4), currency="USD", limit=Decimal(5))
    found = await readings(desk, Notify(), board)
    assert {subject: each.level for (of, subject), each in found.items() if of is kind} == {
        "low": Level.GONE,
        "rich": Level.GONE,
    }
    monkeypatch.setattr(witness, "LOW_USERS_MAX", 2)
    found = await readings(desk, Notify(user_balance=Decimal(5)), board)
    assert (kind, "rich") not in found  # whoever is not among the first may have been left out


async def test_users_are_looked_at_now_and_then(desk: Desk) -> None:
    """A sum over all of them, so not at each look; another limit is another look."""
    await make_user(desk.store, "low", money=4 * UNIT)
    there = Witness(desk)
    look = partial(there.readings, board=EMPTY)

    async def low(limit: int) -> list[str]:
        found = await look(Notify(user_balance=Decimal(limit)))
        return [each.subject for each in found if each.kind is Kind.USER_BALANCE_LOW]

    assert await low(5) == ["low"]
    await make_user(desk.store, "lower", money=UNIT)
    assert await low(5) == ["low"]
    assert await low(6) == ["low", "lower"]
